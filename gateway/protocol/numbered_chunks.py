"""Chunks that say only which one they are, of a session whose length and chunk size the server knows."""

from gateway.errors import BadRequest, Conflict, InconsistentLength
from gateway.model import ByteRange, ObjectKey
from gateway.protocol.upload_commands import PutChunk, PutNumberedChunk


def placed(command: PutNumberedChunk, key: ObjectKey, length: int | None, size: int) -> PutChunk:
    """The chunk where it belongs in an upload of ``key``, ``length`` bytes in chunks of ``size``.

    Raises:
        BadRequest: there is no such chunk, or its own size, range or count says otherwise.
        InconsistentLength: another length of the whole is told.
        Conflict: the session is another file's.
    """
    if length is None:
        raise Conflict("This upload has no length yet, so its chunks have no numbers.")
    if any(total != length for total in command.totals):
        raise InconsistentLength(f"This session's length was said to be {length} bytes.")
    if command.name not in (None, key.name):
        raise Conflict("This session is one of another file's; begin a new one.")
    chunks = -(-length // size)
    if command.chunks not in (None, chunks):
        raise BadRequest(f"{length} bytes in chunks of {size} are {chunks} chunks.")
    if command.number >= chunks:
        raise BadRequest(f"There is no chunk {command.number} of {chunks}: the first is chunk 0.")
    start = command.number * size
    span = ByteRange(start, min(length, start + size))
    if command.range not in (None, span) or command.body not in (None, span.size):
        raise BadRequest(
            f"Chunk {command.number} is bytes {span.start}-{span.stop - 1}: {span.size} bytes."
        )
    return PutChunk(
        key=key,
        range=span,
        total=length,
        body=command.body,
        session=command.upload,
        number=command.number,
        chunks=chunks,
        chunk_size=size,
        body_digest=command.body_digest,
    )
