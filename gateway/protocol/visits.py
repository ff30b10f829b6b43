"""Whether somebody opens the gateway's address in a browser, to see what is there.

``GET /`` is S3's ListBuckets. A browser's navigation is told from it by what no S3 client sends: that HTML is wanted,
and no credential at all.
"""

from collections.abc import Sequence
from typing import Final

from gateway.errors import GatewayError
from gateway.protocol.commands import RequestHead
from gateway.protocol.hosts import host_of
from gateway.protocol.paths import bucket_of_host

_CREDENTIALS: Final = frozenset({b"authorization", b"proxy-authorization"})
_ZERO: Final = frozenset({"q=0", "q=0.0", "q=0.00", "q=0.000"})


def is_visit(head: RequestHead, domains: Sequence[str]) -> bool:
    """Whether a browser goes to ``/``. Without a query and a credential; and not where the host's name is a bucket's,
    or none that is valid. Never raises."""
    if head.raw_path != b"/" or head.raw_query or head.method not in ("GET", "HEAD"):
        return False
    if any(name in _CREDENTIALS or name.startswith(b"x-amz-") for name in head.index):
        return False
    # Fetch Metadata: a script's fetch() is none, whatever it accepts. Not every browser sends it, nor over plain HTTP.
    if any(mode != b"navigate" for mode in head.index.get(b"sec-fetch-mode", ())):
        return False
    return wants_html(head.joined(b"accept")) and not _names_bucket(head, domains)


def wants_html(accept: str | None) -> bool:
    """Whether an Accept header names HTML, as browsers do (RFC 9110, 12.5.1). ``*/*`` does not: everybody says it."""
    for item in (accept or "").lower().split(","):
        kind, *parameters = (part.strip().replace(" ", "") for part in item.split(";"))
        if kind == "text/html" and _ZERO.isdisjoint(parameters):
            return True
    return False


def _names_bucket(head: RequestHead, domains: Sequence[str]) -> bool:
    try:
        return bucket_of_host(host_of(head), domains) is not None
    except GatewayError:  # it is to be refused, in the usual way
        return True
