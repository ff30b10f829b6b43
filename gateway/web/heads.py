"""Heads between ASGI and our own vocabulary."""

from gateway.errors import BadRequest
from gateway.protocol.commands import RequestHead, ResponseHead
from gateway.web.channel import Channel
from gateway.web.exchange import Exchange
from gateway.web.forwarded import TrustedProxies
from gateway.web.streams import Scope


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
    head = RequestHead(
        scope["method"],
        raw_path.partition(b"?")[0],
        scope.get("query_string", b""),
        headers,
        scheme=scope.get("scheme", "http"),
        peer=client[0] if client else None,
    )
    return forwarded(head, proxies)


def forwarded(head: RequestHead, proxies: TrustedProxies) -> RequestHead:
    """A head as our own front read it, with scheme, host and peer as trusted proxies tell them."""
    peer = head.peer
    if peer not in proxies:
        return head
    return RequestHead(
        head.method,
        head.raw_path,
        head.raw_query,
        proxies.host(peer, head.headers),
        scheme=proxies.scheme(peer, head.scheme, head.headers),
        peer=proxies.client(peer, head.headers),
    )


async def send_head(
    channel: Channel, exchange: Exchange, head: ResponseHead, *, more: bool = False
) -> None:
    """Send a response's head and, unless ``more`` is to come from elsewhere, its body and end.

    Only a head that the server took counts as an answer: one that it refuses can be followed by an error.
    """
    if not more:
        await send_whole(channel, exchange, head, head.body)
        return
    await channel.respond(head.status, head.headers, b"", more)
    exchange.answered(head.status)


async def send_whole(
    channel: Channel, exchange: Exchange, head: ResponseHead, body: bytes | memoryview
) -> None:
    """Send a response's head with all of its body, which is at most 16 KiB where it is a view."""
    await channel.respond(head.status, head.headers, body, False)
    exchange.answered(head.status)
    exchange.sent += len(body)
