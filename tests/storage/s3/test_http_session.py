"""Documents of stores that say too much: cut off, and the connection is given up."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from gateway.errors import StorageRejected, StorageThrottled, StorageUnavailable
from gateway.model import Attributes, ObjectKey
from gateway.settings import S3Storage
from gateway.storage.s3 import http_session
from gateway.units import KiB, MiB
from tests.storage.s3.conftest import opened
from tests.storage.s3.raw_store import Peer, RawStore, error, raw_store, reply

KEY = ObjectKey("bucket", "key")
#: What the two kernels' buffers may hold of a flood, too.
BUFFERS = 16 * MiB


def settings(store: RawStore, **more: object) -> S3Storage:
    return S3Storage.model_validate(
        {
            "kind": "s3",
            "endpoint_url": store.url,
            "region": "here",
            "access_key_id": "id",
            "secret_access_key": "secret",
        }
        | more
    )


def flooding(
    status: str, start: bytes, sent: list[int]
) -> Callable[[RawStore, Peer], Awaitable[None]]:
    """Answers with a document that does not end; ``sent`` counts its bytes."""

    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        head = f"HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        await peer.send(head, b"%x\r\n%b\r\n" % (len(start), start))
        piece = b"a" * (64 * KiB)
        with suppress(ConnectionError):
            while True:
                await peer.send(b"%x\r\n%b\r\n" % (len(piece), piece))
                sent.append(len(piece))

    return script


@pytest.mark.parametrize(
    ("status", "raised"),
    [("429 No", StorageThrottled), ("500 No", StorageUnavailable), ("403 No", StorageRejected)],
)
async def test_an_error_without_end_is_told_by_its_status(
    status: str, raised: type[Exception]
) -> None:
    sent: list[int] = []
    async with (
        raw_store(flooding(status, b"<Error><Message>", sent)) as raw,
        opened(settings(raw)) as store,
    ):
        with pytest.raises(raised):
            await store.create_multipart(KEY, Attributes())
    assert sum(sent) < BUFFERS


async def test_a_refused_download_is_cut_off_as_well() -> None:
    sent: list[int] = []
    async with (
        raw_store(flooding("500 No", b"<Error>", sent)) as raw,
        opened(settings(raw, data_plane="aiobotocore")) as store,
    ):
        with pytest.raises(StorageUnavailable):
            await store.get(KEY)
    assert sum(sent) < BUFFERS


async def test_a_success_without_end_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_session, "MAX_DOCUMENT", MiB)
    sent: list[int] = []
    start = b"<InitiateMultipartUploadResult><UploadId>"
    async with raw_store(flooding("200 OK", start, sent)) as raw, opened(settings(raw)) as store:
        with pytest.raises(StorageUnavailable):
            await store.create_multipart(KEY, Attributes())
    assert sum(sent) < BUFFERS


async def test_documents_of_usual_size_leave_the_connection_to_the_next_call() -> None:
    made = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"

    async def script(store: RawStore, peer: Peer) -> None:
        for answer in (error("500 No", "InternalError"), reply(made)):
            await peer.request()
            await peer.send(answer)

    async with raw_store(script) as raw, opened(settings(raw)) as store:
        with pytest.raises(StorageUnavailable):
            await store.create_multipart(KEY, Attributes())
        assert (await store.create_multipart(KEY, Attributes())).upload_id == "u"
    assert raw.peers == 1
