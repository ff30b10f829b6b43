"""Heads between ASGI and our own vocabulary."""

from gateway.errors import BadRequest
from gateway.protocol.commands import RequestHead, ResponseHead
from gateway.web.exchange import Exchange
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
    headers = tuple(scope["headers"])
    if "sluice.body" not in (scope.get("extensions") or ()):  # our own front has done it
        headers = tuple([(name.lower(), value.strip(b" \t")) for name, value in headers])
    client = scope.get("client")
    peer = client[0] if client else None
    scheme = scope.get("scheme", "http")
    if peer in proxies:
        headers, scheme, peer = (
            proxies.host(peer, headers),
            proxies.scheme(peer, scheme, headers),
            proxies.client(peer, headers),
        )
    return RequestHead(
        scope["method"],
        raw_path.partition(b"?")[0],
        scope.get("query_string", b""),
        headers,
        scheme=scheme,
        peer=peer,
    )


async def send_head(
    send: Send, exchange: Exchange, head: ResponseHead, *, more: bool = False
) -> None:
    """Send a response's head and, unless ``more`` is to come from elsewhere, its body and end.

    Only a head that the server took counts as an answer: one that it refuses can be followed by an error.
    """
    await send(
        {"type": "http.response.start", "status": head.status, "headers": list(head.headers)}
    )
    exchange.answered(head.status)
    if not more:
        exchange.sent += len(head.body)
        await send({"type": "http.response.body", "body": head.body, "more_body": False})
