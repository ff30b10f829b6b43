"""What may be done with an upload, judged once for all kinds of sessions: pure functions from what is found to what
is written. The stores only see to it that nothing comes between the two."""

from dataclasses import replace

from gateway.errors import InconsistentLength, Overtaken, UploadGone
from gateway.sessions.extents import arranged
from gateway.sessions.uploads import Change, UploadSession, changed


def after_creation(session: UploadSession) -> UploadSession:
    """A new upload as it is written: its extents in order, each once."""
    return replace(session, extents=arranged((), add=session.extents))


def keeps_name(found: UploadSession, now: float) -> bool:
    """Whether its name is still taken at ``now`` (Unix seconds): an upload that has expired is as good as gone, also
    where no sweep has come by yet."""
    return found.state != "gone" and found.expires >= now


def after_change(found: UploadSession | None, epoch: int, change: Change) -> UploadSession:
    """An upload after a change under ``epoch``.

    Raises:
        Overtaken: the epoch is another.
        UploadGone: there is none, or it is in none of the states that the change is for.
        Overtaken: its multipart is known and would be another; what is there already are parts of the first. Or it was
            to have expired, and somebody has written to it meanwhile.
        InconsistentLength: its length is known and would be another, or bytes would lie behind it.
        ValueError: see :func:`~gateway.sessions.uploads.changed`.
    """
    if found is None:
        raise _gone()
    if found.epoch != epoch:
        raise _overtaken()
    if found.state not in change.only_in:
        raise _gone(found)
    if change.expired is not None and found.expires > change.expired:
        raise _overtaken()
    if change.upload_id is not None and found.upload_id not in (None, change.upload_id):
        # Who made this one slept while another was made: the parts that are known lie in that one.
        raise Overtaken("Another request has begun to send this upload to the store; try again.")
    after = changed(found, change)
    _check_length(found, change, after)
    return after


def _check_length(found: UploadSession, change: Change, after: UploadSession) -> None:
    """Of two chunks that come at the same time, one may tell the length and the other lie behind it."""
    length = after.length
    if found.length not in (None, length):
        raise InconsistentLength(
            f"The upload's length was said to be {found.length} bytes, and can't change."
        )
    # What was there when the length became known was held to it then.
    extents = after.extents if found.length is None else change.add
    if length is not None and any(extent.stop > length for extent in extents):
        raise InconsistentLength(
            f"There are bytes behind byte {length}, where the upload would end."
        )


def after_taking(found: UploadSession | None, holder: str, epoch: int) -> UploadSession:
    """An upload after ``holder`` became its only serial writer.

    Raises:
        Overtaken: its epoch is not the one that was found.
        UploadGone: there is none, or nothing is left of it to be written to.
    """
    if found is None:
        raise _gone()
    if found.state in ("ending", "gone"):
        raise _gone(found)
    if found.epoch != epoch:
        raise _overtaken()
    return replace(
        found, epoch=epoch + 1, holder=holder, yield_asked=False, version=found.version + 1
    )


def _overtaken() -> Overtaken:
    return Overtaken(
        "Another request has taken over this upload; ask for its offset and continue from there."
    )


def _gone(found: UploadSession | None = None) -> UploadGone:
    if found is None:
        return UploadGone("This upload is no longer known; begin a new one.")
    match found.state:
        case "done":
            return UploadGone("This upload is finished; its object is there.")
        case "completing":
            return UploadGone("This upload has all its bytes and is being finished.")
        case "failed":
            return UploadGone("This upload could not be finished; begin a new one.")
        case _:
            return UploadGone("This upload was cancelled or has expired; begin a new one.")
