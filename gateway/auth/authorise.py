"""The one place that says yes or no: what the credential allows, and inside that, what the policy does."""

from dataclasses import replace
from typing import Final, assert_never

from gateway.auth.grant import UNCONSTRAINED, Constraints, Grant
from gateway.auth.policy import UNTYPED, AccessRequest, Area, Decision, Policy
from gateway.errors import Forbidden, LengthRequired, TooLarge, UnsupportedMediaType
from gateway.model import Action, ObjectKey
from gateway.protocol.commands import Command, DeleteObject, Describe, GetObject, PutObject
from gateway.protocol.upload_commands import CreateUpload, JoinUploads, PutChunk, UploadCommand
from gateway.units import format_size

_ACTIONS: Final[dict[type, Action]] = {
    PutObject: "write",
    GetObject: "read",
    DeleteObject: "delete",
}


def access(grant: Grant, command: Command) -> AccessRequest | None:
    """What a command wants to do; None for those that touch no object (OPTIONS)."""
    match command:
        case PutObject():
            return access_to(
                grant,
                "write",
                command.key,
                size=command.length,
                content_type=command.attributes.content_type,
            )
        case GetObject():
            return access_to(grant, "read", command.key)
        case DeleteObject():
            return access_to(grant, "delete", command.key)
        case Describe():
            return None
        case _:
            assert_never(command)


def upload_access(grant: Grant, command: UploadCommand) -> AccessRequest | None:
    """What a command about an upload wants to do; None where the upload itself says who may: one that is named
    by its client belongs to its principal, one that is named by its URL to who has that."""
    match command:
        case CreateUpload():
            size, attributes = command.length, command.attributes
        case PutChunk():
            size, attributes = command.total, command.attributes
        case JoinUploads():
            size, attributes = None, command.attributes
        case _:
            return None
    return access_to(grant, "write", command.key, size=size, content_type=attributes.content_type)


def access_to(
    grant: Grant,
    action: Action,
    key: ObjectKey,
    *,
    size: int | None = None,
    content_type: str | None = None,
) -> AccessRequest:
    """An access by whoever holds the grant. Without a signature there is no principal to speak of."""
    return AccessRequest(
        action=action,
        key=key,
        principal=grant.principal.id if grant.signed else None,
        size=size,
        content_type=content_type,
    )


def authorise(grant: Grant, policy: Policy, method: str, request: AccessRequest) -> Decision:
    """Allow a request, or raise. Of both limits on size the smaller one holds, and either may forbid to replace.

    ``method`` is the HTTP method as sent. The right to the object is looked at before its size and type, so that a
    refused request learns nothing about limits.

    Raises:
        Forbidden: the credential is for another method, bucket or key, or no rule of the policy covers it.
        UnsupportedMediaType: the content type is not among the policy's, or not the credential's.
        TooLarge: over a limit, or not of the size that the credential was made for.
        LengthRequired: the credential fixes the size, and the request does not tell its own.
    """
    constraints = grant.constraints
    check_scope(constraints, method, request.key)
    decision = policy.decide(request)
    if not decision.allowed:
        raise _refused(policy, decision, request)
    if request.action != "write":
        return decision
    _check_body(constraints, request)
    if constraints is UNCONSTRAINED:
        return decision
    limits = [
        limit
        for limit in (decision.max_size, constraints.max_size, constraints.exact_size)
        if limit is not None
    ]
    return replace(
        decision,
        max_size=min(limits, default=None),
        overwrite=decision.overwrite and not constraints.no_overwrite,
    )


def authorise_again(grant: Grant, policy: Policy, command: Command) -> Decision | None:
    """What :func:`authorise` said of the like of a command, where it depends on nothing but the action and the
    bucket; None: it has to be asked."""
    action = None if grant.constraints is not UNCONSTRAINED else _ACTIONS.get(type(command))
    if action is None or command.key is None:
        return None
    return policy.standing(action, command.key.bucket)


def may_list(grant: Grant, policy: Policy, key: ObjectKey) -> bool:
    """Whether somebody may know that an object is missing: without it, 404 becomes 403 (security case 90)."""
    return policy.decide(access_to(grant, "list", key)).allowed


def check_scope(constraints: Constraints, method: str, key: ObjectKey) -> None:
    """Hold a request to what its credential is for.

    Raises:
        Forbidden: it is for another method, bucket or key.
    """
    if constraints.methods is not None and method not in constraints.methods:
        raise Forbidden(f"This credential is not for {method} requests.")
    if constraints.bucket is not None and key.bucket != constraints.bucket:
        raise Forbidden("This credential is for another bucket.")
    if constraints.key is not None and key.name != constraints.key:
        raise Forbidden("This credential is for another object.")
    if constraints.prefix and not Area(constraints.prefix, segments=True).holds(key.name, None):
        raise Forbidden("This credential is for objects under another prefix.")


def _check_body(constraints: Constraints, request: AccessRequest) -> None:
    wanted = constraints.content_type
    if wanted is not None and (request.content_type or UNTYPED) != wanted:
        raise UnsupportedMediaType(
            f"This credential is for a body of type {wanted}; send exactly that Content-Type."
        )
    if constraints.exact_size is not None:
        if request.size is None:
            raise LengthRequired(
                "This credential is for a body of a fixed size; send a Content-Length."
            )
        if request.size != constraints.exact_size:
            raise TooLarge(
                f"This credential is for a body of {constraints.exact_size} bytes, not {request.size}."
            )
    limit = constraints.max_size
    if limit is not None and request.size is not None and request.size > limit:
        raise TooLarge(f"This credential is for a body of at most {limit} bytes.", max_size=limit)


def _refused(
    policy: Policy, decision: Decision, request: AccessRequest
) -> Forbidden | TooLarge | UnsupportedMediaType:
    """The error for the client. Where the rules stand is for the operator: ``decision.reason``."""
    match decision.refusal:
        case "too-large" if decision.max_size is not None:
            return TooLarge(
                f"At most {format_size(decision.max_size)} may be written here.",
                max_size=decision.max_size,
            )
        case "media-type":
            return UnsupportedMediaType(
                f"Content of type {request.content_type or UNTYPED} may not be written here."
            )
        case _:
            return Forbidden(
                f"The policy {policy.name!r} does not let you {request.action} {request.key}. "
                "`sluice policy explain` tells its operator why."
            )
