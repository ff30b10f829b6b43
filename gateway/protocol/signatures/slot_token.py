"""Upload slot tokens of XMPP servers: ``v``, ``v2``, ``token`` and the strict ``v3``.

Key is the UTF-8 of the shared secret, digest HMAC-SHA256 in lower-case hex. ``path`` is the URL's path
without ``base_path``, percent-decoded once; sizes are decimal.

========= ============== =====================================================================
version   query          string to sign
========= ============== =====================================================================
``v``     ``v``          ``path SP size`` (Prosody's mod_http_upload_external, ejabberd)
``v2``    ``v2``         ``path NUL size NUL content-type`` (mod_http_upload_external)
``token`` ``token``      PUT: as ``v2``; DELETE: ``path NUL delete_secret`` (Metronome)
``v3``    ``v3 expires`` ``PUT LF expires LF /base_path/path`` (HMAC File Server, only this form)
========= ============== =====================================================================

Of several tokens the highest enabled version counts, and a wrong one is never rescued by a lower one.
"""

import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from gateway.errors import (
    BadRequest,
    Forbidden,
    InvalidUri,
    LengthRequired,
    RequestExpired,
    SignatureMismatch,
)
from gateway.protocol.commands import RequestHead
from gateway.protocol.paths import check_key, decode_path, strip_base
from gateway.protocol.signatures.canonical import CanonicalQuery

Version: TypeAlias = Literal["v", "v2", "token", "v3"]
#: Highest first.
VERSIONS: Final[tuple[Version, ...]] = ("v3", "v2", "token", "v")
#: What ``v2`` and ``token`` sign where no content type was named.
DEFAULT_TYPE: Final = "application/octet-stream"

_CONTROL: Final = re.compile("[\x00-\x1f\x7f]").search
_LENGTH: Final = re.compile(r"[0-9]{1,19}", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSecrets:
    """What a slot shares with its signing server. Without ``delete_secret`` nothing may be deleted."""

    secret: str = field(repr=False)
    delete_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotVerdict:
    """A token that holds: for which version, and the body's exact size where it was signed."""

    version: Version
    size: int | None


def slot_path(raw_path: bytes, base_path: str) -> str:
    """What is signed, and becomes the key: the path after ``base_path``, decoded once.

    ``base_path`` begins and ends with a slash, so it ends at a segment's boundary; it is compared in
    the raw form, as URL libraries write it.

    Raises:
        KeyTooLong: over 1,024 bytes.
        InvalidUri: not under ``base_path``, empty, not UTF-8, or with a leading slash, a control
            character (NUL would forge the fields of ``v2``), or a segment ``.`` or ``..``.
    """
    rest = strip_base(raw_path, base_path)
    if rest is None:
        raise InvalidUri(f"The path does not begin with {base_path}.")
    path = decode_path(rest)
    if not path or path.startswith("/"):
        raise InvalidUri(f"The path names no file after {base_path}.")
    return check_key(path, strict=True)


def presented(query: CanonicalQuery) -> bool:
    """Whether the query holds a token of any version, enabled or not."""
    return any(version in query for version in VERSIONS)


def verify(
    head: RequestHead,
    query: CanonicalQuery,
    *,
    path: str,
    base_path: str,
    secrets: SlotSecrets,
    versions: Collection[str],
    now: float,
) -> SlotVerdict:
    """Verify the highest enabled token of a PUT or DELETE.

    Args:
        path: from :func:`slot_path`.
        versions: those that are enabled.
        now: Unix seconds.

    Raises:
        Forbidden: no enabled token, or one that cannot sign this method.
        SignatureMismatch: the token is wrong.
        RequestExpired: a ``v3`` token past its ``expires``.
        LengthRequired: a signed size and no Content-Length.
        BadRequest: a malformed length, content type or expiry.
    """
    version = next((v for v in VERSIONS if v in versions and v in query), None)
    if version is None:
        raise Forbidden("This slot wants a token of a version that is enabled here.")
    expected, size = _expected(head, query, version, path, base_path, secrets)
    _compare(expected, query.get(version) or "", head, version)
    if version == "v3" and now > _expires(query):
        raise RequestExpired("The upload slot has expired; ask for a new one.")
    return SlotVerdict(version=version, size=size)


def sign_v(secret: str, path: str, size: int) -> str:
    """The ``v`` token for a file of ``size`` bytes."""
    return _hmac(secret, f"{path} {size}")


def sign_v2(secret: str, path: str, size: int, content_type: str = DEFAULT_TYPE) -> str:
    """The ``v2`` token, also Metronome's ``token`` for PUT. The type is signed with its parameters."""
    return _hmac(secret, f"{path}\0{size}\0{content_type}")


def sign_delete(secret: str, path: str, delete_secret: str) -> str:
    """Metronome's ``token`` for DELETE."""
    return _hmac(secret, f"{path}\0{delete_secret}")


def sign_v3(secret: str, method: str, expires: int, full_path: str) -> str:
    """The ``v3`` token; ``full_path`` is the decoded path with ``base_path`` and its leading slash."""
    return _hmac(secret, f"{method}\n{expires}\n{full_path}")


def _hmac(secret: str, text: str) -> str:
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()


def _compare(expected: str, given: str, head: RequestHead, version: Version) -> None:
    if hmac.compare_digest(expected.encode(), given.encode()):
        return
    detail = f"The {version} token does not fit this request"
    if version in ("v", "v2", "token") and head.method == "PUT":
        differs = "path or size" if version == "v" else "path, size or type"
        detail += f": checked for Content-Length {_length(head)}; {differs} differ"
    detail += ", or the secret does."
    if version in ("v2", "token") and head.method == "PUT" and not head.has(b"content-type"):
        detail += (
            f" No Content-Type was sent, so it was checked for {DEFAULT_TYPE}: send the type that"
            " the slot was asked for."
        )
    raise SignatureMismatch(detail)


def _length(head: RequestHead) -> int:
    text = head.get(b"content-length")
    if text is None:
        raise LengthRequired("The slot's size is signed: send a Content-Length.")
    if not _LENGTH(text):
        raise BadRequest("Content-Length must be a decimal number of bytes.")
    return int(text)


def _content_type(head: RequestHead) -> str:
    """The header verbatim. It travels as bytes; signers sign UTF-8."""
    head.get(b"content-type")  # refuses a repeated header
    raw = head.index.get(b"content-type", [DEFAULT_TYPE.encode()])[0]
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise BadRequest("Content-Type is not UTF-8.") from None
    if _CONTROL(text):
        raise BadRequest("Content-Type holds a control character.")
    return text


def _expected(
    head: RequestHead,
    query: CanonicalQuery,
    version: Version,
    path: str,
    base_path: str,
    secrets: SlotSecrets,
) -> tuple[str, int | None]:
    """The token that would be right, and the body's size where that is signed."""
    if head.method == "DELETE" and version == "token":
        if secrets.delete_secret is None:
            raise Forbidden("Nothing can be deleted from this slot.")
        return sign_delete(secrets.secret, path, secrets.delete_secret), None
    if head.method != "PUT":
        raise Forbidden(f"A token of version {version} cannot sign {head.method}.")
    if version == "v3":
        return sign_v3(secrets.secret, "PUT", _expires(query), base_path + path), None
    size = _length(head)
    if version == "v":
        return sign_v(secrets.secret, path, size), size
    return sign_v2(secrets.secret, path, size, _content_type(head)), size


def _expires(query: CanonicalQuery) -> int:
    text = query.get("expires") or ""
    if not re.fullmatch(r"0|[1-9][0-9]{0,11}", text, re.ASCII):
        raise BadRequest("A v3 slot needs the query parameter expires, in Unix seconds.")
    return int(text)
