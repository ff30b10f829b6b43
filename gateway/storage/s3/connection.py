"""The way to one S3 endpoint: an aiobotocore client, and the plain facts that a data plane needs.

What is set here and why:

- No repetition of any kind. Retries exist once, in :mod:`gateway.storage.retry`; stacked ones multiply, and
  a hidden one makes a conditional write whose answer was lost look like a failed condition. botocore
  retries, botocore follows buckets to their region, aiohttp repeats idempotent methods when a
  connection breaks, aiohttp follows redirects: all four are off.
- Checksums ``when_required``: botocore's default adds a CRC32 trailer that older stores refuse, and to
  parts of uploads that were created without one ("Checksum Type mismatch"). Ours are chosen by what
  the store was seen to verify.
- Read timeout = ``idle_timeout``: between two arrivals of bytes, never for a whole call.
- No ``Expect: 100-continue``: aiohttp waits for the 100 without any limit, and some stores never send it.
  Whoever calls a store has already decided that the body is wanted.
"""

import os
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import botocore.auth
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore.exceptions import NoCredentialsError

from gateway.settings import S3Storage
from gateway.storage.s3.body import ViewsBody
from gateway.storage.s3.http_session import HttpSession
from gateway.storage.s3.service_files import service_files

#: The name under which botocore finds our signer.
_SIGNER: Final = "sluice-s3v4"

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_more_headers: ContextVar[Mapping[str, str]] = ContextVar("more_headers", default=_NO_HEADERS)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Ours at the store, for one signature: they may be temporary, so ask for them each time."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


CredentialsProvider: TypeAlias = Callable[[], Awaitable[Credentials]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a store is and how it is spoken to. Times in seconds.

    ``verify`` is False (also without TLS), True (the system's authorities) or the path of a PEM file.
    ``hash_payload`` says whether bodies are signed with their SHA-256; else they go as UNSIGNED-PAYLOAD.
    """

    url: str
    region: str
    path_style: bool
    verify: bool | str
    connect_timeout: float
    idle_timeout: float
    max_connections: int
    hash_payload: bool


class _ViewsAuth(botocore.auth.S3SigV4Auth):  # type: ignore[misc]
    """SigV4 that takes a body's payload hash as given instead of reading the body in the event loop. Signs only
    PutObject and UploadPart, whose bodies are always ViewsBody."""

    def payload(self, request: Any) -> str:
        """The value of X-Amz-Content-SHA256."""
        body: ViewsBody = request.body
        return body.payload_hash


@contextmanager
def more_headers(headers: Mapping[str, str]) -> Iterator[None]:
    """Send (and sign) these headers, which botocore has no parameter for, with the calls made inside."""
    token = _more_headers.set(headers)
    try:
        yield
    finally:
        _more_headers.reset(token)


class Connection:
    """An open way to an endpoint. Made by :meth:`open`, ended by :meth:`aclose`."""

    def __init__(self, session: AioSession, client: Any, endpoint: Endpoint) -> None:
        self._session = session
        self._stack = AsyncExitStack()
        self.client = client
        self.endpoint = endpoint
        #: Whether the store wants the ETag in If-Match of writes without quotes (found by the probe).
        self.bare_etags = False

    @classmethod
    async def open(cls, section: S3Storage) -> "Connection":
        """Read the configuration and the credential chain; nothing is sent yet.

        Raises:
            BotoCoreError: the AWS configuration of this machine is broken.
        """
        session = _session(section)
        stack = AsyncExitStack()
        client = await stack.enter_async_context(
            session.create_client(
                "s3",
                region_name=section.region,
                endpoint_url=section.endpoint_url,
                verify=_verify(section),
                config=_config(section),
            )
        )
        _adapt(client)
        connection = cls(session, client, _endpoint(section, client.meta.endpoint_url))
        connection._stack = stack
        return connection

    async def credentials(self) -> Credentials:
        """Those to sign with now; temporary ones are renewed before they expire.

        Raises:
            NoCredentialsError: the chain has none.
        """
        found = await self._session.get_credentials()
        if found is None:
            raise NoCredentialsError
        frozen = await found.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._stack.aclose()


def _session(section: S3Storage) -> AioSession:
    session = get_session()
    session.register_component("data_loader", service_files())
    if section.access_key_id is not None:
        secret, token = section.secret_access_key, section.session_token
        session.set_credentials(
            section.access_key_id,
            secret.get_secret_value() if secret else "",
            token.get_secret_value() if token else None,
        )
    return session


def _config(section: S3Storage) -> AioConfig:
    return AioConfig(
        signature_version="s3v4",
        connect_timeout=section.connect_timeout,
        read_timeout=section.idle_timeout,
        max_pool_connections=section.max_connections,
        retries={"total_max_attempts": 1, "mode": "standard"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        http_session_cls=HttpSession,
        s3={"addressing_style": _addressing(section)},
    )


def _is_amazon(url: str | None) -> bool:
    host = urlsplit(url).hostname if url else None
    return url is None or (host or "").endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _addressing(section: S3Storage) -> str:
    """botocore's word; with "virtual" it still keeps names that no certificate covers (dots) in the path. Its own
    "auto" is not ours: it takes the path form with every endpoint that is given."""
    if section.addressing != "auto":
        return section.addressing
    return "virtual" if _is_amazon(section.endpoint_url) else "path"


def _verify(section: S3Storage) -> bool | str | None:
    plain = (section.endpoint_url or "").startswith("http:")
    if plain or not section.tls_verify:
        return False
    if section.tls_ca is not None:
        return str(section.tls_ca)
    if "AWS_CA_BUNDLE" in os.environ:
        return None  # botocore reads it
    system = ssl.get_default_verify_paths().cafile
    return system if system and Path(system).exists() else None


def _endpoint(section: S3Storage, url: str) -> Endpoint:
    secure = url.startswith("https:")
    hashed = section.sign_payload == "always" or (section.sign_payload == "auto" and not secure)
    verify = _verify(section)
    return Endpoint(
        url=url,
        region=section.region,
        path_style=_addressing(section) == "path",
        verify=True if verify is None else verify,
        connect_timeout=section.connect_timeout,
        idle_timeout=section.idle_timeout,
        max_connections=section.max_connections,
        hash_payload=hashed,
    )


def _adapt(client: Any) -> None:
    """Hang our signer and our headers into a client's events (documented extension points)."""
    botocore.auth.AUTH_TYPE_MAPS.setdefault(_SIGNER, _ViewsAuth)
    events = client.meta.events
    for operation in ("PutObject", "UploadPart"):
        events.register_first(f"choose-signer.s3.{operation}", _choose_signer)
    events.register_last("before-call.s3", _adapt_request)


def _choose_signer(**_: object) -> str:
    return _SIGNER


def _adapt_request(params: dict[str, Any], **_: object) -> None:
    params["headers"].pop("Expect", None)
    params["headers"].update(_more_headers.get())
    # "Redirected already": else botocore looks for the bucket's region by HeadBucket (over and over, where the
    # store redirects those as well) and sends the call again.
    params["context"].setdefault("s3_redirect", {})["redirected"] = True
