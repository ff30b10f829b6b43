"""Each check of the draft's suite can fail: asked of a server that is wrong in one way."""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from tests.conformance import sluice
from tests.conformance.checks import Status
from tests.conformance.rufh import SUITE, DraftTarget
from tests.conformance.tampering import Flaw, tampering
from tests.conformance.tus.runner import one
from tests.conformance.tus.trial import MiB, Options

pytestmark = [pytest.mark.ci, pytest.mark.timeout(300)]

#: What is wrong, and the items that find it.
FLAWS = {
    "no limits": (Flaw(rb"upload-limit:", b"x-limit:"), {4, 5, 6, 7, 13, 26, 27}),
    "unknown limits": (Flaw(rb"max-age=", b"oldest="), {4}),
    "complete too early": (Flaw(rb"complete: \?0", b"complete: ?1"), {13, 17, 22, 33, 35, 39, 41}),
    "never complete": (Flaw(rb"complete: \?1", b"complete: ?0"), {10, 19, 32, 34, 40}),
    "another offset": (Flaw(rb"upload-offset: ", b"upload-offset: 9"), {1, 2, 3, 14, 26, 30, 33}),
    "no 104": (Flaw(rb"HTTP/1.1 104", b"HTTP/1.1 103"), {11, 16, 23, 43}),
    "104 with another Location": (Flaw(rb"(\A\S+ 104 .*\nlocation: \S+)", rb"\1x"), {15}),
    "104 with Location again and again": (
        Flaw(rb"(\A\S+ 104 .*\n)(upload-offset)", rb"\1location: /x\r\n\2"),
        {43},
    ),
    "104 for everybody": (Flaw(rb"interop-version: 2", b"interop-version: 8", True), {12}),
    "no Location": (Flaw(rb"location:", b"x-location:"), {11, 13, 20, 22}),
    "500 for 400": (Flaw(rb"HTTP/1.1 400", b"HTTP/1.1 500"), {1, 2, 17, 36, 39}),
    "200 for 409": (Flaw(rb"HTTP/1.1 409", b"HTTP/1.1 200"), {35, 44}),
    "200 for 415": (Flaw(rb"HTTP/1.1 415", b"HTTP/1.1 200"), {37}),
    "201 for 413": (Flaw(rb"HTTP/1.1 413", b"HTTP/1.1 201"), {18}),
    "413 for 201": (Flaw(rb"HTTP/1.1 201", b"HTTP/1.1 413"), {19, 42}),
    "200 for 404 and 410": (Flaw(rb"HTTP/1.1 4(04|10)", b"HTTP/1.1 200"), {29, 38, 45}),
    "404 for 204": (Flaw(rb"1.1 204[^\r]*", b"1.1 404 No\r\ncontent-length: 0"), {5, 7, 26, 33}),
    "a redirect": (Flaw(rb"1.1 204[^\r]*", b"1.1 301 No\r\ncontent-length: 0"), {28}),
    "caches": (Flaw(rb"no-store", b"max-age=9"), {26, 27}),
    "a lifetime that stands still": (Flaw(rb"max-age=\d+", b"max-age=5"), {31}),
    "a limit that shrinks": (Flaw(rb"(\A\S+ 201 .*max-size=)\d+", rb"\g<1>5"), {8}),
    "no length": (Flaw(rb"upload-length:", b"x-length:"), {20, 26}),
    "another Accept-Patch": (
        Flaw(rb"upload-limit:", b"accept-patch: text/plain\r\nupload-limit:"),
        {9},
    ),
    "an offset on plain answers": (Flaw(rb"etag:", b"upload-offset: 0\r\netag:"), {21}),
    "another file name": (Flaw(rb'filename="tus', b'filename="other', True), {24}),
    "another type": (Flaw(rb"text/x-of-the-object", b"text/plain"), {25}),
    "digests unread": (Flaw(rb"\n(content|repr)-digest:", rb"\nx-digest:", True), {46}),
}


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Options]:
    with sluice.embedded(tmp_path_factory.mktemp("flawed")) as options:
        yield replace(sluice.objects(options), patience=2, large=9 * MiB)


def test_every_check_can_fail() -> None:
    assert set().union(*(found for _, found in FLAWS.values())) == set(range(1, 47))


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flaw_is_found(options: Options, flaw: str) -> None:
    change, numbers = FLAWS[flaw]
    port = urlsplit(options.url).port
    assert port is not None
    with tampering(port, change) as other:
        there, here = f":{port}/", f":{other}/"
        flawed = replace(
            options,
            url=options.url.replace(there, here),
            download_url=(options.download_url or "").replace(there, here),
        )
        target = DraftTarget(flawed, method="PUT")
        results = {number: one(target, SUITE.checks[f"R{number}"]) for number in numbers}
    missed = {number for number, result in results.items() if result.status is not Status.FAIL}
    assert missed == set(), {number: results[number].seen for number in missed}
