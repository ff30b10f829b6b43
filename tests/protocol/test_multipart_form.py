"""Forms as they stream in: the same whole, in pieces and byte by byte; bounded; nothing read in two ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    BadRequest,
    FormTooLarge,
    GatewayError,
    MalformedForm,
    UnsupportedMediaType,
)
from gateway.protocol.multipart_form import (
    MAX_FIELDS,
    MAX_FORM,
    MAX_PART_HEAD,
    FileFrame,
    FormParser,
    is_form,
    read_boundary,
)
from gateway.protocol.part_head import PartHead
from tests.protocol.forms import BOUNDARY, form, part, read
from tests.protocol.heads import request

LINE = b"--" + BOUNDARY
FILE = part("file", b"hello", '; filename="a.txt"')


def refused(data: bytes) -> set[type[GatewayError]]:
    """How a form is refused, whole, byte by byte and in threes: never otherwise in one than in the other."""
    found: set[type[GatewayError]] = set()
    for size in (None, 1, 3):
        with pytest.raises(BadRequest) as caught:
            read(data, size=size)
        found.add(caught.type)
    return found


@pytest.mark.parametrize("size", [None, 1, 2, 7, 64])
def test_fields_and_file_are_the_same_in_any_pieces(size: int | None) -> None:
    data = form([("Key", "ü/a"), ("empty", ""), ("lines", "a\r\nb--\r\n--")], b"he\r\n--llo\r")
    parser, content = read(data, size=size)

    assert parser.fields == {"key": "ü/a", "empty": "", "lines": "a\r\nb--\r\n--"}
    assert parser.file == PartHead("file", "a.txt", None)
    assert content == b"he\r\n--llo\r"


@given(
    file=st.lists(
        st.sampled_from([b"\r", b"\n", b"-", b"\r\n", b"\r\n--", BOUNDARY[:-1], b"----", b"x"])
    ).map(b"".join),
    size=st.integers(1, 40),
    value=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
def test_any_file_comes_out_as_it_went_in(file: bytes, size: int, value: str) -> None:
    data = form({"key": value}, file, after=[("submit", "Send")])
    parser, content = read(data, size=size)

    assert (parser.fields, content) == ({"key": value}, file)


@given(st.binary(max_size=200), st.integers(1, 9), st.integers(0, 400))
def test_fuzz_whole_and_in_pieces_end_alike(noise: bytes, size: int, at: int) -> None:
    whole = form({"key": "a", "acl": "private"}, b"content", after=[("x", "y")])
    data = whole[:at] + noise + whole[at + len(noise) // 2 :]

    def outcome(size: int | None) -> object:
        try:
            parser, content = read(data, size=size)
        except BadRequest as error:
            return type(error)
        return parser.fields, parser.file, content

    assert outcome(None) == outcome(1) == outcome(size)


def test_an_empty_line_may_stand_before_the_form_and_white_space_after_it() -> None:
    assert read(b"\r\n" + form({"key": "a"}) + b"\r\n \t", size=1)[1] == b"hello"


def test_a_form_may_say_that_it_is_utf_8() -> None:
    assert read(form({"_charset_": "UTF-8"}))[0].fields == {"_charset_": "UTF-8"}


def test_padding_behind_a_boundary_is_white_space() -> None:
    padded = form({"key": "a"}).replace(LINE + b"\r\n", LINE + b" \t\r\n")
    assert read(padded, size=1)[1] == b"hello"


def test_a_form_may_end_without_a_line_end() -> None:
    assert read(form({"key": "a"}).removesuffix(b"\r\n"))[1] == b"hello"


@pytest.mark.parametrize("size", [None, 1])
def test_case_84_fields_after_the_file_are_ignored(size: int | None) -> None:
    parser, content = read(form({"key": "a"}, after=[("key", "b"), ("acl", b"\xff")]), size=size)
    assert (parser.fields, content) == ({"key": "a"}, b"hello")


MALFORMED = {
    "empty": b"",
    "preamble": b"hello\r\n" + form({"key": "a"}),
    "other boundary": form({"key": "a"}, boundary=b"other"),
    "no file": form({"key": "a"}, None),
    "nothing at all": LINE + b"--\r\n",
    "ends in a field": form({"key": "a"})[:60],
    "ends in a head": form({"key": "a"})[:30],
    "ends in the file": form({"key": "a"})[: -len(LINE) - 6],
    "ends before the last boundary's hyphens": form({"key": "a"})[:-4],
    "bare line feeds": form({"key": "a"}).replace(b"\r\n", b"\n"),
    "boundary that goes on": form({"key": "a"}).replace(LINE + b"\r\n", LINE + b"x\r\n"),
    "file with a longer boundary": form({"key": "a"}, b"a\r\n" + LINE + b"x\r\nb"),
    "one hyphen": form({"key": "a"})[:-3] + b"\r\n",
    "endless padding": form({"key": "a"}).replace(LINE + b"\r\n", LINE + b" " * 65 + b"\r\n"),
    "bare return": form({"key": "a"}).replace(LINE + b"\r\n", LINE + b"\rx"),
    "part without a head": LINE + b"\r\n\r\nx\r\n" + LINE + b"--\r\n",
    "empty part without a line": LINE
    + b"\r\n"
    + part("acl", "")[:-2]
    + LINE
    + b"\r\n"
    + FILE
    + LINE
    + b"--\r\n",
    "empty file without a line": LINE + b"\r\n" + FILE[:-7] + LINE + b"--\r\n",
    "field twice": form([("key", "a"), ("key", "a")]),
    "field twice in two cases": form([("key", "a"), ("KEY", "b")]),
    "wrong charset": form([("key", "ü".encode("latin-1"))]),
    "another charset": form([("_charset_", "iso-8859-1")]),
    "file of another name": LINE + b"\r\n" + part("photo", b"x", "; filename=a") + LINE + b"--\r\n",
    "two files": LINE + b"\r\n" + FILE + LINE + b"\r\n" + FILE + LINE + b"--\r\n",
    "another file behind": LINE
    + b"\r\n"
    + FILE
    + LINE
    + b"\r\n"
    + part("x", b"", "; filename=b")
    + LINE
    + b"--\r\n",
    "bytes behind the end": form({"key": "a"}) + b"GET / HTTP/1.1\r\n",
    "form behind the end": form({"key": "a"}) + form({"key": "b"}),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_case_84_what_is_no_form_is_refused_in_any_pieces(data: bytes) -> None:
    assert refused(data) == {MalformedForm}


def test_case_84_endless_fields_are_refused_after_64_kib() -> None:
    parser = FormParser(BOUNDARY)
    parser.feed(LINE + b"\r\n" + part("acl", b"")[:-2])
    for _ in range(63):
        parser.feed(b"x" * 1024)
    with pytest.raises(FormTooLarge):
        parser.feed(b"x" * 1024)


def test_case_84_bytes_behind_the_file_are_bounded() -> None:
    assert refused(form({"key": "a"}, after=[("x", b"y" * MAX_FORM)])) == {FormTooLarge}


def test_case_84_more_than_100_fields_are_refused() -> None:
    fields = [(f"x-ignore-{number}", "") for number in range(MAX_FIELDS)]
    assert len(read(form(fields))[0].fields) == MAX_FIELDS
    assert refused(form([*fields, ("one", "")])) == {FormTooLarge}


@pytest.mark.parametrize("size", [None, 1, 4000])
def test_fields_may_fill_64_kib_to_the_byte(size: int | None) -> None:
    bare = form({"acl": ""}, b"")
    room = MAX_FORM - bare.index(b"\r\n\r\n", bare.index(b'name="file"')) - 4
    assert read(form({"acl": "x" * room}, b"hello" * 99), size=size)[1] == b"hello" * 99
    with pytest.raises(FormTooLarge):
        read(form({"acl": "x" * (room + 1)}), size=size)


@pytest.mark.parametrize("size", [None, 1])
def test_the_head_of_a_part_is_bounded_to_the_byte(size: int | None) -> None:
    def data(padding: int) -> bytes:
        head = b'Content-Disposition: form-data; name="file"\r\nX: '
        return LINE + b"\r\n" + head.ljust(padding, b"x") + b"\r\n\r\nhello\r\n" + LINE + b"--"

    assert read(data(MAX_PART_HEAD), size=size)[1] == b"hello"
    with pytest.raises(MalformedForm):
        read(data(MAX_PART_HEAD + 1), size=size)


def test_an_endless_head_is_refused_before_it_ends() -> None:
    parser = FormParser(BOUNDARY)
    with pytest.raises(MalformedForm):
        parser.feed(LINE + b"\r\nX: " + b"x" * (MAX_PART_HEAD + 1))


def test_the_frame_holds_back_only_what_may_begin_the_boundary() -> None:
    frame = FileFrame(BOUNDARY)
    assert frame.split(memoryview(b"abc\r\n--x\r\n--" + BOUNDARY[:3])) == 8
    assert frame.held == b"\r\n--" + BOUNDARY[:3]
    assert frame.split(memoryview(frame.held + b"y")) == 8
    assert frame.held == b""


def test_a_boundary_is_found_wherever_it_lies_in_a_large_view() -> None:
    for at in range(64 * 1024 - 40, 64 * 1024 + 40):
        frame = FileFrame(BOUNDARY)
        data = b"x" * at + b"\r\n" + LINE + b"--\r\n"
        assert frame.split(memoryview(data.ljust(120_000, b" "))) == at
        frame.finish()


@pytest.mark.parametrize(
    ("value", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ("Multipart/Form-Data;BOUNDARY=abc", b"abc"),
        ('multipart/form-data; boundary="a b:c"', b"a b:c"),
        ("multipart/form-data; boundary=" + "x" * 70, b"x" * 70),
        ("multipart/form-data; boundary=abc; charset=utf-8", b"abc"),
    ],
)
def test_a_boundary_is_a_token_or_quoted(value: str, boundary: bytes) -> None:
    assert read_boundary(request(f"POST /b\nContent-Type: {value}")) == boundary


@pytest.mark.parametrize(
    "value",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        'multipart/form-data; boundary="abc "',
        "multipart/form-data; boundary=a b",
        "multipart/form-data; boundary=" + "x" * 71,
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=a; charset=latin-1",
        "multipart/form-data; boundary=a/b",
        'multipart/form-data; boundary="a',
    ],
)
def test_a_boundary_that_others_may_read_otherwise_is_refused(value: str) -> None:
    with pytest.raises(MalformedForm):
        read_boundary(request(f"POST /b\nContent-Type: {value}"))


def test_only_multipart_form_data_is_a_form() -> None:
    assert is_form(request("POST /b\nContent-Type: multipart/FORM-DATA ; boundary=a"))
    assert not is_form(request("POST /b"))
    with pytest.raises(UnsupportedMediaType):
        read_boundary(request("POST /b\nContent-Type: multipart/mixed; boundary=a"))
    with pytest.raises(UnsupportedMediaType):
        read_boundary(request("POST /b"))
    with pytest.raises(BadRequest):
        read_boundary(request("POST /b\nContent-Type: a/b\nContent-Type: multipart/form-data"))
