"""Requests to one endpoint in asyncio; :mod:`gateway.client.link` does the same for those who wait."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Final

import httpx

from gateway.client.account import Account
from gateway.client.uploading.steps import Answer, Broken, Request, Span
from gateway.client.wire import TIMEOUT, Reading, bounded, compose, interrupted, unchanged


class AsyncLink:
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
        self._http: Final = httpx.AsyncClient(
            timeout=timeout, follow_redirects=False, auth=unchanged
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def exchange(
        self,
        request: Request,
        body: AsyncIterator[bytes] | None,
        moved: Callable[[Span, int], None],
    ) -> Answer | Broken:
        """Send a request with its body; ``moved`` is told of every block that went out."""
        url, headers = compose(self._account, request, self._now())
        reading = Reading(request, self._now)
        content = None if body is None or request.body is None else _told(body, request.body, moved)
        try:
            async with self._http.stream(
                request.method,
                url,
                headers=headers,
                content=content,
                timeout=bounded(self._http.timeout, request),
            ) as response:
                async for block in response.aiter_raw():
                    if not reading.feed(block):
                        break
                return reading.answer(response)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            return Broken(error=interrupted(self._account, error))


async def _told(
    body: AsyncIterator[bytes], span: Span, moved: Callable[[Span, int], None]
) -> AsyncIterator[bytes]:
    async for block in body:
        yield block
        moved(span, len(block))
