"""What the null S3 knows: sizes, small bodies and part lists, never large bytes.

Objects are remembered per process and up to a bound. An object whose name ends in ``/<digits>`` is there without
ever having been put: it has that many bytes. That is how several processes serve the same downloads.
"""

import hashlib
import itertools
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

#: Bodies up to this many bytes are kept and answered as they were sent; of larger ones only the size is.
KEEP: Final = 64 * 1024
#: Objects and uploads remembered at a time; the oldest are forgotten.
REMEMBERED: Final = 20_000

_XML: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_DATE: Final = "Sun, 06 Nov 1994 08:49:37 GMT"
_ISO_DATE: Final = "1994-11-06T08:49:37.000Z"
_REASONS: Final = {
    200: "OK", 204: "No Content", 206: "Partial Content", 404: "Not Found", 405: "Method Not Allowed",
    416: "Range Not Satisfiable", 503: "Slow Down",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request. ``size`` counts the body's bytes; ``body`` is None where they were thrown away."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    size: int
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer. After ``body``, ``stream`` bytes of the static pattern follow, from ``offset`` on."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    stream: int = 0
    offset: int = 0

    def head(self, number: int, *, bodiless: bool) -> bytes:
        """The head, and the body unless the request was a HEAD."""
        length = "" if self.status == 204 else f"Content-Length: {len(self.body) + self.stream}\r\n"
        if any(name == "Content-Length" for name, _ in self.headers):
            length = ""
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        head = (
            f"HTTP/1.1 {self.status} {_REASONS[self.status]}\r\nServer: null-s3\r\n"
            f"x-amz-request-id: {number:016X}\r\n{lines}{length}\r\n"
        ).encode()
        return head if bodiless else head + self.body


@dataclass(frozen=True, slots=True)
class _Object:
    size: int
    etag: str
    body: bytes | None = None
    kind: str = "application/octet-stream"
    metadata: tuple[tuple[str, str], ...] = ()


def error(status: int, code: str, message: str, **headers: str) -> Answer:
    """An S3 error."""
    body = f"{_XML}<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    more = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(status, (("Content-Type", "application/xml"), *more), body.encode())


class NullObjects:
    """The objects of one process, and what every request is answered."""

    def __init__(self) -> None:
        self._objects: OrderedDict[tuple[str, str], _Object] = OrderedDict()
        self._uploads: OrderedDict[str, dict[int, _Object]] = OrderedDict()
        self._buckets: set[str] = set()
        self._numbers = itertools.count(1)

    def answer(self, request: Request) -> Answer:
        """Carry out a request."""
        if not request.key:
            return self._bucket(request)
        if "uploads" in request.query or "uploadId" in request.query:
            return self._multipart(request)
        match request.method:
            case "PUT":
                return self._put(request)
            case "GET" | "HEAD":
                return self._get(request)
            case "DELETE":
                self._objects.pop((request.bucket, request.key), None)
                return Answer(204)
        return error(405, "MethodNotAllowed", "Not a method of the null S3.")

    def _put(self, request: Request) -> Answer:
        made = _object(request)
        self._remember((request.bucket, request.key), made)
        return Answer(200, (("ETag", f'"{made.etag}"'),))

    def _remember(self, name: tuple[str, str], made: _Object) -> None:
        self._objects[name] = made
        self._objects.move_to_end(name)
        if len(self._objects) > REMEMBERED:
            self._objects.popitem(last=False)

    def _find(self, request: Request) -> _Object | None:
        known = self._objects.get((request.bucket, request.key))
        if known is not None:
            return known
        name = request.key.rpartition("/")[2]
        if name.isascii() and name.isdigit():
            return _Object(int(name), _etag(request.key, int(name)))
        return None

    def _get(self, request: Request) -> Answer:
        found = self._find(request)
        if found is None:
            return error(404, "NoSuchKey", "The null S3 has no such object.")
        headers = (
            ("ETag", f'"{found.etag}"'),
            ("Last-Modified", _DATE),
            ("Accept-Ranges", "bytes"),
            ("Content-Type", found.kind),
            *found.metadata,
        )
        first, last, status = 0, found.size - 1, 200
        asked = request.headers.get("range")
        if asked is not None:
            bounds = _bounds(asked, found.size)
            if bounds is None:
                return error(
                    416, "InvalidRange", "No such range.", Content_Range=f"bytes */{found.size}"
                )
            first, last, status = *bounds, 206
            headers = (*headers, ("Content-Range", f"bytes {first}-{last}/{found.size}"))
        size = last - first + 1
        if request.method == "HEAD":
            return Answer(status, (*headers, ("Content-Length", str(size))))
        if found.body is not None:
            return Answer(status, headers, found.body[first : last + 1])
        return Answer(status, headers, stream=size, offset=first)

    def _multipart(self, request: Request) -> Answer:
        identity = request.query.get("uploadId", "")
        match request.method:
            case "POST" if "uploads" in request.query:
                return self._create(request)
            case "PUT":
                part = _object(request)
                self._uploads.setdefault(identity, {})[int(request.query["partNumber"])] = part
                return Answer(200, (("ETag", f'"{part.etag}"'),))
            case "POST":
                return self._complete(request, identity)
            case "DELETE":
                self._uploads.pop(identity, None)
                return Answer(204)
            case "GET":
                return self._list_parts(request, identity)
        return error(405, "MethodNotAllowed", "Not a method of the null S3.")

    def _create(self, request: Request) -> Answer:
        identity = f"null-{next(self._numbers):08d}-{id(self):x}"
        self._uploads[identity] = {}
        if len(self._uploads) > REMEMBERED:
            self._uploads.popitem(last=False)
        return _xml(
            f"<InitiateMultipartUploadResult><Bucket>{escape(request.bucket)}</Bucket>"
            f"<Key>{escape(request.key)}</Key><UploadId>{identity}</UploadId></InitiateMultipartUploadResult>"
        )

    def _complete(self, request: Request, identity: str) -> Answer:
        parts = self._uploads.pop(identity, {})
        size = sum(part.size for part in parts.values())
        digests = b"".join(bytes.fromhex(parts[number].etag) for number in sorted(parts))
        # As S3 makes them: who counts on it finds them right.
        etag = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
        self._remember((request.bucket, request.key), _Object(size, etag))
        return _xml(
            f"<CompleteMultipartUploadResult><Bucket>{escape(request.bucket)}</Bucket>"
            f"<Key>{escape(request.key)}</Key><ETag>&quot;{etag}&quot;</ETag></CompleteMultipartUploadResult>"
        )

    def _list_parts(self, request: Request, identity: str) -> Answer:
        parts = self._uploads.get(identity)
        if parts is None:
            return error(404, "NoSuchUpload", "The null S3 has no such upload.")
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><LastModified>{_ISO_DATE}</LastModified>"
            f"<ETag>&quot;{part.etag}&quot;</ETag><Size>{part.size}</Size></Part>"
            for number, part in sorted(parts.items())
        )
        return _xml(
            f"<ListPartsResult><Bucket>{escape(request.bucket)}</Bucket><Key>{escape(request.key)}</Key>"
            f"<UploadId>{identity}</UploadId><MaxParts>10000</MaxParts><IsTruncated>false</IsTruncated>"
            f"{listed}</ListPartsResult>"
        )

    def _bucket(self, request: Request) -> Answer:
        if request.method == "PUT":
            self._buckets.add(request.bucket)
        if request.method in ("HEAD", "PUT"):
            return Answer(200)
        if request.method == "DELETE":
            return Answer(204)
        if not request.bucket:
            listed = "".join(
                f"<Bucket><Name>{escape(name)}</Name><CreationDate>{_ISO_DATE}</CreationDate></Bucket>"
                for name in sorted(self._buckets)
            )
            return _xml(
                f"<ListAllMyBucketsResult><Buckets>{listed}</Buckets></ListAllMyBucketsResult>"
            )
        if "location" in request.query:
            return _xml("<LocationConstraint>us-east-1</LocationConstraint>")
        if "uploads" in request.query:
            return _xml(
                "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"
            )
        return self._list(request)

    def _list(self, request: Request) -> Answer:
        """Everything remembered below the prefix, on one page; delimiters are not looked at."""
        prefix = request.query.get("prefix", "")
        listed = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{_ISO_DATE}</LastModified>"
            f"<ETag>&quot;{found.etag}&quot;</ETag><Size>{found.size}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for (bucket, key), found in sorted(self._objects.items())
            if bucket == request.bucket and key.startswith(prefix)
        )
        return _xml(
            f"<ListBucketResult><Name>{escape(request.bucket)}</Name><Prefix>{escape(prefix)}</Prefix>"
            f"<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>"
        )


def _object(request: Request) -> _Object:
    kind = request.headers.get("content-type", "application/octet-stream")
    metadata = tuple(item for item in request.headers.items() if item[0].startswith("x-amz-meta-"))
    if request.body is not None:
        etag = hashlib.md5(request.body, usedforsecurity=False).hexdigest()
        return _Object(len(request.body), etag, request.body, kind, metadata)
    size = int(request.headers.get("x-amz-decoded-content-length", request.size))
    return _Object(size, _etag(request.key, size), None, kind, metadata)


def _etag(key: str, size: int) -> str:
    """Looks like an MD5 and is the same for the same key and size."""
    return hashlib.md5(f"{key}:{size}".encode(), usedforsecurity=False).hexdigest()


def _xml(body: str) -> Answer:
    return Answer(200, (("Content-Type", "application/xml"),), (_XML + body).encode())


def _bounds(text: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a single range; None: it cannot be satisfied."""
    first, _, last = text.removeprefix("bytes=").partition("-")
    begin = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    return (begin, end) if begin <= end else None
