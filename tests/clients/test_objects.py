"""Objects from outside: boto3 and plain HTTP against one gateway, with its embedded store."""

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.servers.gateway import KEY_ID, SECRET, GatewayProcess, running_gateway

BUCKET = "public"
ODD_KEY = "a/ü b+c%25/..//\N{SNOWMAN}.txt"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with running_gateway(tmp_path_factory.mktemp("objects")) as process:
        yield process


@pytest.fixture(scope="module")
def s3(gateway: GatewayProcess) -> Any:
    """boto3 as it comes: checksums whenever the operation supports them."""
    return boto3.client(
        "s3",
        endpoint_url=gateway.url,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}),
    )


@pytest.fixture(scope="module")
def http(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url) as client:
        yield client


def refused(call: Callable[[], Any]) -> tuple[int, str]:
    """Status and code of an S3 call that fails."""
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_what_boto3_stores_comes_back_with_all_that_was_said_about_it(s3: Any) -> None:
    said = {
        "ContentType": "image/png",
        "CacheControl": "max-age=5",
        "ContentLanguage": "de",
        "ContentEncoding": "gzip",
        "Metadata": {"mtime": "1.5"},
    }
    stored = s3.put_object(Bucket=BUCKET, Key=ODD_KEY, Body=b"hello world", **said)
    found = s3.get_object(Bucket=BUCKET, Key=ODD_KEY)
    assert found["Body"].read() == b"hello world"
    assert found["ETag"] == stored["ETag"]
    assert {name: found[name] for name in said} == said
    head = s3.head_object(Bucket=BUCKET, Key=ODD_KEY)
    assert {name: head[name] for name in said} == said
    assert head["ContentLength"] == 11


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_every_checksum_of_boto3_is_verified_and_told_alone(s3: Any, algorithm: str) -> None:
    answer = s3.put_object(Bucket=BUCKET, Key="sum", Body=b"x", ChecksumAlgorithm=algorithm)
    told = [name for name in answer if name.startswith("Checksum") and name != "ChecksumType"]
    assert told == [f"Checksum{algorithm}"]


def test_case_28_and_45_a_wrong_checksum_is_refused_and_nothing_stored(s3: Any) -> None:
    put = {"Bucket": BUCKET, "Key": "wrong", "Body": b"x", "ChecksumCRC32": "AAAAAA=="}
    assert refused(lambda: s3.put_object(**put)) == (400, "BadDigest")
    assert refused(lambda: s3.get_object(Bucket=BUCKET, Key="wrong")) == (404, "NoSuchKey")


def test_a_ranged_get_with_if_match_is_of_one_version(s3: Any) -> None:
    etag = s3.put_object(Bucket=BUCKET, Key="part", Body=b"0123456789")["ETag"]
    part = s3.get_object(Bucket=BUCKET, Key="part", Range="bytes=7-", IfMatch=etag)
    assert (part["Body"].read(), part["ContentRange"]) == (b"789", "bytes 7-9/10")
    s3.put_object(Bucket=BUCKET, Key="part", Body=b"9876543210!")
    ranged = {"Bucket": BUCKET, "Key": "part", "Range": "bytes=0-1", "IfMatch": etag}
    assert refused(lambda: s3.get_object(**ranged)) == (412, "PreconditionFailed")


def test_if_none_match_star_never_replaces(s3: Any) -> None:
    put = {"Bucket": BUCKET, "Key": "once", "Body": b"1", "IfNoneMatch": "*"}
    s3.put_object(**put)
    assert refused(lambda: s3.put_object(**put)) == (412, "PreconditionFailed")
    assert refused(lambda: s3.put_object(Bucket=BUCKET, Key="once", Body=b"2", IfMatch='"x"')) == (
        412,
        "PreconditionFailed",
    )


@pytest.mark.parametrize(
    ("operation", "arguments", "answer"),
    [
        ("get_object", {"Key": "nothing-here"}, (404, "NoSuchKey")),
        ("head_object", {"Key": "nothing-here"}, (404, "404")),
        ("get_object", {"Key": "part", "Range": "bytes=99-"}, (416, "InvalidRange")),
        ("get_object", {"Key": "part", "PartNumber": 1}, (501, "NotImplemented")),
        ("get_object_tagging", {"Key": "part"}, (501, "NotImplemented")),
        ("list_objects_v2", {}, (501, "NotImplemented")),
        ("put_object", {"Key": "k", "ACL": "public-read"}, (501, "NotImplemented")),
        ("put_object", {"Key": "k", "Metadata": {"a": "x" * 2100}}, (400, "MetadataTooLarge")),
        ("put_object", {"Key": "a\x01b"}, (400, "InvalidURI")),
        ("put_object", {"Key": "k" * 1025}, (400, "KeyTooLongError")),
        (
            "copy_object",
            {"Key": "k", "CopySource": {"Bucket": BUCKET, "Key": "part"}},
            (501, "NotImplemented"),
        ),
    ],
)
def test_refusals_are_those_that_sdks_know(
    s3: Any, operation: str, arguments: dict[str, Any], answer: tuple[int, str]
) -> None:
    s3.put_object(Bucket=BUCKET, Key="part", Body=b"0123456789")
    assert refused(lambda: getattr(s3, operation)(Bucket=BUCKET, **arguments)) == answer


def test_deleting_is_204_also_when_nothing_was_there(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="gone", Body=b"x")
    for _ in range(2):
        answer = s3.delete_object(Bucket=BUCKET, Key="gone")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(lambda: s3.head_object(Bucket=BUCKET, Key="gone")) == (404, "404")


def test_case_29_a_signed_url_sets_response_headers_and_no_other_does(
    gateway: GatewayProcess, s3: Any, http: httpx.Client
) -> None:
    s3.put_object(Bucket=BUCKET, Key="shown", Body=b"x", ContentType="text/html")
    signed = gateway.presign(
        "GET",
        BUCKET,
        "shown",
        ResponseContentType="text/plain",
        ResponseContentDisposition='inline; filename="n.txt"',
    )
    answer = httpx.get(signed)
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["content-disposition"] == 'inline; filename="n.txt"'
    unsigned = http.get(
        f"/{BUCKET}/shown?response-content-type=text/plain", headers={"x-amz-date": "d"}
    )
    assert unsigned.status_code == 400
    assert "<Code>InvalidRequest</Code>" in unsigned.text
    assert http.get(f"/{BUCKET}/shown?response-content-type=text/plain").status_code == 400
    assert http.get(f"/{BUCKET}/shown?type=text/plain").headers["content-type"] == "text/html"


def test_case_86_active_content_is_an_attachment_in_a_sandbox(s3: Any, http: httpx.Client) -> None:
    s3.put_object(Bucket=BUCKET, Key="a/evil.svg", Body=b"<svg/>", ContentType="image/svg+xml")
    answer = http.get(f"/{BUCKET}/a/evil.svg")
    assert answer.headers["content-disposition"] == 'attachment; filename="evil.svg"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


def test_case_89_an_answer_to_a_signature_is_private(gateway: GatewayProcess, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="mine", Body=b"x")
    answer = httpx.get(gateway.presign("GET", BUCKET, "mine"))
    assert answer.headers["cache-control"] == "private"
    assert "Authorization" in answer.headers["vary"]


def test_case_87_an_error_of_a_listed_origin_can_be_read_by_its_page(http: httpx.Client) -> None:
    listed = http.put(f"/{BUCKET}/x", headers={"Origin": "https://app.example.org"})
    assert listed.status_code == 403
    assert listed.headers["access-control-allow-origin"] == "https://app.example.org"
    other = http.put(f"/{BUCKET}/x", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
    assert other.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/public/%ff?X-Amz-Signature=0", "InvalidURI"),
        ("/Public/x?X-Amz-Signature=0", "InvalidBucketName"),
        (f"/public/{'k' * 1025}?X-Amz-Signature=0", "KeyTooLongError"),
    ],
)
def test_case_62_64_65_what_names_nothing_is_refused_as_s3_does(
    http: httpx.Client, path: str, code: str
) -> None:
    answer = http.get(path)
    assert answer.status_code == 400
    assert f"<Code>{code}</Code>" in answer.text
    assert f"<RequestId>{answer.headers['x-amz-request-id']}</RequestId>" in answer.text


def test_case_47_a_digest_is_verified_before_anything_is_stored(
    gateway: GatewayProcess, s3: Any
) -> None:
    url = gateway.presign("PUT", BUCKET, "digested")
    right = b64encode(hashlib.sha256(b"body").digest()).decode()
    for field, status in ((f"sha-256=:{right}:", 200), (f"sha-256=:{right[::-1]}:", 400)):
        assert httpx.put(url, content=b"body", headers={"Repr-Digest": field}).status_code == status
    wrong = b64encode(bytes(32)).decode()
    put = gateway.presign("PUT", BUCKET, "undigested")
    answer = httpx.put(put, content=b"body", headers={"Content-Digest": f"sha-256=:{wrong}:"})
    assert (answer.status_code, "<Code>BadDigest</Code>" in answer.text) == (400, True)
    assert refused(lambda: s3.head_object(Bucket=BUCKET, Key="undigested"))[0] == 404


def test_a_chunked_upload_of_unknown_length_is_stored_whole(
    gateway: GatewayProcess, http: httpx.Client
) -> None:
    pieces = [bytes([i]) * 10_000 for i in range(30)]
    answer = httpx.put(gateway.presign("PUT", BUCKET, "chunked"), content=iter(pieces))
    assert answer.status_code == 200
    assert http.get(f"/{BUCKET}/chunked").content == b"".join(pieces)
