"""What an authenticated request may do at most: the narrow waist between credentials and policy.

A credential identifies a principal and may narrow what this one request can do (a presigned URL its
method and key, a slot token its exact size, a JWT its prefix). Policy then decides inside that.
"""

from dataclasses import dataclass
from typing import Final

from gateway.model import Digest, Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """What the credential itself allows. None or empty: no narrowing by this field."""

    methods: frozenset[str] | None = None
    bucket: str | None = None
    #: Exact key, or a prefix that ends at a segment boundary.
    key: str | None = None
    prefix: str | None = None
    #: The body must have exactly this size (slot tokens sign it) or at most that.
    exact_size: int | None = None
    max_size: int | None = None
    #: The body must have at least this size (a form's policy may say so).
    min_size: int = 0
    content_type: str | None = None
    #: A write may never replace an object (slots are one-time).
    no_overwrite: bool = False


#: Shared by all that are not narrowed, that is by most requests.
UNCONSTRAINED: Final = Constraints()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """An authenticated request: who, by which scheme, under which policy, narrowed how.

    ``digests`` are claims about the body that the signature covers (x-amz-content-sha256); a body
    that does not match is never committed. ``signed`` is false for anonymous requests.
    """

    principal: Principal
    scheme: str
    policy: str
    constraints: Constraints = UNCONSTRAINED
    digests: tuple[Digest, ...] = ()
    signed: bool = True
