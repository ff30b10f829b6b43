"""Commands of the resumable dialects, as what the engine is asked for."""

from gateway.protocol.upload_commands import AppendUpload, CreateUpload, JoinUploads, PutChunk
from gateway.sessions.uploads import UploadSession
from gateway.transfer.resumable.creating import Allowed, Wish
from gateway.transfer.resumable.engine import chunks_name
from gateway.web.carry import Work


def allowed(work: Work) -> Allowed:
    """Who asks, and what policy and credential let him do."""
    # Where the upload itself says who may (a numbered chunk), there is no decision about the credential's own limit.
    limits = (work.decision.max_size, work.grant.constraints.max_size)
    return Allowed(
        principal=work.grant.principal,
        policy=work.grant.policy,
        max_size=min((limit for limit in limits if limit is not None), default=None),
        overwrite=work.decision.overwrite,
        constraints=work.grant.constraints,
    )


def created_wish(command: CreateUpload, work: Work) -> Wish:
    """The upload that a creation asks for."""
    return Wish(
        dialect=work.exchange.dialect,
        key=command.key,
        length=command.length,
        attributes=command.attributes,
        conditions=command.conditions,
        digests=command.digests,
        name=command.name,
        chunk_size=command.chunk_size,
        metadata=command.metadata,
        partial=command.partial,
    )


def joined_wish(command: JoinUploads, work: Work) -> Wish:
    """The upload that partial ones are to become."""
    return Wish(
        dialect=work.exchange.dialect,
        key=command.key,
        length=None,
        attributes=command.attributes,
        name=command.name,
        metadata=command.metadata,
        sources=command.sources,
    )


def chunk_wish(command: PutChunk, work: Work) -> Wish:
    """The session that a first chunk begins."""
    size = command.chunk_size
    if size is None and command.range.stop != command.total:
        # What is no multiple of its own size says nothing of the others'.
        size = command.range.size if command.range.start % command.range.size == 0 else None
    return Wish(
        dialect=work.exchange.dialect,
        key=command.key,
        length=command.total,
        attributes=command.attributes,
        conditions=command.conditions,
        digests=command.digests,
        name=command.session or chunks_name(command.key, command.total),
        chunk_size=size,
    )


def begins_anew(found: UploadSession, command: PutChunk) -> bool:
    """Whether the first bytes of another object of the same length come, for an upload that has no name."""
    return found.state not in ("open", "completing") and command.range.start == 0


def goes_on(command: CreateUpload) -> bool:
    """Whether a creation brings bytes, or is all that there is."""
    if command.complete is None:
        return command.body != 0 or command.length == 0
    return command.complete or command.body != 0


def first_append(command: CreateUpload, session: UploadSession) -> AppendUpload:
    """The body of a creation as what it is: the first append."""
    return AppendUpload(
        upload=session.id,
        offset=0,
        body=command.body,
        complete=command.complete,
        body_digest=command.body_digest,
        trailing=command.trailing,
        want_digests=command.want_digests,
        interim=command.interim,
    )
