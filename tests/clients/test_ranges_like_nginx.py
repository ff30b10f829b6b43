"""Ranges and conditions: the same requests to Sluice and to nginx serving the same file.

Equal status, Content-Range and body; where we differ on purpose, the reason stands in the table.
"""

import email.utils
import http.client
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.servers.gateway import running_gateway
from tests.servers.nginx import running_nginx

SIZE = 100_000
BODY = bytes(i * 7 % 251 for i in range(SIZE))

RANGES = [
    "bytes=0-0", "bytes=0-1", "bytes=0-99999", "bytes=0-100000", "bytes=0-", "bytes=1-", "bytes=99999-",
    "bytes=99999-99999", "bytes=99999-200000", "bytes=100000-", "bytes=100000-100001", "bytes=100001-",
    "bytes=-1", "bytes=-99999", "bytes=-100000", "bytes=-100001", "bytes=-0", "bytes=500-499", "bytes=5-5",
    "bytes=10-20", "bytes= 10-20", "bytes=10-20 ", "bytes=10 -20", "bytes=10- 20", "bytes =10-20", "bytes=1 0-20",
    "Bytes=10-20", "BYTES=10-20", "bytes", "bytes=", "bytes=-", "bytes=--1", "bytes=a-b", "bytes=1-b", "bytes=a-1",
    "bytes=0x0-0x5", "bytes=+1-+5", "bytes=1.0-5", "bytes=1-5;", "bytes=1-5,", "bytes=,1-5", "items=0-5", "0-5",
    "bytes=18446744073709551615-", "bytes=0-18446744073709551615", "bytes=9223372036854775807-",
    "bytes=9223372036854775808-", "bytes=-18446744073709551616", "bytes=0-9223372036854775807",
    "bytes=00-05", "bytes=000000000000000000000000-5", "bytes=0-0,1-1", "bytes=0-9,20-29", "bytes=0-9, 20-29",
    "bytes=0-9,5-14", "bytes=0-,0-,0-", "bytes=200000-,0-5", "bytes=0-5,200000-", "bytes=200000-,300000-",
    "bytes=-5,0-5", "bytes=0-0,", "bytes=0-5-9", "bytes=0--5", "bytes:0-5", "bytes=0-5\t", "bytes=\t0-5",
]  # fmt: skip

CONDITIONS = [
    {"If-None-Match": "{etag}"}, {"If-None-Match": "W/{etag}"}, {"If-None-Match": '"other"'},
    {"If-None-Match": '"other", {etag}'}, {"If-None-Match": "*"}, {"If-None-Match": '"other",W/{etag} , "x"'},
    {"If-Match": "{etag}"}, {"If-Match": "W/{etag}"}, {"If-Match": '"other"'}, {"If-Match": '"other", {etag}'},
    {"If-Match": "*"}, {"If-Modified-Since": "{modified}"}, {"If-Modified-Since": "{before}"},
    {"If-Modified-Since": "{after}"}, {"If-Modified-Since": "rubbish"}, {"If-Unmodified-Since": "{modified}"},
    {"If-Unmodified-Since": "{before}"}, {"If-Unmodified-Since": "{after}"}, {"If-Unmodified-Since": "rubbish"},
    {"If-None-Match": '"other"', "If-Modified-Since": "{modified}"},
    {"If-None-Match": "{etag}", "If-Modified-Since": "{before}"},
    {"If-Match": "{etag}", "If-Unmodified-Since": "{before}"},
    {"If-Match": '"other"', "If-Unmodified-Since": "{after}"},
    {"If-Match": "{etag}", "If-None-Match": "{etag}"},
    {"Range": "bytes=0-5", "If-Range": "{etag}"}, {"Range": "bytes=0-5", "If-Range": '"other"'},
    {"Range": "bytes=0-5", "If-Range": "W/{etag}"}, {"Range": "bytes=0-5", "If-Range": "{modified}"},
    {"Range": "bytes=0-5", "If-Range": "{before}"}, {"Range": "bytes=0-5", "If-Range": "{after}"},
    {"Range": "bytes=0-5", "If-Range": "rubbish"}, {"Range": "bytes=200000-", "If-Range": '"other"'},
    {"Range": "bytes=200000-", "If-Range": "{etag}"}, {"Range": "bytes=0-5", "If-None-Match": "{etag}"},
    {"Range": "bytes=0-5", "If-Match": '"other"'}, {"Range": "bytes=0-5", "If-Match": "{etag}"},
    {"Range": "bytes=200000-", "If-None-Match": "{etag}"}, {"If-Range": "{etag}"},
]  # fmt: skip

FORMS: list[dict[str, str]] = [{}, *({"Range": value} for value in RANGES), *CONDITIONS]

_MALFORMED = "a malformed Range is ignored, as Amazon S3 does; nginx answers 416"
_SPACES = "white space inside a range is malformed (RFC 9110, 14.1.2); nginx skips it"
_EMPTY = "empty list elements and white space around elements are allowed (RFC 9110, 5.6.1)"
_LARGE = "a last position past the end is clamped, however large; nginx stops at 63 bits"
_SEVERAL = "several satisfiable ranges are ignored (ranges.py); nginx sends multipart/byteranges"
_LATER = "304 unless modified after that date (RFC 9110, 13.1.3); nginx compares for equality"
_INVALID = "an invalid date is ignored (RFC 9110, 13.1.4)"
_TAG_FIRST = "an entity tag outranks a date (RFC 9110, 13.2.2); nginx wants both to hold"

#: Where Sluice differs from nginx on purpose.
REASONS: dict[str, str] = {
    **dict.fromkeys(
        (
            f"Range: bytes={specs}"
            for specs in (
                *("500-499", "1 0-20", "-", "--1", "a-b", "1-b", "a-1", "0x0-0x5", "+1-+5"),
                *("1.0-5", "1-5;", "0-5-9", "0--5"),
            )
        ),
        _MALFORMED,
    ),
    **dict.fromkeys(("Range: bytes=10 -20", "Range: bytes=10- 20"), _SPACES),
    **dict.fromkeys(
        (f"Range: bytes={specs}" for specs in ("1-5,", ",1-5", "0-0,", "0-5\t", "\t0-5")),
        _EMPTY,
    ),
    **dict.fromkeys(
        (f"Range: bytes={specs}" for specs in ("0-18446744073709551615", "-18446744073709551616")),
        _LARGE,
    ),
    **dict.fromkeys(
        (
            f"Range: bytes={specs}"
            for specs in ("0-0,1-1", "0-9,20-29", "0-9, 20-29", "0-9,5-14", "-5,0-5")
        ),
        _SEVERAL,
    ),
    "If-Modified-Since: {after}": _LATER,
    "If-Unmodified-Since: rubbish": _INVALID,
    "If-None-Match: {etag} & If-Modified-Since: {before}": _TAG_FIRST,
    "If-Match: {etag} & If-Unmodified-Since: {before}": _TAG_FIRST,
}


@dataclass
class Peers:
    """The two servers, and the validators that each gave."""

    addresses: dict[str, str]
    etags: dict[str, str]
    modified: dict[str, str]

    def ask(self, name: str, form: dict[str, str]) -> tuple[int, str | None, bytes]:
        modified = email.utils.parsedate_to_datetime(self.modified[name]).timestamp()
        values = {
            "etag": self.etags[name],
            "modified": self.modified[name],
            "before": email.utils.formatdate(modified - 3600, usegmt=True),
            "after": email.utils.formatdate(modified + 3600, usegmt=True),
        }
        headers = {header: value.format(**values) for header, value in form.items()}
        status, answered, body = _get(self.addresses[name], headers)
        return status, answered.get("content-range"), body if status < 400 else b""


def _get(address: str, headers: dict[str, str]) -> tuple[int, Message, bytes]:
    """GET the file with headers sent just as they stand: httpx refuses some of these values."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", "/public/file.bin", headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    folder: Path = tmp_path_factory.mktemp("nginx")
    root = folder / "root"
    (root / "public").mkdir(parents=True)
    (root / "public" / "file.bin").write_bytes(BODY)
    # nginx's workers are another user: our own folders open to them, the machine's left alone.
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)
    with (
        running_nginx(folder / "nginx", root) as nginx,
        running_gateway(folder / "gateway") as gateway,
    ):
        url = gateway.presign("PUT", "public", "file.bin")
        assert httpx.put(url, content=BODY).status_code == 200
        addresses = {"nginx": urlsplit(nginx).netloc, "sluice": urlsplit(gateway.url).netloc}
        first = {name: _get(address, {})[1] for name, address in addresses.items()}
        yield Peers(
            addresses,
            {name: headers["etag"] for name, headers in first.items()},
            {name: headers["last-modified"] for name, headers in first.items()},
        )


@pytest.mark.nginx
@pytest.mark.parametrize(
    "form", FORMS, ids=lambda form: " & ".join(f"{k}: {v}" for k, v in form.items()) or "plain"
)
def test_a_request_form_is_answered_as_by_nginx(peers: Peers, form: dict[str, str]) -> None:
    name = " & ".join(f"{header}: {value}" for header, value in form.items())

    theirs, ours = peers.ask("nginx", form), peers.ask("sluice", form)

    if name in REASONS:
        assert ours != theirs, f"no longer differs; remove it from REASONS: {REASONS[name]}"
    else:
        assert ours == theirs


def test_the_table_has_at_least_eighty_forms() -> None:
    assert len(FORMS) >= 80
