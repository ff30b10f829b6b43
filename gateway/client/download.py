"""Downloading an object to a file: continued from the reached offset, verified, renamed at the end.

A broken attempt goes on with ``Range`` from what is on disk and ``If-Match`` on the version that it is a
beginning of (RFC 9110, 14.2 and 13.1.1); an object that was replaced meanwhile starts over. One byte is
asked for again, so that a download that broke after its last byte still gets a 206, and not a 416.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Final

import httpx

from gateway.client.failures import Corrupt, Interrupted, Refused
from gateway.client.link import Link
from gateway.client.partial import PartialFile
from gateway.client.uploading.job import DIGEST_HEADER, Progress
from gateway.model import ObjectKey

_EMPTY_SHA256: Final = hashlib.sha256().hexdigest()
_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)\Z", re.ASCII)
_STRONG_ETAG: Final = re.compile(r'"[^"]*"\Z')
_REPR_DIGEST: Final = re.compile(r"\bsha-(256|512)=:([A-Za-z0-9+/=]*):")


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """A finished download. ``verified_by`` names the digest that was compared; None: the server kept
    none, so only the length was."""

    size: int
    verified_by: str | None
    continued_from: int


class Download:
    """An object on its way into a file; :meth:`receive` may be called again after it failed."""

    def __init__(self, key: ObjectKey, partial: PartialFile, progress: Progress) -> None:
        self._key: Final = key
        self._partial: Final = partial
        self._progress: Final = progress
        self._continued_from: Final = partial.size

    def receive(self, link: Link) -> Downloaded:
        """One attempt, from where the last one stopped.

        Raises:
            TransferFailed: see :mod:`gateway.client.failures`. What arrived is kept, unless it is Corrupt.
        """
        partial = self._partial
        first = max(0, partial.size - 1)
        headers = {"accept-encoding": "identity"}
        if partial.size and partial.etag:
            headers |= {"range": f"bytes={first}-", "if-match": partial.etag}
        try:
            with link.request("GET", self._key, headers, payload_sha256=_EMPTY_SHA256) as response:
                total = self._write(response, first)
                verified_by = self._verified(response.headers)
        except Refused as error:
            if error.status not in (412, 416) or "range" not in headers:
                raise
            partial.restart(None)
            raise Interrupted(f"{self._key} was replaced while it was downloaded") from None
        partial.publish()
        return Downloaded(size=total, verified_by=verified_by, continued_from=self._continued_from)

    def _write(self, response: httpx.Response, first: int) -> int:
        """Take in the body; answer the object's size."""
        partial = self._partial
        offset, total = 0, int(response.headers.get("content-length", -1))
        if response.status_code == 206:
            offset, total = _extent(response.headers)
        if response.status_code != 206 or offset != first:
            if offset:
                raise Corrupt(f"{self._key}: bytes from {offset} came, not from {first}")
            partial.restart(_strong(response.headers.get("etag")))
        shown = max(total, 0)
        self._progress(offset, shown)
        # Without a block size: httpx would gather blocks, and lose what it gathered when the connection breaks.
        for block in response.iter_raw():
            partial.write(block, offset)
            offset += len(block)
            self._progress(offset, max(shown, offset))
        if total not in (-1, offset):
            raise Interrupted(f"{self._key}: the connection ended at byte {offset} of {total}")
        return offset

    def _verified(self, headers: httpx.Headers) -> str | None:
        algorithm, expected = _promised(headers)
        if algorithm is None:
            return None
        if self._partial.digest(algorithm) != expected:
            self._partial.restart(None)
            raise Corrupt(f"{self._key}: what arrived does not have the {algorithm} it should have")
        return algorithm


def _promised(headers: httpx.Headers) -> tuple[str | None, bytes]:
    """The digest of the whole object, by Repr-Digest (RFC 9530) or as ``sluice put`` kept it."""
    found = dict(_REPR_DIGEST.findall(headers.get("repr-digest", "")))
    try:
        for bits in ("512", "256"):
            if bits in found:
                return f"sha{bits}", base64.b64decode(found[bits], validate=True)
        kept = headers.get(DIGEST_HEADER)
        return (None, b"") if kept is None else ("sha256", bytes.fromhex(kept))
    except (binascii.Error, ValueError):
        raise Corrupt("the server sent a digest that cannot be read") from None


def _extent(headers: httpx.Headers) -> tuple[int, int]:
    """The first byte and the object's size, of a 206."""
    match = _CONTENT_RANGE.match(headers.get("content-range", ""))
    if match is None:
        raise Corrupt("the server answered 206 without a Content-Range that can be read")
    return int(match[1]), int(match[3])


def _strong(etag: str | None) -> str | None:
    """The entity tag, if it tells versions apart byte for byte."""
    return etag if etag is not None and _STRONG_ETAG.match(etag) else None
