"""JSON Web Tokens as bearer credentials: HS256, ours and Prosody's.

Ours are signed by an access key (``kid`` is its id) and narrow what that key may do: ``bucket``, one of
``key`` and ``prefix``, optionally ``methods``, ``max_size``, ``content_type``, ``sub`` and ``jti``; ``exp``
is required. Prosody's mod_http_file_share signs with the slot's secret, without ``kid``: ``slot``,
``filename``, ``filesize``, ``filetype``, ``iat``, ``exp`` (300 to 600 seconds later), ``sub`` (the
uploader's JID) and ``expires`` (when its operator wants the file gone; says nothing about the upload);
the URL is ``<base>/<slot>/<filename>``.

Sources: RFC 7515, 7519, 8725; mod_http_file_share of Prosody 0.12.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from gateway.errors import MalformedCredential, RequestExpired, SignatureMismatch
from gateway.protocol.signatures.sigv4 import MAX_KEY_ID

if TYPE_CHECKING:
    from jwt import PyJWS

_ALGORITHM: Final = "HS256"
_FORM: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}").fullmatch
_METHOD: Final = re.compile(r"[A-Z]{1,16}").fullmatch
_CONTROL: Final = re.compile("[\x00-\x1f\x7f]").search
#: Characters in a ``sub`` or ``jti``.
_MAX_NAME: Final = 256
_MAX_SIZE: Final = 2**63


@cache
def _jws() -> "PyJWS":
    """PyJWT, imported at the first token: with the cryptography package that it looks for, it takes 8 MiB."""
    from jwt import PyJWS
    from jwt.algorithms import HMACAlgorithm

    class SharedSecret(HMACAlgorithm):
        """HS256 with the secret as it was configured.

        PyJWT refuses secrets that look like public keys, against tokens that choose their algorithm, and
        warns of short ones. Here no token chooses, and a secret's strength is judged where it is set.
        """

        def prepare_key(self, key: str | bytes) -> bytes:
            return key.encode() if isinstance(key, str) else key

        def check_key_length(self, key: bytes) -> str | None:
            return None

    jws = PyJWS(algorithms=[])
    jws.register_algorithm(_ALGORITHM, SharedSecret(HMACAlgorithm.SHA256))
    return jws


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What one of our tokens says. Times are Unix seconds, ``max_size`` bytes.

    Exactly one of ``key`` and ``prefix`` is set; ``prefix`` is empty (the whole bucket) or ends with
    a slash. ``methods`` is None where the token names none.
    """

    exp: float
    bucket: str
    key: str | None
    prefix: str | None
    methods: frozenset[str] | None
    max_size: int | None
    content_type: str | None
    sub: str | None
    jti: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotClaims:
    """What one of Prosody's tokens says. ``filesize`` in bytes, ``exp`` in Unix seconds."""

    slot: str
    filename: str
    filesize: int
    filetype: str
    exp: float
    sub: str | None
    jti: str | None


def key_id(token: str) -> str:
    """The access key id that a token of ours claims to be signed with, before anything is verified.

    Raises:
        MalformedCredential: not a token, another algorithm, or no ``kid``.
    """
    kid = _header(token).get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KEY_ID:
        raise MalformedCredential("The bearer token's header must name its access key as kid.")
    return kid


def verify(token: str, secret: str, *, now: float, max_skew: float) -> Claims:
    """Verify one of our tokens.

    Args:
        now, max_skew: Unix seconds; seconds of leeway for ``iat`` and ``nbf``, never for ``exp``.

    Raises:
        MalformedCredential: not a token, or a claim is missing or malformed.
        SignatureMismatch: not signed with ``secret``.
        RequestExpired: past ``exp``, or before ``nbf`` or ``iat``.
    """
    claims = _verified(token, secret)
    exp = _check_times(claims, now, max_skew)
    key, prefix = _text(claims, "key"), _text(claims, "prefix", empty=True)
    bucket = _required(claims, "bucket")
    if (key is None) == (prefix is None):
        raise MalformedCredential("The token must have exactly one of the claims key and prefix.")
    if prefix and not prefix.endswith("/"):
        raise MalformedCredential("The claim prefix must be empty or end with a slash.")
    return Claims(
        exp=exp,
        bucket=bucket,
        key=key,
        prefix=prefix,
        methods=_methods(claims),
        max_size=_size(claims, "max_size"),
        content_type=_text(claims, "content_type"),
        sub=_name(claims, "sub"),
        jti=_name(claims, "jti"),
    )


def verify_slot(token: str, secret: str, *, path: str, now: float, max_skew: float) -> SlotClaims:
    """Verify one of Prosody's tokens for a slot's ``path`` (see :func:`~.slot_token.slot_path`).

    Raises:
        MalformedCredential, RequestExpired: as :func:`verify`.
        SignatureMismatch: not signed with ``secret``, or for another slot or file name.
    """
    claims = _verified(token, secret)
    exp = _check_times(claims, now, max_skew)
    slot, filename = _required(claims, "slot"), _required(claims, "filename")
    filesize = _size(claims, "filesize")
    if filesize is None:
        raise MalformedCredential("The token lacks the claim filesize.")
    if path != f"{slot}/{filename}":
        raise SignatureMismatch("The bearer token is for another upload slot.")
    return SlotClaims(
        slot=slot,
        filename=filename,
        filesize=filesize,
        filetype=_required(claims, "filetype"),
        exp=exp,
        sub=_name(claims, "sub"),
        jti=_name(claims, "jti"),
    )


def sign(claims: Mapping[str, Any], secret: str, *, key_id: str | None = None) -> str:
    """Sign claims; with ``key_id``, as one of our tokens."""
    payload = json.dumps(dict(claims), separators=(",", ":"), allow_nan=False).encode()
    headers = {"typ": "JWT"} if key_id is None else {"typ": "JWT", "kid": key_id}
    return _jws().encode(payload, secret, _ALGORITHM, headers)


def _header(token: str) -> dict[str, Any]:
    if not _FORM(token):
        raise MalformedCredential("The bearer token is not a JSON Web Token signed with HS256.")
    from jwt.exceptions import InvalidTokenError

    try:
        header = _jws().get_unverified_header(token)
    except InvalidTokenError:
        raise MalformedCredential("The bearer token's header cannot be read.") from None
    if header.get("alg") != _ALGORITHM:
        raise MalformedCredential("The bearer token must be signed with HS256.")
    return header


def _verified(token: str, secret: str) -> dict[str, Any]:
    from jwt.exceptions import InvalidTokenError

    _header(token)
    try:
        signed = _jws().decode_complete(token, secret, algorithms=[_ALGORITHM])
    except InvalidTokenError:
        raise SignatureMismatch(
            "The bearer token was not signed with this key, or was changed."
        ) from None
    try:
        claims = json.loads(signed["payload"])
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        raise MalformedCredential("The bearer token's claims are not a JSON object.")
    if "aud" in claims:  # RFC 7519, 4.1.3: a token for an audience we are not must be refused
        raise MalformedCredential("The bearer token is for an audience (aud); none is served here.")
    return claims


def _check_times(claims: Mapping[str, Any], now: float, max_skew: float) -> float:
    exp = _time(claims, "exp")
    if exp is None:
        raise MalformedCredential("The bearer token must have an expiry (exp).")
    if now >= exp:
        raise RequestExpired("The bearer token has expired; ask for a new one.")
    for name in ("nbf", "iat"):
        begins = _time(claims, name)
        if begins is not None and begins - now > max_skew:
            raise RequestExpired(f"The bearer token is not valid yet ({name}).")
    return exp


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not abs(value) < 2**53:
        raise MalformedCredential(f"The claim {name} must be a time in Unix seconds.")
    return float(value)


def _text(claims: Mapping[str, Any], name: str, *, empty: bool = False) -> str | None:
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not (value or empty) or _CONTROL(value):
        raise MalformedCredential(f"The claim {name} must be text without control characters.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise MalformedCredential(f"The claim {name} holds half a surrogate pair.") from None
    return value


def _name(claims: Mapping[str, Any], name: str) -> str | None:
    value = _text(claims, name)
    if value is not None and len(value) > _MAX_NAME:
        raise MalformedCredential(f"The claim {name} is longer than {_MAX_NAME} characters.")
    return value


def _required(claims: Mapping[str, Any], name: str) -> str:
    value = _text(claims, name)
    if value is None:
        raise MalformedCredential(f"The bearer token lacks the claim {name}.")
    return value


def _size(claims: Mapping[str, Any], name: str) -> int | None:
    """A size in bytes. Lua writes whole numbers as floats in some versions: 7.0 is 7."""
    value = claims.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value < _MAX_SIZE or value != int(value):
        raise MalformedCredential(f"The claim {name} must be a whole number of bytes.")
    return int(value)


def _methods(claims: Mapping[str, Any]) -> frozenset[str] | None:
    value = claims.get("methods")
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(m, str) and _METHOD(m) for m in value):
        raise MalformedCredential("The claim methods must be a list of upper-case method names.")
    return frozenset(value)
