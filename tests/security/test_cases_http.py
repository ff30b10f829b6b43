"""Cases 32 to 34, 49 to 57, 68 to 72, 93 and 95: framing, limits, ranges, and what does not exist."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.protocol.signatures.wire import Wire, botocore_presigned
from tests.security.asking import Asker, bytes_of, unsigned
from tests.servers.gateway import CONFIG, running_gateway, start_gateway
from tests.servers.ports import free_port

PUT = b"PUT /cases/x HTTP/1.1\r\nHost: x\r\n"
#: Bytes that are no request; each is answered 400 and the connection ends.
MALFORMED = {
    "case_32_length_and_chunked": PUT
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "case_33_another_coding": PUT + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "case_33_folded_header": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "case_33_bare_line_feed": b"GET / HTTP/1.1\nHost: x\n\n\r\n\r\n",
    "case_33_space_before_colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "case_33_plus": PUT + b"Content-Length: +5\r\n\r\nhello",
    "case_33_minus": PUT + b"Content-Length: -1\r\n\r\n",
    "case_33_hexadecimal": PUT + b"Content-Length: 0x1\r\n\r\nx",
    "case_55_no_host": b"GET / HTTP/1.1\r\n\r\n",
    "case_55_bad_host": b"GET / HTTP/1.1\r\nHost: a@b/c\r\n\r\n",
    "case_55_absolute_form": b"GET http://x/cases/a HTTP/1.1\r\nHost: x\r\n\r\n",
}


def url(method: str, path: str, query: bytes = b"", **more: object) -> Wire:
    return botocore_presigned(method, path.encode(), query, now=time.time())


def with_headers(wire: Wire, *headers: tuple[bytes, bytes]) -> Wire:
    for name, value in headers:
        wire = wire.with_header(name, value)
    return wire


@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_request_is_refused_and_the_connection_ends(
    ask: Asker, request_bytes: bytes
) -> None:
    client = ask.connect()
    client.send(request_bytes)

    assert client.reply().status == 400
    assert client.closed()
    client.close()


def test_case_34_an_unread_body_is_never_taken_for_a_request(ask: Asker) -> None:
    inner = bytes_of(unsigned("GET", "/-/healthz"))
    body = inner + bytes(2 << 20)
    client = ask.connect()
    client.send(bytes_of(unsigned("PUT", "/cases/x"), body)[: len(inner) + 4000])
    reply = client.reply()

    assert reply.status == 401
    assert client.closed()
    assert client.buffer == b""
    client.close()


def test_case_34_pitfall_35_a_small_refused_body_keeps_the_connection(ask: Asker) -> None:
    client = ask.connect()
    client.send(bytes_of(unsigned("PUT", "/cases/x"), b"hello"))
    assert client.reply().status == 401
    client.send(bytes_of(unsigned("GET", "/-/healthz")))
    assert client.reply().body == b"ok\n"
    client.close()


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (lambda: unsigned("PUT", "/cases/x"), 401),
        (lambda: with_headers(url("PUT", "/cases/expect"), (b"if-match", b'"none"')), 412),
    ],
    ids=["no credential", "a condition"],
)
def test_a_refused_upload_is_not_invited(ask: Asker, wire: Callable[[], Wire], status: int) -> None:
    made = with_headers(wire(), (b"expect", b"100-continue"), (b"content-length", b"1000"))
    answer = ask.raw(bytes_of(made))

    assert (answer.status, answer.interim) == (status, [])


def test_an_accepted_upload_is_invited(ask: Asker) -> None:
    client = ask.connect()
    wire = with_headers(url("PUT", "/cases/expect"), (b"expect", b"100-continue"))
    client.send(bytes_of(with_headers(wire, (b"content-length", b"5"))))
    status, _ = client.head()
    client.send(b"hello")

    assert (status, client.reply().status) == (100, 200)
    client.close()


def files(folder: Path) -> list[str]:
    """What the store holds: objects, parts, anything."""
    return sorted(
        os.path.relpath(os.path.join(where, name), folder)
        for where, _, names in os.walk(folder)
        for name in names
    )


def test_case_49_a_client_that_leaves_leaves_nothing(ask: Asker) -> None:
    ask.send(url("PUT", "/cases/warm"), b"x")
    before = files(ask.gateway.folder / "objects")
    for size in (1000, 20 << 20):
        client = ask.connect()
        wire = with_headers(url("PUT", "/cases/left"), (b"content-length", str(size).encode()))
        client.send(bytes_of(wire), bytes(size // 2))
        time.sleep(0.1)
        client.close()
    deadline = time.monotonic() + 10
    while files(ask.gateway.folder / "objects") != before and time.monotonic() < deadline:
        time.sleep(0.05)

    assert files(ask.gateway.folder / "objects") == before
    assert ask.send(url("GET", "/cases/left")).status == 404
    while '"error": "client-gone"' not in ask.gateway.logs() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert '"error": "client-gone"' in ask.gateway.logs()


def test_case_50_what_a_killed_gateway_left_is_swept_by_the_next(tmp_path: Path) -> None:
    config = CONFIG + '\n[sweep]\ninterval = "300ms"\ngrace = "15s"\n'
    first = start_gateway(tmp_path, config)
    ask = Asker(first)
    http = first.presign("PUT", "public", "kept.txt")
    httpx.put(http, content=b"kept")
    clean = files(tmp_path / "objects")
    client = ask.connect()
    large = first.presign("PUT", "public", "large").partition(f"{first.url}")[2]
    host = first.url.removeprefix("http://")
    head = f"PUT {large} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {64 << 20}\r\n\r\n"
    client.send(head.encode(), bytes(20 << 20))
    deadline = time.monotonic() + 10
    while len(files(tmp_path / "objects")) == len(clean) and time.monotonic() < deadline:
        time.sleep(0.05)
    first.kill()
    client.close()
    assert len(files(tmp_path / "objects")) > len(clean)
    with running_gateway(tmp_path, config) as second:
        while files(tmp_path / "objects") != clean and time.monotonic() < deadline + 10:
            time.sleep(0.05)
        assert files(tmp_path / "objects") == clean
        assert httpx.get(f"{second.url}/public/kept.txt").content == b"kept"
        assert httpx.get(second.presign("GET", "public", "large")).status_code == 404


def test_case_51_a_head_that_is_too_large_is_refused_in_the_dialects_words(ask: Asker) -> None:
    long = ("x-long", "a" * 9000)
    many = [(f"x-{number}", "a" * 1000) for number in range(20)]

    assert ask.plain("GET", "/cases/a", long).status == 431
    assert ask.plain("GET", "/cases/a", *many).status == 431
    amazon = ask.plain("GET", "/cases/a", ("x-amz-date", "x"), long)
    assert (amazon.status, amazon.code) == (400, "RequestHeaderSectionTooLarge")
    metadata = (b"x-amz-meta-a", b"a" * 2100)
    signed = botocore_presigned(
        "PUT", b"/cases/meta", b"", [(metadata[0].decode(), metadata[1].decode())], now=time.time()
    )
    assert ask.send(signed, b"x").code == "MetadataTooLarge"


def test_case_52_a_target_that_is_too_long_is_refused(ask: Asker) -> None:
    assert ask.plain("GET", "/cases/" + "a" * 8300).status in (400, 414)


def test_case_56_one_connection_too_many_is_refused_before_a_byte_of_its_body(
    tmp_path: Path,
) -> None:
    config = CONFIG.replace("[server]", "[server]\nmax_connections = 4")
    with running_gateway(tmp_path, config) as gateway:
        ask = Asker(gateway)
        time.sleep(0.2)  # the readiness probe's connection is gone
        clients = [ask.connect() for _ in range(4)]
        for client in clients:
            client.send(bytes_of(unsigned("GET", "/-/healthz")))
            assert client.reply().status == 200
        late = ask.connect()
        reply = late.reply()
        assert (reply.status, int(reply.headers["retry-after"]) >= 1) == (503, True)
        assert late.closed()
        late.close()
        clients.pop().close()
        time.sleep(0.2)
        assert ask.plain("GET", "/-/healthz").status == 200
        for client in clients:
            client.close()


@pytest.mark.parametrize(
    "target", ["/cases/none", "/public/none", "/-/healthz", "/-/none", "/%ff", "/up/none"]
)
def test_case_57_head_has_the_status_of_get_and_never_a_body(ask: Asker, target: str) -> None:
    client = ask.connect()
    client.send(bytes_of(unsigned("HEAD", target)), bytes_of(unsigned("GET", "/-/healthz")))
    status, _ = client.head()
    got = ask.plain("GET", target)

    assert status == got.status
    assert client.reply().body == b"ok\n"  # directly after the head
    client.close()


def test_case_57_an_unchanged_object_has_no_body(ask: Asker) -> None:
    etag = ask.send(url("PUT", "/public/same"), b"hello").headers["etag"]
    client = ask.connect()
    client.send(bytes_of(unsigned("GET", "/public/same", ("if-none-match", etag))))
    assert client.head()[0] == 304
    client.send(bytes_of(unsigned("GET", "/-/healthz")))
    assert client.reply().body == b"ok\n"
    client.close()


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "BREW", "PROPFIND", "LOCK", "get"])
def test_case_57_case_93_methods_that_do_not_exist_are_405(ask: Asker, method: str) -> None:
    assert ask.plain(method, "/cases/a").status in (400, 405)
    assert ask.plain("TRACE", "/cases/a").status == 405


@pytest.fixture(scope="module")
def ten(ask: Asker) -> Asker:
    """With objects of ten bytes and of none."""
    assert ask.send(url("PUT", "/public/ten"), b"0123456789").status == 200
    assert ask.send(url("PUT", "/public/empty")).status == 200
    return ask


@pytest.mark.parametrize(
    ("header", "status", "body"),
    [
        pytest.param("bytes=0-0,2-2", 200, b"0123456789", id="case_68_two"),
        pytest.param(
            "bytes=" + ",".join(f"{n}-{n}" for n in range(10_000))[:5000], 200, b"0123456789", id="case_68_many",
        ),
        pytest.param("bytes=0-4,2-7", 200, b"0123456789", id="case_68_overlapping"),
        pytest.param("bytes=5-2", 200, b"0123456789", id="case_69_backwards"),
        pytest.param("bytes=a-b", 200, b"0123456789", id="case_69_words"),
        pytest.param(f"bytes={2**64}-", 416, None, id="case_69_huge"),
        pytest.param("bytes=-0", 416, None, id="case_69_no_suffix"),
        pytest.param("bytes=2-3", 206, b"23", id="case_69_a_good_one"),
    ],
)  # fmt: skip
def test_ranges(ten: Asker, header: str, status: int, body: bytes | None) -> None:
    answer = ten.plain("GET", "/public/ten", ("range", header))

    assert answer.status == status
    assert body is None or answer.body == body
    if status == 416:
        assert answer.headers["content-range"] == "bytes */10"


def test_case_69_an_empty_object_has_no_range(ten: Asker) -> None:
    assert ten.plain("GET", "/public/empty", ("range", "bytes=0-")).status == 416
    assert ten.plain("GET", "/public/empty").body == b""


@pytest.mark.parametrize("number", ["1", "0", "10001"])
def test_case_70_parts_cannot_be_asked_for_yet(ten: Asker, number: str) -> None:
    """Beside a range they contradict each other; alone, reading by part is not offered (501)."""
    query = f"partNumber={number}".encode()
    alone = ten.send(url("GET", "/public/ten", query))
    ranged = ten.send(with_headers(url("GET", "/public/ten", query), (b"range", b"bytes=0-1")))

    assert alone.status in (400, 501)
    assert ranged.status in (400, 501)


@pytest.mark.parametrize(
    ("value", "status"), [("bytes 0-4/10", 308), ("bytes 5-1/10", 400), ("lines 0-4/10", 400)]
)
def test_case_71_a_piece_of_an_object_is_never_stored_as_the_whole(
    ten: Asker, value: str, status: int
) -> None:
    """It begins an upload that the object knows nothing of before all of it is there; what is no range is 400."""
    wire = with_headers(url("PUT", "/public/ten"), (b"content-range", value.encode()))

    assert ten.send(wire, b"xxxxx").status == status
    assert ten.plain("GET", "/public/ten").body == b"0123456789"


def test_case_72_a_ranged_download_of_a_replaced_object_is_412(ask: Asker) -> None:
    etag = ask.send(url("PUT", "/public/v"), b"0123456789").headers["etag"]
    ours = (("if-match", etag), ("range", "bytes=0-4"))
    assert ask.plain("GET", "/public/v", *ours).body == b"01234"
    ask.send(url("PUT", "/public/v"), b"another one")

    assert ask.plain("GET", "/public/v", ("if-match", etag), ("range", "bytes=5-9")).status == 412
    newer = ask.plain("GET", "/public/v", ("if-range", etag), ("range", "bytes=5-9"))
    assert (newer.status, newer.body) == (200, b"another one")


@pytest.mark.parametrize("name", ["acl", "tagging", "policy", "torrent", "uploads", "no-such"])
def test_case_93_operations_that_are_not_offered_are_501(ask: Asker, name: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = ask.send(url(method, "/cases/a", name.encode() + b"="))
        assert (answer.status, answer.code) == (501, "NotImplemented")


def test_case_95_metrics_may_have_a_listener_of_their_own(tmp_path: Path) -> None:
    port = free_port()
    config = CONFIG.replace("[server]", f'[server]\nmetrics_listen = "127.0.0.1:{port}"')
    with running_gateway(tmp_path, config) as gateway:
        httpx.get(f"{gateway.url}/public/secret-name")
        beside = httpx.get(f"http://127.0.0.1:{port}/-/metrics")
        assert httpx.get(f"{gateway.url}/-/metrics").status_code == 404
        assert httpx.get(f"http://127.0.0.1:{port}/public/a").status_code == 404
    assert "sluice_requests_total{" in beside.text
    assert "secret-name" not in beside.text
    assert "public" not in beside.text
