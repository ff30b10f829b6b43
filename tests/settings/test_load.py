"""Reading settings: file, environment, refusal."""

from pathlib import Path

import pytest

from gateway.settings import LocalStorage, S3Storage, SettingsError, load_settings
from gateway.units import MiB


def load(tmp_path: Path, text: str, **environ: str) -> object:
    path = tmp_path / "sluice.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environ)


def refusal(tmp_path: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text, **environ)
    return str(caught.value).replace(f"{tmp_path}/", "").splitlines()


def test_nothing_at_all_is_a_working_gateway() -> None:
    settings = load_settings(None, {})
    assert isinstance(settings.storage["disk"], LocalStorage)
    assert settings.buckets_default is not None
    assert settings.buckets_default.storage == "disk"
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)


def test_the_environment_beats_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sluice.toml"
    path.write_text(
        '[server]\nport = 1\nhost = "::"\n'
        '[storage.main]\nkind = "s3"\n'
        '[buckets.photos]\nstorage = "main"\n'
        '[memory]\nbudget = "1GiB"\n'
    )
    environ = {
        "SLUICE_SERVER__PORT": "2",
        "SLUICE_MEMORY__BUDGET": "64MiB",
        "SLUICE_CORS__ORIGINS": "https://a.example, https://b.example",
    }
    settings = load_settings(path, environ)
    assert (settings.server.host, settings.server.port) == ("::", 2)
    assert settings.memory.budget == 64 * MiB
    assert settings.cors.origins == ("https://a.example", "https://b.example")
    assert isinstance(settings.storage["main"], S3Storage)
    assert settings.buckets_default is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[server]\nprot = 1", "server.prot: no such setting; did you mean 'port'?"),
        ("[sever]\nport = 1", "sever: no such setting; did you mean 'server'?"),
        (
            "[storage.main]\nkind = 's3'\nendpont_url = 'x'",
            "storage.main.endpont_url: no such setting; did you mean 'endpoint_url'?",
        ),
        ("[log]\nqqq = 1", "log.qqq: no such setting; known here: format, level"),
        (
            "[storage.main]\nkind = 's3'\nregion = 3",
            "storage.main.region: text in quotes is wanted",
        ),
        ("[memory]\nbudget = 'lots'", "memory.budget: 'lots' is not a size; write for example"),
        ("server = 3", "server: a section is wanted"),
        ("[buckets.a]\nstorage = 'no'", "buckets.a.storage: there is no [storage.no]"),
        ("[server]\ntls_cert = 'x'", "server: tls_cert and tls_key go together"),
        (
            "[storage.main]\nkind = 's4'",
            "storage.main.kind: there is no kind 's4'; did you mean 's3'? (known: s3, local, memory)",
        ),
        ("[storage.main]\nkind = 'qqq'", "storage.main.kind: there is no kind 'qqq'; choose one"),
        (
            "[storage.main]\npath = 'x'",
            "storage.main.kind: a store needs a kind: s3, local, memory",
        ),
        (
            "[storage.main]\nkind = 's3'\nendpoint_url = 'localhost:9000'",
            "storage.main.endpoint_url: 'localhost:9000' is not the URL of a store; write for example http://",
        ),
        (
            "[storage.m]\nkind = 'memory'\n[buckets.a]\nstorage = 'm'\nsse_kms_key_id = 'k'",
            'buckets.a: sse_kms_key_id needs sse = "aws:kms"',
        ),
        ("port = = 1", "not TOML: Invalid value (at line 1, column 8)"),
    ],
)
def test_pitfall_22_a_mistake_in_the_file_is_named_with_its_place(
    tmp_path: Path, text: str, line: str
) -> None:
    (found,) = refusal(tmp_path, text)
    assert found.startswith(f"sluice.toml: {line}")


def test_all_misspelt_names_are_named_at_once(tmp_path: Path) -> None:
    lines = refusal(tmp_path, "[server]\nprot = 1\nhots = 'x'", SLUICE_LOG__LEVL="info")
    assert len(lines) == 3


def test_a_wrong_value_in_the_environment_is_blamed_on_the_variable(tmp_path: Path) -> None:
    (line,) = refusal(tmp_path, "", SLUICE_SERVER__PORT="many")
    assert line.startswith("SLUICE_SERVER__PORT: server.port: a whole number is wanted")


def test_a_wrong_value_without_a_file_is_blamed_on_the_environment() -> None:
    with pytest.raises(SettingsError, match="^the environment: server: tls_cert"):
        load_settings(None, {"SLUICE_SERVER__TLS_CERT": "x"})


def test_a_file_that_is_missing_or_not_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="sluice.toml: No such file"):
        load_settings(tmp_path / "sluice.toml", {})
    (tmp_path / "sluice.toml").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="not TOML"):
        load_settings(tmp_path / "sluice.toml", {})


def test_a_refusal_never_shows_a_secret(tmp_path: Path) -> None:
    lines = refusal(
        tmp_path, "[keys.AB]\nsecret = 'hunter2'\n[slots.s]\nsecret = ['hunter3']\nbucket = 'b'\n"
    )
    assert not any("hunter" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[storage.main]\nkind = 'memory'\n[buckets.photos]\nstorage = 'mian'",
            "sluice.toml: buckets.photos.storage: there is no [storage.mian]; did you mean 'main'?",
        ),
        (
            "[keys.AB]\nsecret = 'x'",
            "sluice.toml: keys.AB: the name of an access key has at least 16 characters",
        ),
    ],
)
def test_references_and_names_are_told_in_our_words(tmp_path: Path, text: str, line: str) -> None:
    assert refusal(tmp_path, text) == [line]


def test_a_relative_file_is_named_by_its_full_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=f"^{tmp_path}/sluice.toml: No such file"):
        load_settings(Path("sluice.toml"), {})


def test_the_services_configuration_has_full_paths_whoever_reads_it() -> None:
    deploy = Path(__file__).parents[2] / "deploy"
    settings = load_settings(deploy / "sluice.toml", {})
    assert settings.server.data_dir == Path("/var/lib/sluice")
    assert settings.sessions.url == "sqlite:////var/lib/sluice/sessions.db"
    assert settings.memory.spool.is_absolute()
    unit = (deploy / "sluice.service").read_text(encoding="utf-8")
    assert "DATA_DIR" not in unit  # or `sluice keys` would write elsewhere
    assert "serve --config /etc/sluice/sluice.toml" in unit
