"""Heads between ASGI and our own vocabulary."""

from gateway.errors import BadRequest
from gateway.protocol.commands import RequestHead, ResponseHead
from gateway.web.forwarded import TrustedProxies
from gateway.web.streams import Scope, Send


def request_head(scope: Scope, proxies: TrustedProxies) -> RequestHead:
    """The request's head, with scheme, host and peer as trusted proxies tell them.

    Raises:
        BadRequest: the server handed over no raw path, so the key's bytes cannot be known.
    """
    raw_path = scope.get("raw_path")
    if not isinstance(raw_path, bytes):
        raise BadRequest("The server does not hand over the raw request target.")
    headers = tuple((name.lower(), value.strip(b" \t")) for name, value in scope["headers"])
    client = scope.get("client")
    peer = client[0] if client else None
    told = {name: value.decode("latin-1") for name, value in headers if name in _FORWARDED}
    return RequestHead(
        scope["method"],
        raw_path.partition(b"?")[0],
        scope.get("query_string", b""),
        proxies.host(peer, headers),
        scheme=proxies.scheme(peer, scope.get("scheme", "http"), told.get(b"x-forwarded-proto")),
        peer=proxies.client(peer, told.get(b"x-forwarded-for")),
    )


_FORWARDED = frozenset({b"x-forwarded-for", b"x-forwarded-proto"})


async def send_head(send: Send, head: ResponseHead, *, more: bool = False) -> None:
    """Send a response's head and, unless ``more`` is to come from elsewhere, its body and end."""
    await send(
        {"type": "http.response.start", "status": head.status, "headers": list(head.headers)}
    )
    if not more:
        await send({"type": "http.response.body", "body": head.body, "more_body": False})
