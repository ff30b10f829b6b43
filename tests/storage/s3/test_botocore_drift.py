"""What this room leans on in botocore, aiobotocore and aiohttp beyond their documentation. When an upgrade
changes one of these, this module says which, before users notice."""

import inspect

import aiohttp
import botocore.auth
import botocore.handlers
import pytest
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.response import AioStreamingBody
from aiohttp.client_reqrep import ClientResponse
from aiohttp.http_writer import StreamWriter
from aiohttp.payload import PAYLOAD_REGISTRY, Payload

from gateway.errors import StorageUnavailable
from gateway.model import ObjectKey
from gateway.storage.s3.body import ViewsBody
from gateway.storage.s3.connection import Connection
from tests.servers.faulty_s3 import FaultyS3, answer
from tests.servers.lease import S3Endpoint
from tests.storage.contract_base import PLAIN, views
from tests.storage.s3.conftest import BUCKET, opened, section

KEY = ObjectKey(BUCKET, "drift")


def test_signers_are_found_by_name_and_ask_payload_for_the_hash() -> None:
    # With awscrt botocore takes its own C signer; ours must stay the one that asks `payload`.
    assert {"s3v4", "v4"} <= set(botocore.auth.AUTH_TYPE_MAPS)
    assert "self.payload(request)" in inspect.getsource(botocore.auth.S3SigV4Auth)
    assert list(inspect.signature(botocore.auth.S3SigV4Auth.payload).parameters) == [
        "self",
        "request",
    ]


def test_an_aiohttp_session_has_a_switch_for_repeating_requests() -> None:
    source = inspect.getsource(aiohttp.ClientSession)
    assert "self._retry_connection" in source
    assert "_get_session" in vars(AIOHTTPSession)
    assert "session.request(" in inspect.getsource(AIOHTTPSession.send)


def test_aiohttp_takes_our_payload_as_it_is_and_shows_its_transport() -> None:
    assert issubclass(ViewsBody, Payload)
    body = ViewsBody([], idle_timeout=1)
    assert PAYLOAD_REGISTRY.get(body) is body
    assert isinstance(StreamWriter.transport, property)
    assert "start_timeout" in inspect.getsource(aiohttp.ClientRequest.write_bytes)


def test_streaming_bodies_are_read_in_pieces_and_closed() -> None:
    assert list(inspect.signature(AioStreamingBody.read).parameters) == ["self", "amt"]
    assert inspect.iscoroutinefunction(AioStreamingBody.aclose)
    assert "_connection.close()" in inspect.getsource(ClientResponse.close)


def test_errors_inside_a_200_are_found_by_botocore() -> None:
    registered = {entry[0] for entry in botocore.handlers.BUILTIN_HANDLERS}
    assert "before-parse.s3.*" in registered


async def test_the_events_we_hang_in_are_emitted(moto_s3: S3Endpoint, proxy: FaultyS3) -> None:
    seen: list[str] = []
    connection = await Connection.open(section(moto_s3, endpoint_url=proxy.url))
    events = connection.client.meta.events
    events.register("before-call.s3", lambda params, **_: seen.extend(params["context"]))
    body = ViewsBody(views(b"x"), "0" * 64, idle_timeout=1)
    await connection.client.put_object(Bucket=BUCKET, Key="k", Body=body, ContentLength=1)
    await connection.aclose()
    assert "s3_redirect" in seen
    # Ours came after the spy and was heard.
    assert proxy.requests[0].headers["x-amz-content-sha256"] == "0" * 64


async def test_explicit_settings_win_over_the_environment(
    moto_s3: S3Endpoint, proxy: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_MAX_ATTEMPTS": "5",
        "AWS_RETRY_MODE": "adaptive",
        "AWS_ACCESS_KEY_ID": "of-the-environment",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    proxy.fail("PutObject", answer(500, "InternalError"), times=None)
    async with opened(section(moto_s3, endpoint_url=proxy.url)) as store:
        with pytest.raises(StorageUnavailable):
            await store.put(KEY, views(b"x"), PLAIN)
    (sent,) = proxy.requests
    assert f"Credential={moto_s3.access_key}/" in sent.headers["authorization"]
    assert "/us-east-1/s3/" in sent.headers["authorization"]
    assert not [name for name in sent.headers if "checksum" in name]
