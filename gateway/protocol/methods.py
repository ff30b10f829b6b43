"""Methods, in all dialects but those of S3 and of forms, which have rules of their own."""

from collections.abc import Sequence

from gateway.errors import MethodNotAllowed
from gateway.model import ObjectKey
from gateway.protocol.commands import Describe, RequestHead


def read_question(
    head: RequestHead, key: ObjectKey | None, methods: Sequence[str]
) -> Describe | None:
    """What OPTIONS asks; None for any other of ``methods``, which exist here.

    Raises:
        MethodNotAllowed: there is no such method here (RFC 9110, section 15.5.6).
    """
    if head.method == "OPTIONS":
        return Describe(key=key, origin=head.get(b"origin"))
    if head.method not in methods:
        raise MethodNotAllowed("There is no such method here.", allow=tuple(methods))
    return None
