"""What is being stored: said once for all that work on one upload."""

from dataclasses import dataclass

from gateway.model import Attributes, ObjectKey, WriteCondition
from gateway.pipeline.flight import Retry
from gateway.pipeline.multipart import Multipart
from gateway.storage.base import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Undertaking:
    """An object to be made in ``store``, for ``principal``: of ``multipart``'s parts, or whole."""

    store: ObjectStore
    key: ObjectKey
    attributes: Attributes
    condition: WriteCondition
    principal: str
    multipart: Multipart
    retry: Retry
