"""Signatures of forms, held against botocore's."""

import time

import pytest

from gateway.errors import (
    GatewayError,
    InvalidToken,
    MalformedCredential,
    RequestExpired,
    SignatureMismatch,
)
from gateway.protocol.signatures.post_form import FormClaim, read_form_claim, verify_form
from tests.protocol.signatures.wire import KEY_ID, REGION, SECRET, botocore_post

DAY = 86_400


def fields() -> dict[str, str]:
    signed = botocore_post("photos", "a.txt")
    return {name.lower(): value for name, value in signed.items()}


def claim(sent: dict[str, str], *, after: float = 0) -> FormClaim:
    return read_form_claim(sent, region=REGION, now=time.time() + after, max_skew=900)


def test_what_botocore_signs_holds() -> None:
    found = claim(fields())
    assert found.key_id == KEY_ID
    verify_form(found, SECRET)


@pytest.mark.parametrize("name", ["policy", "x-amz-signature"])
def test_case_83_a_changed_policy_or_signature_is_refused(name: str) -> None:
    sent = fields()
    with pytest.raises(SignatureMismatch) as caught:
        verify_form(claim(sent | {name: sent[name][:-2] + "00"}), SECRET)
    assert caught.value.members["aws_access_key_id"] == KEY_ID
    with pytest.raises(SignatureMismatch):
        verify_form(claim(sent | {"x-amz-signature": "ü"}), SECRET)
    with pytest.raises(SignatureMismatch):
        verify_form(claim(sent), SECRET + "x")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"policy": ""}, MalformedCredential),
        ({"x-amz-signature": ""}, MalformedCredential),
        ({"x-amz-algorithm": "AWS4-HMAC-SHA1"}, MalformedCredential),
        ({"x-amz-date": "yesterday"}, MalformedCredential),
        ({"x-amz-date": ""}, MalformedCredential),
        ({"x-amz-credential": "a/b"}, MalformedCredential),
        ({"x-amz-credential": ""}, MalformedCredential),
        ({"awsaccesskeyid": KEY_ID}, MalformedCredential),
        ({"signature": "x"}, MalformedCredential),
        ({"x-amz-security-token": "x"}, InvalidToken),
    ],
)
def test_a_credential_that_is_not_whole_is_refused(
    changed: dict[str, str], error: type[GatewayError]
) -> None:
    with pytest.raises(error):
        claim(fields() | changed)


def test_a_form_is_good_from_its_date_for_seven_days() -> None:
    sent = fields()
    claim(sent, after=-890)
    claim(sent, after=7 * DAY - 10)
    for wrong in (-910, 7 * DAY + 10):
        with pytest.raises(RequestExpired):
            claim(sent, after=wrong)
