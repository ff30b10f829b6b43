"""What a server offers."""

import pytest

from gateway.client.uploading.discovery import expiry, heed, number
from gateway.client.uploading.pace import Pace
from gateway.units import MiB
from tests.client.uploading.play import Server, World, broken, status


def test_limits_are_heeded_and_others_are_not() -> None:
    pace = Pace()
    heed({"upload-limit": f"max-size=7, max-append-size={MiB}, min-append-size=5"}, pace)
    assert (pace.size, pace.floor) == (MiB, 256 * 1024)
    heed({"upload-limit": "x-max-append-size=5, max-append-size=-3"}, pace)
    heed({}, pace)
    assert pace.size == MiB


@pytest.mark.parametrize("text", [None, "", "-1", "x", "1.5", "\u0663", "9" * 20])
def test_what_is_no_number_is_none(text: str | None) -> None:
    assert number(text) is None


def test_an_end_is_a_date_or_not_known() -> None:
    assert expiry({"upload-expires": "Thu, 01 Jan 1970 00:01:00 GMT"}) == 60.0
    assert expiry({"upload-expires": "soon"}) is None
    assert expiry({}) is None


def test_the_question_is_repeated_while_nobody_answers() -> None:
    world = World(Server(faults=[broken, status(503)]))
    world.run(world.upload())
    assert world.server.methods() == "OPTIONS OPTIONS OPTIONS POST PATCH HEAD"


def test_the_best_digest_that_is_offered_is_taken() -> None:
    for offered, taken in (("sha1,crc32", "sha1"), ("crc32", None)):
        world = World(Server(options={"tus-checksum-algorithm": offered}))
        world.server.checksums = True
        patched = _first_patch(world)
        assert (patched or "").partition(" ")[0] == (taken or "")


def _first_patch(world: World) -> str | None:
    def capture(server: Server, request: object, body: bytes) -> None:
        server.checksums = False

    world.server.late = [capture]
    world.run(world.upload())
    return next(r.headers.get("upload-checksum") for r in world.server.log if r.body)
