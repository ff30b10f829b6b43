"""Uploads from a real Chromium over a line that breaks at random moments and whose client moves, with a reload in
the middle: ``sluice.js``, the upload page, tus-js-client in three protocols, Uppy."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadtests.node import PeerMissing, bundle
from tests.clients.browser_lab import MIB, Lab, row, token
from tests.servers.chromium import BrowserError, Page
from tests.servers.gateway import CONFIG, GatewayProcess, running_gateway
from tests.servers.line import Line, line

pytestmark = [pytest.mark.browser, pytest.mark.ci]

SIZE = 12 * MIB
#: Resets per MiB and seconds between moves, both on the average.
DROPS, MOVES, RATE = 0.5, 0.8, "4MiB"
PATIENCE = 90


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, site: str) -> Iterator[GatewayProcess]:
    config = CONFIG.replace("https://app.example.org", site)
    with running_gateway(tmp_path_factory.mktemp("gateway"), config) as found:
        yield found


@pytest.fixture
def lab(gateway: GatewayProcess, page: Page, site: str, tmp_path: Path) -> Lab:
    page.visit(site)
    return Lab(gateway, page, tmp_path)


@contextmanager
def bad(lab: Lab) -> Iterator[Line]:
    """A bad line, which was bad."""
    with line(lab.gateway.url, lab.folder, drops=DROPS, moves=MOVES, rate=RATE) as found:
        yield found
    assert found.breaks >= 2, found.story
    assert len(found.story["addresses"]) >= 2, found.story


def test_sluice_js_arrives_over_a_bad_line_with_a_reload_in_the_middle(lab: Lab) -> None:
    path = lab.file("weather.bin", SIZE)
    patience = {"base": 50, "cap": 500, "limit": 100}
    with bad(lab) as road:
        lab.module(path, retry=patience, endpoint=road.url)
        lab.start()
        kept = lab.under_way()
        lab.page.reload()
        before = len(lab.sent("PATCH"))
        lab.module(path, bearer="expired.long.ago", retry=patience, endpoint=road.url)
        lab.start()
        lab.reach("done", PATIENCE)
    told = lab.page.run("seen.map((event) => event.acknowledged)")
    assert lab.stored(path)
    assert told == sorted(told)
    assert min(lab.offsets()[before:]) >= kept


def test_the_upload_page_arrives_over_a_bad_line_with_a_reload_in_the_middle(lab: Lab) -> None:
    path = lab.file("paged.bin", SIZE)
    with bad(lab) as road:
        link = f"{road.url}/-/upload#token={token()}"
        _insist_on_page(lab.page, link)
        lab.page.choose("#files", path)
        kept = int(lab.page.wait_for(f"Number({row(path.name)}?.dataset.acknowledged)", PATIENCE))
        _insist_on_page(lab.page, link)
        before = len(lab.sent("PATCH"))
        listed = lab.page.wait_for("document.querySelector('#unfinished-list')?.innerText")
        assert "demo/in/paged.bin" in listed
        lab.page.choose("#files", path)
        lab.page.wait_for(f"{row(path.name)}?.dataset.state === 'done'", PATIENCE)
    assert lab.stored(path)
    assert min(lab.offsets()[before:]) >= kept


def _insist_on_page(page: Page, url: str) -> None:
    """Load the upload page anew until all of it came through."""
    for _ in range(20):
        try:
            page.visit("about:blank")
            page.visit(url)
            page.wait_for("document.querySelector('#bucket')?.value === 'demo'", 3)
        except BrowserError:
            continue
        return
    raise AssertionError("the page never came through")


class Others(Lab):
    """A page with others' clients in it."""

    def begin(self, path: Path, script: str) -> None:
        """Load them, and run ``script`` with the chosen ``file``; ``accepted`` is what the server acknowledged."""
        try:
            code = bundle(Path(__file__).parent / "node" / "browser.mjs")
        except PeerMissing as error:
            pytest.skip(str(error))
        self.page.run(code.read_text())
        self.page.run(
            "document.body.append(Object.assign(document.createElement('input'), {type: 'file', id: 'mine'}))"
        )
        self.page.choose("#mine", path)
        self.page.run(
            f"""window.accepted = 0; window.ended = '';
            void (async (file) => {{ {script} }})(document.querySelector('#mine').files[0])
              .catch((error) => {{ ended = String(error); }})"""
        )

    def with_a_reload(self, path: Path, script: str) -> None:
        """Upload a file with ``script``; after some of it the page is reloaded."""
        self.begin(path, script)
        kept = int(self.page.wait_for("accepted || ended", PATIENCE))
        self.page.reload()
        before, made = len(self.sent("PATCH")), len(self.sent("POST"))
        self.begin(path, script)
        self.page.wait_for("ended", PATIENCE)
        assert self.page.run("ended") == "done"
        assert self.stored(path)
        assert len(self.sent("POST")) == made
        assert min(self.offsets()[before:]) >= kept


@pytest.fixture
def others(gateway: GatewayProcess, page: Page, site: str, tmp_path: Path) -> Others:
    page.visit(site)
    return Others(gateway, page, tmp_path)


TUS_JS = """
  const upload = new TusUpload(file, {
    ...OPTIONS, retryDelays: Array(100).fill(50),
    onChunkComplete: (_, all) => { accepted = all; },
    onError: (error) => { ended = String(error); }, onSuccess: () => { ended = 'done'; },
  });
  const [known] = await upload.findPreviousUploads();
  if (known) upload.resumeFromPreviousUpload(known);
  upload.start();
"""


@pytest.mark.node
@pytest.mark.parametrize("protocol", ["tus-v1", "ietf-draft-03", "ietf-draft-05"])
def test_tus_js_client_arrives_in_chromium(others: Others, protocol: str) -> None:
    path = others.file(f"tus-js-{protocol}.bin", SIZE)
    with bad(others) as road:
        told = {
            "endpoint": f"{road.url}/-/uploads/demo/in/{path.name}",
            "headers": {"Authorization": f"Bearer {token()}"},
            "protocol": protocol,
            "chunkSize": MIB,
        }
        others.with_a_reload(path, TUS_JS.replace("OPTIONS", json.dumps(told)))


UPPY = """
  const uppy = new Uppy();
  uppy.use(UppyTus, {
    ...OPTIONS, retryDelays: Array(100).fill(50), onChunkComplete: (_, all) => { accepted = all; },
  });
  uppy.addFile({name: file.name, type: file.type, data: file});
  const {failed} = await uppy.upload();
  ended = failed.length ? String(failed[0].error) : 'done';
"""


@pytest.mark.node
def test_uppy_arrives_in_chromium(others: Others) -> None:
    path = others.file("uppy.bin", SIZE)
    with bad(others) as road:
        told = {
            "endpoint": f"{road.url}/-/uploads/demo/in/{path.name}",
            "headers": {"Authorization": f"Bearer {token()}"},
            "chunkSize": MIB,
        }
        others.with_a_reload(path, UPPY.replace("OPTIONS", json.dumps(told)))
