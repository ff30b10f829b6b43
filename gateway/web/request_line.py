"""The log line of a request that went well, as JSON, made in one step.

It says, in the same order, what the log makes of :meth:`gateway.web.exchange.Exchange.facts`; a test holds the two
together. By way of a dictionary and an encoder it would cost a small request three times as much.
"""

import json
import re
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING, Final

from gateway.auth.grant import Grant
from gateway.protocol.commands import RequestHead
from gateway.protocol.upload_paths import without_capability
from gateway.web.log import masked, now, parameter_names, printable

if TYPE_CHECKING:
    from gateway.web.exchange import Exchange

#: A path without escapes, and so without a query that slipped into it; and without anything that JSON escapes.
_PLAIN: Final = re.compile(rb"[A-Za-z0-9._~/-]*").fullmatch
_VALUES: Final = re.compile(rb"=[^&]*")
#: Longer lists of names are not remembered.
_MOST: Final = 512


def request_line(exchange: "Exchange", status: int, seconds: float) -> str:
    """The line of a request without an error. ``status`` and ``seconds`` as they are to be told."""
    head = exchange.head
    return (
        f'{{"request_id": "{exchange.request_id}", "method": {_text(head.method)},'
        f' "path": {_path(head.raw_path)}, "status": {status}, "seconds": {seconds:.6f},'
        f' "received": {exchange.received}, "sent": {exchange.sent},'
        f' "dialect": "{exchange.dialect}", "peer": {_text(head.peer)}'
        f"{_parameters(head)}{_holder(exchange.grant)},"
        f' "event": "request", "level": "info", "timestamp": "{now()}"}}'
    )


@lru_cache(maxsize=1024)  # methods, and the addresses of clients that come again
def _text(text: str | None) -> str:
    return "null" if text is None else quoted(printable(text))


def shown_path(raw_path: bytes) -> str:
    """A path as the log tells it: no credential in it, and on one line."""
    return printable(masked(without_capability(raw_path).decode("latin-1")))


def _path(raw_path: bytes) -> str:
    if _PLAIN(raw_path) and b"/-/" not in raw_path:
        return f'"{raw_path.decode("ascii")}"'
    return quoted(shown_path(raw_path))


def _parameters(head: RequestHead) -> str:
    """The names of a query are a fact of a request's shape."""
    if not head.raw_query:
        return ""
    if head.common is None:
        return _read_parameters(head.raw_query)
    known: str | None = head.common.facts.get(_parameters)
    if known is None:
        known = head.common.facts[_parameters] = _read_parameters(head.raw_query)
    return known


def _read_parameters(raw_query: bytes) -> str:
    names = _VALUES.sub(b"=", raw_query)
    return _listed(names) if len(names) <= _MOST else _listed.__wrapped__(names)


@lru_cache(maxsize=256)  # the same few with every request
def _listed(raw_names: bytes) -> str:
    return f', "parameters": {json.dumps(parameter_names(raw_names))}'


def _holder(grant: Grant | None) -> str:
    return "" if grant is None else _named(grant.principal.id, grant.principal.key_id, grant.scheme)


@lru_cache(maxsize=256)  # who asks once asks again
def _named(principal: str, key_id: str | None, scheme: str) -> str:
    key = "null" if key_id is None else quoted(key_id)
    return f', "principal": {quoted(printable(principal))}, "key_id": {key}, "scheme": "{scheme}"'
