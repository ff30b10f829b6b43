"""``sluice.js`` and the upload page, in a real Chromium against a real gateway."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients.browser_lab import MIB, SLOW, Lab, row, token
from tests.servers.chromium import Browser, Page
from tests.servers.gateway import CONFIG, SECRET, GatewayProcess, running_gateway, start_gateway

pytestmark = [pytest.mark.ci, pytest.mark.browser]

#: A key that may add objects and never replace one.
DROP_BOX_KEY = "SLUICEDROPBOXKEY0001"
DROP_BOX = f"""
[keys.{DROP_BOX_KEY}]
secret = "{SECRET}"
policy = "upload-only"
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, site: str) -> Iterator[GatewayProcess]:
    config = CONFIG.replace("https://app.example.org", site) + DROP_BOX
    with running_gateway(tmp_path_factory.mktemp("gateway"), config) as found:
        yield found


@pytest.fixture
def lab(gateway: GatewayProcess, page: Page, tmp_path: Path) -> Iterator[Lab]:
    found = Lab(gateway, page, tmp_path)
    found.visit()
    yield found
    assert page.problems == []


def test_who_opens_the_bare_address_finds_the_upload_page(
    gateway: GatewayProcess, page: Page
) -> None:
    page.visit(gateway.url)
    assert page.run("document.querySelector('h1').textContent") == "Sluice"
    assert page.run("getComputedStyle(document.querySelector('main')).maxWidth") != "none"
    page.run("document.querySelector('main a').click()")
    page.wait_for("document.title === 'Upload files' && document.readyState === 'complete'")
    assert page.run("location.pathname") == "/-/upload"
    assert page.problems == []


# ---------------------------------------------------------------------------- the module


def test_twenty_mebibytes_arrive_as_they_were_and_progress_is_told(lab: Lab) -> None:
    path = lab.file("whole.bin", 20 * MIB)
    lab.module(path)
    lab.page.run("upload.start().then(() => 'done')")
    seen = lab.page.run("seen")
    kept = [event["acknowledged"] for event in seen]

    assert lab.stored(path)
    assert kept == sorted(kept)
    assert kept[-1] == seen[-1]["sent"] == 20 * MIB
    assert any(event["sent"] > event["acknowledged"] for event in seen)
    assert path.name not in lab.unfinished()
    sizes = [b - a for a, b in zip(lab.offsets(), [*lab.offsets()[1:], 20 * MIB], strict=True)]
    assert sizes[0] == 2 * MIB < sizes[1]  # it follows the rate


def test_a_paused_upload_rests_and_goes_on_where_it_was(lab: Lab) -> None:
    path = lab.file("paused.bin")
    lab.module(path)
    lab.page.network(upload=SLOW)
    lab.start()
    lab.under_way()
    lab.page.run("upload.pause()")
    before = len(lab.page.requests)
    kept = int(lab.page.run("upload.progress.acknowledged"))
    time.sleep(0.5)

    assert lab.page.run("upload.state") == "paused"
    assert len(lab.page.requests) == before
    lab.page.network()
    lab.page.run("upload.resume().then(() => 'done')")
    assert lab.stored(path)
    assert (
        min(lab.offsets()[len([r for r in lab.page.requests[:before] if r["method"] == "PATCH"]) :])
        >= kept
    )
    assert len(lab.sent("POST")) == 1


def test_who_loses_the_network_waits_for_it_and_goes_on(lab: Lab) -> None:
    path = lab.file("offline.bin")
    lab.module(path)
    lab.page.network(upload=SLOW)
    lab.start()
    kept = lab.under_way()
    lab.page.network(offline=True)
    lab.page.wait_for("upload.waiting?.reason === 'offline'")
    patches = len(lab.sent("PATCH"))
    time.sleep(1)

    assert len(lab.sent("PATCH")) == patches  # nothing is tried without a network
    back = time.monotonic()
    lab.page.network()
    lab.page.wait_for(f"upload.state === 'sending' && upload.progress.acknowledged >= {kept}")
    assert time.monotonic() - back < 10  # the event wakes it, not the patience of half a minute
    lab.reach("done")
    assert lab.stored(path)


def test_a_reload_sends_no_acknowledged_byte_again(lab: Lab) -> None:
    path = lab.file("reloaded.bin")
    lab.module(path)
    lab.page.network(upload=SLOW)
    lab.start()
    kept = lab.under_way()
    lab.page.reload()
    lab.page.network()
    before = len(lab.sent("PATCH"))
    assert path.name in lab.unfinished()
    lab.module(path, bearer="expired.long.ago")  # the upload's URL suffices
    lab.page.run("upload.start().then(() => 'done')")

    assert lab.stored(path)
    assert len(lab.sent("POST")) == 1
    told = [int(request["answer"]["upload-offset"]) for request in lab.sent("HEAD")]
    assert min(told) >= kept
    assert min(lab.offsets()[before:]) >= max(kept, told[0])


def test_a_gateway_that_is_killed_and_comes_back_gets_the_rest(
    browser: Browser, tmp_path: Path
) -> None:
    page = browser.open()
    gateway = start_gateway(tmp_path / "gateway")
    try:
        lab = Lab(gateway, page, tmp_path)
        lab.visit()
        path = lab.file("killed.bin")
        lab.module(path)
        page.network(upload=SLOW)
        lab.start()
        kept = lab.under_way()
        gateway.kill()
        page.wait_for("upload.waiting?.reason === 'retry'")
        before = len(lab.sent("PATCH"))
        page.network()
        gateway = lab.gateway = start_gateway(
            tmp_path / "gateway", port=int(gateway.url.rpartition(":")[2])
        )
        lab.reach("done", 60)

        assert lab.stored(path)
        assert len(lab.sent("POST")) == 1
        assert min(lab.offsets()[before:]) >= kept
    finally:
        page.close()
        gateway.stop()


def test_an_upload_that_the_server_knows_no_more_begins_anew(lab: Lab) -> None:
    path = lab.file("removed.bin")
    lab.module(path)
    lab.page.network(upload=SLOW)
    lab.start()
    lab.under_way()
    lab.page.run("upload.pause()")
    first = lab.page.run("upload.url")
    assert httpx.delete(first, headers={"Tus-Resumable": "1.0.0"}).status_code == 204
    lab.page.network()
    lab.page.run("upload.resume().then(() => 'done')")

    assert lab.stored(path)
    assert len(lab.sent("POST")) == 2
    assert lab.page.run("upload.url") != first


@pytest.mark.slow
def test_an_upload_that_expired_at_the_server_begins_anew(browser: Browser, tmp_path: Path) -> None:
    config = CONFIG.replace("[memory]", 'ttl = "1s"\n\n[sweep]\ninterval = "0.5s"\n\n[memory]')
    page = browser.open()
    with running_gateway(tmp_path / "gateway", config) as gateway:
        lab = Lab(gateway, page, tmp_path)
        lab.visit()
        path = lab.file("expired.bin", 8 * MIB)
        lab.module(path)
        page.network(upload=SLOW)
        lab.start()
        lab.under_way()
        page.run("upload.pause()")
        first = page.run("upload.url")
        time.sleep(2.5)
        page.network()
        page.run("upload.resume().then(() => 'done')")

        assert lab.stored(path)
        assert len(lab.sent("POST")) == 2
        assert page.run("upload.url") != first
        page.close()


def test_what_is_stale_is_forgotten_without_asking(lab: Lab) -> None:
    path = lab.file("stale.bin", MIB)
    lab.module(path)
    lab.page.run(
        """sluice.remembered.put({
             fingerprint: upload.fingerprint, target: 'http://h/x', name: 'stale.bin', size: 1, attempt: 'a',
             url: location.origin + '/-/uploads/gone', acknowledged: 1, expires: Date.now() - 1})"""
    )
    lab.page.run("upload.start().then(() => 'done')")

    assert lab.stored(path)
    assert [len(lab.sent(method)) for method in ("HEAD", "POST")] == [0, 1]


def test_the_credential_may_expire_while_the_upload_runs(lab: Lab) -> None:
    path = lab.file("outlived.bin")
    lab.module(path, bearer=token(expires=2))
    lab.page.network(upload=SLOW)
    lab.start()
    lab.under_way()
    lab.page.run("upload.pause()")
    time.sleep(2.5)
    lab.page.network()
    lab.page.run("upload.resume().then(() => 'done')")

    assert lab.stored(path)


def test_a_refused_credential_says_what_to_do_and_a_new_one_goes_on(lab: Lab) -> None:
    path = lab.file("refused.bin", MIB)
    lab.module(path, bearer=token(expires=-5))
    message = lab.page.run("upload.start().catch((error) => [error.code, error.message])")

    assert message[0] == "credential"
    assert "expired" in message[1]
    assert "Ask for a new link" in message[1]
    lab.page.run(
        f"upload.resume({{headers: {{Authorization: 'Bearer {token()}'}}}}).then(() => 'done')"
    )
    assert lab.stored(path)


def test_an_object_that_may_not_be_replaced_is_told_before_a_byte_is_sent(lab: Lab) -> None:
    path = lab.file("taken.bin", MIB)
    lab.module(path, bearer=token(key=DROP_BOX_KEY))
    lab.page.run("upload.start().then(() => 'done')")
    first = len(lab.sent("PATCH"))
    lab.page.run("window.again = new sluice.Upload(upload.file, upload.options)")
    told = lab.page.run("again.start().catch((error) => [error.code, error.remedy])")

    assert lab.stored(path)
    assert told == ["exists", "Choose another name."]
    assert len(lab.sent("PATCH")) == first


def test_a_lost_last_answer_is_asked_for_and_nothing_is_sent_twice(lab: Lab) -> None:
    path = lab.file("finished.bin", 3 * MIB)
    lab.module(path)
    lab.page.run("upload.start().then(() => 'done')")
    before = len(lab.sent("PATCH"))
    # As if the page had closed after the last byte: the upload is remembered, and the object there.
    lab.page.run(
        """sluice.remembered.put({
             fingerprint: upload.fingerprint, target: 'http://h/x', name: 'finished.bin', size: upload.file.size,
             attempt: 'a', url: upload.url, acknowledged: 0, expires: Date.now() + 60000})"""
    )
    lab.page.run("new sluice.Upload(upload.file, upload.options).start().then(() => 'done')")

    assert lab.offsets()[before:] == [3 * MIB]
    assert len(lab.sent("POST")) == 1
    assert lab.stored(path)


def test_an_aborted_upload_is_gone_at_the_server_too(lab: Lab) -> None:
    path = lab.file("aborted.bin")
    lab.module(path)
    lab.page.network(upload=SLOW)
    lab.start()
    lab.under_way()
    url = lab.page.run("upload.url")
    lab.page.network()
    lab.page.run("upload.abort()")

    assert lab.page.run("upload.state") == "aborted"
    assert lab.page.run("upload.finished.catch((error) => error.code)") == "aborted"
    assert httpx.head(url, headers={"Tus-Resumable": "1.0.0"}).status_code in (404, 410)
    assert path.name not in lab.unfinished()


def test_two_tabs_with_one_file_take_turns(lab: Lab, browser: Browser) -> None:
    path = lab.file("twice.bin")
    lab.module(path)
    lab.page.network(upload=SLOW)
    lab.start()
    lab.under_way()
    other = Lab(lab.gateway, browser.open(), lab.folder)
    other.visit()
    other.module(path)
    other.start()
    other.page.wait_for("upload.waiting?.reason === 'elsewhere'")
    lab.page.run("upload.pause()")
    other.reach("done")

    assert lab.stored(path)
    assert other.sent("POST") == []
    other.page.close()


def test_a_file_that_changes_meanwhile_is_told_and_not_tried_for_ever(lab: Lab) -> None:
    path = lab.file("changed.bin")
    lab.module(path)
    lab.page.network(upload=SLOW)
    lab.start()
    lab.under_way()
    lab.page.run("upload.pause()")
    path.write_bytes(os.urandom(11 * MIB))
    lab.page.network()
    told = lab.page.run("upload.resume().catch((error) => [error.code, error.remedy])")

    assert told == ["file-changed", "Choose the file again."]


def test_an_empty_file_is_an_object_too(lab: Lab) -> None:
    path = lab.file("empty.bin", 0)
    lab.module(path)
    lab.page.run("upload.start().then(() => 'done')")

    assert lab.stored(path)


def test_another_sites_page_may_import_and_use_it(
    gateway: GatewayProcess, page: Page, site: str
) -> None:
    page.visit(site)
    page.run(
        f"""(async () => {{
          const {{ Upload, target }} = await import('{gateway.url}/-/static/sluice.js');
          const file = new File(['from elsewhere'], 'far.txt', {{type: 'text/plain'}});
          const headers = {{Authorization: 'Bearer {token()}'}};
          await new Upload(file, {{url: target('demo', 'in/far.txt'), headers}}).start();
        }})()"""
    )
    found = gateway.s3().get_object(Bucket="demo", Key="in/far.txt")
    with found["Body"] as body:
        assert (body.read(), found["ContentType"]) == (b"from elsewhere", "text/plain")
    assert page.problems == []


# ---------------------------------------------------------------------------- the page


def test_dropped_files_show_their_own_progress_and_arrive(lab: Lab) -> None:
    lab.visit(f"#token={token()}")
    files = [lab.file(f"drop-{number}.bin", (4 + number) * MIB) for number in range(4)]
    lab.page.network(upload=SLOW)
    lab.page.drop("#drop", *files)
    values = lab.page.wait_for(
        "((all) => all.length === 4 && all.filter((v) => v > 0 && v < 1).length > 1 && all)"
        "([...document.querySelectorAll('#uploads progress')].map((bar) => bar.value))"
    )
    queued = lab.page.run("document.querySelectorAll('[data-state=queued]').length")
    lab.page.network()
    lab.page.wait_for("document.querySelectorAll('[data-state=done]').length === 4", 40)

    assert len(set(values)) > 1
    assert queued == 1  # three at a time
    assert all(lab.stored(path) for path in files)
    assert "is uploaded" in lab.page.run("document.querySelector('#news').textContent")


def test_buttons_pause_resume_and_cancel_one_file_and_no_other(lab: Lab) -> None:
    lab.visit(f"#token={token()}")
    one, two = lab.file("one.bin"), lab.file("two.bin")
    lab.page.network(upload=SLOW)
    lab.page.choose("#files", one, two)
    for path in (one, two):
        lab.page.wait_for(f"Number({row(path.name)}?.dataset.acknowledged) > 0")
    lab.page.run(f"{row('one.bin', '.pause')}.click()")
    lab.page.run(f"{row('two.bin', '.cancel')}.click()")

    assert lab.page.run(f"{row('one.bin', '.state')}.textContent").endswith("Paused")
    assert lab.page.run(f"{row('two.bin', '.state')}.textContent") == "Cancelled"
    lab.page.network()
    lab.page.run(f"{row('one.bin', '.resume')}.click()")
    lab.page.wait_for(f"{row('one.bin')}.dataset.state === 'done'")
    assert lab.stored(one)
    with pytest.raises(lab.gateway.s3().exceptions.ClientError, match="NoSuchKey|Not Found|404"):
        lab.gateway.s3().head_object(Bucket="demo", Key="in/two.bin")
    lab.page.run(f"{row('two.bin', '.dismiss')}.click()")
    assert lab.page.run(row("two.bin")) is None


def test_a_reloaded_page_lists_what_is_unfinished_and_goes_on(lab: Lab) -> None:
    lab.visit(f"#token={token()}")
    path = lab.file("again.bin")
    lab.page.network(upload=SLOW)
    lab.page.choose("#files", path)
    kept = int(lab.page.wait_for(f"Number({row(path.name)}?.dataset.acknowledged)"))
    lab.page.reload()
    lab.page.network()

    listed = lab.page.wait_for("document.querySelector('#unfinished-list')?.innerText")
    assert "demo/in/again.bin" in listed
    before = len(lab.sent("PATCH"))
    lab.page.choose("#files", path)
    lab.page.wait_for(f"{row(path.name)}?.dataset.state === 'done'")
    assert lab.stored(path)
    assert len(lab.sent("POST")) == 1
    assert min(lab.offsets()[before:]) >= kept
    assert "again.bin" not in lab.page.run("document.querySelector('#unfinished-list').textContent")


def test_what_is_unfinished_can_be_forgotten(lab: Lab) -> None:
    lab.visit(f"#token={token()}")
    lab.page.network(upload=SLOW)
    lab.page.choose("#files", lab.file("never.bin"))
    lab.page.wait_for(
        "Number(document.querySelector('#uploads .upload')?.dataset.acknowledged) > 0"
    )
    lab.page.reload()
    lab.page.network()
    mine = "document.querySelector('[aria-label=\"Forget never.bin\"]')"
    lab.page.wait_for(f"{mine} !== null")
    lab.page.run(f"{mine}.click()")
    lab.page.wait_for(f"{mine} === null")

    assert [request["method"] for request in lab.sent("DELETE")] == ["DELETE"]


def test_the_token_of_a_link_stays_in_the_tab_alone(lab: Lab) -> None:
    secret = token(size=5 * MIB)
    lab.visit(f"#token={secret}")

    assert lab.page.run("location.href") == f"{lab.gateway.url}/-/upload"
    assert lab.page.run("[bucket.value, prefix.value, bucket.readOnly]") == ["demo", "in/", True]
    assert "5.0 MiB each at most" in lab.page.run("summary.textContent")
    assert lab.page.run("localStorage.length") == 0
    assert lab.page.run("document.cookie") == ""
    assert secret in lab.page.run("JSON.stringify({...sessionStorage})")
    lab.page.reload()
    assert lab.page.run("document.querySelector('#token').value") == secret
    lab.page.choose("#files", lab.file("big.bin", 6 * MIB))
    assert "at most" in lab.page.wait_for(f"{row('big.bin', '.problem')}?.textContent")
    assert lab.sent("POST") == []
    assert secret not in lab.gateway.logs()


def test_a_wrong_token_is_told_in_the_row_and_can_be_replaced(lab: Lab) -> None:
    lab.visit(f"#token={token(expires=-5)}")
    path = lab.file("late.bin", MIB)
    lab.page.choose("#files", path)
    told = lab.page.wait_for(f"{row('late.bin', '.problem')}?.textContent")
    assert "Ask for a new link" in told
    assert "expired on" in lab.page.run("summary.textContent")
    lab.page.run(
        f"token.value = '{token()}'; token.dispatchEvent(new Event('input', {{bubbles: true}}));"
        f"{row('late.bin', '.resume')}.click()"
    )
    lab.page.wait_for(f"{row('late.bin')}.dataset.state === 'done'")

    assert lab.stored(path)


def test_everything_has_a_name_and_the_keyboard_reaches_it(lab: Lab) -> None:
    lab.visit(f"#token={token()}")
    lab.page.network(upload=SLOW)
    lab.page.choose("#files", lab.file("named.bin"))
    lab.page.wait_for(f"{row('named.bin')}?.dataset.state === 'sending'")
    assert not lab.page.run("details.open")  # who comes by a link has nothing to fill in
    lab.page.run("details.open = true")
    tree = lab.page.call("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "textbox", "progressbar", "heading", "form", "region"}
    found = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in tree
        if not node.get("ignored") and node["role"]["value"] in roles
    ]
    names = [name for _, name in found]
    assert all(names), found
    assert {"Bucket", "Folder", "Access token", "Pause named.bin", "Progress of named.bin"} <= set(
        names
    )

    lab.page.run("document.querySelector('#token').focus()")
    for kind in ("keyDown", "keyUp"):
        lab.page.call(
            "Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9
        )
    assert lab.page.run("document.activeElement.id") == "files"
    lab.page.run(f"{row('named.bin', '.cancel')}.click()")


def contrast(page: Page, selector: str) -> float:
    """The contrast of an element's text with what is behind it (WCAG 2, 1.4.3)."""
    return float(
        page.run(
            f"""(() => {{
              const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
              const light = (colour) => rgb(colour).slice(0, 3).map((v) => v / 255)
                .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
                .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
              let element = document.querySelector({json.dumps(selector)});
              const ink = light(getComputedStyle(element).color);
              while ((rgb(getComputedStyle(element).backgroundColor)[3] ?? 1) === 0) element = element.parentElement;
              const ground = light(getComputedStyle(element).backgroundColor);
              return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
            }})()"""
        )
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_both_schemes_and_on_a_phone(lab: Lab, scheme: str) -> None:
    lab.page.call(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
    )
    lab.page.call(
        "Emulation.setDeviceMetricsOverride",
        width=360,
        height=640,
        deviceScaleFactor=2,
        mobile=True,
    )
    lab.visit(f"#token={token(size=1)}")
    lab.page.choose("#files", lab.file(f"a-{'very-' * 30}long-name.bin", MIB))
    lab.page.wait_for("document.querySelector('#uploads .problem')?.textContent")
    lab.page.run("details.open = true")

    assert lab.page.run("document.documentElement.scrollWidth") <= 360
    for selector in ("h1", ".hint", ".button", "#uploads .problem", "#uploads .state", "#bucket"):
        assert contrast(lab.page, selector) >= 4.5, selector
    heights = lab.page.run(
        "[...document.querySelectorAll('button, .button')].filter((b) => b.offsetParent).map((b) => b.offsetHeight)"
    )
    assert min(heights) >= 44
