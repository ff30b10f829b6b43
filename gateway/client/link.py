"""One signed request to one endpoint, over httpx; every failure comes out as a TransferFailed."""

import errno
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import httpx

from gateway.client.account import Account
from gateway.client.failures import MAX_BODY, Interrupted, Refused, read_refusal
from gateway.model import ObjectKey

#: An answer to an upload comes when the object is complete, which may take the store a while.
TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0, read=300.0)
_ERRNO: Final = re.compile(r"^\[Errno -?\d+\] ")
_REFUSED: Final = os.strerror(errno.ECONNREFUSED)


class Link:
    """A connection pool to an endpoint, and the account that signs."""

    def __init__(
        self,
        account: Account,
        *,
        timeout: httpx.Timeout = TIMEOUT,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._account: Final = account
        self._now: Final = now
        # trust_env: proxies and SSL_CERT_FILE count, but no .netrc: a second credential is refused.
        self._http: Final = httpx.Client(timeout=timeout, follow_redirects=False, auth=_unchanged)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @contextmanager
    def request(
        self,
        method: str,
        key: ObjectKey,
        headers: Mapping[str, str],
        *,
        payload_sha256: str,
        content: Iterator[bytes] | None = None,
    ) -> Iterator[httpx.Response]:
        """Send it, signed now, and answer with a successful response whose body is still to be read.

        Raises:
            Interrupted: no connection, or it broke, also while the body is read inside the block.
            Refused: any status of 300 and above.
        """
        url, signed = self._account.signed(method, key, headers, payload_sha256, self._now())
        try:
            with self._http.stream(method, url, headers=signed, content=content) as response:
                if response.status_code >= 300:
                    raise self._refusal(response)
                yield response
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise Interrupted(f"{self._account.endpoint}: {_reason(error)}") from error

    def _refusal(self, response: httpx.Response) -> Refused:
        body = b""
        for block in response.iter_raw():
            body += block
            if len(body) > MAX_BODY:
                break
        return read_refusal(response.status_code, response.headers, body, self._now())


def _unchanged(request: httpx.Request) -> httpx.Request:
    """An authentication that does nothing: without one, httpx would look into .netrc."""
    return request


def _reason(error: Exception) -> str:
    """httpx leaves some messages empty; the class then says what happened. The system's number says nothing."""
    reason = _ERRNO.sub("", str(error)) or type(error).__name__
    return f"{reason}; is the gateway running there?" if reason == _REFUSED else reason
