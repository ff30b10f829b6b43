"""Forms through the shell: when fields are read, what of a refused form reaches the store, how errors are worded."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Overloaded, RequestTimeout
from gateway.model import ObjectKey
from gateway.protocol.commands import RequestHead
from gateway.protocol.forms import FormHead
from gateway.protocol.signatures import jwt
from gateway.storage.memory import MemoryStore
from gateway.web.channel import AsgiChannel
from gateway.web.exchange import Exchange
from gateway.web.forms import FieldReader
from gateway.web.log import flush
from gateway.web.streams import Message
from tests.protocol.forms import BOUNDARY, Fields, content_type, form, part, signed
from tests.protocol.signatures.wire import KEY_ID, SECRET, botocore_post
from tests.web import lab

ORIGIN = "https://app.example.org"
WRITERS = """
[[rules]]
actions = ["write"]
buckets = ["open"]
prefixes = ["in/"]
max_size = "1KiB"
content_types = ["text/*", "application/octet-stream"]
"""


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    made = MemoryStore("main")
    monkeypatch.setattr("gateway.runtime.open_store", lambda name, section: made)
    return made


@pytest.fixture
async def client(tmp_path: Path, store: MemoryStore) -> AsyncIterator[lab.Client]:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "writers.toml").write_text(WRITERS)
    more: dict[str, Any] = {
        "server": {
            "data_dir": tmp_path / "data",
            "policies": tmp_path / "policies",
            "domains": ["s3.example.org"],
        },
        "buckets": {
            "photos": {"storage": "main"},
            "open": {"storage": "main", "anonymous": "writers"},
        },
        "cors": {"origins": [ORIGIN]},
    }
    async with lab.gateway(tmp_path, **more) as running:
        yield running


async def post(
    client: lab.Client,
    fields: Any,
    file: bytes | None = b"hello",
    *headers: tuple[str, str],
    target: str = "/photos",
    after: Fields = (),
    **more: Any,
) -> lab.Answer:
    body = form(fields, file, after=after, **more)
    return await client.send("POST", target, body, [content_type(), *headers])


async def content(store: MemoryStore, key: str, bucket: str = "photos") -> bytes:
    opened = await store.get(ObjectKey(bucket, key))
    view = memoryview(bytearray(1 << 20))
    found = b""
    while size := await opened.source.read_into(view):
        found += view[:size]
    return found


def stored(store: MemoryStore) -> list[str]:
    return sorted(str(key) for key in store._objects)


def bearer(**claims: object) -> tuple[str, str]:
    full = {"sub": "me", "bucket": "photos", "prefix": "in/", "exp": int(time.time()) + 60} | claims
    return ("authorization", f"Bearer {jwt.sign(full, SECRET, key_id=KEY_ID)}")


# --- what is taken ---


async def test_a_form_that_botocore_presigned_is_stored_with_what_it_says(
    client: lab.Client, store: MemoryStore
) -> None:
    fields = botocore_post(
        "photos",
        "in/${filename}",
        {"Content-Type": "text/plain", "x-amz-meta-from": "form"},
        [{"Content-Type": "text/plain"}, {"x-amz-meta-from": "form"}],
    )
    answer = await post(client, fields, filename="/etc/a.txt", after=[("submit", "Upload")])

    assert (answer.status, answer.body) == (204, b"")
    assert await content(store, "in/a.txt") == b"hello"
    info = await store.head(ObjectKey("photos", "in/a.txt"))
    assert answer.get("etag") == f'"{info.etag}"'
    assert info.attributes.content_type == "text/plain"
    assert info.attributes.metadata == {"from": "form"}


async def test_a_form_to_a_virtual_host_goes_to_its_bucket(
    client: lab.Client, store: MemoryStore
) -> None:
    host = ("host", "photos.s3.example.org")
    answer = await post(client, botocore_post("photos", "a"), b"x", host, target="/")

    assert (answer.status, stored(store)) == (204, ["photos/a"])
    assert answer.get("location") == "http://photos.s3.example.org/a"


async def test_a_token_posts_a_form_as_plain_http(client: lab.Client, store: MemoryStore) -> None:
    token = bearer(prefix="in/")
    answer = await post(client, {"key": "in/${filename}"}, b"hello", token, kind="text/plain")

    assert (answer.status, answer.get("location")) == (201, f"http://{lab.HOST}/photos/in/a.txt")
    info = await store.head(ObjectKey("photos", "in/a.txt"))
    assert info.attributes.content_type == "text/plain"
    again = await post(client, {"key": "in/a.txt"}, b"other", bearer(prefix="in/"))
    assert (again.status, await content(store, "in/a.txt")) == (204, b"other")


async def test_anybody_posts_where_a_policy_lets_anybody_write(
    client: lab.Client, store: MemoryStore
) -> None:
    answer = await post(client, {"key": "in/a"}, b"x", target="/open")
    assert (answer.status, stored(store)) == (201, ["open/in/a"])
    assert (await post(client, {"key": "in/b"}, b"x" * 1025, target="/open")).code == "too-large"
    assert (await post(client, {"key": "out"}, b"x", target="/open")).code == "forbidden"
    page = await post(client, {"key": "in/c", "content-type": "image/svg+xml"}, target="/open")
    assert page.code == "unsupported-media-type"
    assert stored(store) == ["open/in/a"]


@pytest.mark.parametrize("size", [1, 3, 50, 1000])
async def test_a_form_may_come_in_any_pieces(
    client: lab.Client, store: MemoryStore, size: int
) -> None:
    body = form(botocore_post("photos", "a"), b"\r\n--" * 300, after=[("x", "y")])
    messages = [
        {"type": "http.request", "body": body[at : at + size], "more_body": True}
        for at in range(0, len(body), size)
    ]
    end = {"type": "http.request", "body": b"", "more_body": False}
    answer = await client.send("POST", "/photos", [*messages, end], [content_type()])

    assert answer.status == 204
    assert await content(store, "a") == b"\r\n--" * 300


# --- what is refused, with nothing stored ---


async def refused(
    client: lab.Client, store: MemoryStore, fields: Any, *headers: tuple[str, str], **more: Any
) -> tuple[int, str]:
    """The answer's status and code, after a look into the store."""
    answer = await post(client, fields, more.pop("file", b"hello"), *headers, **more)
    assert stored(store) == []
    return answer.status, answer.code


BASE = [{"bucket": "photos"}, ["starts-with", "$key", "in/"]]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param(
            lambda: signed(BASE, {"key": "in/a", "acl": "private"}),
            (403, "AccessDenied"),
            id="field not in the policy",
        ),
        pytest.param(
            lambda: signed(BASE, {"key": "out/a"}),
            (403, "AccessDenied"),
            id="key outside the prefix",
        ),
        pytest.param(
            lambda: signed(BASE, {"key": "in/../out"}),
            (400, "InvalidURI"),
            id="key out of the prefix by dots",
        ),
        pytest.param(
            lambda: signed(BASE[:1], {"key": "in/a"}),
            (403, "AccessDenied"),
            id="no condition on the key",
        ),
        pytest.param(
            lambda: signed(BASE[1:], {"key": "in/a"}),
            (403, "AccessDenied"),
            id="no condition on the bucket",
        ),
        pytest.param(
            lambda: signed([{"bucket": "open"}, BASE[1]], {"key": "in/a"}),
            (403, "AccessDenied"),
            id="another bucket",
        ),
        pytest.param(
            lambda: signed([*BASE, {"x-amz-meta-a": "b"}], {"key": "in/a"}),
            (403, "AccessDenied"),
            id="a demanded field is missing",
        ),
        pytest.param(
            lambda: signed(BASE, {"key": "in/a"}, expires=-1), (403, "AccessDenied"), id="expired"
        ),
        pytest.param(
            lambda: signed(BASE, {"key": "in/a"}, secret="x"),
            (403, "SignatureDoesNotMatch"),
            id="wrong signature",
        ),
        pytest.param(
            lambda: signed(BASE, {"key": "in/a"}, key_id="UNKNOWN"),
            (403, "InvalidAccessKeyId"),
            id="unknown key",
        ),
        pytest.param(
            lambda: signed(BASE, {"key": "in/a"}, region="mars-1"),
            (400, "AuthorizationHeaderMalformed"),
            id="another region",
        ),
        pytest.param(
            lambda: signed(BASE, {"key": "in/a"}, policy="e30="),
            (400, "InvalidPolicyDocument"),
            id="no policy",
        ),
        pytest.param(
            lambda: signed([*BASE, ["near", "$key", "in/"]], {"key": "in/a"}),
            (400, "InvalidPolicyDocument"),
            id="unknown operator",
        ),
        pytest.param(lambda: signed(BASE), (400, "InvalidArgument"), id="no key"),
        pytest.param(lambda: signed(BASE, {"key": ""}), (400, "InvalidArgument"), id="empty key"),
        pytest.param(
            lambda: {"key": "in/a", "policy": "e30="},
            (400, "AuthorizationHeaderMalformed"),
            id="a policy alone",
        ),
        pytest.param(
            lambda: {"key": "in/a", "x-amz-signature": "0" * 64},
            (400, "AuthorizationHeaderMalformed"),
            id="a signature alone",
        ),
        pytest.param(lambda: {"key": "in/a"}, (401, "unauthenticated"), id="no credential"),
        pytest.param(
            lambda: signed([*BASE, ["content-length-range", 6, 9]], {"key": "in/a"}),
            (400, "EntityTooSmall"),
            id="too small",
        ),
        pytest.param(
            lambda: signed([*BASE, ["content-length-range", 0, 4]], {"key": "in/a"}),
            (400, "EntityTooLarge"),
            id="too large",
        ),
        pytest.param(
            lambda: signed([*BASE, {"acl": "public-read"}], {"key": "in/a", "acl": "public-read"}),
            (501, "NotImplemented"),
            id="an ACL",
        ),
    ],
)
async def test_case_83_a_form_that_breaks_its_policy_stores_nothing(
    client: lab.Client, store: MemoryStore, fields: Any, expected: tuple[int, str]
) -> None:
    assert await refused(client, store, fields()) == expected


async def test_case_83_a_policy_covers_the_least_and_the_most_to_the_byte(
    client: lab.Client, store: MemoryStore
) -> None:
    for size in (5, 6):
        ranged = [*BASE, ["content-length-range", 5, 6]]
        answer = await post(client, signed(ranged, {"key": f"in/{size}"}), b"x" * size)
        assert answer.status == 204
    assert stored(store) == ["photos/in/5", "photos/in/6"]


async def test_a_form_has_one_credential(client: lab.Client, store: MemoryStore) -> None:
    fields = signed(BASE, {"key": "in/a"})
    assert await refused(client, store, fields, bearer()) == (400, "InvalidRequest")
    query = "/photos?X-Amz-Signature=x&X-Amz-Credential=y&X-Amz-Algorithm=z"
    assert await refused(client, store, fields, target=query) == (400, "InvalidRequest")
    assert await refused(client, store, {"key": "in/a"}, target=query) == (
        400,
        "malformed-credential",
    )
    header = ("authorization", "AWS4-HMAC-SHA256 Credential=x")
    assert await refused(client, store, fields, header) == (400, "malformed-credential")
    assert await refused(client, store, fields, ("authorization", "AWS a:b")) == (
        400,
        "malformed-credential",
    )


async def test_a_bad_token_is_refused_before_a_byte_of_the_form_is_asked_for(
    client: lab.Client,
) -> None:
    asked: list[int] = []
    scope = client.scope("POST", "/photos", [content_type(), ("authorization", "Bearer a.b.c")])
    answer = lab.Answer()

    async def receive() -> Message:
        asked.append(1)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]

    await client.app(scope, receive, send)
    assert (answer.status // 100, asked) == (4, [])


async def test_a_token_for_other_methods_posts_no_form(
    client: lab.Client, store: MemoryStore
) -> None:
    fields = {"key": "in/a"}
    assert await refused(client, store, fields, bearer(methods=["PUT"])) == (403, "forbidden")
    assert await refused(client, store, fields, bearer(prefix="out/")) == (403, "forbidden")
    assert await refused(client, store, fields, bearer(max_size=4)) == (413, "too-large")


@pytest.mark.parametrize("signed_form", [True, False], ids=["signed", "plain"])
async def test_case_84_endless_fields_end_at_64_kib(
    client: lab.Client, store: MemoryStore, signed_form: bool
) -> None:
    fields = signed(BASE, {"key": "in/a"}) if signed_form else {"key": "in/a"}
    begin = b"".join(b"--" + BOUNDARY + b"\r\n" + part(name, v) for name, v in fields.items())
    begin += b"--" + BOUNDARY + b"\r\n" + part("x-ignore-me", b"")[:-2]
    given = 0

    async def receive() -> Message:
        nonlocal given
        body = begin if not given else b"x" * 4096
        given += len(body)
        return {"type": "http.request", "body": body, "more_body": True}

    answer = lab.Answer()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.headers = [(n.decode(), v.decode()) for n, v in message["headers"]]
        else:
            answer.body += message.get("body", b"")

    await client.app(client.scope("POST", "/photos", [content_type()]), receive, send)

    assert answer.code == ("MaxPostPreDataLengthExceeded" if signed_form else "form-too-large")
    assert given <= 80 * 1024
    assert stored(store) == []


@pytest.mark.parametrize("cut", [10, 200, -30, -3], ids=["fields", "policy", "file", "end"])
@pytest.mark.parametrize("gone", [True, False], ids=["client gone", "body ended"])
async def test_a_form_that_breaks_off_stores_nothing(
    client: lab.Client, store: MemoryStore, cut: int, gone: bool
) -> None:
    body = form(signed(BASE, {"key": "in/a"}), b"x" * 100)[:cut]
    end = {"type": "http.disconnect"} if gone else {"type": "http.request", "body": b""}
    messages = [{"type": "http.request", "body": body, "more_body": True}, end]
    answer = await client.send("POST", "/photos", messages, [content_type()])

    assert stored(store) == []
    assert answer.status == (0 if gone else 400)


async def test_what_is_posted_to_a_bucket_must_be_a_form(client: lab.Client) -> None:
    answer = await client.send("POST", "/photos", b"x", [bearer(), ("content-type", "text/plain")])
    assert (answer.status, answer.code) == (415, "unsupported-media-type")
    answer = await client.send(
        "POST", "/photos/key", form({"key": "a"}), [bearer(), content_type()]
    )
    assert (answer.status, answer.code) == (415, "unsupported-media-type")


async def test_no_multipart_field_reaches_the_log(
    client: lab.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = signed(BASE, {"key": "in/a"})
    await post(client, fields)
    await post(client, fields | {"x-amz-signature": "0" * 64})
    lab_lines = json.dumps(_told(capsys))
    assert '"scheme": "sigv4-form"' in lab_lines
    for secret in (fields["policy"], fields["x-amz-signature"], "0" * 64):
        assert secret not in lab_lines


def _told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    flush()
    return lab.lines(capsys.readouterr().out)


# --- browsers ---


async def test_case_87_forms_from_pages_get_their_cors_headers(client: lab.Client) -> None:
    fields = signed(BASE, {"key": "in/a"})
    for given, status in ((fields, 204), (fields | {"acl": "private"}, 403)):
        answer = await post(client, given, b"x", ("origin", ORIGIN))
        assert (answer.status, answer.get("access-control-allow-origin")) == (status, ORIGIN)
        assert "ETag" in (answer.get("access-control-expose-headers") or "")
        other = await post(client, given, b"x", ("origin", "https://evil.example"))
        assert (other.status, other.get("access-control-allow-origin")) == (status, None)


async def test_a_preflight_for_a_form_with_a_token_is_answered(client: lab.Client) -> None:
    asked = [
        ("origin", ORIGIN),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ]
    answer = await client.send("OPTIONS", "/photos", headers=asked)
    assert answer.status == 204
    assert "POST" in (answer.get("access-control-allow-methods") or "")
    assert answer.get("access-control-allow-headers") == "authorization"


async def test_case_85_a_redirection_only_follows_success(client: lab.Client) -> None:
    url = "https://app.example.org/done"
    conditions = [*BASE, {"success_action_redirect": url}]
    fields = signed(conditions, {"key": "in/a", "success_action_redirect": url})
    answer = await post(client, fields)
    assert answer.status == 303
    assert (answer.get("location") or "").startswith(f"{url}?bucket=photos&key=in%2Fa&etag=%22")
    refusal = await post(client, fields | {"key": "out"})
    assert (refusal.status, refusal.get("location")) == (403, None)


# --- bounds of the reader itself ---


def exchange() -> Exchange:
    name, value = content_type()
    return Exchange(RequestHead("POST", b"/photos", headers=[(name.encode(), value.encode())]))


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def unsent(message: Message) -> None:
    raise AssertionError(message)


async def test_fields_that_do_not_come_are_given_up() -> None:
    asking = exchange()
    with pytest.raises(RequestTimeout):
        await FieldReader(timeout=0.02).read(asking, AsgiChannel({}, never, unsent))
    assert isinstance(asking.head, FormHead)


async def test_only_so_many_forms_are_read_at_a_time() -> None:
    reader = FieldReader(places=1, timeout=0.1)
    first = asyncio.create_task(reader.read(exchange(), AsgiChannel({}, never, unsent)))
    await asyncio.sleep(0)
    reader._timeout = 0.02
    with pytest.raises(Overloaded):
        await reader.read(exchange(), AsgiChannel({}, never, unsent))
    with pytest.raises(RequestTimeout):
        await first

    async def whole() -> Message:
        return {"type": "http.request", "body": form({"key": "a"})}

    source = await reader.read(exchange(), AsgiChannel({}, whole, unsent))
    view = memoryview(bytearray(99))
    assert bytes(view[: await source.read_into(view)]) == b"hello"
