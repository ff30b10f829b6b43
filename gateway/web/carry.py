"""Carrying out what was parsed and authorised: commands to transfers, replies to responses."""

from dataclasses import replace
from typing import assert_never

from gateway.auth.grant import Grant
from gateway.auth.policy import Decision, Policy
from gateway.model import ObjectInfo
from gateway.pipeline.slabs import SlabPool
from gateway.protocol.commands import (
    Command,
    Deleted,
    DeleteObject,
    Describe,
    Dialect,
    GetObject,
    ObjectOpened,
    PutObject,
    Reply,
    ResponseHead,
)
from gateway.protocol.object_heads import Headers
from gateway.protocol.serving import serving_headers
from gateway.transfer.deletes import Deletes
from gateway.transfer.downloads import Download, Downloads
from gateway.transfer.uploads import UploadRules, Uploads
from gateway.units import KiB
from gateway.web.exchange import Exchange
from gateway.web.heads import send_head
from gateway.web.streams import CountingSource, Receive, Scope, Send, request_source, send_source

#: A download moves through one slab of this size, or less where the object is smaller.
DOWNLOAD_SLAB = 256 * KiB


class Work:
    """One request's channels, and what it was permitted to do."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send

    def permit(
        self,
        exchange: Exchange,
        dialect: Dialect,
        grant: Grant,
        policy: Policy,
        decision: Decision,
        headers: Headers,
    ) -> None:
        """Set down what came of authenticating and authorising; ``headers`` go on every answer."""
        self.exchange = exchange
        self.dialect = dialect
        self.grant = grant
        self.policy = policy
        self.decision = decision
        self.headers = headers

    def render(self, command: Command, reply: Reply) -> ResponseHead:
        """The response's head, with the headers that go on every answer."""
        head = self.dialect.render(self.exchange.head, command, reply, self.exchange.request_id)
        return replace(head, headers=head.headers + self.headers)


class Carrier:
    """Does what commands say."""

    def __init__(
        self,
        uploads: Uploads,
        downloads: Downloads,
        deletes: Deletes,
        pool: SlabPool,
    ) -> None:
        self._uploads = uploads
        self._downloads = downloads
        self._deletes = deletes
        self._pool = pool

    async def carry(self, command: Command, work: Work) -> None:
        """Carry a command out and send its answer.

        Raises:
            GatewayError: it failed; nothing was sent unless ``work.exchange.status`` says so.
        """
        match command:
            case PutObject():
                await self._put(command, work)
            case GetObject():
                await self._get(command, work)
            case DeleteObject():
                await self._deletes.delete(command)
                await self._reply(work, work.render(command, Deleted()))
            case Describe():  # pragma: no cover - answered before authentication
                raise AssertionError("OPTIONS does not come here")
            case _:
                assert_never(command)

    async def _put(self, command: PutObject, work: Work) -> None:
        source = CountingSource(request_source(work.scope, work.receive, command.length))
        rules = UploadRules(
            principal=work.grant.principal.id,
            max_size=work.decision.max_size,
            overwrite=work.decision.overwrite,
            digests=work.grant.digests,
        )
        try:
            stored = await self._uploads.put(command, source, rules)
        finally:
            work.exchange.received = source.count
        await self._reply(work, work.render(command, stored))

    async def _get(self, command: GetObject, work: Work) -> None:
        download = await self._downloads.open(command)
        try:
            reply = replace(
                download.reply,
                serving=self._serving(command, download.reply.info, work),
            )
            head = work.render(command, reply)
            if download.source is None or not isinstance(reply, ObjectOpened):
                await self._reply(work, head)
                return
            await self._deliver(download, reply, head, work)
        finally:
            if download.source is not None:
                await download.source.aclose()

    async def _deliver(
        self, download: Download, reply: ObjectOpened, head: ResponseHead, work: Work
    ) -> None:
        assert download.source is not None
        size = reply.info.size if reply.range is None else reply.range.size
        with self._pool.account(work.grant.principal.id) as account:
            slab = await account.take(max(1, min(size, DOWNLOAD_SLAB)))
            try:
                work.exchange.answered(head.status)
                await send_head(work.send, head, more=True)
                window = slab.window(max(1, min(size, DOWNLOAD_SLAB)))
                work.exchange.sent = await send_source(
                    work.scope, work.send, download.source, window
                )
                await work.send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                slab.release()

    def _serving(self, command: GetObject, info: ObjectInfo, work: Work) -> Headers:
        asked = work.policy.serving(command.key, info.attributes.content_type)
        return serving_headers(
            replace(info, key=command.key),
            inline=asked.inline,
            signed=work.grant.signed,
            immutable=work.dialect.name == "slot",
            explicit=asked.headers,
            overrides=command.overrides,
        )

    async def _reply(self, work: Work, head: ResponseHead) -> None:
        work.exchange.answered(head.status)
        work.exchange.sent = len(head.body)
        await send_head(work.send, head)
