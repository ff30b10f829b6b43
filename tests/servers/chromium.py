"""A real browser without a window, spoken to in the DevTools protocol over a pair of pipes.

Debian's ``chromium-headless-shell`` (or any Chromium) and the standard library are all that this takes.
Protocol: https://chromedevtools.github.io/devtools-protocol/; over pipes, messages end with a NUL byte.
"""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

PROGRAMS: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_FLAGS: Final = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-sandbox",  # root may not use it, and CI is root; only our own pages are opened
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--password-store=basic",
)
#: Chromium reads from descriptor 3 and writes to 4; the descriptors that we have are any.
_TRAMPOLINE: Final = (
    "import os, sys\n"
    "source, sink = (os.dup(int(fd)) for fd in sys.argv[1:3])\n"
    "while min(source, sink) < 5: source, sink = os.dup(source), os.dup(sink)\n"
    "os.dup2(source, 3), os.dup2(sink, 4)\n"
    "os.execv(sys.argv[3], sys.argv[3:])\n"
)
_ANSWER_LIMIT: Final = 30.0


def program() -> str | None:
    """The browser that is installed here."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class BrowserError(AssertionError):
    """The browser, or a script in it, failed."""


class Browser:
    """A running browser. One page at a time is open; profile and storage are the folder's."""

    def __init__(self, folder: Path) -> None:
        path = program()
        assert path is not None
        folder.mkdir(parents=True, exist_ok=True)
        (read_in, write_in), (read_out, write_out) = os.pipe(), os.pipe()
        arguments = [path, *_FLAGS, f"--user-data-dir={folder}", "about:blank"]
        with (folder / "chromium.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _TRAMPOLINE, str(read_in), str(write_out), *arguments],
                pass_fds=(read_in, write_out),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        os.close(read_in)
        os.close(write_out)
        self._sink = os.fdopen(write_in, "wb")
        self._source = os.fdopen(read_out, "rb")
        self._next = 0
        self._answers: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """A command and its result.

        Raises:
            BrowserError: it failed, or there was no answer in time.
        """
        number, answer = self.send(method, session, **params)
        try:
            message = answer.get(timeout=_ANSWER_LIMIT)
        except queue.Empty:
            raise BrowserError(f"{method}: no answer") from None
        finally:
            del self._answers[number]
        if "error" in message:
            raise BrowserError(f"{method}: {message['error']}")
        result: dict[str, Any] = message["result"]
        return result

    def send(
        self, method: str, session: str | None = None, **params: Any
    ) -> "tuple[int, queue.SimpleQueue[dict[str, Any]]]":
        """A command without waiting for its result."""
        self._next += 1
        number, answer = self._next, queue.SimpleQueue[dict[str, Any]]()
        self._answers[number] = answer
        message = {"id": number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        self._sink.write(json.dumps(message).encode() + b"\0")
        self._sink.flush()
        return number, answer

    def open(self, url: str = "about:blank") -> "Page":
        """A new page."""
        made = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=made, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, made, session)
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            page.call(f"{domain}.enable")
        if url != "about:blank":
            page.visit(url)
        return page

    def close(self) -> None:
        """End it, by its own means or by force."""
        try:
            self.send("Browser.close")
            self._process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait(10)
        self._reader.join(10)
        self._source.close()
        with suppress(OSError):
            self._sink.close()

    def _read(self) -> None:
        """Deliver answers and events, until the browser closes its end."""
        rest = b""
        while found := self._source.read1(1 << 16):
            *messages, rest = (rest + found).split(b"\0")
            for text in messages:
                message = json.loads(text)
                if "id" in message:
                    if (waiting := self._answers.get(message["id"])) is not None:
                        waiting.put(message)
                elif (page := self._pages.get(message.get("sessionId", ""))) is not None:
                    page.happened(message["method"], message["params"])


class Page:
    """A page: scripts, input, the network as it sees it. ``problems`` are its uncaught errors and complaints."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session
        self._loaded = threading.Event()
        self.problems: list[str] = []
        #: Requests as they were sent: method, url, headers in lower case; and, once answered, status and answer.
        self.requests: list[dict[str, Any]] = []
        self._by_id: dict[str, dict[str, Any]] = {}

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """A command to this page."""
        return self._browser.call(method, self._session, **params)

    def happened(self, event: str, params: dict[str, Any]) -> None:
        """The browser says so."""
        match event:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Page.javascriptDialogOpening":
                self._browser.send("Page.handleJavaScriptDialog", self._session, accept=True)
            case "Runtime.exceptionThrown":
                detail = params["exceptionDetails"]
                self.problems.append(detail.get("exception", {}).get("description", detail["text"]))
            case "Log.entryAdded" if params["entry"]["source"] in ("security", "javascript"):
                self.problems.append(params["entry"]["text"])
            case "Network.requestWillBeSent":
                sent = params["request"]
                self._by_id[params["requestId"]] = {
                    "method": sent["method"],
                    "url": sent["url"],
                    "headers": {name.lower(): text for name, text in sent["headers"].items()},
                    "status": None,
                    "answer": {},
                }
                self.requests.append(self._by_id[params["requestId"]])
            case "Network.responseReceived" if params["requestId"] in self._by_id:
                found, answer = self._by_id[params["requestId"]], params["response"]
                found["status"] = answer["status"]
                found["answer"] = {name.lower(): text for name, text in answer["headers"].items()}

    def visit(self, url: str) -> None:
        """Open a URL, and wait until it is loaded."""
        self._loaded.clear()
        failed = self.call("Page.navigate", url=url).get("errorText")
        self._arrived(failed, url)

    def reload(self) -> None:
        """Load it again."""
        self._loaded.clear()
        self.call("Page.reload")
        self._arrived(None, "reload")

    def _arrived(self, failed: str | None, what: str) -> None:
        if failed is not None or not self._loaded.wait(_ANSWER_LIMIT):
            raise BrowserError(f"{what}: {failed or 'it does not load'}")

    def run(self, script: str) -> Any:
        """The value of an expression; a promise is waited for.

        Raises:
            BrowserError: it threw.
        """
        told = self.call(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if "exceptionDetails" in told:
            detail = told["exceptionDetails"]
            raise BrowserError(detail.get("exception", {}).get("description", detail["text"]))
        return told["result"].get("value")

    def wait_for(self, script: str, seconds: float = 20) -> Any:
        """The value of an expression, as soon as it is true.

        Raises:
            BrowserError: it never was.
        """
        deadline = time.monotonic() + seconds
        while not (value := self.run(script)):
            if time.monotonic() > deadline:
                text = self.run("document.body.innerText")
                raise BrowserError(f"never true: {script}\n{self.problems}\n{text}")
            time.sleep(0.03)
        return value

    def choose(self, selector: str, *files: Path) -> None:
        """Choose files in a file field."""
        root = self.call("DOM.getDocument", depth=0)["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(file) for file in files], nodeId=node)

    def drop(self, selector: str, *files: Path) -> None:
        """Drag files from the desktop to the middle of an element, and drop them."""
        x, y = self.run(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def network(self, *, offline: bool = False, upload: float = -1) -> None:
        """Take its network away, or make sending slow: ``upload`` in bytes per second (-1: as it is)."""
        self.call(
            "Network.emulateNetworkConditions",
            offline=offline,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=upload,
        )

    def close(self) -> None:
        """Close the page, whatever it would like to ask before."""
        self._browser.call("Target.closeTarget", targetId=self._target)


@contextmanager
def running_browser(folder: Path) -> Iterator[Browser]:
    """A browser for the length of a block."""
    browser = Browser(folder)
    try:
        yield browser
    finally:
        browser.close()
