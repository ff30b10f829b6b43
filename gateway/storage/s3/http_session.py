"""aiobotocore's HTTP session, held to one request for each call, and to answers of a size that stores have."""

from typing import Any, Final

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession

from gateway.storage.s3.wire_answer import MAX_ERROR
from gateway.units import MiB

#: The longest document that is read: a page of a thousand multiparts whose keys are all escapes has half of it.
MAX_DOCUMENT: Final = 16 * MiB


class HttpSession(AIOHTTPSession):  # type: ignore[misc]
    """aiobotocore's, without aiohttp's own repetitions."""

    async def _get_session(self, proxy_url: str | None) -> "_OneRequest":
        return _OneRequest(await super()._get_session(proxy_url))


class _OneRequest:
    """An aiohttp session whose ``request`` makes one request: it follows no redirect (urllib3 under botocore does
    not either; the signature holds for one host only)."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        # aiohttp would send PUT, GET, HEAD and DELETE again by itself when the connection broke.
        session._retry_connection = False
        session._response_class = _Answer  # its parameter, where aiobotocore has none
        self._session = session

    async def request(self, method: str, **arguments: Any) -> aiohttp.ClientResponse:
        """As ClientSession.request."""
        return await self._session.request(method, allow_redirects=False, **arguments)


class _Answer(aiohttp.ClientResponse):
    """One whose documents take no more memory than a document may; objects are not read by :meth:`read`."""

    async def read(self) -> bytes:
        """The body, cut off where it is longer than any document, and the connection is given up then. An error still
        has its status; of a success nothing can be parsed."""
        most = MAX_ERROR if self.status >= 300 else MAX_DOCUMENT
        body = bytearray()
        try:
            while len(body) < most and (piece := await self.content.readany()):
                body += piece
        except BaseException:
            self.close()
            raise
        if len(body) < most:
            await (
                self.wait_for_close()
            )  # until the request is out, too: the connection is used again
        else:
            self.close()
        return bytes(body[:most])
