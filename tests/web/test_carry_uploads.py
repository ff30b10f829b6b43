"""Resumable uploads through the whole gateway: every dialect, capability URLs, progress."""

import base64
import json
import time
from collections.abc import AsyncIterator
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any

import jwt
import pytest

from gateway.auth.capability import mac_of
from gateway.errors import StorageUnavailable
from gateway.sessions.sqlite import SqliteSessions
from gateway.sessions.uploads import Change
from gateway.storage.memory import MemoryStore
from gateway.units import KiB
from gateway.web.log import flush as flush_log
from tests.protocol.signatures.wire import KEY_ID, SECRET
from tests.web.lab import Answer, Client, gateway

LONG, LONG_SECRET = "AKIALONGEXAMPLE1", "a secret that is long enough for a token"
#: Of the principal of LONG; it may not replace objects.
ADDING = "AKIAADDINGEXAMPL"
OTHER, OTHER_SECRET = "AKIAOTHEREXAMPLE", "another/secret/of/somebody/else"
TUS = [("tus-resumable", "1.0.0")]
BYTES = [*TUS, ("content-type", "application/offset+octet-stream")]
PARTIAL = [("content-type", "application/partial-upload")]
DATA = bytes(range(256)) * 1200  # 300 KiB, parts of 64


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    sections: dict[str, Any] = {
        "transfer": {"part_size": "64KiB"},
        "keys": {
            KEY_ID: {"secret": SECRET},
            OTHER: {"secret": OTHER_SECRET},
            LONG: {"secret": LONG_SECRET},
            ADDING: {"secret": LONG_SECRET, "principal": LONG, "policy": "upload-only"},
        },
    }
    async with gateway(tmp_path, **sections) as made:
        yield made


async def made(client: Client, length: int | None = len(DATA), *more: tuple[str, str]) -> str:
    """An upload's URL."""
    told = ("upload-defer-length", "1") if length is None else ("upload-length", str(length))
    answer = await client.signed(
        "POST", "/-/uploads/photos/a.jpg", b"", [*TUS, told, *more], now=time.time()
    )
    assert answer.status == 201, answer.body
    location = answer.get("location")
    assert location is not None
    return location


async def patch(client: Client, url: str, offset: int, body: bytes) -> Answer:
    return await client.send("PATCH", url, body, [*BYTES, ("upload-offset", str(offset))])


async def stored(client: Client, key: str = "a.jpg") -> bytes:
    answer = await client.signed("GET", f"/photos/{key}", now=time.time())
    assert answer.status == 200, answer.body
    return answer.body


# --- tus ---


async def test_a_repeated_creation_of_an_empty_upload_finishes_what_the_first_could_not(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = [*TUS, ("upload-length", "0"), ("idempotency-key", "mine")]

    async def create() -> Answer:
        path = "/-/uploads/photos/a.jpg"
        return await client.signed("POST", path, b"", headers, now=time.time())

    def down(*_: object, **__: object) -> None:
        raise StorageUnavailable("Down.")

    monkeypatch.setattr(MemoryStore, "put", down)
    assert [(await create()).status for _ in range(2)] == [503, 503]
    monkeypatch.undo()
    assert (await create()).status == 201
    assert await stored(client) == b""


async def test_tus_creates_with_a_signature_and_goes_on_with_the_url_alone(client: Client) -> None:
    url, answer = await made(client), Answer()
    for at in range(0, len(DATA), 100_000):
        head = await client.send("HEAD", url, headers=TUS)
        assert (head.status, head.get("upload-offset")) == (200, str(at))
        answer = await patch(client, url, at, DATA[at : at + 100_000])
        assert answer.status == 204, answer.body
    assert answer.get("upload-offset") == str(len(DATA))
    assert await stored(client) == DATA


async def test_tus_brings_all_bytes_with_the_creation(client: Client) -> None:
    headers = [*BYTES, ("upload-length", str(len(DATA)))]
    answer = await client.signed("POST", "/-/uploads/photos/a.jpg", DATA, headers, now=time.time())
    assert (answer.status, answer.get("upload-offset")) == (201, str(len(DATA)))
    assert await stored(client) == DATA


async def test_an_empty_upload_is_complete_when_it_begins(client: Client) -> None:
    url = await made(client, 0)
    assert await stored(client) == b""
    head = await client.send("HEAD", url, headers=TUS)
    assert (head.get("upload-offset"), head.get("upload-length")) == ("0", "0")


async def test_a_wrong_checksum_leaves_the_offset(client: Client) -> None:
    url = await made(client)
    wrong = base64.b64encode(sha1(b"other").digest()).decode()
    headers = [*BYTES, ("upload-offset", "0"), ("upload-checksum", f"sha1 {wrong}")]
    answer = await client.send("PATCH", url, DATA, headers)
    assert answer.status == 460
    assert (await client.send("HEAD", url, headers=TUS)).get("upload-offset") == "0"


async def test_a_cancelled_upload_is_gone(client: Client) -> None:
    url = await made(client)
    await patch(client, url, 0, DATA[:1000])
    assert (await client.send("DELETE", url, headers=TUS)).status == 204
    for method in ("HEAD", "DELETE", "GET"):
        assert (await client.send(method, url, headers=TUS)).status == 410
    assert (await patch(client, url, 1000, DATA[1000:])).status == 410


async def test_partial_uploads_are_joined_and_never_seen(client: Client) -> None:
    half = len(DATA) // 2
    urls = []
    for piece in (DATA[:half], DATA[half:]):
        url = await made(client, len(piece), ("upload-concat", "partial"))
        assert (await patch(client, url, 0, piece)).status == 204
        urls.append(url)
    head = await client.send("HEAD", urls[0], headers=TUS)
    assert head.get("upload-concat") == "partial"
    answer = await client.signed("GET", "/photos/a.jpg", now=time.time())
    assert answer.status == 404
    final = [*TUS, ("upload-concat", "final;" + " ".join(urls))]
    answer = await client.signed("POST", "/-/uploads/photos/a.jpg", b"", final, now=time.time())
    assert answer.status == 201, answer.body
    assert await stored(client) == DATA


# --- the IETF's protocol ---


async def test_the_ietf_protocol_creates_appends_and_completes(client: Client) -> None:
    begin = [("upload-complete", "?0"), ("upload-length", str(len(DATA)))]
    answer = await client.signed("PUT", "/photos/a.jpg", DATA[:1000], begin, now=time.time())
    assert (answer.status, answer.get("upload-offset")) == (201, "1000"), answer.body
    location = answer.get("location")
    assert location is not None
    url = "/" + location.split("/", 3)[3]
    head = await client.send("HEAD", url, headers=[("upload-draft-interop-version", "8")])
    assert (head.status, head.get("upload-complete")) == (204, "?0")
    headers = [*PARTIAL, ("upload-offset", "1000"), ("upload-complete", "?1")]
    done = await client.send("PATCH", url, DATA[1000:], headers)
    assert (done.status, done.get("upload-complete")) == (201, "?1"), done.body
    assert done.get("etag")
    assert await stored(client) == DATA


async def test_a_whole_digest_that_is_wrong_fails_the_upload_unpublished(client: Client) -> None:
    wrong = base64.b64encode(sha256(b"other").digest()).decode()
    begin = [("upload-complete", "?1"), ("repr-digest", f"sha-256=:{wrong}:")]
    answer = await client.signed("PUT", "/photos/a.jpg", DATA, begin, now=time.time())
    assert answer.status == 400
    assert answer.get("upload-complete") == "?1"
    assert (await client.signed("GET", "/photos/a.jpg", now=time.time())).status == 404


async def test_a_whole_digest_that_is_right_is_verified_over_several_requests(
    client: Client,
) -> None:
    right = base64.b64encode(sha256(DATA).digest()).decode()
    begin = [
        ("upload-complete", "?0"),
        ("upload-length", str(len(DATA))),
        ("repr-digest", f"sha-256=:{right}:"),
    ]
    answer = await client.signed("PUT", "/photos/a.jpg", DATA[:99_999], begin, now=time.time())
    url = "/" + str(answer.get("location")).split("/", 3)[3]
    headers = [*PARTIAL, ("upload-offset", "99999"), ("upload-complete", "?1")]
    assert (await client.send("PATCH", url, DATA[99_999:], headers)).status == 201
    assert await stored(client) == DATA


async def test_104_is_sent_where_the_client_and_the_server_can(client: Client) -> None:
    seen: list[tuple[int, dict[bytes, bytes]]] = []
    headers = [
        ("upload-complete", "?1"),
        ("upload-draft-interop-version", "8"),
        ("content-length", "5"),
    ]
    from tests.protocol.signatures.wire import botocore_presigned

    wire = botocore_presigned("PUT", b"/photos/b.jpg", b"", headers, now=time.time())
    scope = client.scope("PUT", f"/photos/b.jpg?{wire.query.decode()}", headers)
    scope["extensions"] = {
        "sluice.interim": lambda status, lines: seen.append((status, dict(lines)))
    }
    answer = await client.send("PUT", "", b"hello", scope=scope)
    assert answer.status == 201, answer.body
    assert [status for status, _ in seen] == [104]
    assert seen[0][1][b"location"].startswith(b"http://127.0.0.1:8080/-/uploads/")
    assert await stored(client, "b.jpg") == b"hello"


@pytest.mark.parametrize(
    ("version", "told"), [("8", True), ("6", True), ("3", False), ("2", False)]
)
async def test_R43_104_tells_who_understands_it_what_is_durable_of_an_append(
    client: Client, version: str, told: bool
) -> None:
    url = await made(client)
    seen: list[dict[bytes, bytes]] = []
    headers = [
        *PARTIAL,
        ("upload-draft-interop-version", version),
        ("upload-offset", "0"),
        ("upload-incomplete" if version == "3" else "upload-complete", "?0"),
        ("content-length", str(len(DATA))),
    ]
    scope = client.scope("PATCH", url, headers)
    scope["extensions"] = {"sluice.interim": lambda status, lines: seen.append(dict(lines))}
    answer = await client.send("PATCH", "", DATA, scope=scope)
    assert answer.status in (201, 204), answer.body
    assert bool(seen) is told
    offsets = [int(lines[b"upload-offset"]) for lines in seen]
    assert offsets == sorted(set(offsets))
    assert all(0 < offset <= len(DATA) and offset % (64 * KiB) == 0 for offset in offsets)
    assert not any(b"location" in lines for lines in seen)


# --- chunks ---


async def chunk(client: Client, start: int, body: bytes, session: str = "mine") -> Answer:
    headers = [
        ("x-upload-session-id", session),
        ("content-range", f"bytes {start}-{start + len(body) - 1}/{len(DATA)}"),
    ]
    return await client.signed("PUT", "/-/chunked/photos/a.jpg", body, headers, now=time.time())


async def test_chunks_come_in_any_order(client: Client) -> None:
    size = 100 * KiB
    assert (await chunk(client, size, DATA[size : 2 * size])).status == 202
    assert (await chunk(client, 2 * size, DATA[2 * size :])).status == 202
    session = [("x-upload-session-id", "mine")]
    asked = await client.signed("GET", "/-/chunked/photos/a.jpg", headers=session, now=time.time())
    assert json.loads(asked.body)["missing"] == [f"0-{size - 1}"]
    done = await chunk(client, 0, DATA[:size])
    assert (done.status, bool(done.get("etag"))) == (201, True)
    assert (await chunk(client, 0, DATA[:size])).status == 201
    assert (await chunk(client, 0, bytes(size))).status == 409
    assert await stored(client) == DATA


async def test_a_session_may_be_asked_for_and_aborted(client: Client) -> None:
    asked = await client.signed(
        "POST",
        "/-/chunked/photos/a.jpg",
        b"",
        [("x-total-size", str(len(DATA)))],
        now=time.time(),
    )
    assert asked.status == 201
    document = json.loads(asked.body)
    assert (document["chunk_size"], document["total_chunks"]) == (64 * KiB, 5)
    session = document["session_id"]
    assert (await chunk(client, 0, DATA[: 64 * KiB], session)).status == 202
    headers = [("x-upload-session-id", session)]
    target = "/-/chunked/photos/a.jpg"
    told = json.loads((await client.signed("GET", target, headers=headers, now=time.time())).body)
    assert (told["chunk_size"], told["total_chunks"]) == (64 * KiB, 5)
    assert told["missing_chunks"] == [1, 2, 3, 4]
    gone = await client.signed("DELETE", target, headers=headers, now=time.time())
    assert gone.status == 204
    assert (await chunk(client, 0, DATA[: 64 * KiB], session)).status == 410


def bearer(signer: str = LONG, /, **claims: Any) -> tuple[str, str]:
    said = {"exp": time.time() + 60, "bucket": "photos", **claims}
    token = jwt.encode(said, LONG_SECRET, headers={"kid": signer})
    return "authorization", f"Bearer {token}"


async def chunk_by(
    client: Client, token: tuple[str, str], span: tuple[int, int], total: str = "*"
) -> int:
    """The status of the answer to a chunk that somebody sends with a token of his own."""
    start, stop = span
    headers = [
        ("x-upload-session-id", "mine"),
        ("content-range", f"bytes {start}-{stop - 1}/{total}"),
        token,
    ]
    target = "/-/chunked/photos/a.jpg"
    return (await client.send("PUT", target, DATA[start:stop], headers)).status


async def test_a_chunk_is_held_to_its_own_credential_s_size_too(client: Client) -> None:
    whole, tight = bearer(prefix=""), bearer(prefix="", max_size=20)
    assert await chunk_by(client, whole, (0, 10)) == 202
    assert await chunk_by(client, tight, (10, 21)) == 413
    assert await chunk_by(client, tight, (10, 20)) == 202
    assert await chunk_by(client, whole, (30, 40), "40") == 202
    # Now it is known to be of a larger object.
    assert await chunk_by(client, tight, (0, 10)) == 413
    assert await chunk_by(client, whole, (20, 30)) == 201
    assert await stored(client) == DATA[:40]


async def test_a_tight_beginning_holds_for_those_who_go_on(client: Client) -> None:
    assert await chunk_by(client, bearer(prefix="", max_size=20), (0, 10)) == 202
    assert await chunk_by(client, bearer(prefix=""), (10, 21)) == 413


async def test_who_may_not_replace_adds_nothing_to_an_upload_that_may(client: Client) -> None:
    whole, adding = bearer(prefix=""), bearer(ADDING, prefix="")
    assert await chunk_by(client, whole, (0, 10), "20") == 202
    assert await chunk_by(client, adding, (10, 20), "20") == 403
    assert await chunk_by(client, whole, (10, 20), "20") == 201


async def test_who_may_replace_goes_on_with_an_upload_that_may_not(client: Client) -> None:
    whole, adding = bearer(prefix=""), bearer(ADDING, prefix="")
    assert await chunk_by(client, adding, (0, 10), "20") == 202
    assert await chunk_by(client, whole, (10, 20), "20") == 201


async def test_a_narrow_token_neither_sees_nor_aborts_chunks_it_is_not_for(client: Client) -> None:
    target, whole = "/-/chunked/photos/private/x.jpg", bearer(prefix="")
    begin = [("x-total-size", str(len(DATA))), ("x-upload-session-id", "mine"), whole]
    asked = await client.send("POST", target, b"", begin)
    assert asked.status == 201, asked.body
    session = ("x-upload-session-id", "mine")
    narrow = [
        bearer(prefix="public/"),
        bearer(key="public/y.jpg"),
        bearer(prefix="", methods=["PUT"]),
    ]
    for token in narrow:
        for method in ("GET", "DELETE"):
            answer = await client.send(method, target, headers=[session, token])
            assert (answer.status, answer.code) == (403, "forbidden"), answer.body
    assert (await client.send("GET", target, headers=[session, whole])).status == 200
    assert (await client.send("DELETE", target, headers=[session, whole])).status == 204


async def test_a_narrow_token_joins_no_parts_it_is_not_for(client: Client) -> None:
    begin = [*TUS, ("upload-length", "2"), ("upload-concat", "partial"), bearer(prefix="")]
    made = await client.send("POST", "/-/uploads/photos/private/x.jpg", b"", begin)
    url = made.get("location") or ""
    assert (await patch(client, url, 0, b"ab")).status == 204
    final = [*TUS, ("upload-concat", f"final;{url}")]
    for prefix, status in (("public/", 403), ("", 201)):
        headers = [*final, bearer(prefix=prefix)]
        answer = await client.send("POST", "/-/uploads/photos/public/y.jpg", b"", headers)
        assert answer.status == status, answer.body


async def test_a_put_with_content_range_goes_on_without_any_session(client: Client) -> None:
    async def put(start: int, body: bytes) -> Answer:
        headers = [("content-range", f"bytes {start}-{start + len(body) - 1}/{len(DATA)}")]
        return await client.signed("PUT", "/photos/a.jpg", body, headers, now=time.time())

    asking = [("content-range", f"bytes */{len(DATA)}")]
    empty = await client.signed("PUT", "/photos/a.jpg", b"", asking, now=time.time())
    assert (empty.status, empty.get("range")) == (308, None)
    first = await put(0, DATA[:1000])
    assert (first.status, first.get("range")) == (308, "bytes=0-999")
    assert (await put(1000, DATA[1000:])).status == 201
    assert await stored(client) == DATA
    again = await put(0, bytes(1000))  # another object of the same length
    assert (again.status, again.get("range")) == (308, "bytes=0-999")


async def test_who_asks_while_an_upload_without_a_session_begins_anew_hears_of_nothing(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/shared.db"
    sessions = SqliteSessions(tmp_path / "shared.db")
    keys = {KEY_ID: {"secret": SECRET}}
    async with gateway(tmp_path, sessions={"url": url}, keys=keys) as client:
        part = [("content-range", f"bytes 0-999/{len(DATA)}")]
        first = await client.signed("PUT", "/photos/a.jpg", DATA[:1000], part, now=time.time())
        assert first.status == 308
        await sessions.start()
        [upload] = await sessions.expired_uploads(time.time() + 10**9, 5)
        await sessions.change_upload(upload, 0, Change(state="ending"))
        asking = [("content-range", f"bytes */{len(DATA)}")]
        answer = await client.signed("PUT", "/photos/a.jpg", b"", asking, now=time.time())
        assert (answer.status, answer.get("range")) == (308, None)
    await sessions.aclose()


async def test_bytes_without_a_session_that_come_while_it_begins_anew_are_sent_again(
    tmp_path: Path,
) -> None:
    sessions = SqliteSessions(tmp_path / "shared.db")
    keys = {KEY_ID: {"secret": SECRET}}
    url = f"sqlite:///{tmp_path}/shared.db"
    async with gateway(tmp_path, sessions={"url": url}, keys=keys) as client:

        async def put(start: int, stop: int) -> Answer:
            headers = [("content-range", f"bytes {start}-{stop - 1}/{len(DATA)}")]
            body, now = DATA[start:stop], time.time()
            return await client.signed("PUT", "/photos/a.jpg", body, headers, now=now)

        assert (await put(0, 1000)).status == 308
        await sessions.start()
        [upload] = await sessions.expired_uploads(time.time() + 10**9, 5)
        await sessions.change_upload(upload, 0, Change(state="ending"))
        late = await put(1000, 2000)
        assert late.status == 409
        assert b"upload-overtaken" in late.body
        assert (await put(0, 1000)).get("range") == "bytes=0-999"
        assert (await put(1000, 2000)).get("range") == "bytes=0-1999"
    await sessions.aclose()


# --- the upload's URL as a credential ---


async def test_a_wrong_capability_and_a_foreign_credential_find_nothing(client: Client) -> None:
    url = await made(client)
    upload, _, mac = url.rpartition("/")[2].partition(".")
    assert mac.startswith(mac_of(SECRET, upload))
    wrong = mac[:-2] + ("AA" if not mac.endswith("AA") else "BB")
    assert (await client.send("HEAD", f"/-/uploads/{upload}.{wrong}", headers=TUS)).status == 404
    assert (await client.send("HEAD", f"/-/uploads/{'x' * 22}.{mac}", headers=TUS)).status == 404
    assert (await client.send("HEAD", f"/-/uploads/{upload}", headers=TUS)).status in (401, 403)
    own = await client.signed("HEAD", f"/-/uploads/{upload}", headers=TUS, now=time.time())
    assert own.status == 200
    both = await client.signed("HEAD", url, headers=TUS, now=time.time())
    assert both.status == 200


async def test_another_principals_credential_beside_the_url_is_refused(client: Client) -> None:
    from gateway.auth.authenticator import Authenticator

    url = await made(client)
    authenticate = Authenticator.authenticate

    async def as_somebody_else(self: Any, *args: Any) -> Any:
        from dataclasses import replace

        from gateway.model import Principal

        grant = await authenticate(self, *args)
        return replace(grant, principal=Principal(OTHER, OTHER))

    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(Authenticator, "authenticate", as_somebody_else)
        answer = await client.signed("HEAD", url, headers=TUS, now=time.time())
    assert answer.status == 404


async def test_the_log_does_not_hold_the_capability(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    url = await made(client)
    await client.send("HEAD", url, headers=TUS)
    flush_log()
    out = capsys.readouterr().out
    assert url.partition(".")[0] in out
    assert url.partition(".")[2] not in out


# --- progress ---


async def test_the_progress_is_told_as_json_and_as_events(client: Client) -> None:
    url = await made(client)
    await patch(client, url, 0, DATA[:1000])
    asked = await client.send("GET", url, headers=TUS)
    assert json.loads(asked.body)["offset"] == 1000
    await patch(client, url, 1000, DATA[1000:])
    waiting: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"", "more_body": False},
        {"type": "http.disconnect"},
    ]
    events = await client.send("GET", url, waiting, [("accept", "text/event-stream")])
    assert events.get("content-type") == "text/event-stream"
    assert events.complete


async def test_clients_never_reach_the_gateways_own_keys(client: Client) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = await client.signed(method, "/photos/.sluice/tails/x", now=time.time())
        assert answer.status == 403


async def test_options_tells_what_is_spoken(client: Client) -> None:
    answer = await client.send("OPTIONS", "/-/uploads/photos")
    assert answer.status == 204
    assert answer.get("tus-version") == "1.0.0"
    assert answer.get("tus-max-size")
    assert "max-age=86400" in str(answer.get("upload-limit"))
