"""The dialects of resumable uploads as their clients speak them: requests of an upload, and what their answers tell."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from tests.chaos.line import Answer, Call

SERIAL: Final = ("tus", "rufh-3", "rufh-5", "rufh-6", "rufh-8")
PARALLEL: Final = ("chunked", "range")
DIALECTS: Final = (*SERIAL, *PARALLEL)
#: Not resumable: all in one request. And what consists of two resumable uploads.
WHOLE: Final = ("plain", "form")
JOINED: Final = "joined"

Headers = tuple[tuple[str, str], ...]


@dataclass
class Subject:
    """One upload as its client knows it. ``url`` is the path of its own URL, once it is known; ``session`` the client's
    own name for it; ``credential`` what begins uploads. ``told``: whether its length is said at the beginning;
    ``partial``: whether it becomes a part of another one (tus)."""

    bucket: str
    key: str
    data: bytes
    session: str
    credential: Headers
    told: bool = True
    url: str | None = None
    partial: bool = False

    @property
    def length(self) -> int:
        """Of the whole, in bytes."""
        return len(self.data)

    @property
    def sha256(self) -> str:
        """Of the whole, in hex."""
        return hashlib.sha256(self.data).hexdigest()


# --- what is sent ---


def begin(dialect: str, subject: Subject, body: bytes = b"") -> Call:
    """The beginning of a serial upload, with its first bytes, which are not all of them unless the whole is empty."""
    name = f"{subject.bucket}/{subject.key}"
    whole = len(body) == subject.length
    length: Headers = (("Upload-Length", str(subject.length)),) if subject.told else ()
    if dialect == "tus":
        headers = length or (("Upload-Defer-Length", "1"),)
        headers += (("Upload-Concat", "partial"),) if subject.partial else ()
        kind = (("Content-Type", "application/offset+octet-stream"),) if body else ()
        own = (("Tus-Resumable", "1.0.0"), *headers, *kind)
        return Call("POST", f"/-/uploads/{name}", (*own, *subject.credential), body)
    return Call("PUT", f"/{name}", (*_rufh(dialect, whole), *length, *subject.credential), body)


def whole(dialect: str, subject: Subject) -> Call:
    """All of it in one request."""
    if dialect == "plain":
        return Call("PUT", f"/{subject.bucket}/{subject.key}", subject.credential, subject.data)
    border = "----border-of-this-form"
    fields = f'--{border}\r\nContent-Disposition: form-data; name="key"\r\n\r\n{subject.key}\r\n'
    fields += f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = fields.encode() + subject.data + f"\r\n--{border}--\r\n".encode()
    kind = ("Content-Type", f"multipart/form-data; boundary={border}")
    return Call("POST", f"/{subject.bucket}", (kind, *subject.credential), body)


def join(subject: Subject, urls: Sequence[str]) -> Call:
    """Make one object of finished partial uploads (tus)."""
    own = ("Tus-Resumable", "1.0.0"), ("Upload-Concat", f"final;{' '.join(urls)}")
    named = ("Idempotency-Key", subject.session)
    target = f"/-/uploads/{subject.bucket}/{subject.key}"
    return Call("POST", target, (*own, named, *subject.credential))


def append(dialect: str, subject: Subject, offset: int, body: bytes, *digests: str) -> Call:
    """Bytes at an offset. ``digests``: "right" or "wrong" for one of this body."""
    assert subject.url is not None
    whole = offset + len(body) == subject.length
    digest = tuple(_digest(dialect, body, kind == "right") for kind in digests)
    at = ("Upload-Offset", str(offset))
    if dialect == "tus":
        length = (("Upload-Length", str(subject.length)),) if whole and not subject.told else ()
        kind = ("Content-Type", "application/offset+octet-stream")
        headers: Headers = (("Tus-Resumable", "1.0.0"), at, kind, *length)
    else:
        headers = (*_rufh(dialect, whole), at, ("Content-Type", "application/partial-upload"))
    return Call("PATCH", subject.url, (*headers, *digest), body)


def chunk(
    dialect: str, subject: Subject, start: int, body: bytes, *digests: str, numbered: int = 0
) -> Call:
    """Bytes from ``start``. ``numbered``: the size of all chunks but the last, where they have numbers."""
    name = f"{subject.bucket}/{subject.key}"
    total = str(subject.length) if subject.told or start + len(body) == subject.length else "*"
    headers: Headers = (("Content-Range", f"bytes {start}-{start + len(body) - 1}/{total}"),)
    headers += tuple(_digest(dialect, body, kind == "right") for kind in digests)
    if dialect == "range":
        return Call("PUT", f"/{name}", (*headers, *subject.credential), body)
    headers += (("X-Upload-Session-ID", subject.session),)
    if numbered:
        headers += (("X-Chunk-Number", str(start // numbered)),)
        headers += (("X-Total-Chunks", str(-(-subject.length // numbered))),)
    return Call("PUT", f"/-/chunked/{name}", (*headers, *subject.credential), body)


def ask(dialect: str, subject: Subject) -> Call:
    """How far it is. ``json`` is the status that disturbs nobody."""
    name = f"{subject.bucket}/{subject.key}"
    if dialect == "chunked":
        session = ("X-Upload-Session-ID", subject.session)
        return Call("GET", f"/-/chunked/{name}", (session, *subject.credential))
    if dialect == "range":
        asked = ("Content-Range", f"bytes */{subject.length if subject.told else '*'}")
        return Call("PUT", f"/{name}", (asked, *subject.credential))
    assert subject.url is not None
    if dialect == "json":
        return Call("GET", subject.url, ())
    own = (("Tus-Resumable", "1.0.0"),) if dialect == "tus" else _rufh(dialect, None)
    return Call("HEAD", subject.url, own)


def cancel(dialect: str, subject: Subject) -> Call:
    """Drop it; Content-Range has no way to say so."""
    if dialect == "chunked":
        session = ("X-Upload-Session-ID", subject.session)
        target = f"/-/chunked/{subject.bucket}/{subject.key}"
        return Call("DELETE", target, (session, *subject.credential))
    assert subject.url is not None
    own = (("Tus-Resumable", "1.0.0"),) if dialect == "tus" else _rufh(dialect, None)
    return Call("DELETE", subject.url, own)


def _rufh(dialect: str, complete: bool | None) -> Headers:
    version = dialect.partition("-")[2]
    own: Headers = (("Upload-Draft-Interop-Version", version),)
    if complete is None:
        return own
    if version == "3":
        return (*own, ("Upload-Incomplete", "?0" if complete else "?1"))
    return (*own, ("Upload-Complete", "?1" if complete else "?0"))


def _digest(dialect: str, body: bytes, right: bool) -> tuple[str, str]:
    value = b64encode(hashlib.sha256(body if right else b"other" + body).digest()).decode()
    if dialect == "tus":
        return ("Upload-Checksum", f"sha256 {value}")
    return ("Content-Digest", f"sha-256=:{value}:")


# --- what is heard ---


@dataclass(frozen=True)
class Told:
    """What an answer says of the upload: its offset (None: nothing), whether it is finished, the ranges (from, to) that
    are missing and the number of bytes that are there (None: not said)."""

    offset: int | None = None
    done: bool = False
    missing: tuple[tuple[int, int], ...] | None = None
    received: int | None = None


def told(dialect: str, subject: Subject, call: Call, answer: Answer) -> Told:
    """Read an answer. Offsets in interim responses and in refusals (409) count as told, too."""
    early = [int(each["upload-offset"]) for each in answer.early if "upload-offset" in each]
    read: Callable[[Answer], Told] = {"chunked": _chunked, "json": _document, "range": _range}.get(
        dialect, _headers
    )
    found = read(answer)
    offsets = early + ([] if found.offset is None else [found.offset])
    finished = dialect == "tus" and answer.status < 300 and found.offset == subject.length
    ends = call.method == "PATCH" or call.method == "POST" or call.method == "HEAD"
    done = found.done or (finished and ends)
    return Told(max(offsets, default=None), done, found.missing, found.received)


def location(answer: Answer) -> str | None:
    """The path of the upload's URL, where an answer or an interim response before it tells."""
    heads = [*answer.early, answer.headers]
    found = next((each["location"] for each in heads if "location" in each), None)
    return None if found is None else urlsplit(found).path


def _headers(answer: Answer) -> Told:
    text = answer.headers.get("upload-offset")
    offset = int(text) if text is not None and answer.status != 0 else None
    complete = answer.headers.get("upload-complete") == "?1"
    complete |= answer.headers.get("upload-incomplete") == "?0"
    return Told(offset, complete and 200 <= answer.status < 300)


def _range(answer: Answer) -> Told:
    if answer.status in (200, 201):
        return Told(done=True)
    if answer.status != 308:
        return Told()
    text = answer.headers.get("range")
    return Told(0 if text is None else int(text.removeprefix("bytes=0-")) + 1)


def _chunked(answer: Answer) -> Told:
    return _document(answer) if 200 <= answer.status < 300 and answer.body else Told()


def _document(answer: Answer) -> Told:
    if answer.status not in (200, 201, 202):
        return Told()
    document: dict[str, Any] = json.loads(answer.body)
    missing = None
    if "missing" in document:
        pairs = (text.split("-") for text in document["missing"])
        missing = tuple((int(first), int(last) + 1) for first, last in pairs)
    return Told(document["offset"], document["complete"], missing, document["received"])
