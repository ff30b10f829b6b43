"""What both links do alike: composing requests, reading answers, naming what broke."""

import errno
import hashlib
import os
import re
import time
from collections.abc import Callable
from typing import Final

import httpx

from gateway.client.account import Account
from gateway.client.failures import Interrupted
from gateway.client.uploading.steps import COMPLETION, Answer, Request
from gateway.units import MiB

#: Seconds without a byte, at most; answers to uploads may be waited for longer, or not so long.
TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0, read=COMPLETION)
#: What an answer may have that is kept in memory.
MAX_ANSWER: Final = MiB
_ERRNO: Final = re.compile(r"^\[Errno -?\d+\] ")
_REFUSED: Final = os.strerror(errno.ECONNREFUSED)


def compose(account: Account, request: Request, now: float) -> tuple[str, dict[str, str]]:
    """A request's URL and headers; signed if it is to be."""
    if request.payload is None:
        return account.url(request.path), dict(request.headers)
    return account.signed_path(request.method, request.path, request.headers, request.payload, now)


def bounded(timeout: httpx.Timeout, request: Request) -> httpx.Timeout:
    """A link's timeouts, and what the request says of its answer."""
    read = request.wait if timeout.read is None else min(timeout.read, request.wait)
    return httpx.Timeout(connect=timeout.connect, read=read, write=timeout.write, pool=timeout.pool)


class Reading:
    """One answer, block by block."""

    def __init__(self, request: Request, now: Callable[[], float]) -> None:
        self._now: Final = now
        self._began: Final = time.monotonic()
        self._state: Final = hashlib.sha256() if request.hashed else None
        self._body = b""

    def feed(self, block: bytes) -> bool:
        """Take a block; False when no more of it is wanted."""
        if self._state is not None:
            self._state.update(block)
            return True
        self._body += block[: MAX_ANSWER - len(self._body)]
        return len(self._body) < MAX_ANSWER

    def answer(self, response: httpx.Response) -> Answer:
        """All of it."""
        return Answer(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=self._body,
            at=self._now(),
            seconds=time.monotonic() - self._began,
            sha256="" if self._state is None else self._state.hexdigest(),
        )


def unchanged(request: httpx.Request) -> httpx.Request:
    """An authentication that does nothing: without one, httpx would look into .netrc."""
    return request


def interrupted(account: Account, error: Exception) -> Interrupted:
    """httpx leaves some messages empty; the class then says what happened. The system's number says nothing."""
    reason = _ERRNO.sub("", str(error)) or type(error).__name__
    if _is_refused(error):
        reason = f"{_REFUSED}; is the gateway running there?"
    return Interrupted(f"{account.endpoint}: {reason}")


def _is_refused(error: BaseException | None) -> bool:
    """Whether nobody listens there: asyncio and anyio say it in their own words, above the system's error."""
    while error is not None:
        if isinstance(error, ConnectionRefusedError):
            return True
        error = error.__cause__ or error.__context__
    return False
