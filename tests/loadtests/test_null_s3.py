"""The null S3 is S3 enough for real clients, and as bad as it is told to be."""

import json
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from gateway.units import KiB, MiB
from loadtests.null_connection import PATTERN_SIZE
from loadtests.null_objects import KEEP
from loadtests.processes import Server, running_module
from loadtests.signing import plain
from loadtests.wire import CHUNK, Pattern, UnexpectedAnswer, Wire


def client(server: Server, **options: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{server.port}",
        aws_access_key_id="A" * 20,
        aws_secret_access_key="s" * 40,
        region_name="us-east-1",
        config=Config(
            s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, **options
        ),
    )


@pytest.fixture(scope="module")
def s3(null_s3: Server) -> Any:
    return client(null_s3)


def test_a_small_object_comes_back_as_it_was_sent(s3: Any) -> None:
    s3.put_object(
        Bucket="b", Key="a/b c", Body=b"small", ContentType="text/plain", Metadata={"x": "y"}
    )
    got = s3.get_object(Bucket="b", Key="a/b c")
    assert got["Body"].read() == b"small"
    assert (got["ContentType"], got["Metadata"]) == ("text/plain", {"x": "y"})


def test_a_large_object_keeps_its_size_and_etag(s3: Any) -> None:
    put = s3.put_object(Bucket="b", Key="large", Body=bytes(KEEP + 1))
    head = s3.head_object(Bucket="b", Key="large")
    assert (head["ContentLength"], head["ETag"]) == (KEEP + 1, put["ETag"])
    assert len(head["ETag"]) == 34
    assert len(s3.get_object(Bucket="b", Key="large")["Body"].read()) == KEEP + 1


def test_a_multipart_upload_adds_up(s3: Any) -> None:
    target = {"Bucket": "b", "Key": "parts"}
    target["UploadId"] = s3.create_multipart_upload(**target)["UploadId"]
    sizes = (5 * MiB, 100)
    etags = [
        s3.upload_part(**target, PartNumber=number, Body=bytes(size))["ETag"]
        for number, size in enumerate(sizes, 1)
    ]
    listed = s3.list_parts(**target)["Parts"]
    assert [(part["Size"], part["ETag"]) for part in listed] == list(zip(sizes, etags, strict=True))
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    done = s3.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
    assert done["ETag"].endswith('-2"')
    assert s3.head_object(Bucket="b", Key="parts")["ContentLength"] == sum(sizes)


def test_an_aborted_upload_leaves_nothing(s3: Any) -> None:
    target = {"Bucket": "b", "Key": "aborted"}
    target["UploadId"] = s3.create_multipart_upload(**target)["UploadId"]
    s3.upload_part(**target, PartNumber=1, Body=b"x")
    s3.abort_multipart_upload(**target)
    with pytest.raises(ClientError, match="NoSuchUpload"):
        s3.list_parts(**target)
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket="b", Key="aborted")


def test_a_deleted_object_is_gone_and_a_bucket_lists_the_others(s3: Any) -> None:
    for name in ("l/1st", "l/2nd", "m"):
        s3.put_object(Bucket="list", Key=name, Body=b"x")
    s3.delete_object(Bucket="list", Key="l/1st")
    listed = s3.list_objects_v2(Bucket="list", Prefix="l/")
    assert [item["Key"] for item in listed["Contents"]] == ["l/2nd"]


def test_an_object_named_by_a_number_has_that_many_bytes_and_ranges_agree_with_it(s3: Any) -> None:
    size = PATTERN_SIZE + 3 * MiB + 17
    whole = s3.get_object(Bucket="b", Key=f"x/{size}")["Body"].read()
    assert len(whole) == size
    for first, last in (
        (0, 0),
        (MiB - 1, MiB),
        (PATTERN_SIZE - 5, PATTERN_SIZE + 5),
        (size - 3, size + 9),
    ):
        got = s3.get_object(Bucket="b", Key=f"x/{size}", Range=f"bytes={first}-{last}")
        assert got["Body"].read() == whole[first : last + 1]
        assert got["ContentRange"] == f"bytes {first}-{min(last, size - 1)}/{size}"
    assert s3.get_object(Bucket="b", Key=f"x/{size}", Range="bytes=-9")["Body"].read() == whole[-9:]
    with pytest.raises(ClientError, match="InvalidRange"):
        s3.get_object(Bucket="b", Key=f"x/{size}", Range=f"bytes={size}-")


def test_chunked_bodies_are_counted_and_the_connection_goes_on(null_s3: Server) -> None:
    chunked = [(b"transfer-encoding", b"chunked")]
    pattern = Pattern()
    with Wire(null_s3.port) as wire:
        for size in (CHUNK, 40 * CHUNK):
            wire.put_chunked(plain("PUT", "/b/chunked", null_s3.port, chunked), pattern, size)
            assert wire.ask(plain("GET", "/b/chunked", null_s3.port)).size == size


def test_requests_that_come_together_are_answered_in_order(null_s3: Server) -> None:
    get = plain("GET", "/b/missing", null_s3.port)
    put = plain("PUT", "/b/here", null_s3.port, [(b"content-length", b"2")]) + b"ok"
    with Wire(null_s3.port) as wire:
        wire.ask(put + get + plain("GET", "/b/here", null_s3.port))
        wire.answered(404)
        assert wire.answered(200).body == b"ok"


def test_what_is_not_http_is_hung_up_on(null_s3: Server) -> None:
    with Wire(null_s3.port) as wire, pytest.raises(ConnectionResetError):
        wire.ask(b"nonsense\r\n\r\n")


def test_a_delay_holds_back_every_answer(folder: Path) -> None:
    with (
        running_module("null", "loadtests.null_s3", folder, "--delay", "0.1") as server,
        Wire(server.port) as wire,
    ):
        began = time.monotonic()
        for _ in range(2):
            wire.ask(plain("GET", "/b/x/10", server.port))
        assert 0.2 <= time.monotonic() - began < 3.0


def test_a_rate_holds_for_both_directions_of_a_connection(folder: Path) -> None:
    with (
        running_module("null", "loadtests.null_s3", folder, "--rate", "4MiB") as server,
        Wire(server.port) as wire,
    ):
        pattern = Pattern()
        for head, size in (
            (plain("GET", f"/b/x/{2 * MiB}", server.port), 0),
            (plain("PUT", "/b/k", server.port, [(b"content-length", b"%d" % (2 * MiB))]), 2 * MiB),
        ):
            began = time.monotonic()
            wire.put(head, pattern, size)
            assert 0.35 <= time.monotonic() - began < 3.0


def test_throttling_answers_slow_down_beyond_the_rate(folder: Path) -> None:
    with (
        running_module("null", "loadtests.null_s3", folder, "--throttle", "5") as server,
        Wire(server.port) as wire,
    ):
        statuses = []
        began = int(time.monotonic())
        for _ in range(40):
            try:
                statuses.append(wire.ask(plain("GET", "/b/x/1", server.port)).status)
            except UnexpectedAnswer as refused:
                statuses.append(int(str(refused)[:3]))
        # Five in every second that the requests touched.
        seconds = int(time.monotonic()) - began + 1
        assert 5 <= statuses.count(200) <= 5 * seconds
        assert statuses.count(503) == 40 - statuses.count(200)


def test_several_processes_share_the_port_and_each_says_at_the_end_what_it_cost(
    folder: Path,
) -> None:
    with running_module("null", "loadtests.null_s3", folder, "--processes", "2") as server:
        for _ in range(20):
            with Wire(server.port) as wire:
                assert wire.ask(plain("GET", f"/b/x/{64 * KiB}", server.port)).size == 64 * KiB
    deadline = time.monotonic() + 5
    while (told := server.log.read_text()).count("\n") < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    summaries = [json.loads(line) for line in told.splitlines()]
    assert sum(summary["requests"] for summary in summaries) == 20
    assert all(summary["CPU-s"] > 0 for summary in summaries)
