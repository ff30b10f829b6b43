"""tus, step by step."""

from typing import Any

import pytest

from gateway.client import Corrupt, Interrupted, Refused
from gateway.client.uploading.steps import Request
from gateway.units import KiB, MiB
from tests.client.uploading.play import (
    BODY,
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


def run(*late: Fault, faults: list[Fault] | None = None, **server: Any) -> World:
    world = World(Server(late=list(late), faults=faults or [], **server))
    world.run(world.upload())
    assert world.server.object == BODY
    return world


def sizes(world: World) -> list[int]:
    return [r.body.size for r in world.server.log if r.method == "PATCH" and r.body]


def test_each_request_carries_the_digest_of_its_bytes() -> None:
    patch = run().server.log[2]
    assert patch.headers["upload-checksum"].startswith("sha256 ")
    assert patch.headers["content-type"] == "application/offset+octet-stream"
    assert patch.payload is None, "the upload's URL suffices"


def test_only_the_last_bytes_may_take_the_store_a_while() -> None:
    world = run(options={"upload-limit": f"max-append-size={MiB}"})
    assert [r.wait for r in world.server.log if r.method == "PATCH"] == [60.0, 300.0]


def test_what_a_broken_request_left_is_asked_for() -> None:
    def half(server: Server, request: Request, body: bytes) -> Any:
        assert server.upload is not None
        server.upload += body[:1000]
        return broken(server, request, body)

    world = run(half)
    assert world.server.methods() == "OPTIONS POST PATCH HEAD PATCH HEAD"
    assert world.server.log[4].headers["upload-offset"] == "1000"
    assert world.pauses == [0.5]


def test_requests_become_smaller_where_they_break() -> None:
    assert sizes(run(broken, broken, broken)) == [2 * MiB, 2 * MiB, 2 * MiB, MiB, MiB]


def test_a_conflict_is_answered_by_asking() -> None:
    assert run(status(409)).server.methods() == "OPTIONS POST PATCH HEAD PATCH HEAD"


@pytest.mark.parametrize("code", [423, 429, 503])
def test_a_busy_server_is_given_the_time_it_asks_for(code: int) -> None:
    assert run(status(code, retry_after="7")).pauses == [7.0]


def test_a_server_that_is_too_busy_for_too_long_is_told() -> None:
    world = World(Server(late=[status(503)] * 9, faults=[well, well] + [status(503)] * 9))
    with pytest.raises(Refused, match="503"):
        world.run(world.upload())
    assert world.pauses == [0.5, 1.0, 2.0, 4.0]
    assert world.saved[-1] is not None, "it can be continued"


def test_progress_counts_failures_anew() -> None:
    limit = {"upload-limit": f"max-size=9999999, max-append-size={512 * KiB}"}
    late = [broken, broken, well] * 4
    assert run(*late, options=limit).pauses == [0.5, 1.0] * 4


def test_progress_that_is_only_heard_of_by_asking_counts_too() -> None:
    limit = {"upload-limit": f"max-append-size={256 * KiB}"}
    assert run(*[unheard] * 8, options=limit).pauses == [0.5] * 8


def test_the_servers_limit_is_kept() -> None:
    world = run(options={"upload-limit": f"max-append-size={MiB}"})
    assert sizes(world) == [MiB, MiB]


def test_a_proxy_that_takes_less_gets_less() -> None:
    assert sizes(run(status(413), status(413)))[2:4] == [2 * MiB]


def test_a_proxy_that_takes_nothing_is_told() -> None:
    world = World(Server(late=[status(413)] * 20))
    with pytest.raises(Refused, match="413"):
        world.run(world.upload())


def test_bytes_that_arrive_as_others_are_sent_again_and_in_the_end_told() -> None:
    assert run(status(460)).pauses == [0.5]
    world = World(Server(late=[status(460)] * 9))
    with pytest.raises(Interrupted, match="not those that were sent"):
        world.run(world.upload())


def test_a_success_without_an_offset_is_none() -> None:
    world = run(status(204))
    assert world.server.methods() == "OPTIONS POST PATCH HEAD PATCH HEAD"
    world = World(Server(late=[status(204)] * 9))
    with pytest.raises(Interrupted, match="did not say how far"):
        world.run(world.upload())


@pytest.mark.parametrize("offset", ["0", "99999999", "-1", "x"])
def test_an_offset_that_can_not_be_is_not_believed(offset: str) -> None:
    assert "HEAD PATCH HEAD" in run(status(204, upload_offset=offset)).server.methods()


def test_an_upload_of_another_length_is_not_this_files() -> None:
    for changes in ({"length": 7}, {"upload": bytearray(len(BODY) + 1)}):
        world = World()
        begun(world.server, 5)
        for name, value in changes.items():
            setattr(world.server, name, value)
        world.run(world.upload(record()))
        assert world.server.methods() == "OPTIONS HEAD POST PATCH HEAD"


def test_an_upload_that_nobody_knows_begins_anew() -> None:
    world = World()
    world.run(world.upload(record()))
    assert world.server.methods() == "OPTIONS HEAD POST PATCH HEAD"


def test_an_upload_that_may_not_be_asked_for_is_told() -> None:
    world = World(Server(faults=[well, status(403)]))
    begun(world.server, 5)
    with pytest.raises(Refused, match="403"):
        world.run(world.upload(record()))


@pytest.mark.parametrize("location", ["", "http://[", "\u00e9"])
def test_an_upload_without_a_place_is_an_error(location: str) -> None:
    world = World(Server(faults=[well, status(201, location=location)]))
    with pytest.raises(Corrupt, match="did not say where"):
        world.run(world.upload())


def test_a_later_end_is_written_down_and_one_of_a_minute_is_not() -> None:
    soon = "Fri, 01 Jan 2100 00:01:00 GMT"
    later = "Fri, 01 Jan 2100 01:00:00 GMT"

    def ends(when: str) -> Fault:
        def fault(server: Server, request: Request, body: bytes) -> Any:
            found = server.serve(request, body)
            return status(204, upload_expires=when, **_offset(found.headers))(server, request, b"")

        return fault

    limit = {"upload-limit": f"max-append-size={MiB}"}
    notes = [each.expires for each in run(ends(soon), options=limit).saved if each]
    assert notes == [None, 4102444800.0]
    notes = [each.expires for each in run(ends(later), options=limit).saved if each]
    assert notes == [None, 4102444800.0, 4102448400.0]


def _offset(headers: Any) -> dict[str, str]:
    return {"upload_offset": headers["upload-offset"]}


def test_a_completion_that_fails_is_tried_again() -> None:
    world = World(Server(publishes=False, late=[unheard], faults=[well] * 4 + [status(503)]))
    world.run(world.upload())
    assert world.server.methods() == "OPTIONS POST PATCH HEAD HEAD PATCH PATCH HEAD"
