"""Where an object is on the wire: the host to speak to, the Host header, the path.

Path or virtual-host form follows Amazon's endpoint rules (AmazonS3/latest/userguide/VirtualHosting.html): a
bucket stands in the host name where that is allowed and its name is one label; a name with dots only
without TLS, because no wildcard certificate covers it; never before an IP address.
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from gateway.errors import InvalidBucketName
from gateway.model import ObjectKey
from gateway.protocol.signatures.canonical import encode
from gateway.storage.s3.connection import Endpoint

#: What any store may take as a bucket's name (botocore's rule).
_BUCKET: Final = re.compile(r"[A-Za-z0-9._-]{1,255}").fullmatch
_LABEL: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]").fullmatch
_LABELS: Final = re.compile(r"(?=.{3,63}$)[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]*[a-z0-9])*").fullmatch

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(slots=True)  # not frozen: see gateway.model
class Target:
    """``host`` is a name or an address without brackets; ``authority`` the Host header's value;
    ``path`` is percent-encoded, in the canonical spelling that is signed."""

    host: str
    authority: bytes
    path: bytes


class Site:
    """An endpoint's URL, taken apart once."""

    def __init__(self, endpoint: Endpoint) -> None:
        parts = urlsplit(endpoint.url)
        self.secure: Final = parts.scheme == "https"
        self.port: Final = parts.port or _PORTS[parts.scheme]
        self._host = parts.hostname or ""
        self._default_port = self.port == _PORTS[parts.scheme]
        self._prefix = encode(parts.path.rstrip("/").encode(), safe="/%")
        self._may_be_virtual = not endpoint.path_style and not is_address(self._host)
        self._place = lru_cache(maxsize=1024)(self._placed)

    def target(self, key: ObjectKey) -> Target:
        """Where ``key`` is.

        Raises:
            InvalidBucketName: no store takes such a name.
        """
        host, authority, prefix = self._place(key.bucket)
        return Target(host, authority, prefix + encode(key.name.encode(), safe="/"))

    def _placed(self, bucket: str) -> tuple[str, bytes, bytes]:
        if not _BUCKET(bucket) or bucket in (".", ".."):
            raise InvalidBucketName("The store takes no bucket of this name.")
        hostable = _LABEL(bucket) or (not self.secure and _LABELS(bucket))
        if self._may_be_virtual and hostable:
            host, prefix = f"{bucket}.{self._host}", self._prefix + b"/"
        else:
            host, prefix = self._host, self._prefix + b"/" + bucket.encode() + b"/"
        return host, self._authority(host), prefix

    def _authority(self, host: str) -> bytes:
        name = f"[{host}]" if ":" in host else host
        return (name if self._default_port else f"{name}:{self.port}").encode()


def is_address(host: str) -> bool:
    """Whether ``host`` is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
