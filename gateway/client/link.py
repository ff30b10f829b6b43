"""Requests to one endpoint, over httpx, for those who wait: an upload's as answers, a download's as streams."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import httpx

from gateway.client.account import Account
from gateway.client.failures import MAX_BODY, Refused, read_refusal
from gateway.client.uploading.steps import Answer, Broken, Request, Span
from gateway.client.wire import TIMEOUT, Reading, bounded, compose, interrupted, unchanged
from gateway.model import ObjectKey


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
        self._http: Final = httpx.Client(timeout=timeout, follow_redirects=False, auth=unchanged)

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
    ) -> Iterator[httpx.Response]:
        """Send it, signed now, and answer with a successful response whose body is still to be read.

        Raises:
            Interrupted: no connection, or it broke, also while the body is read inside the block.
            Refused: any status of 300 and above.
        """
        url, signed = self._account.signed(method, key, headers, payload_sha256, self._now())
        try:
            with self._http.stream(method, url, headers=signed) as response:
                if response.status_code >= 300:
                    raise self._refusal(response)
                yield response
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise interrupted(self._account, error) from error

    def exchange(
        self,
        request: Request,
        body: Iterator[bytes] | None,
        moved: Callable[[Span, int], None],
    ) -> Answer | Broken:
        """Send a request with its body; ``moved`` is told of every block that went out."""
        url, headers = compose(self._account, request, self._now())
        reading = Reading(request, self._now)
        content = None if body is None or request.body is None else _told(body, request.body, moved)
        try:
            with self._http.stream(
                request.method,
                url,
                headers=headers,
                content=content,
                timeout=bounded(self._http.timeout, request),
            ) as response:
                for block in response.iter_raw():
                    if not reading.feed(block):
                        break
                return reading.answer(response)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            return Broken(error=interrupted(self._account, error))

    def _refusal(self, response: httpx.Response) -> Refused:
        body = b""
        for block in response.iter_raw():
            body += block
            if len(body) > MAX_BODY:
                break
        return read_refusal(response.status_code, response.headers, body, self._now())


def _told(body: Iterator[bytes], span: Span, moved: Callable[[Span, int], None]) -> Iterator[bytes]:
    for block in body:
        yield block
        moved(span, len(block))
