"""What is told of an upload: from the session alone, without a lock and without a call to a store."""

from gateway.protocol.commands import ObjectStored
from gateway.protocol.upload_commands import Limits, UploadStatus
from gateway.sessions.uploads import UploadSession
from gateway.transfer.resumable.writing import slices_of


def status_of(session: UploadSession, now: float, chunk_size: int | None = None) -> UploadStatus:
    """An upload as it durably is. ``now`` in Unix seconds; ``chunk_size`` in bytes, where the client fixed one."""
    result = session.result if session.state == "done" else None
    stored = None
    if result is not None:
        stored = ObjectStored(
            info_etag=result.etag,
            size=result.size,
            created=result.created,
            version=result.version,
            digests=result.digests,
        )
    length = session.length
    return UploadStatus(
        id=session.id,
        offset=session.offset if result is None else result.size,
        length=length if result is None else result.size,
        complete=result is not None,
        expires=session.expires,
        limits=limits_of(session, now),
        metadata=session.metadata,
        partial=session.partial,
        sources=session.sources,
        stored=stored,
        received=_received(session) if result is None else result.size,
        missing=() if result is not None else session.missing,
        chunk_size=chunk_size,
        chunks=None if not chunk_size or length is None else -(-length // chunk_size),
        session=session.name,
        target=session.target,
    )


def _received(session: UploadSession) -> int:
    """Bytes that are durable, each counted once."""
    end = session.length
    if end is None:
        end = max((extent.stop for extent in session.extents), default=0)
    return end - sum(gap.size for gap in session.missing)


def limits_of(session: UploadSession, now: float) -> Limits:
    """What holds for this upload: it never becomes narrower. An upload whose length is told fits its slices, so that
    only of others these are a limit."""
    most = slices_of(session.cut).max_length
    if session.max_size is not None:
        most = session.max_size if session.length is not None else min(most, session.max_size)
    return Limits(max_size=most, max_age=max(0, int(session.expires - now)))
