import random

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.storage.local.part_table import Entry, Kept, PartTable, Taken, decode, encode

entries = st.one_of(
    st.builds(Taken, st.integers(0, 2**50), st.integers(0, 2**40)),
    st.builds(
        Kept,
        st.integers(1, 10_000),
        st.integers(0, 2**50),
        st.integers(0, 2**40),
        st.text("abc-123", min_size=1),
    ),
)


def lines(*some: Entry) -> bytes:
    return b"".join(map(encode, some))


@settings(deadline=None)
@given(entries)
def test_an_entry_comes_back_from_its_line(entry: Entry) -> None:
    line = encode(entry)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line[:-1]) == entry


@settings(deadline=None)
@given(entries, st.data())
def test_a_torn_line_says_nothing(entry: Entry, data: st.DataObject) -> None:
    line = encode(entry)[:-1]
    assert decode(line[: data.draw(st.integers(0, len(line) - 1))]) is None
    assert decode(b"") is None
    assert decode(b"00000000") is None
    assert decode(b"00000000 ") is None


@settings(deadline=None)
@given(st.lists(entries, max_size=20), st.data())
def test_a_journal_may_be_replayed_in_any_pieces(some: list[Entry], data: st.DataObject) -> None:
    journal = lines(*some)
    whole, pieces = PartTable(), PartTable()
    whole.replay(journal)
    shown = 0
    while shown < len(journal):
        shown = data.draw(st.integers(shown + 1, len(journal)))
        pieces.replay(journal[pieces.position : shown])
    assert pieces.position == whole.position == len(journal)
    assert pieces.receipts == whole.receipts
    assert pieces.end == whole.end


def test_an_unfinished_line_waits_for_its_end() -> None:
    table = PartTable()
    line = encode(Kept(1, 0, 10, "e"))
    table.replay(line[:-3])
    assert table.receipts == {}
    table.replay(line)
    assert table.receipts[1].size == 10


def test_what_follows_a_torn_line_counts() -> None:
    table = PartTable()
    table.replay(encode(Kept(1, 0, 10, "a"))[:-5] + b"\n" + encode(Kept(2, 10, 5, "b")))
    assert list(table.receipts) == [2]


def test_a_part_goes_where_the_object_will_have_it() -> None:
    table = PartTable()
    assert table.place(100, 50) == Taken(100, 50)
    table.replay(lines(Taken(100, 50)))
    assert table.place(50, 50) == Taken(50, 50)
    assert table.place(150, 50) == Taken(150, 50)


def test_where_something_is_already_it_goes_to_the_end() -> None:
    table = PartTable()
    table.replay(lines(Taken(100, 50), Taken(300, 10)))
    for offset, size in [(100, 50), (99, 2), (149, 1), (120, 10), (0, 500), (305, 1)]:
        assert table.place(offset, size) == Taken(310, size)


def test_a_part_again_replaces_the_first_and_keeps_its_place() -> None:
    table = PartTable()
    table.replay(lines(Kept(1, 0, 10, "old"), Kept(1, 10, 12, "new")))
    assert table.receipts[1].etag == "new"
    assert table.extent(1) == (10, 12)
    assert table.end == 22


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=40),
    st.randoms(use_true_random=False),
)
def test_no_byte_is_ever_given_to_two(wanted: list[tuple[int, int]], chance: random.Random) -> None:
    table = PartTable()
    given_out: set[int] = set()
    for offset, size in wanted:
        taken = table.place(offset, size)
        owned = set(range(taken.at, taken.at + taken.size))
        assert not owned & given_out
        given_out |= owned
        table.replay(encode(taken))
        if chance.random() < 0.5:
            table.replay(encode(Kept(1, taken.at, taken.size, "e")))
        assert table.end == max(given_out, default=-1) + 1
