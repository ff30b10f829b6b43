"""Signature Version 4 in a form's fields: what is signed is the policy document, as it stands there in base64.

Source: "Authenticating Requests in Browser-Based Uploads Using POST", Amazon S3 API reference.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.errors import (
    InvalidToken,
    MalformedCredential,
    RequestExpired,
    SignatureMismatch,
)
from gateway.protocol.signatures.presign import MAX_EXPIRES
from gateway.protocol.signatures.sigv4 import (
    ALGORITHM,
    Scope,
    read_credential,
    read_timestamp,
    signing_hash,
)

_SIGV2: Final = ("awsaccesskeyid", "signature")


@dataclass(frozen=True, slots=True, kw_only=True)
class FormClaim:
    """What a form says about its signature, checked for form, date and scope. ``policy`` is still base64."""

    key_id: str
    scope: Scope
    policy: str
    signature: str


def read_form_claim(
    fields: Mapping[str, str], *, region: str, now: float, max_skew: float
) -> FormClaim:
    """Read the claim off the fields (lower-case names). ``now`` is Unix seconds, ``max_skew`` seconds.

    A signing key is good for seven days, whatever the policy's own expiration says.

    Raises:
        MalformedCredential: a field is missing or malformed, or the signature is of version 2.
        InvalidToken: a session token was sent.
        RequestExpired: signed over seven days ago, or in the future beyond the skew.
    """
    if any(name in fields for name in _SIGV2):
        raise MalformedCredential(
            "Signature Version 2 is not taken: set the signer to version 4 (signature_version = s3v4)."
        )
    if "x-amz-security-token" in fields:
        raise InvalidToken("No key here has a session token; sign with the access key alone.")
    policy = _required(fields, "policy")
    if _required(fields, "x-amz-algorithm") != ALGORITHM:
        raise MalformedCredential(f"x-amz-algorithm must be {ALGORITHM}; no other is taken.")
    timestamp = _required(fields, "x-amz-date")
    key_id, scope = read_credential(_required(fields, "x-amz-credential"), timestamp, region)
    signed_at = read_timestamp(timestamp)
    if signed_at - now > max_skew:
        raise RequestExpired("The form is not valid yet; set the signer's clock.")
    if now > signed_at + MAX_EXPIRES:
        raise RequestExpired("The form was signed over seven days ago; make a new one.")
    return FormClaim(
        key_id=key_id,
        scope=scope,
        policy=policy,
        signature=_required(fields, "x-amz-signature"),
    )


def verify_form(claim: FormClaim, secret: str) -> None:
    """Compare the claim's signature with the one that this secret gives.

    Raises:
        SignatureMismatch: they differ.
    """
    key = signing_hash(secret, claim.scope.date, claim.scope.region, claim.scope.service)
    expected = key.hexdigest(claim.policy.encode())
    if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
        raise SignatureMismatch(
            "The signature is not the one that the policy gives with this key's secret. What is signed is"
            " the field policy as it is sent, in base64.",
            aws_access_key_id=claim.key_id,
            signature_provided=claim.signature,
        )


def _required(fields: Mapping[str, str], name: str) -> str:
    value = fields.get(name)
    if not value:
        raise MalformedCredential(f"The form lacks the field {name}.")
    return value
