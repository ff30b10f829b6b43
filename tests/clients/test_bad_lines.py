"""Clients of other hands, and ours, over a line that breaks at random moments and whose client moves.

Each of them finishes, and the object has the file's SHA-256. What breaks is ``loadtests.link``: connections are reset
in the middle of requests and answers, and what comes next comes from another address.
"""

import asyncio
import hashlib
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiotus
import httpx
import pytest
from tusclient import client as tus
from tusclient.exceptions import TusCommunicationError

from gateway.client import Account, Backoff, Client, Notes
from gateway.model import ObjectKey
from gateway.units import MiB
from loadtests.node import PeerMissing, script
from tests.conformance.sluice import bearer as token
from tests.servers.gateway import CONFIG, KEY_ID, SECRET, GatewayProcess, running_gateway
from tests.servers.line import Line, line

pytestmark = pytest.mark.ci
SIZE = 6 * MiB
#: Resets per MiB and seconds between moves, both on the average: a file breaks some ten times.
DROPS, MOVES, RATE = 1.2, 0.6, "4MiB"
#: How long any of them may take, in seconds; a line without breaks takes two.
PATIENCE = 60
NODE = Path(__file__).parent / "node"


def slow(case: object) -> object:
    """One that differs little from another: in ``make accept`` alone."""
    return pytest.param(case, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    config = CONFIG + '\n[transfer]\npart_size = "1MiB"\n'
    with running_gateway(tmp_path_factory.mktemp("bad-lines"), config) as process:
        yield process


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "film.bin"
    path.write_bytes(os.urandom(SIZE))
    return path


def bearer() -> dict[str, str]:
    name, value = token("public", KEY_ID)
    return {name: value}


@contextmanager
def bad(gateway: GatewayProcess, folder: Path, drops: float = DROPS) -> Iterator[Line]:
    """A bad line, which was bad: it broke, and the gateway saw its client at several addresses."""
    before = len(gateway.logs())
    with line(gateway.url, folder, drops=drops, moves=MOVES, rate=RATE) as found:
        yield found
    assert found.breaks >= 2, found.story
    seen = set(re.findall(r"127\.0\.0\.[2-5]", gateway.logs()[before:]))
    assert len(seen) >= 2, found.story


def arrived(gateway: GatewayProcess, key: str, file: Path) -> bool:
    answer = httpx.get(f"{gateway.url}/public/{key}")
    assert answer.status_code == 200, answer.text
    return hashlib.sha256(answer.content).digest() == hashlib.sha256(file.read_bytes()).digest()


def insist(step: Callable[[], object], *broken: type[Exception]) -> None:
    """Do a step until the line lets it through, as a program around a client without patience would."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            step()
        except broken:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


# ---------------------------------------------------------------------------- Python


@pytest.mark.parametrize("checksums", [True, slow(False)])
def test_tuspy_arrives(
    gateway: GatewayProcess, file: Path, tmp_path: Path, checksums: bool
) -> None:
    key = f"tuspy-{checksums}.bin"
    with bad(gateway, tmp_path) as road, file.open("rb") as body:
        my = tus.TusClient(f"{road.url}/-/uploads/public", headers=bearer())
        uploader = my.uploader(
            file_stream=body,
            chunk_size=700_000,
            metadata={"filename": key},
            retries=100,
            retry_delay=0.05,
            upload_checksum=checksums,
        )
        # Its first request it sends once only.
        insist(
            lambda: uploader.set_url(uploader.create_url()),
            TusCommunicationError,
        )
        uploader.upload()
    assert arrived(gateway, key, file)


@pytest.mark.parametrize("chunk", [300_000, slow(1_000_000)])
def test_aiotus_arrives(gateway: GatewayProcess, file: Path, tmp_path: Path, chunk: int) -> None:
    key = f"aiotus-{chunk}.bin"

    async def upload(url: str) -> object:
        patience = aiotus.RetryConfiguration(retry_attempts=100, max_retry_period_seconds=0.2)
        with file.open("rb") as body:
            return await aiotus.upload(
                f"{url}/-/uploads/public",
                body,
                {"filename": key.encode()},
                headers=bearer(),
                config=patience,
                chunksize=chunk,
            )

    with bad(gateway, tmp_path) as road:
        assert asyncio.run(upload(road.url))
    assert arrived(gateway, key, file)


@pytest.mark.parametrize("parallel", [slow(1), 3])
def test_our_python_client_arrives(
    gateway: GatewayProcess, file: Path, tmp_path: Path, parallel: int
) -> None:
    key = ObjectKey("public", f"gateway-client-{parallel}.bin")
    with bad(gateway, tmp_path) as road:
        account = Account(endpoint=road.url, access_key_id=KEY_ID, secret=SECRET)
        backoff = Backoff(attempts=100, base=0.05, cap=0.2)
        notes = Notes(tmp_path / "notes")
        with Client(account, backoff=backoff, resumable_from=MiB, notes=notes) as client:
            client.put(file, key, parallel=parallel)
    assert arrived(gateway, key.name, file)


# ---------------------------------------------------------------------------- curl


class Curl:
    """The IETF protocol as a script would speak it; ``draft`` is the interop version."""

    def __init__(self, folder: Path, draft: int) -> None:
        self._heads = folder / "heads"
        self._draft = draft
        #: What says that a request is the last one, or that an upload is complete.
        self.last = "Upload-Incomplete: ?0" if draft == 3 else "Upload-Complete: ?1"
        self.kind = ["--header", "Content-Type: application/partial-upload"] if draft >= 6 else []

    def __call__(self, *arguments: str, body: bytes | None = None) -> bool:
        """Whether a final answer came, and said that the upload is complete; its head is looked at by :meth:`told`."""
        self._heads.write_bytes(b"")
        command = [
            "curl", "--silent", "--max-time", "20", "--output", "/dev/null", "--dump-header", str(self._heads),
            "--header", f"Upload-Draft-Interop-Version: {self._draft}", "--header", "Expect:", *arguments,
        ]  # fmt: skip
        subprocess.run(command, input=body, check=False)
        heads = self._heads.read_text()
        final = re.findall(r"(?m)^HTTP/1\.1 ([2-5]\d\d)", heads)
        assert all(status < "300" or status in ("409", "423", "503") for status in final), heads
        return bool(final) and final[-1] < "300" and self.last.lower() in heads.lower()

    def told(self, name: str) -> str | None:
        """A header of what was answered last, the interim answers included."""
        found = re.findall(rf"(?im)^{name}: *(.*?)\r?$", self._heads.read_text())
        return found[0] if found else None


@pytest.mark.parametrize("draft", [8, slow(6), slow(5), 3])
def test_curl_arrives_in_the_ietf_protocol(
    gateway: GatewayProcess, file: Path, tmp_path: Path, draft: int
) -> None:
    """All in one request; when it breaks, the 104 has told where the rest goes."""
    key = f"curl-{draft}.bin"
    whole = file.read_bytes()
    curl = Curl(tmp_path, draft)
    credential = ["--header", ": ".join(token("public", KEY_ID))]
    deadline = time.monotonic() + PATIENCE
    appended = 0
    with bad(gateway, tmp_path) as road:
        ends = ["--header", curl.last]
        place, done = None, False
        while place is None and not done:
            assert time.monotonic() < deadline
            target = f"{road.url}/public/{key}"
            done = curl("--upload-file", str(file), *ends, *credential, target)
            place = curl.told("location")
        url = road.url + urlsplit(place or "").path
        while not done and not (done := curl("--head", url)):
            assert time.monotonic() < deadline
            if (at := curl.told("upload-offset")) is not None:
                more = ["--request", "PATCH", "--upload-file", "-", *ends, *curl.kind]
                done = curl(*more, "--header", f"Upload-Offset: {at}", url, body=whole[int(at) :])
                appended += 1
    assert appended > 0
    assert arrived(gateway, key, file)


# ---------------------------------------------------------------------------- Node


def tus_js(**options: object) -> "subprocess.Popen[str]":
    """tus-js-client uploads a file; see ``node/upload.mjs``."""
    try:
        program = script(NODE / "upload.mjs")
    except PeerMissing as error:
        pytest.skip(str(error))
    return subprocess.Popen(
        ["node", str(program), json.dumps(options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.node
@pytest.mark.parametrize("protocol", ["tus-v1", "ietf-draft-03", "ietf-draft-05"])
@pytest.mark.parametrize("chunk", [MiB, slow(16 * MiB)])
def test_tus_js_client_arrives_on_node(
    gateway: GatewayProcess, file: Path, tmp_path: Path, protocol: str, chunk: int
) -> None:
    key = f"node-{protocol}-{chunk}.bin"
    with bad(gateway, tmp_path) as road:
        endpoint = f"{road.url}/-/uploads/public/{key}"
        told = {"protocol": protocol, "chunkSize": chunk, "headers": bearer()}
        out, err = tus_js(file=str(file), endpoint=endpoint, **told).communicate(timeout=PATIENCE)
    assert json.loads(out.splitlines()[-1])["retries"] > 0, err
    assert arrived(gateway, key, file)


@pytest.mark.node
def test_tus_js_client_goes_on_in_another_process(
    gateway: GatewayProcess, file: Path, tmp_path: Path
) -> None:
    key = "node-killed.bin"
    with bad(gateway, tmp_path) as road:
        endpoint = f"{road.url}/-/uploads/public/{key}"
        told = {"protocol": "tus-v1", "chunkSize": 500_000, "headers": bearer()}
        told |= {"file": str(file), "endpoint": endpoint, "store": str(tmp_path / "store.json")}
        first = tus_js(**told)
        assert first.stdout is not None
        kept = [json.loads(first.stdout.readline())["accepted"] for _ in range(3)][-1]
        first.kill()
        first.communicate(timeout=PATIENCE)
        out, err = tus_js(**told).communicate(timeout=PATIENCE)
    went_on = [json.loads(row)["accepted"] for row in out.splitlines() if "accepted" in row]
    assert went_on[0] > kept, err
    assert "POST" not in err
    assert arrived(gateway, key, file)
