"""Headers that an error carries in every dialect."""

import math
from typing import Final

from gateway.errors import GatewayError, InvalidRange, MethodNotAllowed, Unauthenticated
from gateway.protocol.object_heads import Headers
from gateway.protocol.ranges import unsatisfied_range

#: With a 401. Bearer is the scheme that a person can add by hand; the others need a signer anyway.
_CHALLENGE: Final[Headers] = ((b"www-authenticate", b'Bearer realm="sluice"'),)


def challenge(error: GatewayError) -> Headers:
    """What a 401 has to say (RFC 9110, section 11.6.1); nothing with any other error."""
    return _CHALLENGE if isinstance(error, Unauthenticated) else ()


def error_headers(error: GatewayError, status: int) -> Headers:
    """What follows from the error itself: Retry-After in whole seconds (1 where a 503 names none),
    Allow, Content-Range. No cache may keep an error: a 404 is often just before the upload."""
    headers: Headers = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
    if error.retry_after is not None or status == 503:
        seconds = max(1, math.ceil(error.retry_after or 0))
        headers += ((b"retry-after", str(seconds).encode()),)
    if isinstance(error, MethodNotAllowed):
        headers += ((b"allow", ", ".join(error.allow).encode("ascii")),)
    if isinstance(error, InvalidRange) and error.size is not None:
        headers += ((b"content-range", unsatisfied_range(error.size).encode()),)
    return headers
