"""A world for flows, without a socket: a file in memory, a clock that jumps, a server that is told how to fail."""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar

from gateway.client import Backoff, FileTrouble, Interrupted, TransferFailed
from gateway.client.uploading.flows import Upload
from gateway.client.uploading.job import DIGEST_HEADER, Job
from gateway.client.uploading.record import Identity, Record
from gateway.client.uploading.steps import (
    Answer,
    Broken,
    Detour,
    Digest,
    Exchange,
    Flow,
    Pause,
    Request,
    Save,
    Step,
    Together,
    Unchanged,
)
from gateway.client.uploading.tally import Tally
from gateway.model import ObjectKey
from gateway.units import KiB

T = TypeVar("T")

KEY = ObjectKey("b", "a k")
BODY = bytes(range(256)) * 8 * KiB
SHA256 = hashlib.sha256(BODY).hexdigest()
FILE = Identity(path="/f", size=len(BODY), modified=1, inode=1)
URL = "/-/uploads/id.mac"
CHUNKED = "/-/chunked/b/a%20k"

Fault: TypeAlias = "Callable[[Server, Request, bytes], Answer | Broken | None]"


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, headers=names, body=body, at=0.0, seconds=1.0)


def status(code: int, **headers: str) -> Fault:
    """A fault: this answer, and nothing is done."""
    return lambda server, request, body: answer(code, b"why\n\n(a-code, request 1)\n", **headers)


def broken(server: "Server", request: Request, body: bytes) -> Broken:
    """A fault: the connection breaks, and nothing is done."""
    return Broken(error=Interrupted("broke"))


def unheard(server: "Server", request: Request, body: bytes) -> Broken:
    """A fault: it is done, but the answer is lost."""
    server.serve(request, body)
    return Broken(error=Interrupted("broke"))


def well(server: "Server", request: Request, body: bytes) -> None:
    """No fault."""


@dataclass
class Server:
    """What a gateway does, as far as clients see it. ``faults`` are taken off by requests without bytes,
    ``late`` by those that bring some."""

    checksums: bool = True
    faults: list[Fault] = field(default_factory=list)
    late: list[Fault] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)
    upload: bytearray | None = None
    length: int = 0
    have: bytearray = field(default_factory=bytearray)
    publishes: bool = True
    made: int = 0
    grid: int | None = None
    object: bytes | None = None
    shown: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    log: list[Request] = field(default_factory=list)

    def __call__(self, request: Request, body: bytes) -> Answer | Broken:
        self.log.append(request)
        queue = self.faults if request.body is None else self.late
        if queue and (found := queue.pop(0)(self, request, body)) is not None:
            return found
        return self.serve(request, body)

    def methods(self) -> str:
        return " ".join(request.method for request in self.log)

    def serve(self, request: Request, body: bytes) -> Answer:
        path = request.path.decode()
        if path.startswith("/-/chunked/"):
            return self._chunked(request, body)
        if path.startswith("/-/uploads/"):
            return self._tus(request, body)
        return self._object(request, body)

    def _object(self, request: Request, body: bytes) -> Answer:
        if request.method == "PUT":
            self.object, self.kept = body, dict(request.headers)
            return answer(200, etag='"e"')
        if self.object is None:
            return answer(404)
        headers = {"content-length": str(len(self.object)), "etag": '"e"', **self.shown}
        if DIGEST_HEADER in self.kept:
            headers.setdefault(DIGEST_HEADER, self.kept[DIGEST_HEADER])
        sha256 = hashlib.sha256(self.object).hexdigest() if request.hashed else ""
        return Answer(status=200, headers=headers, body=b"", at=0.0, seconds=1.0, sha256=sha256)

    def _tus(self, request: Request, body: bytes) -> Answer:
        if request.method == "OPTIONS":
            extensions = "creation,checksum" if self.checksums else "creation"
            told = answer(
                204,
                tus_version="0.2,1.0.0",
                tus_extension=extensions,
                tus_checksum_algorithm="sha1,sha256",
            )
            return replace(told, headers={**told.headers, **self.options})
        assert request.headers["tus-resumable"] == "1.0.0"
        if request.method == "POST":
            self.upload, self.made = bytearray(), self.made + 1
            self.length = int(request.headers["upload-length"])
            pairs = dict(p.split(" ") for p in request.headers["upload-metadata"].split(","))
            self.kept = {DIGEST_HEADER: b64decode(pairs["sha256"]).decode()}
            return answer(201, location=URL, upload_expires="Fri, 01 Jan 2100 00:00:00 GMT")
        if self.upload is None:
            return answer(404)
        if request.method == "DELETE":
            self.upload = None
            return answer(204)
        if request.method == "PATCH" and (refused := self._append(request, body)) is not None:
            return refused
        return answer(204, upload_offset=str(len(self.upload)), upload_length=str(self.length))

    def _append(self, request: Request, body: bytes) -> Answer | None:
        assert self.upload is not None
        if int(request.headers["upload-offset"]) != len(self.upload):
            return answer(409)
        if body and self.checksums:
            algorithm, told = request.headers["upload-checksum"].split(" ")
            if b64decode(told) != hashlib.new(algorithm, body).digest():
                return answer(460)
        self.upload += body
        if len(self.upload) == self.length and (self.publishes or not body):
            self.object = bytes(self.upload)
        return None

    def _chunked(self, request: Request, body: bytes) -> Answer:
        if request.method == "POST":
            self.made += 1
            self.length = int(request.headers["x-total-size"])
            self.upload, self.have = bytearray(self.length), bytearray(self.length)
            self.kept = dict(request.headers)
            return answer(201, json.dumps({"chunk_size": self.grid}).encode())
        if self.upload is None:
            return answer(404)
        if request.method == "DELETE":
            self.upload = None
            return answer(204)
        if request.method == "PUT":
            first, _, last = request.headers["content-range"][6:].partition("/")[0].partition("-")
            assert request.payload == hashlib.sha256(body).hexdigest()
            place = slice(int(first), int(last) + 1)
            again = 0 not in self.have[place]
            self.upload[place], self.have[place] = body, b"\1" * len(body)
            if 0 not in self.have and (self.publishes or again):
                self.object = bytes(self.upload)
        return answer(200, json.dumps(self._document()).encode())

    def _document(self) -> dict[str, Any]:
        missing: list[str] = []
        at = 0
        while (first := self.have.find(0, at)) >= 0:
            at = self.have.find(1, first)
            at = self.length if at < 0 else at
            missing.append(f"{first}-{at - 1}")
        whole = self.object is not None
        return {"length": self.length, "complete": whole, "missing": missing}


@dataclass
class World:
    """Takes steps. Flows that go together take turns, so that each sees what the others did."""

    server: Server = field(default_factory=Server)
    body: bytes = BODY
    changed: bool = False
    saved: list[Record | None] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    parallel: int = 1
    attempts: int = 5

    def upload(self, record: Record | None = None, resumable_from: int = 0) -> Flow[Any]:
        """The flow of a whole upload."""
        job = Job(file=FILE, key=KEY, content_type="a/b", parallel=self.parallel)
        self.tally = Tally(FILE.size, lambda done, total: self.shown.append(done))
        return Upload(
            job=job,
            backoff=Backoff(attempts=self.attempts, rand=lambda: 1.0),
            tally=self.tally,
            new_name=lambda: f"name{len(self.saved)}",
            resumable_from=resumable_from,
        ).flow(record)

    def run(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    event = self.take(step)
                except (TransferFailed, Detour) as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(event)
        except StopIteration as end:
            result: T = end.value
            return result

    def take(self, step: Step) -> Any:
        match step:
            case Digest(span, algorithm):
                return hashlib.new(algorithm, self.body[span.start : span.stop]).digest()
            case Unchanged():
                if self.changed:
                    raise FileTrouble("changed")
            case Exchange(request):
                sent = request.body
                body = b"" if sent is None else self.body[sent.start : sent.stop]
                if sent is not None:
                    self.tally.moved(sent, sent.size // 2)
                return self.server(request, body)
            case Pause(seconds):
                self.pauses.append(seconds)
            case Save(record):
                self.saved.append(record)
            case Together(flows):
                self._together(list(flows))
        return None

    def _together(self, flows: list[Flow[None]]) -> None:
        events: list[Any] = [None] * len(flows)
        while flows:
            flow, event = flows.pop(0), events.pop(0)
            try:
                step = flow.send(event)
            except StopIteration:
                continue
            flows.append(flow)
            events.append(self.take(step))


def record(**changes: Any) -> Record:
    """An upload that has begun."""
    given: dict[str, Any] = {
        "kind": "tus",
        "file": FILE,
        "content_type": "a/b",
        "sha256": SHA256,
        "session": "s",
        "location": URL,
    }
    return Record(**(given | changes))


def begun(server: Server, count: int) -> None:
    """The server has ``count`` bytes of a tus upload."""
    server.upload, server.length = bytearray(BODY[:count]), len(BODY)
    server.kept = {DIGEST_HEADER: SHA256}


def repr_digest(body: bytes) -> str:
    return f"sha-256=:{b64encode(hashlib.sha256(body).digest()).decode()}:"
