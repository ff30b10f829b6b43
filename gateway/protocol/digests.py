"""Digests on the wire: RFC 9530 fields, Content-MD5 and S3's ``x-amz-checksum-*``, all to and from :class:`Digest`.

Sluice applies no content coding, so on a PUT of a whole object Content-Digest and Repr-Digest speak
of the same bytes. An algorithm that we do not know is ignored, as RFC 9530 section 2 wants; a value
that cannot be a digest of its algorithm is refused, and so are two values for one algorithm.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Final

import http_sf

from gateway.errors import BadRequest, InvalidArgument, InvalidDigest
from gateway.model import Digest
from gateway.protocol.commands import RequestHead
from gateway.protocol.names import shown

#: Size in bytes of a digest of each algorithm, by its name in the model.
SIZES: Final = {
    "md5": 16, "sha1": 20, "sha-256": 32, "sha-512": 64, "crc32": 4, "crc32c": 4, "crc64nvme": 8,
}  # fmt: skip
#: Names that we verify: of the registry of RFC 9530, and S3's CRC-64/NVME, which alone can be put together from those
#: of parts. All but the first two guard against accidents only: checked when sent, never offered.
_FIELD_NAMES: Final = {
    "sha-256": "sha-256",
    "sha-512": "sha-512",
    "md5": "md5",
    "sha": "sha1",
    "crc32c": "crc32c",
    "crc64nvme": "crc64nvme",
}
_OFFERED: Final = ("sha-256", "sha-512")
#: S3's names (``x-amz-checksum-<name>``).
CHECKSUM_NAMES: Final = {
    "crc32": "crc32",
    "crc32c": "crc32c",
    "crc64nvme": "crc64nvme",
    "sha1": "sha1",
    "sha256": "sha-256",
}
#: tus's names, the fastest to check last.
TUS_ALGORITHMS: Final = {"sha1": "sha1", "sha256": "sha-256", "crc32": "crc32"}
_STRONGEST: Final = ("sha-512", "sha-256", "sha1", "md5", "crc64nvme", "crc32c")
_TO_FIELD: Final = {model: name for name, model in _FIELD_NAMES.items()}
_TO_CHECKSUM: Final = {model: name for name, model in CHECKSUM_NAMES.items()}


def _sized(algorithm: str, value: bytes, where: str) -> Digest:
    if len(value) != SIZES[algorithm]:
        raise InvalidDigest(f"{where}: a {algorithm} digest has {SIZES[algorithm]} bytes.")
    return Digest(algorithm, value)


def _base64(algorithm: str, text: str, where: str) -> Digest:
    try:
        value = b64decode(text, validate=True)
    except ValueError:
        raise InvalidDigest(f"{where} is not base64.") from None
    return _sized(algorithm, value, where)


def parse_digest_field(text: str, where: str = "Repr-Digest") -> tuple[Digest, ...]:
    """Read a Content-Digest or Repr-Digest field; unknown algorithms are left out. ``where`` names it in errors.

    Raises:
        InvalidDigest: no dictionary of byte sequences, or one of a wrong length.
    """
    digests = []
    for name, member in _dictionary(text, where).items():
        algorithm = _FIELD_NAMES.get(name)
        if algorithm is None:
            continue
        value = member[0] if isinstance(member, tuple) else None
        if not isinstance(value, bytes):
            raise InvalidDigest(f"{where}: write a digest as {name}=:BASE64:")
        digests.append(_sized(algorithm, value, where))
    return tuple(digests)


def _dictionary(text: str, where: str) -> dict[str, object]:
    try:
        parsed = http_sf.parse(text.encode("latin-1"), tltype="dictionary")
    except ValueError as error:
        raise InvalidDigest(f"{where} is not a structured field (RFC 9651): {error}") from None
    assert isinstance(parsed, dict)
    return {str(name): member for name, member in parsed.items()}


def format_digest_field(digests: Iterable[Digest]) -> str:
    """Write the digests that RFC 9530 has names for: ``sha-256=:...:, sha-512=:...:``; empty where none has."""
    return ", ".join(
        f"{_TO_FIELD[digest.algorithm]}=:{b64encode(digest.value).decode()}:"
        for digest in digests
        if digest.algorithm in _TO_FIELD
    )


_HEADERS: Final = frozenset({b"content-digest", b"repr-digest", b"content-md5"})


def parse_upload_checksum(text: str) -> Digest:
    """Read tus's ``Upload-Checksum``, header or trailer: ``sha1 BASE64`` (also sha256 and crc32).

    Raises:
        InvalidDigest: malformed, of a wrong length, or of another algorithm.
    """
    name, _, value = text.strip(" \t").partition(" ")
    algorithm = TUS_ALGORITHMS.get(name.lower())
    if algorithm is None:
        raise InvalidDigest(f"Upload-Checksum: use one of {', '.join(TUS_ALGORITHMS)}.")
    return _base64(algorithm, value, "Upload-Checksum")


def read_body_digest(head: RequestHead) -> Digest | None:
    """What Content-Digest or Content-MD5 says about this request's body alone: the strongest that we can check.

    Raises:
        InvalidDigest: one is malformed.
    """
    field, md5 = head.joined(b"content-digest"), head.get(b"content-md5")
    found = list(() if field is None else parse_digest_field(field, "Content-Digest"))
    if md5 is not None:
        found.append(_base64("md5", md5, "Content-MD5"))
    return min(found, key=lambda digest: _STRONGEST.index(digest.algorithm), default=None)


def read_repr_digests(head: RequestHead) -> tuple[Digest, ...]:
    """What Repr-Digest says about the whole representation, of which the body may be a piece.

    Raises:
        InvalidDigest: it is malformed.
    """
    field = head.joined(b"repr-digest")
    return () if field is None else parse_digest_field(field, "Repr-Digest")


def read_digests(head: RequestHead) -> tuple[Digest, ...]:
    """What Content-Digest, Repr-Digest and Content-MD5 say about the body, each algorithm once.

    Raises:
        InvalidDigest: one is malformed, or two differ for the same algorithm.
    """
    if _HEADERS.isdisjoint(head.index):
        return ()
    digests: list[Digest] = []
    for header, where in ((b"content-digest", "Content-Digest"), (b"repr-digest", "Repr-Digest")):
        field = head.joined(header)
        if field is not None:
            digests.extend(parse_digest_field(field, where))
    md5 = head.get(b"content-md5")
    if md5 is not None:
        digests.append(_base64("md5", md5, "Content-MD5"))
    return agreed(digests)


def agreed(digests: Iterable[Digest]) -> tuple[Digest, ...]:
    """The digests, each algorithm once.

    Raises:
        InvalidDigest: two differ for the same algorithm.
    """
    by_algorithm: dict[str, Digest] = {}
    for digest in digests:
        if by_algorithm.setdefault(digest.algorithm, digest) != digest:
            raise InvalidDigest(f"Two different {digest.algorithm} digests were sent.")
    return tuple(by_algorithm.values())


def read_wanted(head: RequestHead) -> tuple[str, ...]:
    """The algorithms that Want-Repr-Digest or Want-Content-Digest ask for, the most wanted first.

    Only those that we offer (SHA-256 and SHA-512). A malformed wish is ignored: nothing depends on it.
    """
    weights: dict[str, int] = {}
    for header in (b"want-repr-digest", b"want-content-digest"):
        field = head.joined(header)
        if field is None:
            continue
        try:
            wishes = _dictionary(field, "")
        except InvalidDigest:
            continue
        for name, member in wishes.items():
            weight = member[0] if isinstance(member, tuple) else None
            if name in _OFFERED and type(weight) is int and 0 < weight <= 10:
                weights[name] = max(weight, weights.get(name, 0))
    return tuple(sorted(weights, key=lambda name: -weights[name]))


def parse_checksum(name: str, text: str) -> Digest:
    """Read the value of ``x-amz-checksum-<name>``.

    Raises:
        InvalidDigest: not base64, or of a wrong length.
        InvalidArgument: an algorithm that S3 does not have.
    """
    algorithm = CHECKSUM_NAMES.get(name)
    if algorithm is None:
        raise InvalidArgument(
            f"x-amz-checksum-{shown(name)} is unknown; there are {', '.join(CHECKSUM_NAMES)}."
        )
    return _base64(algorithm, text, f"x-amz-checksum-{name}")


def one_checksum(checksums: Iterable[tuple[str, str]]) -> Digest | None:
    """The only ``x-amz-checksum-*`` of a request, given as (name, value) pairs.

    Raises:
        BadRequest: more than one (security case 46).
        InvalidDigest, InvalidArgument: see :func:`parse_checksum`.
    """
    found = [parse_checksum(name, text) for name, text in checksums]
    if len(found) > 1:
        raise BadRequest("A request has at most one x-amz-checksum header.")
    return found[0] if found else None


def checksum_headers(digests: Iterable[Digest]) -> tuple[tuple[bytes, bytes], ...]:
    """Write digests of a whole object as S3's response headers; those that S3 has no name for are left out."""
    headers = tuple(
        (b"x-amz-checksum-" + _TO_CHECKSUM[digest.algorithm].encode(), b64encode(digest.value))
        for digest in digests
        if digest.algorithm in _TO_CHECKSUM
    )
    return (*headers, (b"x-amz-checksum-type", b"FULL_OBJECT")) if headers else ()


def repr_digest(field: str) -> tuple[tuple[bytes, bytes], ...]:
    """Repr-Digest, unless the field is empty."""
    return ((b"repr-digest", field.encode("ascii")),) if field else ()
