"""Both drivers, over real sockets, against a real gateway."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from gateway.client import (
    Account,
    AsyncClient,
    Backoff,
    Client,
    FileTrouble,
    Interrupted,
    Notes,
    Refused,
    TransferFailed,
    Uploaded,
    pending_upload,
)
from gateway.client.uploading.record import Record
from gateway.client.uploading.source import SourceFile
from gateway.model import ObjectKey
from gateway.units import MiB
from tests.servers.gateway import KEY_ID, SECRET, GatewayProcess, running_gateway

Put: TypeAlias = Callable[[Account, Path, ObjectKey, Notes, int], Uploaded]

BODY = hashlib.shake_256(b"a file").digest(3 * MiB + 7)


class Stopped(Exception):
    """The caller wants no more."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with running_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def account(gateway: GatewayProcess) -> Account:
    return Account(endpoint=gateway.url, access_key_id=KEY_ID, secret=SECRET)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "f.bin"
    made.write_bytes(BODY)
    return made


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "notes")


def put(account: Account, file: Path, key: ObjectKey, notes: Notes, parallel: int) -> Uploaded:
    with Client(account, resumable_from=MiB, notes=notes) as client:
        return client.put(file, key, parallel=parallel)


def put_in_asyncio(
    account: Account, file: Path, key: ObjectKey, notes: Notes, parallel: int
) -> Uploaded:
    async def run() -> Uploaded:
        async with AsyncClient(account, resumable_from=MiB, notes=notes) as client:
            return await client.put(file, key, parallel=parallel)

    return asyncio.run(run())


def stored(account: Account, key: ObjectKey, folder: Path) -> bytes:
    with Client(account) as client:
        assert client.get(key, folder / "copy").verified_by == "sha256"
    return (folder / "copy").read_bytes()


@pytest.mark.parametrize("parallel", [1, 3])
@pytest.mark.parametrize("way", [put, put_in_asyncio])
def test_a_file_arrives_either_way_and_nothing_is_left_of_its_note(
    account: Account, file: Path, notes: Notes, tmp_path: Path, parallel: int, way: Put
) -> None:
    key = ObjectKey("demo", f"{parallel} ü {way is put}")
    done = way(account, file, key, notes, parallel)
    assert (done.verified_by, done.size) == ("chunks", len(BODY))
    assert stored(account, key, tmp_path) == BODY
    assert list((tmp_path / "notes").iterdir()) == []


@pytest.mark.parametrize("way", [put, put_in_asyncio])
def test_a_small_file_is_one_put_either_way(
    account: Account, notes: Notes, tmp_path: Path, way: Put
) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    done = way(account, tmp_path / "f", ObjectKey("demo", "small"), notes, 1)
    assert done.verified_by == "signature"
    assert not (tmp_path / "notes").exists()


@pytest.mark.parametrize("parallel", [1, 2])
def test_a_call_that_was_stopped_is_continued_by_the_next(
    account: Account, file: Path, notes: Notes, tmp_path: Path, parallel: int
) -> None:
    big = file.with_name("big")
    big.write_bytes(BODY * 8)
    key = ObjectKey("demo", f"stopped{parallel}")

    def stop(done: int, total: int) -> None:
        if done > 20 * MiB:
            raise Stopped

    with (
        Client(account, resumable_from=MiB, notes=notes) as client,
        pytest.raises(Stopped),
    ):
        client.put(big, key, parallel=parallel, progress=stop)
    begun = pending_upload(account, key, big, notes)
    assert isinstance(begun, Record)
    assert begun.kind == ("tus" if parallel == 1 else "chunked")
    done = put(account, big, key, notes, 1)
    assert done.continued_from >= 5 * MiB
    assert stored(account, key, tmp_path) == BODY * 8


def test_a_file_that_changed_between_two_runs_is_sent_anew(
    account: Account, file: Path, notes: Notes, tmp_path: Path
) -> None:
    key = ObjectKey("demo", "changed")

    def stop(done: int, total: int) -> None:
        if done > MiB:
            raise Stopped

    with (
        Client(account, resumable_from=MiB, notes=notes) as client,
        pytest.raises(Stopped),
    ):
        client.put(file, key, progress=stop)
    old = pending_upload(account, key, file, notes)
    assert old is not None
    file.write_bytes(BODY[::-1])
    done = put(account, file, key, notes, 1)
    assert done.continued_from == 0
    assert stored(account, key, tmp_path) == BODY[::-1]


@pytest.mark.parametrize("parallel", [1, 2])
def test_a_file_that_changes_while_it_is_sent_is_told(
    account: Account, file: Path, notes: Notes, parallel: int
) -> None:
    big = file.with_name("big")
    big.write_bytes(BODY * 8)

    def touch(done: int, total: int) -> None:
        if done > MiB:
            big.write_bytes(b"other")

    with (
        Client(account, resumable_from=MiB, notes=notes) as client,
        pytest.raises(FileTrouble, match="changed|shrank"),
    ):
        client.put(big, ObjectKey("demo", "moving"), parallel=parallel, progress=touch)


@pytest.mark.parametrize("parallel", [1, 2])
def test_bytes_that_are_not_those_of_their_digest_are_never_stored(
    account: Account,
    file: Path,
    notes: Notes,
    parallel: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SourceFile, "digest", lambda self, span, algorithm: bytes(32))
    key = ObjectKey("demo", f"wrong{parallel}")
    backoff = Backoff(attempts=2, base=0.01)
    with Client(account, resumable_from=MiB, notes=notes, backoff=backoff) as client:
        with pytest.raises(TransferFailed, match="not those that were sent"):
            client.put(file, key, parallel=parallel)
        with pytest.raises(Refused, match="404"):
            client.get(key, file.with_name("copy"))


@pytest.mark.parametrize("parallel", [1, 2])
def test_a_refusal_is_told_as_it_is(
    gateway: GatewayProcess, file: Path, notes: Notes, parallel: int
) -> None:
    account = Account(endpoint=gateway.url, access_key_id=KEY_ID, secret="wrong")
    key = ObjectKey("demo", "refused")
    with pytest.raises(Refused, match="signature"):
        put(account, file, key, notes, parallel)
    assert pending_upload(account, key, file, notes) is None


@pytest.mark.parametrize("parallel", [1, 2])
def test_nobody_there_is_told_after_the_attempts(file: Path, notes: Notes, parallel: int) -> None:
    account = Account(endpoint="http://127.0.0.1:9", access_key_id=KEY_ID, secret=SECRET)
    backoff = Backoff(attempts=3, base=0.01)
    with (
        Client(account, resumable_from=MiB, notes=notes, backoff=backoff) as client,
        pytest.raises(Interrupted, match="is the gateway running there"),
    ):
        client.put(file, ObjectKey("demo", "nobody"), parallel=parallel)
