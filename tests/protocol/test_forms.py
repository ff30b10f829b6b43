"""What a form says: its key, and whether it carries a credential."""

import pytest

from gateway.errors import BadRequest, InvalidArgument, InvalidUri, KeyTooLong
from gateway.protocol.forms import Form, FormHead
from gateway.protocol.part_head import PartHead
from tests.protocol.heads import request


def posted(filename: str | None, **fields: str) -> Form:
    return Form(fields, PartHead("file", filename))


@pytest.mark.parametrize(
    ("filename", "key", "result"),
    [
        ("a.txt", "x/y", "x/y"),
        ("a.txt", "x/${filename}", "x/a.txt"),
        ("a.txt", "${filename}/${filename}.bak", "a.txt/a.txt.bak"),
        ("../../etc/passwd", "x/${filename}", "x/passwd"),
        (r"C:\Users\me\a.txt", "x/${filename}", "x/a.txt"),
        (r"a/b\c", "${filename}", "c"),
        ("ü ☃.txt", "x/${filename}", "x/ü ☃.txt"),
        ("${filename}", "x/${filename}", "x/${filename}"),
        (None, "x/y", "x/y"),
    ],
)
def test_case_85_the_files_name_is_its_last_segment(
    filename: str | None, key: str, result: str
) -> None:
    assert posted(filename, key=key).key() == result


@pytest.mark.parametrize(
    ("filename", "key", "error"),
    [
        ("..", "x/${filename}", InvalidUri),
        (".", "${filename}", InvalidUri),
        ("a", "x/../${filename}", InvalidUri),
        ("a\nb", "${filename}", InvalidUri),
        ("", "x/${filename}", InvalidArgument),
        ("a/", "x/${filename}", InvalidArgument),
        (None, "x/${filename}", InvalidArgument),
        ("a", "", InvalidArgument),
        ("a" * 1025, "${filename}", KeyTooLong),
    ],
)
def test_case_85_a_name_that_leads_elsewhere_is_refused(
    filename: str | None, key: str, error: type[BadRequest]
) -> None:
    with pytest.raises(error):
        posted(filename, key=key).key()


def test_only_a_form_without_a_signature_may_leave_the_key_out() -> None:
    assert posted("d/a.txt").key() == "a.txt"
    with pytest.raises(InvalidArgument):
        posted("a.txt", policy="x").key()
    with pytest.raises(InvalidArgument):
        Form({}).key()


@pytest.mark.parametrize(
    "name",
    [
        "policy",
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-signature",
        "awsaccesskeyid",
        "signature",
    ],
)
def test_half_a_credential_is_one(name: str) -> None:
    assert Form({name: ""}).signed
    assert not Form({"key": "a", "x-amz-meta-a": "b"}).signed


def test_a_forms_head_is_the_requests() -> None:
    head = request("POST /b?x=y\nContent-Type: a/b")
    form = FormHead(head, Form({"key": "a"}))
    assert (form.method, form.raw_path, form.raw_query) == ("POST", b"/b", b"x=y")
    assert (form.headers, form.scheme, form.peer) == (head.headers, head.scheme, head.peer)
    assert form.get(b"content-type") == "a/b"
