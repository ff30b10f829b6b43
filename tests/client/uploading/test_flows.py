"""Which way an upload goes, and what becomes of what was begun."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.client import Corrupt, FileTrouble, Interrupted, Refused, TransferFailed
from gateway.client.uploading.record import Record
from tests.client.uploading.play import (
    BODY,
    CHUNKED,
    FILE,
    SHA256,
    Fault,
    Server,
    World,
    begun,
    broken,
    record,
    status,
    unheard,
    well,
)


def test_a_small_file_is_one_put_and_nothing_is_written_down() -> None:
    world = World()
    done = world.run(world.upload(resumable_from=len(BODY) + 1))
    assert world.server.methods() == "PUT"
    assert (world.server.object, world.saved) == (BODY, [])
    assert (done.verified_by, done.sha256) == ("signature", SHA256)


def test_a_large_file_goes_over_tus_and_is_forgotten_at_the_end() -> None:
    world = World()
    done = world.run(world.upload())
    assert world.server.object == BODY
    assert world.server.methods() == "OPTIONS POST PATCH HEAD"
    first, second, last = world.saved
    assert first is not None
    assert second is not None
    assert (first.location, second.location) == ("", "/-/uploads/id.mac")
    assert last is None
    assert (done.etag, done.verified_by, done.continued_from) == ("e", "chunks", 0)
    assert (world.shown[0], world.shown[-1]) == (0, len(BODY))


@pytest.mark.parametrize("options", [{"tus_version": "0.2"}, {"tus_extension": "checksum"}])
def test_a_server_that_can_not_continue_uploads_gets_a_put(options: dict[str, str]) -> None:
    world = World(Server(faults=[status(204, **options)]))
    world.run(world.upload())
    assert world.server.methods() == "OPTIONS PUT"
    assert world.server.object == BODY


def test_what_is_too_large_for_uploads_is_refused_as_a_put() -> None:
    world = World(Server(options={"tus-max-size": "10"}))
    world.run(world.upload())
    assert world.server.methods() == "OPTIONS PUT"


def test_an_upload_goes_on_where_it_was_without_reading_the_file_again() -> None:
    world = World()
    begun(world.server, 1_000_000)
    done = world.run(world.upload(record()))
    assert world.server.object == BODY
    assert world.server.methods() == "OPTIONS HEAD PATCH HEAD"
    assert done.continued_from == 1_000_000
    assert world.server.log[2].headers["upload-offset"] == "1000000"


@pytest.mark.parametrize(
    "old",
    [record(file=replace(FILE, modified=2)), record(content_type="c/d")],
)
def test_another_file_or_type_begins_anew_and_the_old_upload_is_cancelled(old: Record) -> None:
    world = World()
    begun(world.server, 1_000_000)
    world.run(world.upload(old))
    assert world.server.methods() == "DELETE OPTIONS POST PATCH HEAD"
    assert world.server.object == BODY


def test_an_old_chunked_upload_is_cancelled_in_its_own_way() -> None:
    world = World()
    old = record(kind="chunked", location=CHUNKED, file=replace(FILE, inode=2))
    world.run(world.upload(old))
    first = world.server.log[0]
    assert (first.method, first.headers) == ("DELETE", {"x-upload-session-id": "s"})
    assert first.payload is not None


def test_what_was_only_about_to_begin_is_simply_forgotten() -> None:
    world = World()
    world.run(world.upload(record(location="", file=replace(FILE, inode=2))))
    assert world.server.methods() == "OPTIONS POST PATCH HEAD"


def test_a_creation_whose_answer_was_lost_is_asked_for_by_the_same_name() -> None:
    world = World(Server(faults=[well, unheard]))
    world.run(world.upload())
    posts = [request for request in world.server.log if request.method == "POST"]
    assert len({post.headers["idempotency-key"] for post in posts}) == 1
    assert len(posts) == 2


@pytest.mark.parametrize("code", [404, 410])
def test_an_upload_that_the_server_lost_begins_anew(code: int) -> None:
    world = World(Server(late=[status(code)]))
    world.run(world.upload())
    assert world.server.made == 2
    assert world.server.object == BODY
    assert len({each.session for each in world.saved if each is not None}) == 2


def test_a_server_that_loses_every_upload_is_told() -> None:
    world = World(Server(late=[status(404)] * 9))
    with pytest.raises(Interrupted, match="the server lost the upload 3 times"):
        world.run(world.upload())
    assert world.saved[-1] is None


def test_a_refused_beginning_is_forgotten_and_a_refused_continuation_is_not() -> None:
    world = World(Server(faults=[well, status(403)]))
    with pytest.raises(Refused, match="403 a-code: why"):
        world.run(world.upload())
    assert world.saved[-1] is None
    world = World(Server(late=[status(403)]))
    with pytest.raises(Refused, match="403"):
        world.run(world.upload())
    assert world.saved[-1] is not None


def test_a_file_that_changes_meanwhile_is_not_sent_on() -> None:
    world = World(changed=True)
    with pytest.raises(FileTrouble, match="changed"):
        world.run(world.upload())
    assert "PATCH" not in world.server.methods()


def test_other_bytes_in_the_store_are_told_and_not_continued() -> None:
    world = World(Server(shown={"content-length": "7"}))
    with pytest.raises(Corrupt, match="another object is there"):
        world.run(world.upload())
    assert world.saved[-1] is None


def test_without_chunked_sessions_a_parallel_upload_is_a_serial_one() -> None:
    world = World(Server(faults=[well, status(501)]), parallel=4)
    world.run(world.upload())
    assert world.server.object == BODY
    assert world.server.methods() == "OPTIONS POST POST PATCH HEAD"


def test_what_began_serially_goes_on_serially() -> None:
    world = World(parallel=4)
    begun(world.server, 5)
    world.run(world.upload(record()))
    assert world.server.methods() == "OPTIONS HEAD PATCH HEAD"


def test_an_upload_whose_last_answer_was_lost_is_found_to_be_complete() -> None:
    world = World(Server(late=[unheard]))
    world.run(world.upload())
    assert world.server.methods() == "OPTIONS POST PATCH HEAD HEAD"


def test_a_server_that_has_all_bytes_and_no_object_is_told_to_make_it() -> None:
    world = World(Server(publishes=False, late=[unheard]))
    world.run(world.upload())
    assert world.server.methods() == "OPTIONS POST PATCH HEAD HEAD PATCH HEAD"
    assert world.server.object == BODY


FAULTS: list[Fault] = [
    well,
    broken,
    unheard,
    status(503),
    status(423),
    status(429, retry_after="3"),
    status(409),
    status(460),
    status(500),
]


@given(
    faults=st.lists(st.sampled_from(FAULTS), max_size=12),
    late=st.lists(st.sampled_from(FAULTS), max_size=8),
    parallel=st.integers(1, 3),
    keeps=st.booleans(),
)
def test_whatever_fails_the_object_is_the_file_or_there_is_an_error(
    faults: list[Fault], late: list[Fault], parallel: int, keeps: bool
) -> None:
    server = Server(faults=list(faults), late=list(late), publishes=keeps)
    world = World(server, parallel=parallel, attempts=3)
    try:
        done = world.run(world.upload())
    except TransferFailed:
        pass
    else:
        assert server.object is not None
        assert done.sha256 == hashlib.sha256(server.object).hexdigest()
        if world.saved:
            assert world.saved[-1] is None
