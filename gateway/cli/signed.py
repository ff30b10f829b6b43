"""Signed requests, made for people: by key (SigV4, JWT) or as an upload slot's server makes them."""

import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

import click

from gateway.client import Account
from gateway.client.account import raw_path
from gateway.model import ObjectKey
from gateway.protocol.signatures import jwt, slot_token
from gateway.protocol.signatures.presign import MAX_EXPIRES
from gateway.settings import SlotSection
from gateway.units import format_duration

KEY_SCHEMES: Final = ("sigv4", "jwt")
SLOT_SCHEMES: Final = ("v", "v2", "v3", "token", "jwt")
_METHODS_OF_CURL: Final = {"GET": "-o {name}", "HEAD": "-I", "PUT": "-T {name}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What shall be signed. ``expires`` in seconds from ``now`` (Unix seconds), ``size`` in bytes."""

    method: str
    key: ObjectKey
    expires: int
    now: float
    size: int | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request that can be sent as it stands, but for its body."""

    wanted: Wanted
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """The URL, then the headers that must be sent with it, a line each."""
        return "\n".join([self.url, *(f"{name}: {value}" for name, value in self.headers.items())])

    def curl(self) -> str:
        """A command line that sends it; PUT takes the file of the object's name."""
        name = shlex.quote(self.wanted.key.name.rpartition("/")[2] or "object")
        how = _METHODS_OF_CURL.get(self.wanted.method, f"-X {self.wanted.method}")
        headers = [f"-H {shlex.quote(f'{key}: {value}')}" for key, value in self.headers.items()]
        return " ".join(["curl", how.format(name=name), *headers, shlex.quote(self.url)])


def sign_with_key(wanted: Wanted, scheme: str, account: Account) -> SignedRequest:
    """Sign by an access key: ``sigv4`` a presigned URL, ``jwt`` a bearer token.

    Raises:
        click.UsageError: a presigned URL cannot live that long, or does not sign what was given.
    """
    if scheme == "jwt":
        return _with_bearer(wanted, account)
    for name, value in (("--size", wanted.size), ("--type", wanted.content_type)):
        if value is not None:
            raise click.UsageError(f"{name} is not signed by sigv4; leave it out, or use jwt.")
    if wanted.expires > MAX_EXPIRES:
        raise click.UsageError(
            f"A presigned URL lives {format_duration(MAX_EXPIRES)} at most: give a shorter --expires, or --scheme jwt."
        )
    url = account.presigned(wanted.method, wanted.key, expires=wanted.expires, now=wanted.now)
    return SignedRequest(wanted, url)


def sign_page(wanted: Wanted, account: Account) -> str:
    """A link to the upload page for whoever it is given to: into the folder that the key names by its last
    slash, or of one object.

    The token stands in the fragment, which browsers send to nobody. It is good for any number of files, so
    it has no ``jti``, which would count once.
    """
    name = wanted.key.name
    place = {"prefix": name} if name.endswith("/") else {"key": name}
    token = _token(wanted, account, {**place, "methods": ["POST", "PUT"]})
    return f"{account.url(b'/-/upload')}#token={token}"


def _with_bearer(wanted: Wanted, account: Account) -> SignedRequest:
    claims = {
        "key": wanted.key.name,
        "methods": [wanted.method],
        "jti": secrets.token_urlsafe(16),
    }
    token = _token(wanted, account, claims)
    return SignedRequest(wanted, account.url(raw_path(wanted.key)), _headers(wanted, token))


def _token(wanted: Wanted, account: Account, more: Mapping[str, object]) -> str:
    claims: dict[str, object] = {
        "sub": account.access_key_id,
        "bucket": wanted.key.bucket,
        "exp": int(wanted.now) + wanted.expires,
        **more,
    }
    claims |= {} if wanted.size is None else {"max_size": wanted.size}
    claims |= {} if wanted.content_type is None else {"content_type": wanted.content_type}
    return jwt.sign(claims, account.secret, key_id=account.access_key_id)


def sign_slot(wanted: Wanted, scheme: str, slot: SlotSection, endpoint: str) -> SignedRequest:
    """Sign as the slot's server does; the object's key is the path in the slot.

    Raises:
        click.UsageError: the slot has another bucket, does not take the scheme, or something that the
            scheme signs was not given.
    """
    if wanted.key.bucket != slot.bucket:
        raise click.UsageError(f"This slot's files are in the bucket {slot.bucket}.")
    if scheme not in slot.versions:
        raise click.UsageError(f"This slot takes {', '.join(slot.versions)}; not {scheme}.")
    if wanted.method == "DELETE" and scheme != "token":
        raise click.UsageError(
            "A slot's DELETE is signed by --scheme token and the slot's delete_secret, nothing else."
        )
    base = endpoint + quote(slot.base_path, safe="/-_.~")
    url = base + quote(wanted.key.name, safe="/-_.~")
    if scheme == "jwt":
        return SignedRequest(wanted, url, _headers(wanted, _slot_jwt(wanted, slot)))
    query = _slot_query(wanted, scheme, slot)
    return SignedRequest(wanted, f"{url}?{query}", _headers(wanted))


def _slot_query(wanted: Wanted, scheme: str, slot: SlotSection) -> str:
    secret, path = slot.secret.get_secret_value(), wanted.key.name
    if scheme == "token" and wanted.method == "DELETE":
        if slot.delete_secret is None:
            raise click.UsageError(
                "This slot has no delete_secret, so nothing may be deleted: set delete_secret in its [slots.NAME],"
                " and where the gateway runs."
            )
        token = slot_token.sign_delete(secret, path, slot.delete_secret.get_secret_value())
        return f"token={token}"
    if wanted.method != "PUT":
        raise click.UsageError(f"A slot's {scheme} signs PUT; GET needs no signature there.")
    if scheme == "v3":
        expires = int(wanted.now) + wanted.expires
        token = slot_token.sign_v3(secret, "PUT", expires, slot.base_path + path)
        return f"v3={token}&expires={expires}"
    size = _size(wanted, scheme)
    if scheme == "v":
        return f"v={slot_token.sign_v(secret, path, size)}"
    content_type = wanted.content_type or slot_token.DEFAULT_TYPE
    return f"{scheme}={slot_token.sign_v2(secret, path, size, content_type)}"


def _slot_jwt(wanted: Wanted, slot: SlotSection) -> str:
    slot_id, _, filename = wanted.key.name.partition("/")
    if not filename or wanted.method != "PUT":
        raise click.UsageError("A slot's jwt signs PUT of BUCKET/SLOT-ID/FILE.")
    claims: dict[str, object] = {
        "slot": slot_id,
        "filename": filename,
        "filesize": _size(wanted, "jwt"),
        "filetype": wanted.content_type or slot_token.DEFAULT_TYPE,
        "iat": int(wanted.now),
        "exp": int(wanted.now) + wanted.expires,
    }
    return jwt.sign(claims, slot.secret.get_secret_value())


def _size(wanted: Wanted, scheme: str) -> int:
    if wanted.size is None:
        raise click.UsageError(f"{scheme} signs the file's size; give --size.")
    return wanted.size


def _headers(wanted: Wanted, token: str | None = None) -> dict[str, str]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    if wanted.content_type is not None:
        headers["Content-Type"] = wanted.content_type
    return headers
