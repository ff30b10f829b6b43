"""``sluice check`` and ``sluice print-config``."""

import socket
import tomllib
from pathlib import Path

import pytest

from gateway.cli.check import check_store, describe
from gateway.errors import StorageUnavailable
from gateway.model import PartLimits
from gateway.settings import load_settings
from gateway.storage.base import Capabilities
from gateway.storage.memory import MemoryStore
from tests.cli.conftest import Run
from tests.redis_server import running_redis


class Unreachable(MemoryStore):
    """A store that is down."""

    async def ping(self, bucket: str) -> None:
        raise StorageUnavailable("The store cannot be reached.")


def test_a_right_configuration_is_summed_up(run: Run) -> None:
    run("keys", "create")
    result = run("check")
    assert result.exit_code == 0
    assert result.stdout == (
        "configuration: right (1 store, any bucket in storage.disk, 1 key, 0 slots, 4 policies)\n"
    )


def test_a_sessions_url_of_no_kind_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_SESSIONS__URL", "mysql://somewhere")
    result = run("check")
    assert (result.exit_code, "there is no store 'mysql'" in result.stderr) == (1, True)


def test_a_key_file_that_others_can_read_is_warned_of(run: Run) -> None:
    run("keys", "create")
    Path(".sluice/keys.json").chmod(0o644)
    assert "run chmod 600" in run("check").stderr


def test_a_policy_that_does_not_exist_is_named_with_its_place(run: Run, folder: Path) -> None:
    (folder / "sluice.toml").write_text(
        '[keys.EXAMPLEKEY000001]\nsecret = "long-enough-secret"\npolicy = "ful-acess"'
    )
    result = run("check")
    assert result.exit_code == 1
    assert "keys.EXAMPLEKEY000001.policy" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "did you mean 'full-access'?" in result.stderr


async def test_a_store_is_reached_probed_and_described(capsys: pytest.CaptureFixture[str]) -> None:
    store = MemoryStore("main")
    await store.start()
    assert await check_store(
        store, "in memory", [("photos", "p/"), ("films", ""), ("photos", "slots/")]
    )
    output = capsys.readouterr().out.splitlines()
    assert output[:3] == [
        "storage.main (in memory), bucket photos: right",
        "storage.main (in memory), bucket films: right",
        "storage.main (in memory), probing: right",
    ]
    assert output[3].startswith("  parts: ")
    await store.aclose()


async def test_a_store_that_is_down_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    store = Unreachable("main")
    assert not await check_store(store, "in memory", [("photos", "")])
    out, err = capsys.readouterr()
    assert "storage.main (in memory), bucket photos: storage-unavailable: The store cannot" in err
    assert "probing" not in out
    assert "conditional writes" not in out


async def test_without_a_bucket_there_is_nothing_to_probe(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert await check_store(MemoryStore("main"), "in memory", [])
    assert "storage.main (in memory): no bucket is configured" in capsys.readouterr().out


def test_capabilities_are_told_as_facts() -> None:
    least = list(describe(Capabilities(parts=PartLimits(uniform=True))))
    assert least == [
        "parts: 5MiB to 5GiB, at most 10,000, of equal size",
        "conditional writes: not honoured; a lease in the sessions stands in",
        "checksums that it verifies: none",
        "checksum trailers: no",
        "parts of a multipart upload: all have to be used",
    ]
    most = Capabilities(
        conditional_put="complete",
        checksums=frozenset({"crc32c", "crc32"}),
        trailers=True,
        unlisted_parts=True,
    )
    assert list(describe(most))[1:] == [
        "conditional writes: on PutObject and CompleteMultipartUpload",
        "checksums that it verifies: crc32, crc32c",
        "checksum trailers: yes",
        "parts of a multipart upload: may be left out",
    ]


def test_online_everything_is_reached_and_probed(run: Run, folder: Path) -> None:
    (folder / "sluice.toml").write_text(
        '[storage.disk]\nkind = "local"\n[storage.spare]\nkind = "memory"\n'
        '[buckets.photos]\nstorage = "disk"\nprefix = "p/"'
    )
    result = run("check", "--online")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[1:4] == [
        f"sessions (sqlite:///{folder}/.sluice/sessions.db): right",
        f"storage.disk ({folder}/.sluice/objects), bucket photos: right",
        f"storage.disk ({folder}/.sluice/objects), probing: right",
    ]
    assert (
        "storage.spare (in memory): no bucket is configured on it, so nothing was probed" in lines
    )


def test_online_a_store_that_buckets_are_passed_to_is_probed_in_one_of_its_own(
    run: Run, folder: Path
) -> None:
    (folder / "sluice.toml").write_text(
        '[storage.disk]\nkind = "local"\nbuckets = "existing"\n[buckets_default]\nstorage = "disk"\ncreate = true'
    )
    result = run("check", "--online")
    assert (
        f"storage.disk ({folder}/.sluice/objects): no bucket is known on it, so nothing was probed"
        in result.stdout
    )
    assert "buckets_default.create has no effect yet" in result.stderr
    (folder / ".sluice" / "objects" / "films").mkdir()
    lines = run("check", "--online").stdout.splitlines()
    assert lines[2:4] == [
        f"storage.disk ({folder}/.sluice/objects), listing its buckets: right",
        f"storage.disk ({folder}/.sluice/objects), probing in bucket films: right",
    ]
    assert lines[4].startswith("  parts: ")


def test_online_what_cannot_be_reached_is_told_with_exit_status_one(run: Run, folder: Path) -> None:
    (folder / "sluice.toml").write_text(
        '[storage.disk]\nkind = "local"\nbuckets = "existing"\n[buckets.photos]\nstorage = "disk"'
    )
    result = run("check", "--online")
    assert result.exit_code == 1
    assert "/objects), bucket photos: bucket-not-found" in result.stderr
    assert result.stderr.endswith("sluice: not everything could be reached\n")


def test_online_a_store_that_does_not_listen_is_told_with_what_the_system_said(
    run: Run, folder: Path
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{unused.getsockname()[1]}"
        (folder / "sluice.toml").write_text(
            f'[storage.main]\nkind = "s3"\nendpoint_url = "http://{place}"\n'
            'access_key_id = "a"\nsecret_access_key = "b"\n'
            '[buckets.photos]\nstorage = "main"\n[retry]\nattempts = 1\n'
        )
        result = run("check", "--online")
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if "bucket photos" in line]
    assert line.startswith(f"storage.main (http://{place}), bucket photos: storage-unavailable: ")
    assert line.endswith(" (connection refused)")


def test_mounted_buckets_without_a_section_are_told(run: Run, folder: Path) -> None:
    (folder / "sluice.toml").write_text(
        '[storage.disk]\nkind = "memory"\n[buckets.photos]\nstorage = "disk"\n'
        '[buckets_default]\nstorage = "disk"\n'
        '[compatibility]\nhmac_file_server = "files"\n'
        '[slots.a]\nbucket = "photos"\nbase_path = "/a/"\nsecret = "s"\n'
        '[slots.b]\nbucket = "drop"\nbase_path = "/b/"\nsecret = "s"\n'
    )
    result = run("check", "--online")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:3] == [
        f"{where}: there is no [buckets.{name}]; it is passed through to the bucket {name} in storage.disk"
        for where, name in (
            ("slots.b.bucket", "drop"),
            ("compatibility.hmac_file_server", "files"),
        )
    ]
    # They are asked for like those that have a section.
    assert "storage.disk (in memory), bucket files: right" in result.stdout
    assert "storage.disk (in memory), bucket drop: right" in result.stdout


def test_a_mounted_bucket_that_can_be_none_is_a_mistake(run: Run, folder: Path) -> None:
    (folder / "sluice.toml").write_text(
        '[storage.disk]\nkind = "memory"\n[buckets_default]\nstorage = "disk"\n'
        '[compatibility]\nhmac_file_server = "My Files"\n'
    )
    result = run("check")
    assert result.exit_code == 1
    assert "compatibility.hmac_file_server: 'My Files': clients can never name it" in result.stderr


def test_the_effective_configuration_is_toml_without_secrets(run: Run, folder: Path) -> None:
    (folder / "sluice.toml").write_text('[keys.EXAMPLEKEY000001]\nsecret = "hunter2"')
    output = run("print-config", SLUICE_SERVER__PORT="99").stdout
    assert "hunter2" not in output
    tree = tomllib.loads(output)
    assert tree["server"]["port"] == 99
    assert load_settings(None, {}).server.drain == 30
    assert tree["server"]["drain"] == "30s"


@pytest.mark.parametrize("name", ["My_Photos", "ab", "10.0.0.1", "xn--photos"])
@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_bucket_that_no_request_can_name_is_refused(
    run: Run, folder: Path, name: str, command: str
) -> None:
    (folder / "sluice.toml").write_text(
        f'[storage.main]\nkind = "memory"\n[buckets."{name}"]\nstorage = "main"'
    )
    result = run(command)
    assert result.exit_code == 1
    assert result.stderr.startswith(
        f"sluice: buckets.{name}: clients can never name it: 3 to 63 of a-z, 0-9, - and ."
    )


@pytest.mark.parametrize(("secret", "warned"), [("abc", True), ("a" * 15, True), ("a" * 16, False)])
def test_a_secret_that_can_be_guessed_is_warned_of_and_not_shown(
    run: Run, folder: Path, secret: str, warned: bool
) -> None:
    (folder / "sluice.toml").write_text(f'[keys.EXAMPLEKEY000001]\nsecret = "{secret}"')
    result = run("check")
    assert result.exit_code == 0
    assert ("keys.EXAMPLEKEY000001: its secret has" in result.stderr) is warned
    assert secret not in result.output


def test_sessions_that_cannot_be_reached_are_named_without_their_password(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"redis://someone:hunter2@127.0.0.1:{port}/3"
    result = run("check", "--online", SLUICE_SESSIONS__URL=url)
    assert result.exit_code == 1
    assert f"sessions (redis://127.0.0.1:{port}/3): connection refused" in result.stderr
    assert "hunter2" not in result.output


@pytest.mark.redis
def test_sessions_that_may_forget_are_told(run: Run, tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        result = run("check", "--online", SLUICE_SESSIONS__URL=server.url())
    assert result.exit_code == 0, result.stderr
    weakness = "  its appendonly is no, not yes: when it restarts, all uploads are lost"
    assert weakness in result.stdout.splitlines()


@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_certificate_that_is_missing_is_named_by_its_full_path(
    run: Run, folder: Path, command: str
) -> None:
    (folder / "cert.pem").touch()
    result = run(command, SLUICE_SERVER__TLS_CERT="cert.pem", SLUICE_SERVER__TLS_KEY="key.pem")
    assert result.exit_code == 1
    assert result.stderr == f"sluice: server.tls_key: {folder}/key.pem: No such file or directory\n"
