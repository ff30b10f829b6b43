"""Bytes that are here already."""

from gateway.storage.held import HeldSource


async def test_bytes_come_in_pieces_as_large_as_are_asked_for_and_then_nothing() -> None:
    source, room = HeldSource(memoryview(b"content")), memoryview(bytearray(4))
    assert (source.length, await source.read_into(room), bytes(room)) == (7, 4, b"cont")
    assert (source.length, await source.read_into(room), bytes(room[:3])) == (3, 3, b"ent")
    assert (source.length, await source.read_into(room)) == (0, 0)


async def test_all_that_is_left_can_be_taken_as_it_lies() -> None:
    source, room = HeldSource(memoryview(b"content")), memoryview(bytearray(4))
    await source.read_into(room)
    assert source.take_at_once(4) is None
    assert bytes(source.take_at_once(3) or b"") == b"ent"
    assert (source.length, await source.read_into(room)) == (0, 0)


async def test_what_is_given_up_is_let_go() -> None:
    data = bytearray(b"content")
    source = HeldSource(memoryview(data))
    await source.aclose()
    assert source.length == 0
    data.clear()  # nobody looks at it any more
