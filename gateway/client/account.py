"""An endpoint and the key that signs for it: URLs, signed headers, presigned URLs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlsplit

from gateway.model import ObjectKey
from gateway.protocol.signatures.authorization import Credentials, sign_headers
from gateway.protocol.signatures.presign import presign

#: Proxies may change these on the way; S3 leaves them unsigned too.
_UNSIGNED: Final = frozenset({"accept-encoding", "content-length"})
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where to send, and whose signature to put on it.

    Raises:
        ValueError: ``endpoint`` is not the URL of a server: scheme, host and port only.
    """

    endpoint: str
    access_key_id: str
    secret: str = field(repr=False)
    region: str = "us-east-1"

    def __post_init__(self) -> None:
        parts = urlsplit(self.endpoint)
        if (
            parts.scheme not in _DEFAULT_PORTS
            or not parts.hostname
            or parts.username is not None
            or parts.path.strip("/")
            or parts.query
        ):
            raise ValueError(
                f"{self.endpoint!r} is no endpoint; write for example http://127.0.0.1:8080"
            )

    @property
    def host(self) -> str:
        """The Host header: the port only where it is not the scheme's own (RFC 9110, 7.2)."""
        parts = urlsplit(self.endpoint)
        return parts.netloc.removesuffix(_DEFAULT_PORTS[parts.scheme])

    @property
    def credentials(self) -> Credentials:
        """What the signatures are made with."""
        return Credentials(key_id=self.access_key_id, secret=self.secret, region=self.region)

    def signed(
        self,
        method: str,
        key: ObjectKey,
        headers: Mapping[str, str],
        payload_sha256: str,
        now: float,
    ) -> tuple[str, dict[str, str]]:
        """An object's URL and all of a request's headers, signed at ``now`` (Unix seconds)."""
        return self.signed_path(method, raw_path(key), headers, payload_sha256, now)

    def signed_path(
        self,
        method: str,
        path: bytes,
        headers: Mapping[str, str],
        payload_sha256: str,
        now: float,
    ) -> tuple[str, dict[str, str]]:
        """As :meth:`signed`, for a raw path."""
        complete = {"host": self.host, **headers}
        to_sign = [
            (name.encode(), value.encode("latin-1"))
            for name, value in complete.items()
            if name not in _UNSIGNED
        ]
        added = sign_headers(
            method, path, b"", to_sign, self.credentials, payload=payload_sha256, now=now
        )
        complete |= {name.decode(): value.decode("latin-1") for name, value in added}
        return self.url(path), complete

    def presigned(self, method: str, key: ObjectKey, *, expires: int, now: float) -> str:
        """A URL that needs nothing else, good for ``expires`` seconds from ``now``.

        Raises:
            BadRequest: ``expires`` is not 1 to 604,800.
        """
        path = raw_path(key)
        host = [(b"host", self.host.encode())]
        query = presign(method, path, b"", host, self.credentials, expires=expires, now=now)
        return f"{self.url(path)}?{query.decode()}"

    def url(self, path: bytes) -> str:
        """The URL of a raw path."""
        return self.endpoint.rstrip("/") + path.decode()


def raw_path(key: ObjectKey) -> bytes:
    """The path of an object, percent-encoded so that no URL library on the way makes another key of it: a
    segment ``.`` or ``..`` is written ``%2E``, or it would be "normalised" away."""
    segments = f"{key.bucket}/{key.name}".split("/")
    quoted = (
        part.replace(".", "%2E") if part in (".", "..") else quote(part, safe="-_.~")
        for part in segments
    )
    return ("/" + "/".join(quoted)).encode()
