"""HTML forms with a signed policy, submitted by a real Chromium from another site's page: no script, no CORS."""

import html
import http.server
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.units import MiB
from tests.servers.chromium import Page
from tests.servers.gateway import GatewayProcess, running_gateway

pytestmark = [pytest.mark.ci, pytest.mark.browser]

BUCKET = "demo"


class Site(http.server.ThreadingHTTPServer):
    """Another site, whose page is one form; whoever was sent on is thanked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Pages)
        self.form = b""
        self.charset = "utf-8"

    @property
    def url(self) -> str:
        """Its origin."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def offer(
        self, action: str, fields: Mapping[str, str], charset: str = "utf-8", accept: str = ""
    ) -> None:
        """Let the page have this form. ``accept`` is its accept-charset."""
        inputs = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in fields.items()
        )
        self.charset = charset
        spoken = f'accept-charset="{accept}"' if accept else ""
        self.form = (
            f'<!doctype html><title>Form</title><form action="{html.escape(action)}" method="post" '
            f"{spoken} "
            f'enctype="multipart/form-data">{inputs}<input type="file" name="file" id="file">'
            '<button name="x-ignore-button" value="go">Send</button></form>'
        ).encode(charset)


class _Pages(http.server.BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        thanks = b"<!doctype html><title>Thanks</title>"
        body = thanks if self.path.startswith("/done") else self.server.form
        self.send_response(200)
        self.send_header("Content-Type", f"text/html; charset={self.server.charset}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with running_gateway(tmp_path_factory.mktemp("browser-forms")) as process:
        yield process


@pytest.fixture(scope="module")
def s3(gateway: GatewayProcess) -> Any:
    return gateway.s3()


@pytest.fixture
def form() -> Iterator[Site]:
    server = Site()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def submit(page: Page, site: Site, file: Path) -> dict[str, Any]:
    """Choose a file in the form and press its button; the request that the browser made of it, answered."""
    page.visit(site.url)
    page.choose("#file", file)
    page.run("void document.querySelector('button').click()")
    page.wait_for("document.title !== 'Form' && document.readyState === 'complete'")
    (sent,) = [request for request in page.requests if request["method"] == "POST"]
    return sent


def presigned(s3: Any, key: str, fields: Mapping[str, str], *conditions: Any) -> dict[str, Any]:
    found: dict[str, Any] = s3.generate_presigned_post(
        BUCKET,
        key,
        Fields=dict(fields),
        Conditions=[*({name: value} for name, value in fields.items()), *conditions],
    )
    return found


@pytest.mark.parametrize(
    "name", ["plain.txt", "Füße – ☃ 文書.txt", 'two "words" & more; a=b.txt', "a%20b+c.txt"]
)
def test_a_form_is_stored_under_its_file_s_name_and_the_browser_sent_on(
    page: Page, s3: Any, form: Site, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(data := os.urandom(3 * MiB))
    fields = {"success_action_redirect": f"{form.url}/done?from=form", "x-amz-meta-by": "form"}
    post = presigned(s3, "in/${filename}", fields, ["content-length-range", 1, 5 * MiB])
    form.offer(post["url"], post["fields"])
    sent = submit(page, form, tmp_path / name)

    assert page.run("document.title") == "Thanks"
    landed = parse_qs(urlsplit(page.run("location.href")).query)
    found = s3.get_object(Bucket=BUCKET, Key=f"in/{name}")
    with found["Body"] as body:
        assert body.read() == data
    assert found["Metadata"] == {"by": "form"}
    assert landed == {
        "from": ["form"],
        "bucket": [BUCKET],
        "key": [f"in/{name}"],
        "etag": [found["ETag"]],
    }
    assert sent["headers"]["origin"] == form.url  # nobody had to allow it
    assert page.problems == []


def test_a_browser_shows_the_document_where_nothing_sends_it_on(
    page: Page, s3: Any, form: Site, tmp_path: Path
) -> None:
    (tmp_path / "ü.txt").write_bytes(b"hello")
    post = presigned(s3, "in/${filename}", {"success_action_status": "201"})
    form.offer(post["url"], post["fields"])
    sent = submit(page, form, tmp_path / "ü.txt")

    assert (sent["status"], sent["answer"]["content-type"]) == (201, "application/xml")
    assert "in/ü.txt" in page.run("document.documentElement.textContent")


def test_a_file_that_the_policy_does_not_let_in_is_refused_and_sends_nobody_on(
    page: Page, s3: Any, form: Site, tmp_path: Path
) -> None:
    (tmp_path / "large.bin").write_bytes(bytes(2 * MiB))
    fields = {"success_action_redirect": f"{form.url}/done"}
    post = presigned(s3, "no/${filename}", fields, ["content-length-range", 1, MiB])
    form.offer(post["url"], post["fields"])
    sent = submit(page, form, tmp_path / "large.bin")

    assert sent["status"] == 400
    assert "EntityTooLarge" in page.run("document.documentElement.textContent")
    with pytest.raises(s3.exceptions.ClientError, match="404"):
        s3.head_object(Bucket=BUCKET, Key="no/large.bin")


@pytest.mark.parametrize("accept", ["", "utf-8"])
def test_a_page_in_another_encoding_is_told_what_to_do_and_that_helps(
    page: Page, s3: Any, form: Site, tmp_path: Path, accept: str
) -> None:
    (tmp_path / "Füße.txt").write_bytes(b"hello")
    post = presigned(s3, "old/${filename}", {"success_action_status": "201"})
    form.offer(post["url"], post["fields"], charset="windows-1252", accept=accept)
    sent = submit(page, form, tmp_path / "Füße.txt")
    shown = page.run("document.documentElement.textContent")

    if accept:
        assert (sent["status"], "old/Füße.txt" in shown) == (201, True)
    else:
        assert (sent["status"], 'accept-charset="utf-8"' in shown) == (400, True)
