"""What people see who open the gateway's address, and what everybody else gets there."""

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from gateway import __version__
from gateway.app import Gateway, make_apps
from gateway.drain import Drain
from gateway.protocol.commands import RequestHead
from gateway.web.channel import AsgiChannel
from tests.protocol.signatures.wire import KEY_ID
from tests.web import lab

ACCEPT = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
HEADERS = (
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "referrer-policy",
    "x-content-type-options",
    "cache-control",
)


@pytest.mark.parametrize("path", ["/", "/-/"])
async def test_a_browser_sees_what_this_is_and_every_link_leads_somewhere(
    tmp_path: Path, path: str
) -> None:
    async with lab.gateway(tmp_path) as client:
        page = await client.send("GET", path, headers=[ACCEPT])
        links = re.findall(r'href="([^"]*)"', page.body.decode())
        found = {link: await client.send("GET", urljoin(path, link)) for link in links}

    assert (page.status, page.get("content-type")) == (200, "text/html; charset=utf-8")
    assert b"<h1>Sluice</h1>" in page.body
    assert {urljoin(path, link) for link in links} >= {
        "/-/upload",
        "/-/healthz",
        "/-/metrics",
        "/-/errors/",
        "/-/static/upload.css",
    }
    assert {answer.status for answer in found.values()} == {200}


@pytest.mark.parametrize("path", ["/", "/-/"])
async def test_it_has_the_upload_page_s_headers_and_runs_nothing(tmp_path: Path, path: str) -> None:
    async with lab.gateway(tmp_path) as client:
        page = await client.send("GET", path, headers=[ACCEPT])
        upload = await client.send("GET", "/-/upload", headers=[ACCEPT])
        again = await client.send(
            "GET", path, headers=[ACCEPT, ("If-None-Match", page.get("etag") or "")]
        )

    assert {name: page.get(name) for name in HEADERS} == {n: upload.get(n) for n in HEADERS}
    assert None not in {page.get(name) for name in HEADERS}
    assert page.get("vary") == "Accept"
    assert not re.search(rb"<script|<style|\sstyle=|\son\w+=", page.body)
    assert (again.status, again.body) == (304, b"")


async def test_it_tells_neither_version_nor_what_is_stored(tmp_path: Path) -> None:
    async with lab.gateway(tmp_path) as client:
        page = await client.send("GET", "/", headers=[ACCEPT])

    for secret in (__version__, "photos", KEY_ID, str(tmp_path)):
        assert secret.encode() not in page.body


async def test_programs_get_text_under_our_own_path(tmp_path: Path) -> None:
    async with lab.gateway(tmp_path) as client:
        listed = await client.send("GET", "/-/", headers=[("Accept", "*/*")])
        posted = await client.send("POST", "/-/", headers=[ACCEPT])

    assert (listed.status, listed.get("content-type")) == (200, "text/plain; charset=utf-8")
    assert b"  /-/healthz             is the process alive\n" in listed.body
    assert posted.status == 405


@pytest.mark.parametrize(
    ("method", "headers", "status", "code"),
    [
        ("GET", [], 401, "unauthenticated"),
        ("GET", [("Accept", "*/*")], 401, "unauthenticated"),
        ("GET", [ACCEPT, ("x-amz-date", "20270101T000000Z")], 403, "AccessDenied"),
        ("POST", [ACCEPT], 401, "unauthenticated"),
        ("PUT", [ACCEPT], 401, "unauthenticated"),
    ],
)
async def test_at_the_root_everybody_else_is_answered_as_ever(
    tmp_path: Path, method: str, headers: list[tuple[str, str]], status: int, code: str
) -> None:
    async with lab.gateway(tmp_path) as client:
        answer = await client.send(method, "/", headers=headers)

    assert (answer.status, answer.code) == (status, code)


async def test_a_signed_request_for_the_root_stays_s3_s(tmp_path: Path) -> None:
    async with lab.gateway(tmp_path) as client:
        answer = await client.signed("GET", "/", headers=[ACCEPT], now=time.time())

    assert (answer.status, answer.get("content-type")) == (501, "application/xml")


async def test_metrics_elsewhere_are_not_named(tmp_path: Path) -> None:
    server = {"data_dir": tmp_path, "metrics_listen": "127.0.0.1:0"}
    client = lab.Client(make_apps(lab.settings(tmp_path, server=server), Drain()).main)
    for accept in ("text/html", "*/*"):
        page = await client.send("GET", "/-/", headers=[("Accept", accept)])
        assert b"/-/healthz" in page.body
        assert b"/-/metrics" not in page.body


@pytest.mark.parametrize(
    ("host", "visit"), [("s3.example.org", True), ("photos.s3.example.org", False)]
)
async def test_our_own_server_s_way_in_leads_there_too_by_the_name_that_the_client_used(
    tmp_path: Path, host: str, visit: bool
) -> None:
    server = {"domains": ["s3.example.org"], "trusted_proxies": ["10.0.0.1"]}
    app = Gateway(lab.settings(tmp_path, server=server | {"data_dir": tmp_path}), Drain())
    lines = [
        (b"host", b"inside:8080"),
        (b"x-forwarded-host", host.encode()),
        (b"accept", b"text/html"),
    ]
    async with lab.running(app):
        head = RequestHead("GET", b"/", headers=lines, peer="10.0.0.1")
        channel = AsgiChannel({}, never, never)
        work = app.direct(head, channel)
        other = app.direct(RequestHead("GET", b"/photos/a", headers=lines), channel)
        for found in (work, other):
            if found is not None:
                found.close()

    assert (work is None, other is None) == (visit, False)


async def never(*_: Any) -> Any:
    raise AssertionError("nothing is sent or received")
