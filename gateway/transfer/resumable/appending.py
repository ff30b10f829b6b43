"""Serial writers: a request adds its body at the offset, as tus and the IETF protocol do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.errors import (
    Conflict,
    DigestMismatch,
    Forbidden,
    GatewayError,
    InconsistentLength,
    OffsetMismatch,
    TooLarge,
    UploadCompleted,
    UploadGone,
)
from gateway.model import Digest, Source
from gateway.pipeline.owner import unbroken
from gateway.pipeline.transforms import Chain
from gateway.protocol.upload_commands import AppendUpload
from gateway.sessions.uploads import Change, UploadSession
from gateway.storage.checksums import ALGORITHMS
from gateway.transfer.resumable.body import may_be_kept, take_in
from gateway.transfer.resumable.commits import Durable
from gateway.transfer.resumable.completing import Completing
from gateway.transfer.resumable.site import Works
from gateway.transfer.resumable.slice_sink import SliceSink
from gateway.transfer.resumable.takeover import Takeovers, Writer
from gateway.transfer.resumable.whole_digests import Running, WholeDigests
from gateway.transfer.resumable.writing import Writing, slices_of

#: What a digest in the trailer may be of: it is named only when the body is over.
TRAILING: Final = ("sha1", "sha-256", "crc32")

#: Reads the digest that came behind the body.
Trailer = Callable[[], Digest]


class Appending:
    """Adds bodies to uploads."""

    def __init__(self, works: Works, takeovers: Takeovers, completing: Completing) -> None:
        self._works = works
        self._takeovers = takeovers
        self._completing = completing
        self._digests = WholeDigests()

    async def append(
        self,
        session: UploadSession,
        command: AppendUpload,
        source: Source,
        trailer: Trailer | None = None,
        signed: Sequence[Digest] = (),
        durable: Durable | None = None,
    ) -> UploadSession:
        """Add the body to ``session`` at the command's offset; who writes there now is asked to let go first.
        ``signed`` are digests of the body that its signature covers; ``durable`` is told the offset as it grows.

        Raises:
            OffsetMismatch: the upload ends elsewhere.
            InconsistentLength, UploadCompleted, TooLarge: the body does not fit what is known of the upload.
            DigestMismatch: the body's own digest is another; nothing of it is kept.
            UploadGone: the upload takes nothing any more.
            Overtaken: somebody else goes on with it.
            GatewayError: the source or the store failed; what was kept of the body is in the offset.
        """
        incoming = _Incoming(command, source, trailer, tuple(signed), durable)
        if session.state == "done":
            return await _again(session, incoming)
        if session.state not in ("open", "completing"):
            raise UploadGone("This upload takes no more bytes; begin a new one.")
        if session.state == "open" and not session.holder and not _ends_uploads(session):
            _check(session, command)
        async with self._takeovers.writing(session, command.offset) as writer:
            if writer.writing.session.state == "completing":
                await self._completing.redo(writer.writing)
            session = writer.writing.session
            if session.state == "done":
                return await _again(session, incoming)
            await self._check(writer.writing, command)
            await self._append(writer, incoming)
        return writer.writing.session

    async def _check(self, writing: Writing, command: AppendUpload) -> None:
        try:
            _check(writing.session, command)
        except TooLarge as error:
            await self._too_large(writing, error)
            raise

    async def _too_large(self, writing: Writing, error: GatewayError) -> None:
        """More bytes came than the upload has: in the IETF protocol that ends it, however they came."""
        session = writing.session
        if isinstance(error, TooLarge) and session.length is not None and _ends_uploads(session):
            await writing.change(Change(state="failed", expires=self._works.clock()))

    async def _append(self, writer: Writer, incoming: "_Incoming") -> None:
        writing, command = writer.writing, incoming.command
        if command.length is not None and writing.session.length is None:
            await writing.change(Change(length=command.length))
        session = writing.session
        wanted = [name for name in command.want_digests if name in ALGORITHMS]
        algorithms = [*(claim.algorithm for claim in session.claims), *wanted]
        running = self._digests.resume(session.id, command.offset, algorithms)
        chain, staged = incoming.chain(running), incoming.staged
        end = _end(session, writing.slices.max_length)
        site = self._works.site(session)
        try:
            async with SliceSink(
                site, writing, command.offset, end, staged=staged, durable=incoming.durable
            ) as sink:
                try:
                    await take_in(incoming.source, chain, sink, writer)
                except GatewayError as error:
                    if not staged and may_be_kept(error, writer):
                        await unbroken(sink.keep())
                    await self._too_large(writing, error)
                    raise
                incoming.verify(chain)
                if _is_final(session, command, sink.size):
                    await self._completing.finish(writing, sink, sink.size, running, wanted)
                else:
                    await unbroken(sink.keep())
        finally:
            # However it ended: they are of use if what they have seen is what is durable.
            self._remember(writing.session, running)

    def _remember(self, session: UploadSession, running: Running | None) -> None:
        if session.state in ("open", "completing"):
            self._digests.keep(session.id, session.offset, running)
        else:
            self._digests.forget(session.id)


def _ends_uploads(session: UploadSession) -> bool:
    """Whether the protocol wants an upload to be no more when bytes behind its length came."""
    return session.dialect == "rufh"


def _check(session: UploadSession, command: AppendUpload) -> None:
    """Hold a request to what is known of the upload, before a byte is read."""
    offset, length = session.offset, session.length
    if command.offset != offset:
        raise OffsetMismatch(
            f"The upload ends at byte {offset}; go on from there.",
            expected=offset,
            provided=command.offset,
        )
    if any(extent.stop > offset for extent in session.extents):
        raise Conflict("This upload came in chunks and has holes; send the missing chunks.")
    _check_length(session, command)
    length = command.length if length is None else length
    if length is not None and command.body is not None and offset + command.body > length:
        raise TooLarge(f"The body runs past the upload's length of {length} bytes.")
    most = session.max_size
    if most is not None and offset + (command.body or 0) > most:
        raise TooLarge(f"This upload may have {most} bytes at most.", max_size=most)


def _check_length(session: UploadSession, command: AppendUpload) -> None:
    told = command.length
    if command.complete and command.body is not None:
        total = command.offset + command.body
        if told not in (None, total) or session.length not in (None, total):
            raise InconsistentLength(
                f"This request ends the upload at byte {total}, and its length was said to be another."
            )
    if told is None:
        return
    if session.length not in (None, told):
        raise InconsistentLength(f"The upload's length is {session.length}, and can't change.")
    if told < session.offset:
        raise InconsistentLength(f"{session.offset} bytes are here already.")
    most = _end(session, slices_of(session.cut).max_length)
    if told > most:
        raise TooLarge(f"This upload may have {most} bytes at most.", max_size=most)


def _end(session: UploadSession, most: int) -> int:
    limits = (session.length, session.max_size, most)
    return min(limit for limit in limits if limit is not None)


def _is_final(session: UploadSession, command: AppendUpload, size: int) -> bool:
    if command.complete is None:
        return size == session.length
    if command.complete and session.length not in (None, size):
        raise InconsistentLength(
            f"The upload was said to have {session.length} bytes, and ends after {size}."
        )
    return command.complete


@dataclass(frozen=True, slots=True)
class _Incoming:
    """A body and what was claimed of it."""

    command: AppendUpload
    source: Source
    trailer: Trailer | None
    signed: tuple[Digest, ...]
    durable: Durable | None

    @property
    def staged(self) -> bool:
        """Whether nothing of it counts before its end."""
        return bool(self.signed or self.command.body_digest or self.command.trailing)

    def chain(self, running: Running | None) -> Chain:
        """What looks at it."""
        digest = self.command.body_digest
        return Chain(
            length=self.command.body,
            claims=() if digest is None else (digest,),
            signed=self.signed,
            compute=TRAILING if self.command.trailing else (),
            taps=() if running is None else tuple(running.values()),
        )

    def verify(self, chain: Chain) -> None:
        """Hold the body against what was claimed."""
        chain.verify()
        if self.trailer is not None:
            claim = self.trailer()
            if chain.digest(claim.algorithm) != claim:
                raise DigestMismatch(f"The body's {claim.algorithm} is not the one in its trailer.")


async def _again(session: UploadSession, incoming: _Incoming) -> UploadSession:
    """A request for a finished upload: the last one, whose answer was lost, is answered again."""
    assert session.result is not None
    size, command = session.result.size, incoming.command
    if session.sources:
        raise Forbidden("This upload was made of others; nothing is added to it.")
    if command.offset != size:
        raise OffsetMismatch("The upload is complete.", expected=size, provided=command.offset)
    if command.body != 0 and await incoming.source.read_into(memoryview(bytearray(1))):
        raise UploadCompleted("The upload is complete; nothing can be added.")
    incoming.verify(incoming.chain(None))  # it is empty, and its digest is one of nothing
    return session
