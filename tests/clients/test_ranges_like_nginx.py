"""Ranges and conditions: the same requests to Sluice and to nginx serving the same file.

Equal status, Content-Range and body; where we differ on purpose, the reason stands in the table.
"""

import email.utils
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
    "bytes=10-20", "bytes= 10-20", "bytes=10 -20", "bytes=10- 20", "bytes =10-20", "bytes=1 0-20",
    "Bytes=10-20", "BYTES=10-20", "bytes", "bytes=", "bytes=-", "bytes=--1", "bytes=a-b", "bytes=1-b", "bytes=a-1",
    "bytes=0x0-0x5", "bytes=+1-+5", "bytes=1.0-5", "bytes=1-5;", "bytes=1-5,", "bytes=,1-5", "items=0-5", "0-5",
    "bytes=18446744073709551615-", "bytes=0-18446744073709551615", "bytes=9223372036854775807-",
    "bytes=9223372036854775808-", "bytes=-18446744073709551616", "bytes=0-9223372036854775807",
    "bytes=00-05", "bytes=000000000000000000000000-5", "bytes=0-0,1-1", "bytes=0-9,20-29", "bytes=0-9, 20-29",
    "bytes=0-9,5-14", "bytes=0-,0-,0-", "bytes=200000-,0-5", "bytes=0-5,200000-", "bytes=200000-,300000-",
    "bytes=-5,0-5", "bytes=0-0,", "bytes=0-5-9", "bytes=0--5", "bytes:0-5", "bytes=\t0-5",
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

_INVALID = "no valid ranges-specifier: RFC 9110 (14.2) lets servers ignore it, as Amazon S3 does; nginx answers 416"
_SPACES = "white space inside a range is no valid syntax (RFC 9110, 14.1.1), so it is ignored; nginx skips it"
_EMPTY = "empty list elements must be accepted (RFC 9110, 5.6.1.2); nginx answers 416"
_HUGE = "a number over 2^64 is past the end like any other (RFC 9110, 14.1.2) and clamped; nginx overflows to 416"
_SEVERAL = "several satisfiable ranges are ignored (see protocol/ranges.py); nginx sends multipart/byteranges"
_DATE = "a recipient must ignore a date that is none (RFC 9110, 13.1.4); nginx answers 412"
_TAB = "optional white space around a list element (RFC 9110, 5.6.3) may be a tab; nginx takes spaces only"

_TAGS_FIRST = (
    "where an entity tag is given the date is not looked at (RFC 9110, 13.2.2); nginx looks at both"
)

#: Where Sluice differs from nginx on purpose: the form, and why.
REASONS: dict[str, str] = {
    **{
        f"Range: {value}": _INVALID
        for value in (
            "bytes=500-499", "bytes=1 0-20", "bytes=-", "bytes=--1", "bytes=a-b", "bytes=1-b", "bytes=a-1",
            "bytes=0x0-0x5", "bytes=+1-+5", "bytes=1.0-5", "bytes=1-5;", "bytes=0-5-9", "bytes=0--5",
        )
    },
    **{f"Range: {value}": _SPACES for value in ("bytes=10 -20", "bytes=10- 20")},
    **{f"Range: {value}": _EMPTY for value in ("bytes=1-5,", "bytes=,1-5", "bytes=0-0,")},
    **{f"Range: {value}": _HUGE for value in ("bytes=0-18446744073709551615", "bytes=-18446744073709551616")},
    **{
        f"Range: {value}": _SEVERAL
        for value in ("bytes=0-0,1-1", "bytes=0-9,20-29", "bytes=0-9, 20-29", "bytes=0-9,5-14", "bytes=-5,0-5")
    },
    "If-Unmodified-Since: rubbish": _DATE,
    "If-None-Match: {etag} & If-Modified-Since: {before}": _TAGS_FIRST,
    "If-Match: {etag} & If-Unmodified-Since: {before}": _TAGS_FIRST,
    "Range: bytes=\t0-5": _TAB,
}  # fmt: skip


def named(form: dict[str, str]) -> str:
    """A request form as one line."""
    return " & ".join(f"{header}: {value}" for header, value in form.items())


@dataclass
class Peers:
    """The two servers, and the validators that each gave."""

    clients: dict[str, httpx.Client]
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
        response = self.clients[name].get("/public/file.bin", headers=headers)
        body = response.content if response.status_code < 400 else b""
        return response.status_code, response.headers.get("content-range"), body


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    folder: Path = tmp_path_factory.mktemp("nginx")
    root = folder / "root"
    (root / "public").mkdir(parents=True)
    (root / "public" / "file.bin").write_bytes(BODY)
    with (
        running_nginx(folder / "nginx", root) as nginx,
        running_gateway(folder / "gateway") as gateway,
    ):
        url = gateway.presign("PUT", "public", "file.bin")
        assert httpx.put(url, content=BODY).status_code == 200
        with httpx.Client(base_url=nginx) as one, httpx.Client(base_url=gateway.url) as two:
            clients = {"nginx": one, "sluice": two}
            first = {name: client.get("/public/file.bin") for name, client in clients.items()}
            yield Peers(
                clients,
                {name: response.headers["etag"] for name, response in first.items()},
                {name: response.headers["last-modified"] for name, response in first.items()},
            )


@pytest.mark.nginx
@pytest.mark.parametrize(
    "form", FORMS, ids=lambda form: " & ".join(f"{k}: {v}" for k, v in form.items()) or "plain"
)
def test_a_request_form_is_answered_as_by_nginx(peers: Peers, form: dict[str, str]) -> None:
    name = named(form)

    theirs, ours = peers.ask("nginx", form), peers.ask("sluice", form)

    if name in REASONS:
        assert ours != theirs, f"no longer differs; remove it from REASONS: {REASONS[name]}"
    else:
        assert ours == theirs


def test_the_table_has_at_least_eighty_forms() -> None:
    assert len(FORMS) >= 80
