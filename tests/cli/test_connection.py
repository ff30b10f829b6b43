"""Which gateway, and which key."""

from pathlib import Path

import pytest

from gateway.auth.keys import KeyRing
from gateway.cli.connection import Connection, local_endpoint, local_key
from gateway.cli.mistakes import Mistake
from gateway.settings import load_settings

CONFIG = """
[server]
port = 9999
region = "eu-west-1"
[keys.ZCONFIGUREDKEY01]
secret = "configured"
[keys.DISABLEDKEY000001]
secret = "x"
disabled = true
"""
OURS = {"SLUICE_ACCESS_KEY_ID": "OURKEY0123456789", "SLUICE_SECRET_ACCESS_KEY": "ours"}
AWS = {"AWS_ACCESS_KEY_ID": "AWSKEY0123456789", "AWS_SECRET_ACCESS_KEY": "aws"}


@pytest.fixture
def config(folder: Path) -> Path:
    (folder / "sluice.toml").write_text(CONFIG)
    return folder / "sluice.toml"


def test_an_option_beats_the_environment_and_that_the_local_configuration(config: Path) -> None:
    endpoints = {"SLUICE_ENDPOINT": "http://ours", "AWS_ENDPOINT_URL": "http://aws"}
    assert Connection(endpoint="http://o/", environ=endpoints).endpoint == "http://o"
    assert Connection(environ=endpoints).endpoint == "http://ours"
    del endpoints["SLUICE_ENDPOINT"]
    assert Connection(environ=endpoints).endpoint == "http://aws"
    assert Connection(environ={"SLUICE_ENDPOINT": ""}).endpoint == "http://127.0.0.1:9999"


@pytest.mark.parametrize(
    ("key", "environ", "found", "source"),
    [
        ("GIVEN:s:t", OURS, ("GIVEN", "s:t"), "--key"),
        (None, OURS | AWS, ("OURKEY0123456789", "ours"), "SLUICE_ACCESS_KEY_ID"),
        (None, AWS, ("AWSKEY0123456789", "aws"), "AWS_ACCESS_KEY_ID"),
        ("AWSKEY0123456789", OURS | AWS, ("AWSKEY0123456789", "aws"), "AWS_ACCESS_KEY_ID"),
        (None, {}, ("ZCONFIGUREDKEY01", "configured"), "the local keys"),
        ("ZCONFIGUREDKEY01", OURS, ("ZCONFIGUREDKEY01", "configured"), "the local keys"),
    ],
)
def test_a_key_is_looked_for_in_order(
    config: Path, key: str | None, environ: dict[str, str], found: tuple[str, str], source: str
) -> None:
    connection = Connection(key=key, environ=environ)
    assert (connection.account.access_key_id, connection.account.secret) == found
    assert connection.source == source


def test_keys_made_later_do_not_take_the_first_ones_place(folder: Path) -> None:
    settings = load_settings(None, {})
    made = [KeyRing.open(settings).create(policy="upload-only").id for _ in range(6)]
    found = local_key(settings)
    assert found is not None
    assert found.id == made[0]
    assert [key.id for key in KeyRing.open(settings).list()] == made


def test_keys_of_the_data_directory_count_after_the_configured_ones(config: Path) -> None:
    made = KeyRing.open(load_settings(config, {})).create()
    settings = load_settings(config, {})
    first = local_key(settings)
    assert first is not None
    assert first.id == "ZCONFIGUREDKEY01"
    named = local_key(settings, made.id)
    assert named is not None
    assert named.secret == made.secret
    assert local_key(settings, "DISABLEDKEY000001") is None


@pytest.mark.parametrize(
    ("key", "environ", "complaint"),
    [
        ("UNKNOWNKEY012345", {}, "secret of key UNKNOWNKEY012345 is not known here"),
        (None, {"SLUICE_ACCESS_KEY_ID": "A"}, "SLUICE_SECRET_ACCESS_KEY is not set"),
        (None, {"AWS_SECRET_ACCESS_KEY": "A"}, "AWS_ACCESS_KEY_ID is not set"),
        (None, {}, "No key: give --key"),
    ],
)
def test_without_a_whole_key_it_says_what_to_do(
    key: str | None, environ: dict[str, str], complaint: str
) -> None:
    with pytest.raises(Mistake, match=complaint):
        _ = Connection(key=key, environ=environ).account


def test_the_region_follows_the_key(config: Path) -> None:
    regions = {"AWS_REGION": "ap-south-1", "AWS_DEFAULT_REGION": "no"}
    assert Connection(environ=AWS | regions).account.region == "ap-south-1"
    assert Connection(environ=OURS | regions).account.region == "eu-west-1"
    assert Connection(environ=AWS | regions, region="r").account.region == "r"
    assert Connection(environ=AWS).account.region == "eu-west-1"


@pytest.mark.parametrize(
    ("environ", "endpoint"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"SLUICE_SERVER__HOST": "0.0.0.0"}, "http://127.0.0.1:8080"),
        ({"SLUICE_SERVER__HOST": "::"}, "http://[::1]:8080"),
        ({"SLUICE_SERVER__HOST": "fd00::1"}, "http://[fd00::1]:8080"),
        (
            {"SLUICE_SERVER__TLS_CERT": "c", "SLUICE_SERVER__TLS_KEY": "k"},
            "https://127.0.0.1:8080",
        ),
    ],
)
def test_the_local_gateway_is_reached_where_it_listens(
    environ: dict[str, str], endpoint: str
) -> None:
    assert local_endpoint(load_settings(None, environ)) == endpoint


def test_a_port_that_the_system_chose_is_the_one_to_reach() -> None:
    assert local_endpoint(load_settings(None, {}), 1234) == "http://127.0.0.1:1234"


def test_a_secret_is_not_shown_in_a_traceback() -> None:
    assert "ours" not in repr(Connection(environ=OURS)._pair())


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("disabled = true", "is disabled"),
        ("not_after = 2020-01-01T00:00:00Z", "does not count at this time"),
    ],
)
def test_a_key_that_does_not_count_is_called_so(folder: Path, state: str, why: str) -> None:
    (folder / "sluice.toml").write_text(f'[keys.EXAMPLEKEY000001]\nsecret = "s"\n{state}')
    with pytest.raises(Mistake, match=f"The key EXAMPLEKEY000001 {why}"):
        _ = Connection(key="EXAMPLEKEY000001", environ={}).account
