"""The server under test, and what a check can do to it."""

import base64
import hashlib
import json
import random
import subprocess
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urljoin

from tests.conformance.checks import Findings, Suite
from tests.conformance.wire import Answer, Connection, Headers, WireError, head

VERSION: Final = "1.0.0"
BODY: Final = "application/offset+octet-stream"
KiB: Final = 1024
MiB: Final = 1024 * KiB
#: Seconds for the kernel and the server to move what was sent before something is cut.
SETTLE: Final = 0.4

SUITE: "Suite[Trial]" = Suite("T")


@dataclass(frozen=True)
class Options:
    """What the command line says. ``url`` and ``download_url`` may hold ``{name}``, a name that no upload had before;
    ``download_url`` also ``{url}``, the upload's own URL, and ``{id}``, its last segment. ``large``: bytes that the
    server surely has to send to its store in several parts. ``patience``: the longest wait for one thing, seconds."""

    url: str
    headers: Headers = ()
    other_headers: Headers = ()
    download_url: str | None = None
    kill_command: str | None = None
    restart_command: str | None = None
    stop_command: str | None = None
    fault_url: str | None = None
    large: int = 26 * MiB
    patience: float = 20.0
    rounds: int = 5
    seed: int = 1
    trusted: bool = False
    insecure: bool = False
    origin: str = "https://app.example.org"


@dataclass(frozen=True)
class Upload:
    """One that was created: ``answer`` is the creation's."""

    url: str
    name: str
    answer: Answer


@dataclass(frozen=True)
class Seen:
    """An answer that a check got, for what is said of all of them. ``method``: the real one."""

    method: str
    number: str
    answer: Answer


@dataclass
class Target:
    """A server, and what it says of itself. Shared by checks in several threads."""

    options: Options
    extensions: frozenset[str] = frozenset()
    algorithms: tuple[str, ...] = ()
    max_size: int | None = None
    about: str = ""
    seen: list[Seen] = field(default_factory=list)
    _names: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _prefix: str = field(default_factory=lambda: f"tus-{time.time_ns() // 1_000_000:x}")

    def discover(self) -> None:
        """Ask OPTIONS.

        Raises:
            WireError: nothing that speaks HTTP is there.
        """
        with Connection(self.creation_url("options"), insecure=self.options.insecure) as link:
            link.send_head("OPTIONS", self.creation_url("options"), self.options.headers)
            answer = link.answer("OPTIONS")
        self.extensions = frozenset(answer.words("tus-extension"))
        self.algorithms = tuple(answer.words("tus-checksum-algorithm"))
        self.max_size = answer.number("tus-max-size")
        self.about = answer.get("server") or ""

    def creation_url(self, name: str) -> str:
        """Where an upload of that name is created."""
        return self.options.url.replace("{name}", name)

    def new_name(self) -> str:
        """A name that no upload had."""
        with self._lock:
            self._names += 1
            return f"{self._prefix}-{self._names}.bin"

    def trial(self, number: str) -> "Trial":
        """For the check of that number."""
        return Trial(target=self, number=number)

    def note(self, seen: Seen) -> None:
        """Keep an answer."""
        with self._lock:
            self.seen.append(seen)

    def is_up(self) -> bool:
        """Whether it accepts connections."""
        try:
            Connection(self.creation_url("any"), insecure=self.options.insecure).hang_up()
        except WireError:
            return False
        return True

    def command(self, text: str, *, may_fail: bool = False) -> None:
        """Run one of the hooks to its end.

        Raises:
            subprocess.SubprocessError: it failed, or took over a minute.
        """
        subprocess.run(text, shell=True, check=not may_fail, timeout=60, stdin=subprocess.DEVNULL)

    def restart(self, stop: str | None) -> None:
        """Stop it by that command, and start it anew. That it is gone already is no error.

        Raises:
            subprocess.SubprocessError: it can't be started.
            WireError: it is started, but does not answer.
        """
        if stop:
            self.command(stop, may_fail=True)
        self.command(self.options.restart_command or "")
        self.wait_until_up()

    def wait_until_up(self, seconds: float = 60) -> None:
        """Until it answers OPTIONS.

        Raises:
            WireError: it does not.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.discover()
            except WireError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


@dataclass
class Trial(Findings):
    """A check at work."""

    target: Target = field(default_factory=lambda: Target(Options("")))
    number: str = ""
    made: list[Upload] = field(default_factory=list)

    @property
    def options(self) -> Options:
        """The command line's."""
        return self.target.options

    def data(self, size: int) -> bytes:
        """Bytes that look random and are the same in every run with the same seed."""
        return random.Random(f"{self.options.seed}/{self.number}/{size}").randbytes(size)

    def offers(self, extension: str) -> bool:
        """Whether ``Tus-Extension`` lists it."""
        return extension in self.target.extensions

    # Requests -----------------------------------------------------------------------------------

    def connect(self, url: str) -> Connection:
        """A new connection to the server of ``url``."""
        return Connection(url, insecure=self.options.insecure)

    def fields(self, more: Headers = (), *, version: str | None = VERSION) -> list[tuple[str, str]]:
        """The headers of all requests, then ``more``."""
        spoken = [] if version is None else [("Tus-Resumable", version)]
        return [*self.options.headers, *spoken, *more]

    def request(
        self,
        method: str,
        url: str,
        headers: Headers = (),
        body: bytes | None = None,
        *,
        version: str | None = VERSION,
        timeout: float | None = None,
    ) -> Answer:
        """One request on a connection of its own; ``Content-Length`` is sent where there is a body, and with POST and
        PATCH. An early answer is taken while the body is still being sent.

        Raises:
            WireError: no answer.
        """
        length = [] if body is None else [("Content-Length", str(len(body)))]
        if body is None and method in {"POST", "PATCH"}:
            length = [("Content-Length", "0")]
        first = head(method, url, self.fields([*headers, *length], version=version))
        return self.exchange(method, url, first + (body or b""), timeout=timeout)

    def exchange(
        self, method: str, url: str, raw: bytes, *, timeout: float | None = None, keep: bool = True
    ) -> Answer:
        """Send bytes as they are, and answer what comes. ``keep``: the answer counts for what is said of all."""
        with self.connect(url) as link:
            broken: WireError | None = None
            try:
                link.send(raw)
            except WireError as error:
                broken = error
            try:
                answer = link.answer(method, timeout=timeout)
            except WireError as error:
                raise broken or error from None
        if keep:
            self.target.note(Seen(method, self.number, answer))
        return answer

    def exchange_as_other(self, method: str, url: str) -> Answer:
        """The request of another principal, by ``--other-header``."""
        told = [*self.options.other_headers, ("Tus-Resumable", VERSION)]
        return self.exchange(method, url, head(method, url, told))

    def remove(self, upload: Upload) -> None:
        """DELETE, whatever comes of it."""
        raw = head("DELETE", upload.url, self.fields())
        with suppress(WireError):
            self.exchange("DELETE", upload.url, raw, timeout=5, keep=False)

    def post(
        self,
        headers: Headers = (),
        body: bytes | None = None,
        *,
        name: str | None = None,
        metadata: bool = True,
        version: str | None = VERSION,
    ) -> Answer:
        """A creation with these headers; its ``Upload-Metadata`` says the file name unless ``metadata`` is False."""
        name = name or self.target.new_name()
        told = [("Upload-Metadata", f"filename {b64(name)}")] if metadata else []
        url = self.target.creation_url(name)
        answer = self.request("POST", url, [*headers, *told], body, version=version)
        self._keep(answer, url, name)
        return answer

    def create(
        self, length: int | None, headers: Headers = (), body: bytes | None = None, **more: Any
    ) -> Upload:
        """An upload that the check needs; None: of a length told later.

        Raises:
            Stopped: the server did not create it.
        """
        size = ("Upload-Defer-Length", "1") if length is None else ("Upload-Length", str(length))
        content = [] if body is None else [("Content-Type", BODY)]
        before = len(self.made)
        answer = self.post([size, *content, *headers], body, **more)
        self.need(answer.status == 201, f"the creation was answered {answer}{reason(answer)}")
        self.need(len(self.made) > before, "201 without a Location")
        return self.made[-1]

    def _keep(self, answer: Answer, url: str, name: str) -> None:
        location = answer.get("location")
        if answer.status == 201 and location:
            self.made.append(Upload(urljoin(url, location), name, answer))

    def head(self, url: str, *, version: str | None = VERSION, headers: Headers = ()) -> Answer:
        """HEAD."""
        return self.request("HEAD", url, headers, version=version)

    def offset(self, upload: Upload) -> int:
        """What HEAD says.

        Raises:
            Stopped: it says nothing of use.
        """
        answer = self.head(upload.url)
        number = answer.number("upload-offset")
        if answer.status not in {200, 204} or number is None:
            self.stop(f"HEAD answered {answer} with Upload-Offset {answer.get('upload-offset')}")
        return number

    def patch(
        self,
        upload: Upload,
        offset: int,
        body: bytes = b"",
        headers: Headers = (),
        *,
        content: str = BODY,
        version: str | None = VERSION,
        timeout: float | None = None,
    ) -> Answer:
        """PATCH."""
        told = [("Upload-Offset", str(offset)), ("Content-Type", content), *headers]
        return self.request("PATCH", upload.url, told, body, version=version, timeout=timeout)

    def patched(self, upload: Upload, offset: int, body: bytes, headers: Headers = ()) -> Answer:
        """A PATCH that the check needs to succeed.

        Raises:
            Stopped: it did not.
        """
        answer = self.patch(upload, offset, body, headers)
        self.need(answer.status == 204, f"PATCH at {offset} was answered {answer}")
        told = answer.number("upload-offset")
        self.must(
            told == offset + len(body),
            f"PATCH of {len(body)} bytes at {offset} was answered with Upload-Offset {told}",
        )
        return answer

    def begin(self, upload: Upload, offset: int, total: int, sent: bytes) -> Connection:
        """A PATCH of ``total`` bytes of which only ``sent`` are: the connection stays open."""
        told = [
            ("Upload-Offset", str(offset)),
            ("Content-Type", BODY),
            ("Content-Length", str(total)),
        ]
        link = self.connect(upload.url)
        link.send(head("PATCH", upload.url, self.fields(told)) + sent)
        time.sleep(SETTLE)
        return link

    # What is stored -----------------------------------------------------------------------------

    def download(self, upload: Upload) -> Answer | None:
        """The finished object; None: no ``--download-url`` was given."""
        if self.options.download_url is None:
            return None
        url = self.options.download_url
        values = {
            "url": upload.url,
            "name": upload.name,
            "id": upload.url.rstrip("/").rpartition("/")[2],
        }
        for key, value in values.items():
            url = url.replace("{" + key + "}", value)
        with self.connect(url) as link:
            link.send_head("GET", url, [*self.options.headers, ("Connection", "close")])
            return link.answer("GET", timeout=60)

    def compare(self, upload: Upload, data: bytes) -> None:
        """Record it when what is stored isn't ``data``."""
        try:
            answer = self.download(upload)
        except WireError as error:
            self.must(False, f"the finished object can't be read: {error}")
            return
        if answer is None:
            return
        if not self.must(answer.status == 200, f"the finished object is answered {answer}"):
            return
        if hashlib.sha256(answer.body).digest() == hashlib.sha256(data).digest():
            self.saw("content compared")
        else:
            self.must(False, f"the stored object differs: {difference(answer.body, data)}")

    def finish(self, upload: Upload, data: bytes, *, patience: float = 0) -> None:
        """Send what is missing as a client would: ask HEAD, go on from there, in one PATCH or again; then compare.
        Where HEAD says that nothing is missing, a PATCH of nothing gives the server a chance, whatever it answers.

        Raises:
            Stopped: it can't be finished.
        """
        deadline = time.monotonic() + patience
        while True:
            with suppress(WireError):
                offset = self.offset(upload)
                answer = self.patch(upload, offset, data[offset:], timeout=60)
                done = answer.status == 204 and answer.number("upload-offset") == len(data)
                if done or (offset == len(data) and self.options.download_url):
                    self.compare(upload, data)
                    return
            if time.monotonic() >= deadline:
                break
            time.sleep(0.5)
        answer = self.head(upload.url)
        self.stop(
            f"it could not be finished: HEAD answers {answer} with Upload-Offset "
            f"{answer.get('upload-offset')} of {len(data)}"
        )

    # The store's faults -------------------------------------------------------------------------

    def fault(self, **order: Any) -> None:
        """Order one of the fault proxy: see ``tests.conformance.fault_proxy``.

        Raises:
            Skipped: there is none.
            Stopped: it refused.
        """
        if self.options.fault_url is None:
            self.skip("needs --fault-url, a fault proxy between the server and its store")
        self._control("POST", json.dumps(order).encode())

    def heal(self) -> list[str]:
        """Take all faults back; answers the operations that the store was asked since the last time, in order."""
        return [str(call) for call in json.loads(self._control("DELETE", None).body or b"[]")]

    def _control(self, method: str, body: bytes | None) -> Answer:
        url = self.options.fault_url or ""
        with Connection(url) as link:
            link.send(
                head(method, url, [("Content-Length", str(len(body or b"")))]) + (body or b"")
            )
            answer = link.answer(method)
        self.need(answer.status == 200, f"the fault proxy answered {answer}")
        return answer


def reason(answer: Answer) -> str:
    """The first line of what it says, in brackets."""
    line = answer.body.decode("utf-8", "replace").strip().partition("\n")[0]
    return f" ({line[:100]})" if line else ""


def b64(text: str | bytes) -> str:
    """As tus has its metadata and digests."""
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def difference(found: bytes, wanted: bytes) -> str:
    """Where two contents part, in words."""
    if len(found) != len(wanted):
        return f"{len(found)} bytes instead of {len(wanted)}"
    first = next(
        (i for i, pair in enumerate(zip(found, wanted, strict=True)) if pair[0] != pair[1]), -1
    )
    return f"the right length, but other bytes from {first} on"


def statuses(answers: Iterable[Answer]) -> str:
    """``400, 400, 409``."""
    return ", ".join(map(str, answers))
