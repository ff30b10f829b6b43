"""Files in memory, as browsers ask for them."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.web.static_files import OWN, PAGE, StaticFile
from tests.web.lab import Client

FILE = StaticFile.of(b"body", "text/css", OWN | {"vary": "Accept"})


async def serve(request: Request) -> Response:
    return FILE.answer(request)


@pytest.fixture
def client() -> Client:
    return Client(Starlette(routes=[Route("/", serve)]))


async def test_a_file_comes_with_all_that_is_said_about_it(client: Client) -> None:
    answer = await client.send("GET", "/")

    assert (answer.status, answer.body, answer.get("content-type")) == (200, b"body", "text/css")
    assert (answer.get("cross-origin-resource-policy"), answer.get("vary")) == (
        "same-origin",
        "Accept",
    )
    assert answer.get("x-content-type-options") == "nosniff"


async def test_who_has_it_is_told_so_without_a_type(client: Client) -> None:
    etag = FILE.headers["etag"]
    again = await client.send("GET", "/", headers=[("If-None-Match", f'"other", W/{etag}')])
    other = await client.send("GET", "/", headers=[("If-None-Match", '"other"')])

    assert (again.status, again.body, again.get("content-type")) == (304, b"", None)
    assert (again.get("etag"), again.get("vary")) == (etag, "Accept")
    assert other.status == 200


def test_another_body_has_another_tag() -> None:
    assert StaticFile.of(b"else", "text/css", OWN).headers["etag"] != FILE.headers["etag"]


def test_a_page_lets_nothing_run_that_is_not_ours() -> None:
    policy = PAGE["content-security-policy"]

    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
