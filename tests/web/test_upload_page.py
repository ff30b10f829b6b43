"""The upload page and its files, as browsers ask for them."""

import re
from typing import Any

import pytest
from starlette.applications import Starlette

from gateway.web import upload_page
from tests.web.lab import Client

PATHS = ("/-/upload", "/-/static/sluice.js", "/-/static/upload.js", "/-/static/upload.css")


@pytest.fixture(scope="module")
def client() -> Client:
    return Client(Starlette(routes=upload_page.routes()))


@pytest.mark.parametrize(
    ("path", "content_type"),
    list(zip(PATHS, ("text/html", *["text/javascript"] * 2, "text/css"), strict=True)),
)
async def test_files_come_with_their_type_and_are_not_to_be_guessed(
    client: Client, path: str, content_type: str
) -> None:
    answer = await client.send("GET", path)

    assert (answer.status, answer.get("content-type")) == (200, f"{content_type}; charset=utf-8")
    assert answer.get("x-content-type-options") == "nosniff"
    assert answer.get("referrer-policy") == "no-referrer"
    assert answer.body


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
async def test_who_has_the_file_is_told_so(client: Client, path: str, form: str) -> None:
    first = await client.send("GET", path)
    etag = first.get("etag")
    again = await client.send("GET", path, headers=[("If-None-Match", form.format(etag))])

    assert first.get("cache-control") == "no-cache"
    assert (again.status, again.body, again.get("etag")) == (304, b"", etag)


async def test_who_has_another_version_gets_this_one(client: Client) -> None:
    answer = await client.send("GET", PATHS[1], headers=[("If-None-Match", '"other"')])

    assert (answer.status, answer.body[:3]) == (200, b"/**")


async def test_head_tells_the_same_without_the_body(client: Client) -> None:
    whole = await client.send("GET", "/-/upload")
    head = await client.send("HEAD", "/-/upload")

    assert (head.status, dict(head.headers)) == (200, dict(whole.headers))


@pytest.mark.parametrize("path", PATHS)
async def test_files_are_read_only(client: Client, path: str) -> None:
    assert (await client.send("POST", path)).status == 405


@pytest.mark.parametrize(
    "path", ["/-/static/", "/-/static/../upload_page.py", "/-/static/upload.html"]
)
async def test_nothing_else_is_served(client: Client, path: str) -> None:
    assert (await client.send("GET", path)).status == 404


async def test_the_page_runs_nothing_inline_and_asks_nobody_else(client: Client) -> None:
    answer = await client.send("GET", "/-/upload")
    policy = str(answer.get("content-security-policy"))
    html = answer.body.decode()

    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", html)
    assert set(re.findall(r'(?:src|href)="([^"]*)"', html)) == {
        "static/upload.css",
        "static/upload.js",
    }


async def test_the_module_may_be_imported_by_other_sites_and_the_page_may_not(
    client: Client,
) -> None:
    answers: dict[str, Any] = {path: await client.send("GET", path) for path in PATHS}
    allowed = [p for p, answer in answers.items() if answer.get("access-control-allow-origin")]

    assert allowed == ["/-/static/sluice.js"]
    assert answers["/-/static/sluice.js"].get("cross-origin-resource-policy") == "cross-origin"
    assert answers["/-/upload"].get("cross-origin-opener-policy") == "same-origin"
