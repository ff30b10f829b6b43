"""Carrying out what was parsed and authorised: commands to transfers, replies to responses.

A download moves through one slab of the memory budget, which it holds while its client reads. So that
slow clients do not own the budget and uploads starve, the slab follows the client: it starts with
64 KiB, grows to 4 MiB for one that takes it at once, and shrinks to 16 KiB for one that does not. The
pool admits only as many bodies as fit twice with the smallest slabs, so downloads at their slowest
hold half of the memory at most; and who does not get his first slab in time is refused with 503.
"""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Final, assert_never, cast

from gateway.adapt.buffer_size import SMALLEST, BufferSize
from gateway.auth.grant import Grant
from gateway.auth.policy import Decision, Policy
from gateway.errors import GatewayError, ObjectExists, Overloaded
from gateway.model import ObjectInfo, Source
from gateway.pipeline.framed import FramedSource
from gateway.pipeline.pool import SlabPool
from gateway.pipeline.slabs import Account, Slab
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
from gateway.protocol.object_heads import Headers, replaced
from gateway.protocol.serving import serving_headers
from gateway.protocol.signatures.schemes import Scheme
from gateway.protocol.upload_commands import UploadCommand, UploadDialect, UploadReply
from gateway.transfer.deletes import Deletes
from gateway.transfer.downloads import Download, Downloads
from gateway.transfer.uploads import UploadRules, Uploads
from gateway.units import KiB
from gateway.web.channel import Channel, source_of
from gateway.web.exchange import Exchange
from gateway.web.heads import send_head, send_whole

FIRST_SLAB: Final = 64 * KiB
#: Bodies of up to so many bytes leave together with their heads.
AT_ONCE: Final = SMALLEST
#: For a request whose signature stands in its headers: no browser opened it, so nothing is invented
#: that a copy made with it would take for the object's own (and RFC 9111, 3.5, keeps shared caches off).
_TO_PROGRAMS: Final[Headers] = (
    (b"x-content-type-options", b"nosniff"),
    (b"vary", b"Authorization"),
)


class Work:
    """One request's channels, and what it was permitted to do. ``headers`` go on every answer; ``body`` is
    what is left of a body that had to be begun before (a form's), None where it was not touched."""

    def __init__(
        self,
        channel: Channel,
        exchange: Exchange,
        dialect: Dialect | UploadDialect,
    ) -> None:
        self.channel = channel
        self.exchange = exchange
        self.dialect = dialect
        self.headers: Headers = ()
        self.body: FramedSource | None = None

    def permit(self, grant: Grant, policy: Policy, decision: Decision) -> None:
        """Set down what came of authenticating and authorising."""
        self.grant = grant
        self.policy = policy
        self.decision = decision

    def name_policy(self, error: ObjectExists) -> None:
        """Say whose rule it is that an object may not be replaced, where it is the policy's.

        Raises:
            ObjectExists: the same error, with more words.
        """
        if self.grant.constraints.no_overwrite:  # the credential's own rule, as of upload slots
            return
        named = ObjectExists(
            f"{error.detail} The policy {self.policy.name!r} lets you add objects, not replace them.",
            retry_after=error.retry_after,
            **error.members,
        )
        named.final = error.final
        raise named from error

    def render(self, command: Command, reply: Reply) -> ResponseHead:
        """The response's head."""
        head = self.dialect.render(self.exchange.head, command, reply, self.exchange.request_id)
        return replace(head, headers=head.headers + self.headers) if self.headers else head

    def render_upload(self, command: UploadCommand, reply: UploadReply) -> ResponseHead:
        """The response's head, to what only a dialect of uploads can have asked."""
        dialect = cast("UploadDialect", self.dialect)
        head = dialect.render(self.exchange.head, command, reply, self.exchange.request_id)
        return replace(head, headers=head.headers + self.headers)

    def reply(self, head: ResponseHead) -> Coroutine[None, None, None]:
        """Send a whole response."""
        return send_whole(self.channel, self.exchange, head, head.body)


class Carrier:
    """Does what commands say. ``max_wait``, in seconds, is how long a download waits for memory."""

    def __init__(
        self,
        uploads: Uploads,
        downloads: Downloads,
        deletes: Deletes,
        pool: SlabPool,
        max_wait: float,
    ) -> None:
        self._uploads = uploads
        self._downloads = downloads
        self._deletes = deletes
        self._pool = pool
        self._max_wait = max_wait

    def carry(self, command: Command, work: Work) -> Coroutine[None, None, None]:
        """Carry a command out and send its answer.

        Raises:
            GatewayError: it failed; nothing was sent unless ``work.exchange.status`` says so.
        """
        match command:
            case PutObject():
                return self._put(command, work)
            case GetObject():
                return self._get(command, work)
            case DeleteObject():
                return self._delete(command, work)
            case Describe():  # pragma: no cover - answered before authentication
                raise AssertionError("OPTIONS does not come here")
            case _:
                assert_never(command)

    async def _delete(self, command: DeleteObject, work: Work) -> None:
        await self._deletes.delete(command)
        await work.reply(work.render(command, Deleted()))

    async def _put(self, command: PutObject, work: Work) -> None:
        source = work.body or source_of(work.channel, command.length)
        rules = UploadRules(
            principal=work.grant.principal.id,
            max_size=work.decision.max_size,
            min_size=work.grant.constraints.min_size,
            overwrite=work.decision.overwrite,
            digests=work.grant.digests,
        )
        try:
            stored = await self._uploads.put(command, source, rules)
        finally:
            work.exchange.received = source.count
        await work.reply(work.render(command, stored))

    async def _get(self, command: GetObject, work: Work) -> None:
        download = await self._downloads.open(command, work.grant.principal.id)
        reply = download.reply
        try:
            reply.serving = _serving(command, reply.info, work)
            head = work.render(command, reply)
            if download.source is None or not isinstance(reply, ObjectOpened):
                await work.reply(head)
            else:
                await self._deliver(download, download.source, head, work)
        finally:
            if download.source is not None:
                await download.source.aclose()

    async def _deliver(
        self, download: Download, source: Source, head: ResponseHead, work: Work
    ) -> None:
        outcome = "cut-off"
        try:
            with self._pool.account(work.grant.principal.id) as account:
                await self._pour(source, account, head, work)
            outcome = "sent"
        except GatewayError as error:
            outcome = error.code
            raise
        finally:
            self._downloads.finished(download, outcome, work.exchange.sent)

    async def _pour(self, source: Source, account: Account, head: ResponseHead, work: Work) -> None:
        """Send the head, then everything that ``source`` has."""
        length = source.length
        if length == 0:
            await work.reply(head)
            return
        if length is not None and length <= AT_ONCE:
            if not await self._pass_on(source, length, account, head, work):
                await self._hand_over(source, account, head, work)
            return
        size: BufferSize | None = None
        slab: Slab | None = await self._first_slab(source, account)
        try:
            await send_head(work.channel, work.exchange, head, more=True)
            writer = work.channel.writer()
            while slab is not None:
                with slab.window(slab.size) as window:
                    count = await source.read_into(window)
                    with window[:count] as piece:
                        started = time.perf_counter()
                        await writer.write(piece)
                work.exchange.sent += count
                if source.length == 0:
                    break
                size = size or BufferSize(start=FIRST_SLAB)
                size.on_read(count, time.perf_counter() - started)
                if count == slab.size:
                    size.on_filled()
                if self._fits_better(size.size, slab.size):
                    slab.release()
                    slab = (
                        None  # nothing is held while another is waited for, which may be given up
                    )
                    slab = await account.take(size.size)
        finally:
            if slab is not None:
                slab.release()
        await work.channel.finish()

    async def _pass_on(
        self, source: Source, length: int, account: Account, head: ResponseHead, work: Work
    ) -> bool:
        """Send a small body together with its head from where it lies, if it is all here already. Answer whether
        that was so."""
        body = account.take_over(source, length)
        if body is None:
            return False
        try:
            await send_whole(work.channel, work.exchange, head, body)
        finally:
            account.leave_room(SMALLEST)
        return True

    async def _hand_over(
        self, source: Source, account: Account, head: ResponseHead, work: Work
    ) -> None:
        """Send a small body together with its head, once all of it is there."""
        slab = await self._first_slab(source, account)
        try:
            while source.length:
                with slab.window(source.length) as window:
                    slab.filled += await source.read_into(window)
            with slab.data() as body:
                await send_whole(work.channel, work.exchange, head, body)
        finally:
            slab.release()

    async def _first_slab(self, source: Source, account: Account) -> Slab:
        wanted = FIRST_SLAB if source.length is None else min(source.length, FIRST_SLAB)
        wanted = max(1, wanted)
        slab = account.take_at_once(wanted)
        if slab is not None:
            return slab
        try:
            async with asyncio.timeout(self._max_wait):
                return await account.take(wanted)
        except TimeoutError:
            raise Overloaded(
                "There is no memory for this download just now; try again.", retry_after=5
            ) from None

    def _fits_better(self, wanted: int, held: int) -> bool:
        """Whether to change slabs. Nobody asks for a larger one while others wait for any."""
        wanted = self._pool.class_of(wanted)
        return wanted < held or (wanted > held and not self._pool.budget.waiting)


def _serving(command: GetObject, info: ObjectInfo, work: Work) -> Headers:
    asked = work.policy.serving(command.key, info.attributes.content_type)
    if work.grant.scheme == Scheme.SIGV4:
        return replaced(_TO_PROGRAMS, asked.headers)
    return serving_headers(
        info
        if info.key is command.key or info.key == command.key
        else replace(info, key=command.key),
        inline=asked.inline,
        signed=work.grant.signed,
        immutable=work.dialect.name == "slot",
        explicit=asked.headers,
        overrides=command.overrides,
    )
