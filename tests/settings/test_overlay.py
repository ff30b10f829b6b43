"""The environment over the file."""

from typing import Any

import pytest

from gateway.settings.overlay import NOT_SETTINGS, overlay


def apply(tree: dict[str, Any], **environ: str) -> list[str]:
    return overlay(tree, environ)[1]


def test_a_variable_replaces_what_the_file_says_and_is_remembered_as_its_origin() -> None:
    tree: dict[str, Any] = {"server": {"port": 1}}
    origins, problems = overlay(tree, {"SLUICE_SERVER__PORT": "2", "HOME": "/root"})
    assert tree == {"server": {"port": "2"}}
    assert origins == {"server.port": "SLUICE_SERVER__PORT"}
    assert problems == []


def test_names_of_maps_match_existing_ones_whatever_their_case() -> None:
    tree: dict[str, Any] = {"storage": {"main": {"kind": "s3"}}}
    assert not apply(tree, SLUICE_STORAGE__MAIN__REGION="eu-west-1")
    assert tree == {"storage": {"main": {"kind": "s3", "region": "eu-west-1"}}}


def test_an_exact_name_wins_over_one_that_differs_by_case() -> None:
    tree: dict[str, Any] = {"storage": {"main": {"kind": "s3"}, "MAIN": {"kind": "s3"}}}
    assert not apply(tree, SLUICE_STORAGE__MAIN__REGION="eu-west-1")
    assert tree["storage"]["MAIN"]["region"] == "eu-west-1"


def test_a_new_name_in_a_map_is_taken_as_it_is_written() -> None:
    tree: dict[str, Any] = {}
    assert not apply(tree, SLUICE_KEYS__NEWKEY0123456789__SECRET="s")
    assert tree == {"keys": {"NEWKEY0123456789": {"secret": "s"}}}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("SLUICE_SERVER__PROT", "Did you mean SLUICE_SERVER__PORT?"),
        ("SLUICE_SERVR__PORT", "Did you mean SLUICE_SERVER__PORT?"),
        ("SLUICE_SERVER_PORT", "Did you mean SLUICE_SERVER__PORT?"),
        ("SLUICE_PORT", "Did you mean SLUICE_SERVER__PORT?"),
        ("SLUICE_BUCKETS_DEFAULT_STORAGE", "Did you mean SLUICE_BUCKETS_DEFAULT__STORAGE?"),
        ("SLUICE_STORAGE_MAIN__REGION", "Did you mean SLUICE_STORAGE__MAIN__REGION?"),
        ("SLUICE_STORAGE__MAIN__ENDPONT_URL", "Did you mean SLUICE_STORAGE__MAIN__ENDPOINT_URL?"),
        ("SLUICE_QQQQ", "Known here: auth, buckets"),
        ("SLUICE_STORAGE__", "Known here: main."),
        ("SLUICE_SERVER", "server is a section; name a setting in it: SLUICE_SERVER__..."),
        ("SLUICE_STORAGE", "storage is a section"),
        ("SLUICE_LOG__LEVEL__DEBUG", "log.level is no section."),
    ],
)
def test_pitfall_22_a_variable_that_matches_nothing_is_named_with_the_nearest_right_one(
    name: str, problem: str
) -> None:
    (line,) = apply({"storage": {"main": {"kind": "s3"}}}, **{name: "x"})
    assert line.startswith(f"{name}: ")
    assert problem in line


def test_a_variable_below_what_the_file_made_a_value_is_refused() -> None:
    assert apply({"server": 3}, SLUICE_SERVER__PORT="1") == [
        "SLUICE_SERVER__PORT: server is no section."
    ]


def test_the_command_lines_own_variables_are_no_settings() -> None:
    tree: dict[str, Any] = {}
    assert not apply(tree, **dict.fromkeys(NOT_SETTINGS, "x"))
    assert tree == {}


@pytest.mark.parametrize("service", ["SLUICE", "SLUICE_METRICS", "SLUICE_S3"])
def test_what_kubernetes_tells_of_a_service_of_our_name_is_no_setting(service: str) -> None:
    address = "10.0.0.1"
    told = {
        f"{service}_SERVICE_HOST": address,
        f"{service}_SERVICE_PORT": "80",
        f"{service}_SERVICE_PORT_HTTP": "80",
        f"{service}_PORT": f"tcp://{address}:80",
        f"{service}_PORT_80_TCP": f"tcp://{address}:80",
        f"{service}_PORT_80_TCP_PROTO": "tcp",
        f"{service}_PORT_80_TCP_PORT": "80",
        f"{service}_PORT_80_TCP_ADDR": address,
    }
    tree: dict[str, Any] = {}
    assert overlay(tree, told) == ({}, [])
    assert tree == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLUICE_PORT", "8080"),
        ("SLUICE_SERVER_PORT", "8080"),
        ("SLUICE_SERVICE", "10.0.0.1"),
        ("SLUICE_SERVER__PORT_80_TCP", "80"),
        ("SLUICE_SERVER__SERVICE_PORT", "80"),
    ],
)
def test_what_only_looks_like_it_is_still_a_mistake(name: str, value: str) -> None:
    assert len(apply({}, **{name: value})) == 1
