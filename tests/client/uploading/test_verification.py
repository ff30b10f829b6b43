"""Is the object the file?"""

import pytest

from gateway.client import Corrupt, Refused
from gateway.client.uploading.job import DIGEST_HEADER
from tests.client.uploading.play import (
    BODY,
    Server,
    World,
    repr_digest,
    status,
    unheard,
    well,
)

TO_HEAD = [well, well]


def run(server: Server) -> str:
    world = World(server)
    how: str = world.run(world.upload()).verified_by
    return how


def test_the_servers_own_digest_is_compared() -> None:
    assert run(Server(shown={"repr-digest": repr_digest(BODY)})) == "sha-256"
    with pytest.raises(Corrupt, match="does not have the SHA-256"):
        run(Server(shown={"repr-digest": repr_digest(b"other")}))


def test_a_digest_that_can_not_be_read_is_none() -> None:
    assert run(Server(shown={"repr-digest": "sha-256=:A:"})) == "chunks"


def test_without_any_digest_the_object_is_read_back() -> None:
    assert run(Server(checksums=False)) == "reading"


def test_what_is_read_back_and_other_is_told() -> None:
    def swapped(server: Server, *rest: object) -> None:
        server.object = bytes(len(BODY))

    with pytest.raises(Corrupt, match="does not have the SHA-256"):
        run(Server(checksums=False, faults=[*TO_HEAD, swapped]))


def test_what_can_not_be_read_back_is_told() -> None:
    with pytest.raises(Corrupt, match="could not be verified .403"):
        run(Server(checksums=False, faults=[*TO_HEAD, well, status(403)]))


@pytest.mark.parametrize("code", [401, 403])
def test_who_may_only_write_relies_on_the_chunks(code: int) -> None:
    assert run(Server(faults=[*TO_HEAD, status(code)])) == "chunks"


def test_who_may_only_write_has_a_lost_answer_asked_for_again() -> None:
    server = Server(late=[unheard], faults=[*TO_HEAD, well, status(403), well, status(403)])
    assert run(server) == "chunks"
    assert server.methods() == "OPTIONS POST PATCH HEAD HEAD PATCH HEAD"


def test_an_object_that_is_not_there_is_told() -> None:
    with pytest.raises(Corrupt, match="is not there"):
        run(Server(publishes=False))


def test_another_size_or_digest_is_another_object() -> None:
    for shown in ({"content-length": "7"}, {DIGEST_HEADER: "00"}):
        with pytest.raises(Corrupt, match="another object is there"):
            run(Server(shown=shown))


def test_a_refused_look_is_told() -> None:
    with pytest.raises(Refused, match="400"):
        run(Server(faults=[*TO_HEAD, status(400)]))
