"""Chunked sessions, step by step."""

import json
from typing import Any

import pytest

from gateway.client import Corrupt, Interrupted, Refused
from gateway.client.uploading.job import DIGEST_HEADER
from gateway.client.uploading.steps import Answer, Request
from gateway.units import KiB
from tests.client.uploading.play import (
    BODY,
    CHUNKED,
    SHA256,
    Fault,
    Server,
    World,
    answer,
    broken,
    record,
    status,
    unheard,
    well,
)

#: Small enough for several chunks of the file.
SMALL = {"upload-limit": f"max-append-size={300 * KiB}"}


def run(*late: Fault, faults: list[Fault] | None = None, **server: Any) -> World:
    world = World(Server(late=list(late), faults=faults or [], options=SMALL, **server), parallel=3)
    world.run(world.upload())
    assert world.server.object == BODY
    return world


def chunks(world: World) -> list[str]:
    puts = (r for r in world.server.log if r.method == "PUT")
    return [put.headers["content-range"].removeprefix("bytes ") for put in puts]


def test_every_byte_is_sent_once() -> None:
    world = run()
    sent = [tuple(map(int, each.partition("/")[0].split("-"))) for each in chunks(world)]
    assert sum(last - first + 1 for first, last in sent) == len(BODY)
    assert world.server.kept[DIGEST_HEADER] == SHA256
    assert world.server.methods().count("POST") == 1


def test_a_chunk_that_breaks_is_sent_again() -> None:
    world = run(broken, unheard, status(503), status(408))
    assert sorted(set(chunks(world))) != sorted(chunks(world))
    assert world.pauses


def test_only_what_is_missing_is_sent_in_the_next_process() -> None:
    server = Server(options=SMALL)
    world = World(server, parallel=3)
    half = len(BODY) // 2
    server.length = len(BODY)
    server.upload = bytearray(BODY[:half] + bytes(half))
    server.have = bytearray(b"\1" * half + bytes(half))
    server.kept = {DIGEST_HEADER: SHA256}
    done = world.run(world.upload(record(kind="chunked", location=CHUNKED)))
    assert done.continued_from == half
    assert min(int(each.partition("-")[0]) for each in chunks(world)) == half
    assert "POST" not in server.methods()


@pytest.mark.parametrize("code", [404, 409, 410])
def test_a_session_that_is_lost_or_holds_other_bytes_begins_anew(code: int) -> None:
    assert run(well, status(code)).server.made == 2


@pytest.mark.parametrize("code", [404, 410])
def test_a_session_that_nobody_knows_begins_anew(code: int) -> None:
    assert run(faults=[well, well, status(code)]).server.made == 2


def test_a_session_of_another_length_is_not_this_files() -> None:
    assert run(faults=[well, well, said(length=3)]).server.made == 2


def test_a_chunk_that_is_refused_is_told_and_the_session_is_kept() -> None:
    world = World(Server(options=SMALL, late=[status(403)]), parallel=2)
    with pytest.raises(Refused, match="403"):
        world.run(world.upload())
    assert world.saved[-1] is not None


@pytest.mark.parametrize("place", [1, 2])
def test_a_refused_session_is_told(place: int) -> None:
    world = World(Server(faults=[well] * place + [status(403)]), parallel=2)
    with pytest.raises(Refused, match="403"):
        world.run(world.upload())


@pytest.mark.parametrize("missing", [None, 5, ["x"], [3], ["5-2"], [f"0-{len(BODY)}"], ["1-2-3"]])
def test_a_list_that_can_not_be_read_is_told(missing: object) -> None:
    fault = said(length=len(BODY), missing=missing)
    world = World(Server(faults=[well, well, fault]), parallel=2)
    with pytest.raises(Corrupt, match="does not say what is missing"):
        world.run(world.upload())


@pytest.mark.parametrize("body", [b"", b"[]", b"{"])
def test_an_answer_without_a_document_is_no_session(body: bytes) -> None:
    def blank(server: Server, request: Request, sent: bytes) -> Answer:
        return answer(200, body)

    world = World(Server(faults=[well, well] + [blank] * 3), parallel=2)
    world.run(world.upload())
    assert world.server.made > 1


def test_no_chunk_crosses_what_the_server_stores_in_one_piece() -> None:
    world = World(Server(options=SMALL, grid=200_000), parallel=2)
    world.run(world.upload())
    assert chunks(world)[:2] == [f"0-199999/{len(BODY)}", f"200000-399999/{len(BODY)}"]
    for chunk in chunks(world):
        first, last = map(int, chunk.partition("/")[0].split("-"))
        assert first // 200_000 == last // 200_000


@pytest.mark.parametrize(
    ("told", "expires"),
    [("Fri, 01 Jan 2100 00:00:00 GMT", 4102444800.0), ("soon", None), (5, None)],
)
def test_the_sessions_end_is_written_down(told: object, expires: float | None) -> None:
    def ends(server: Server, request: Request, body: bytes) -> Answer:
        server.serve(request, body)
        return answer(201, json.dumps({"expires": told}).encode())

    world = run(faults=[well, ends])
    begun = world.saved[1]
    assert begun is not None
    assert (begun.location, begun.expires) == (CHUNKED, expires)


def test_a_server_that_has_all_and_no_object_is_sent_a_byte_again() -> None:
    world = run(publishes=False)
    assert chunks(world)[-1] == f"{len(BODY) - 1}-{len(BODY) - 1}/{len(BODY)}"


def test_a_server_that_never_makes_the_object_is_told() -> None:
    whole = said(length=len(BODY), complete=False, missing=[])
    world = World(Server(faults=[well, well] + [whole] * 20), parallel=2)
    with pytest.raises(Interrupted, match="all and no object"):
        world.run(world.upload())


def said(**document: object) -> Fault:
    """A fault: another status than the true one."""

    def fault(server: Server, request: Request, body: bytes) -> Answer:
        return answer(200, json.dumps(document).encode())

    return fault
