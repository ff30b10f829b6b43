"""HMAC File Server's chunked uploads through the whole gateway: who may, and what comes of it."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from gateway.protocol.signatures.authorization import Credentials, sign_headers
from gateway.units import KiB
from tests.protocol.signatures.wire import KEY_ID, REGION, SECRET
from tests.web.lab import HOST, Answer, Client, gateway

OTHER, OTHER_SECRET = "AKIAOTHEREXAMPLE", "another/secret/of/somebody/else!!"
MINE = "AKIAMINEEXAMPLE1"
MINE_SECRET = "a secret that is long enough for a token"
DATA = bytes(range(256)) * 1000  # 250 KiB in chunks of 64


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    keys = {
        KEY_ID: {"secret": SECRET},
        MINE: {"secret": MINE_SECRET},
        OTHER: {"secret": OTHER_SECRET},
    }
    mount = {"hmac_file_server": "photos"}
    sections: dict[str, Any] = {"transfer": {"part_size": "64KiB"}, "compatibility": mount}
    async with gateway(tmp_path, keys=keys, **sections) as made:
        yield made


def bearer(key: str = MINE, secret: str = MINE_SECRET, **claims: Any) -> tuple[str, str]:
    told = {"exp": int(time.time()) + 600, "sub": key, "bucket": "photos", "prefix": ""}
    told |= {"methods": ["POST", "PUT", "GET"], **claims}
    return ("authorization", "Bearer " + jwt.encode(told, secret, headers={"kid": key}))


async def begin(client: Client, name: str = "film.bin", *more: tuple[str, str]) -> Answer:
    headers = [("x-filename", name), ("x-total-size", str(len(DATA))), *(more or (bearer(),))]
    return await client.send("POST", "/chunked-upload", b"", headers)


async def chunk(
    client: Client, session: str, number: int, size: int, *more: tuple[str, str]
) -> Answer:
    headers = [
        ("x-upload-session-id", session),
        ("x-chunk-number", str(number)),
        *(more or (bearer(),)),
    ]
    body = DATA[number * size : (number + 1) * size]
    return await client.send("PUT", "/chunked-upload", body, headers)


async def status(client: Client, session: str, *more: tuple[str, str]) -> Answer:
    return await client.send("GET", f"/upload-status?session_id={session}", b"", more)


async def stored(client: Client, key: str = "film.bin") -> tuple[int, bytes]:
    answer = await client.signed("GET", f"/photos/{key}", now=time.time())
    return answer.status, answer.body


async def test_a_client_of_that_server_uploads_in_any_order_and_repeats(client: Client) -> None:
    begun = await begin(client)
    assert begun.status == 201, begun.body
    made = json.loads(begun.body)
    session, size, count = made["session_id"], made["chunk_size"], made["total_chunks"]
    assert (size, count) == (64 * KiB, 4)
    for number in (2, 0, 2, 3):
        answer = await chunk(client, session, number, size)
        assert answer.status == 200, answer.body
        assert json.loads(answer.body)["completed"] is False
    asked = json.loads((await status(client, session, bearer())).body)
    assert (asked["chunks"], asked["filename"], asked["completed"]) == (3, "film.bin", False)
    last = await chunk(client, session, 1, size)
    assert json.loads(last.body) == {
        "success": True,
        "chunk": 1,
        "uploaded_bytes": len(DATA),
        "total_size": len(DATA),
        "progress": 1.0,
        "completed": True,
        "filename": "film.bin",
        "size": len(DATA),
    }
    assert await stored(client) == (200, DATA)
    assert json.loads((await chunk(client, session, 1, size)).body)["completed"] is True
    assert json.loads((await status(client, session, bearer())).body)["completed"] is True


async def test_nobody_else_goes_on_with_a_session_or_asks_for_it(client: Client) -> None:
    session = json.loads((await begin(client)).body)["session_id"]
    stranger = bearer(OTHER, OTHER_SECRET)
    for who, expected in ((stranger, 404), (("x-nothing", "1"), 401)):
        assert (await chunk(client, session, 0, 64 * KiB, who)).status == expected
        assert (await status(client, session, who)).status == expected
    asked = json.loads((await status(client, session, bearer())).body)
    assert asked["uploaded_bytes"] == 0


async def test_a_chunk_is_held_to_its_own_credential_s_size_too(client: Client) -> None:
    session = json.loads((await begin(client)).body)["session_id"]
    assert (await chunk(client, session, 0, 64 * KiB, bearer(max_size=100_000))).status == 413
    assert (await chunk(client, session, 0, 64 * KiB, bearer(max_size=len(DATA)))).status == 200


async def test_the_name_is_held_to_what_the_credential_is_for(client: Client) -> None:
    mine = bearer(prefix="mine/")
    assert (await begin(client, "mine/a.bin", mine)).status == 201
    assert (await begin(client, "theirs/a.bin", mine)).status == 403
    assert (await begin(client, "a.bin", bearer(bucket="public"))).status == 403
    assert (await begin(client, "a.bin", bearer(methods=["GET"]))).status == 403
    assert (await begin(client, "a.bin", bearer(max_size=100))).status == 413
    assert (await begin(client, "../a.bin")).status == 400
    assert (await begin(client, "a.bin", ("x-nothing", "1"))).status == 401


async def test_a_presigned_url_which_does_not_cover_the_name_is_refused(client: Client) -> None:
    headers = [("x-filename", "film.bin"), ("x-total-size", "5")]
    answer = await client.signed("POST", "/chunked-upload", b"", headers, now=time.time())
    assert answer.status == 400, answer.body
    assert b"presigned URL does not cover" in answer.body


async def signed(
    client: Client, method: str, body: bytes, named: dict[str, str], *, sign: bool
) -> Answer:
    """Signed in its headers; ``named`` too, or not."""
    lines = [(name.encode(), value.encode()) for name, value in named.items()]
    host = (b"host", HOST.encode())
    added = sign_headers(
        method,
        b"/chunked-upload",
        b"",
        [host, *lines] if sign else [host],
        Credentials(key_id=KEY_ID, secret=SECRET, region=REGION),
        payload="UNSIGNED-PAYLOAD",
        now=time.time(),
    )
    headers = [(name.decode(), value.decode()) for name, value in (*lines, *added)]
    return await client.send(method, "/chunked-upload", body, headers)


async def test_case_24_a_signature_covers_the_name_and_the_session(client: Client) -> None:
    named = {"x-filename": "film.bin", "x-total-size": "5"}
    assert (await signed(client, "POST", b"", named, sign=False)).status == 403
    begun = await signed(client, "POST", b"", named, sign=True)
    assert begun.status == 201, begun.body

    session = json.loads(begun.body)["session_id"]
    named = {"x-upload-session-id": session, "x-chunk-number": "0"}
    refused = await signed(client, "PUT", b"hello", named, sign=False)
    assert (refused.status, b"x-upload-session-id" in refused.body) == (403, True)
    assert (await signed(client, "PUT", b"hello", named, sign=True)).status == 200


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (("x-total-chunks", "5"), 400),
        (("x-total-size", "5"), 400),
        (("x-filename", "other.bin"), 409),
        (("content-range", "bytes 0-9/256000"), 400),
        (("content-digest", "sha-256=:" + "A" * 43 + "=:"), 400),
    ],
)
async def test_every_header_of_a_chunk_counts(
    client: Client, header: tuple[str, str], expected: int
) -> None:
    session = json.loads((await begin(client)).body)["session_id"]
    answer = await chunk(client, session, 0, 64 * KiB, bearer(), header)
    assert answer.status == expected, answer.body
    asked = json.loads((await status(client, session, bearer())).body)
    assert asked["uploaded_bytes"] == 0


async def test_an_empty_file_is_there_at_once(client: Client) -> None:
    headers = [("x-filename", "empty.bin"), ("x-total-size", "0"), bearer()]
    answer = await client.send("POST", "/chunked-upload", b"", headers)
    assert (answer.status, json.loads(answer.body)["total_chunks"]) == (201, 0)
    assert await stored(client, "empty.bin") == (200, b"")


async def test_unless_it_is_mounted_the_paths_are_buckets(tmp_path: Path) -> None:
    async with gateway(tmp_path, keys={MINE: {"secret": MINE_SECRET}}) as plain:
        for answer in (await begin(plain), await status(plain, "x" * 22, bearer())):
            assert answer.status in (405, 415)
            assert b"session_id" not in answer.body
