"""Safe serving: nothing that users stored acts on our origin."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Attributes, ObjectKey
from gateway.protocol.serving import (
    MAX_FILENAME,
    content_disposition,
    is_inline_safe,
    safe_filename,
    serving_headers,
)
from tests.protocol.heads import info

CSP = (b"content-security-policy", b"default-src 'none'; sandbox")
NOSNIFF = (b"x-content-type-options", b"nosniff")


def disposition(name: str, content_type: str | None = None, stored: str | None = None) -> str:
    attributes = Attributes(content_type=content_type, content_disposition=stored)
    found = info(key=ObjectKey("photos", name), attributes=attributes)
    headers = dict(serving_headers(found, inline="safe", signed=False, immutable=False))
    return headers[b"content-disposition"].decode("latin-1")


@pytest.mark.parametrize(
    "content_type",
    ["image/png", "IMAGE/JPEG", "video/mp4; codecs=x", "audio/ogg", "text/plain;charset=utf-8"],
)
def test_types_that_run_nothing_are_inline(content_type: str) -> None:
    assert is_inline_safe(content_type)
    assert disposition("a/b.png", content_type) == 'inline; filename="b.png"'


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/html",
        "text/xml",
        "application/xml",
        "application/xhtml+xml",
        "image/svg+xml",
        "Image/SVG+XML; x=y",
        "image/svg",
        "image/svg+xml-compressed",
        "image/anything+xml",
        "video/x+xml",
        "text/javascript",
        "application/pdf",
        "text/plain, text/html",
        "image/png;x=,text/html",
        "text/plainly",
    ],
)
def test_case_86_everything_else_is_an_attachment(content_type: str | None) -> None:
    assert not is_inline_safe(content_type)
    assert disposition("a/b.x", content_type) == 'attachment; filename="b.x"'


def test_case_86_stored_words_never_make_an_active_type_inline() -> None:
    assert disposition("x.html", "text/html", "inline") == 'attachment; filename="x.html"'
    assert (
        disposition("x.png", "image/png", 'attachment; filename="y.png"')
        == 'attachment; filename="y.png"'
    )


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        ('attachment; filename="a b.txt"', 'filename="a b.txt"'),
        ("attachment; filename=a.txt", 'filename="a.txt"'),
        ('attachment; FileName = "a.txt"', 'filename="a.txt"'),
        (r'attachment; filename="a\"b\\c.txt"', 'filename="c.txt"'),
        (r'attachment; filename="a\"b.txt"', 'filename="a_b.txt"'),
        ('attachment; filename=""', 'filename="key.bin"'),
        ("attachment", 'filename="key.bin"'),
        ("garbage;;;=", 'filename="key.bin"'),
        ("attachment; filename*=UTF-8''%c3%bc.txt", "filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt"),
        ("attachment; filename=a; filename*=utf-8'de'b%20c", 'filename="b c"'),
        ("attachment; filename*=UTF-8''%ff; filename=ok", 'filename="ok"'),
        ("attachment; filename*=ISO-8859-1''%fc; filename=ok", 'filename="ok"'),
        ("attachment; filename*=UTF-8%20; filename=ok", 'filename="ok"'),
        ("attachment; filename*=UTF-8''☃", "filename=\"_\"; filename*=UTF-8''%E2%98%83"),
        ("attachment; filename*=UTF-8''\ud800; filename=ok", 'filename="ok"'),
        ("attachment; filename=\"" + "ü".encode().decode("latin-1") + '"', "filename=\"_\"; filename*=UTF-8''%C3%BC"),
        ('attachment; filename="\xfc"', "filename=\"_\"; filename*=UTF-8''%C3%BC"),
        ('attachment; filename="☃"', "filename=\"_\"; filename*=UTF-8''%E2%98%83"),
        ('attachment; filename="../../etc/passwd"', 'filename="passwd"'),
    ],
)  # fmt: skip
def test_a_stored_name_is_rebuilt(stored: str, name: str) -> None:
    assert disposition("a/key.bin", None, stored) == f"attachment; {name}"


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("../../x", "x"),
        ("C:\\x", "x"),
        ("a/../b", "b"),
        ("CON", "_CON"),
        ("com1.txt", "_com1.txt"),
        ("console.txt", "console.txt"),
        ("a/..", "download"),
        ("a/", "a"),
        ("/", "download"),
        ("...", "download"),
        (".htaccess", "htaccess"),
        ("a. ", "a"),
        ('a"b', "a_b"),
        ("a\r\nb", "ab"),
        ("50%41.txt", "50_41.txt"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("a\u200bb\u2066c", "abc"),
        ("a?b*c|d<e>f:g", "a_b_c_d_e_f_g"),
        ("ü b.txt", "ü b.txt"),
    ],
)
def test_case_66_a_file_name_is_harmless(key: str, name: str) -> None:
    assert safe_filename(key) == name


@pytest.mark.parametrize(
    ("name", "end"), [("ü" * 300 + ".jpeg", ".jpeg"), ("a" * 300, "a"), ("a." + "b" * 300, "b")]
)
def test_long_names_are_cut_and_keep_a_short_extension(name: str, end: str) -> None:
    short = safe_filename(name)
    assert len(short.encode()) <= MAX_FILENAME
    assert short.endswith(end)


def test_a_name_beyond_ascii_has_a_fallback() -> None:
    assert content_disposition("inline", "naïve ☃.txt") == (
        "inline; filename=\"na_ve _.txt\"; filename*=UTF-8''na%C3%AFve%20%E2%98%83.txt"
    )


@given(st.text(max_size=300))
def test_case_66_any_key_gives_one_clean_header(key: str) -> None:
    value = content_disposition("attachment", safe_filename(key))
    match = re.fullmatch(
        r"attachment; filename=\"([^\"\\/%\x00-\x1f\x7f-\uffff]+)\"(; filename\*=UTF-8''[!-&*-~]+)?",
        value,
    )
    assert match is not None
    assert match[1].strip(" .")


def test_the_default_is_sandboxed_and_cached_by_its_own_rules() -> None:
    found = info(attributes=Attributes(content_type="image/png", cache_control="max-age=5"))
    assert serving_headers(found, inline="safe", signed=False, immutable=False) == (
        NOSNIFF,
        CSP,
        (b"content-disposition", b'inline; filename="b.txt"'),
    )


def test_inline_all_leaves_what_is_stored() -> None:
    assert serving_headers(info(), inline="all", signed=False, immutable=False) == (NOSNIFF,)


def test_case_89_signed_answers_are_private_by_default_and_vary() -> None:
    signed = serving_headers(info(), inline="all", signed=True, immutable=False)
    assert signed == (NOSNIFF, (b"cache-control", b"private"), (b"vary", b"Authorization"))
    public = info(attributes=Attributes(cache_control="public"))
    kept = serving_headers(public, inline="all", signed=True, immutable=False)
    assert kept == (NOSNIFF, (b"vary", b"Authorization"))
    asked = ((b"cache-control", b"no-store"),)
    assert kept == serving_headers(
        info(), inline="all", signed=True, immutable=False, overrides=asked
    )


@pytest.mark.parametrize(("signed", "scope"), [(False, b"public"), (True, b"private")])
def test_case_89_slot_files_are_immutable(signed: bool, scope: bytes) -> None:
    headers = dict(serving_headers(info(), inline="all", signed=signed, immutable=True))
    assert headers[b"cache-control"] == scope + b", max-age=31536000, immutable"


def test_policys_own_headers_win() -> None:
    explicit = ((b"cache-control", b"no-store"), (b"x-robots-tag", b"none"))
    headers = serving_headers(
        info(), inline="safe", signed=False, immutable=True, explicit=explicit
    )
    assert headers == (
        NOSNIFF,
        CSP,
        (b"content-disposition", b'attachment; filename="b.txt"'),
        *explicit,
    )


def test_case_29_an_override_is_judged_like_the_stored_value() -> None:
    found = info(attributes=Attributes(content_type="image/png"))

    def asked(*overrides: tuple[bytes, bytes]) -> bytes:
        headers = serving_headers(
            found, inline="safe", signed=True, immutable=False, overrides=overrides
        )
        return dict(headers)[b"content-disposition"]

    assert asked((b"content-type", b"text/html")) == b'attachment; filename="b.txt"'
    assert asked((b"content-disposition", b"inline; filename=x.png")) == b'inline; filename="x.png"'
    assert (
        asked((b"content-disposition", b'attachment; filename="../y"'))
        == b'attachment; filename="y"'
    )
