"""Opening an object: one GetObject, by the retry policy."""

from collections.abc import Awaitable

from gateway.model import Opened, RangeRequest
from gateway.storage.prompt import Begun
from gateway.storage.retry import Admission, Retrier, going_on
from gateway.transfer.placement import Placement


async def open_object(
    placement: Placement, request: RangeRequest | None, etag: str | None, retrier: Retrier
) -> Opened:
    """Open ``request`` of the version ``etag`` (None: whichever it is).

    Where the store can be asked without waiting, and answers with a success, no coroutine but this one is needed.

    Raises:
        GatewayError: as :meth:`~gateway.storage.base.ObjectStore.get`.
    """
    store, key = placement.store, placement.key
    prompt, begun = store.prompt, None
    admitted = None if prompt is None else retrier.admit_now()
    if prompt is not None and admitted is not None:
        begun = prompt.get(key, range=request, if_match=etag)
    if begun is not None and admitted is not None:
        opened = await _outcome(begun, retrier, admitted)
        if opened is not None:
            return opened

    def get() -> Awaitable[Opened]:
        return store.get(key, range=request, if_match=etag)

    attempts = get if begun is None else going_on(begun, get)
    return await retrier.call("GetObject", attempts, admitted=admitted)


async def _outcome(begun: Begun[Opened], retrier: Retrier, admitted: Admission) -> Opened | None:
    """What was opened; None: it is no success, or not yet."""
    try:
        try:
            await begun.answer
        except OSError:
            return None  # finish() says what it means
        opened = begun.outcome()
    except BaseException as error:  # a body that nobody reads would keep its connection for ever
        begun.abandon()
        retrier.settle("GetObject", admitted, error)
        raise
    if opened is not None:
        retrier.settle("GetObject", admitted, None)
    return opened
