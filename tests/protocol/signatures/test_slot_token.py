"""Slot tokens: the shared vectors, the order of versions, and what is refused."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    BadRequest,
    Forbidden,
    GatewayError,
    InvalidUri,
    LengthRequired,
    RequestExpired,
    SignatureMismatch,
)
from gateway.protocol.commands import RequestHead
from gateway.protocol.signatures.canonical import CanonicalQuery
from gateway.protocol.signatures.slot_token import (
    SlotSecrets,
    SlotVerdict,
    presented,
    sign_delete,
    sign_v,
    sign_v2,
    sign_v3,
    slot_path,
    verify,
)

SECRET = "secret string"
SECRETS = SlotSecrets(secret=SECRET, delete_secret="del secret")
BASE = "/upload/"
NOW = 1_717_800_000.0
ALL = ("v", "v2", "token", "v3")


def _verify(
    method: str,
    path: str,
    query: str,
    *,
    length: str | None = None,
    content_type: str | bytes | None = None,
    versions: tuple[str, ...] = ALL,
    secrets: SlotSecrets = SECRETS,
    now: float = NOW,
) -> SlotVerdict:
    headers = [(b"host", b"h")]
    if length is not None:
        headers.append((b"content-length", length.encode()))
    if content_type is not None:
        raw = content_type if isinstance(content_type, bytes) else content_type.encode()
        headers.append((b"content-type", raw))
    head = RequestHead(method, (BASE + path).encode(), query.encode(), headers)
    return verify(
        head,
        CanonicalQuery(head.raw_query),
        path=slot_path(head.raw_path, BASE),
        base_path=BASE,
        secrets=secrets,
        versions=versions,
        now=now,
    )


# --- vectors ------------------------------------------------------------------------------------

V_BAR = "e6df55a04516617d6a86ad6ca23879819591085a1a8c0041f4da06824f5d2db7"
V_UMLAUT = "ec017fdb3d653ced09467be2e553d025e6108976a0edaf9df965ba706e78bca2"
V2_BAR = "a19d27add075aa60035e27c05e794f13079ba48c508852b3d7160a6bec0f85ab"
V2_EMPTY = "b5494b244e36fc4e72f3fc2c2ef5df9840f322c92c02f967139b761453080bf5"
V3_FILE = "5cce5ca98488b45a064b3f1f7406a54a76e1db2418d719676beaadda500a68dd"
DELETE_BAR = "a5ede3eccb0dcbfaec546ad5ce2471d046da88fcdf0943a490adf37cdb66e915"


def test_the_shared_vectors_sign() -> None:
    assert sign_v(SECRET, "foo/bar.jpg", 1048576) == V_BAR
    assert sign_v(SECRET, "foo/ü b.jpg", 7) == V_UMLAUT
    assert sign_v2(SECRET, "foo/bar.jpg", 1048576, "image/jpeg") == V2_BAR
    assert sign_v2(SECRET, "foo/a.txt", 0, "text/plain") == V2_EMPTY
    assert sign_v3(SECRET, "PUT", 1717804800, "/upload/myfile.txt") == V3_FILE
    assert sign_delete(SECRET, "foo/bar.jpg", "del secret") == DELETE_BAR


def test_the_shared_vectors_verify() -> None:
    verdict = _verify("PUT", "foo/bar.jpg", f"v={V_BAR}", length="1048576")
    assert verdict == SlotVerdict(version="v", size=1048576)
    assert _verify("PUT", "foo/%C3%BC%20b.jpg", f"v={V_UMLAUT}", length="7").size == 7
    jpeg = "image/jpeg"
    verdict = _verify("PUT", "foo/bar.jpg", f"v2={V2_BAR}", length="1048576", content_type=jpeg)
    assert verdict == SlotVerdict(version="v2", size=1048576)
    verdict = _verify("PUT", "foo/bar.jpg", f"token={V2_BAR}", length="1048576", content_type=jpeg)
    assert verdict.version == "token"
    verdict = _verify("PUT", "foo/a.txt", f"v2={V2_EMPTY}", length="0", content_type="text/plain")
    assert verdict.size == 0
    verdict = _verify("PUT", "myfile.txt", f"v3={V3_FILE}&expires=1717804800")
    assert verdict == SlotVerdict(version="v3", size=None)
    verdict = _verify("DELETE", "foo/bar.jpg", f"token={DELETE_BAR}")
    assert verdict == SlotVerdict(version="token", size=None)


# --- what is signed -----------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v", "v2", "token"])
def test_pitfall_01_a_token_is_for_one_size_type_method_and_path(version: str) -> None:
    token = sign_v(SECRET, "a/b", 5) if version == "v" else sign_v2(SECRET, "a/b", 5, "text/plain")
    query = f"{version}={token}"
    _verify("PUT", "a/b", query, length="5", content_type="text/plain")
    with pytest.raises(SignatureMismatch):
        _verify("PUT", "a/b", query, length="6", content_type="text/plain")
    with pytest.raises(SignatureMismatch):
        _verify("PUT", "a/B", query, length="5", content_type="text/plain")
    for method in ("DELETE", "POST", "PATCH"):
        with pytest.raises(Forbidden):
            _verify(method, "a/b", query, length="5", content_type="text/plain")
    if version != "v":
        with pytest.raises(SignatureMismatch):
            _verify("PUT", "a/b", query, length="5", content_type="text/html")


def test_pitfall_03_the_expiry_is_signed() -> None:
    token = sign_v3(SECRET, "PUT", 1717800060, "/upload/f")
    _verify("PUT", "f", f"v3={token}&expires=1717800060", now=1717800060.0)
    with pytest.raises(RequestExpired):
        _verify("PUT", "f", f"v3={token}&expires=1717800060", now=1717800060.5)
    with pytest.raises(SignatureMismatch):
        _verify("PUT", "f", f"v3={token}&expires=1717809999")


@pytest.mark.parametrize("expires", ["", "x", "-1", "01717800060", "1717800060.0", "9" * 13])
def test_a_v3_expiry_is_plain_unix_seconds(expires: str) -> None:
    with pytest.raises(BadRequest):
        _verify("PUT", "f", f"v3={'0' * 64}&expires={expires}")
    with pytest.raises(BadRequest):
        _verify("PUT", "f", f"v3={'0' * 64}")


def test_pitfall_04_a_wrong_higher_version_is_never_rescued_by_a_lower_one() -> None:
    good_v = sign_v(SECRET, "f", 1)
    good_v2 = sign_v2(SECRET, "f", 1)
    for query in (
        f"v={good_v}&v2={'0' * 64}",
        f"v2={'0' * 64}&token={good_v2}",
        f"token={'0' * 64}&v={good_v}",
        f"v2={good_v2}&v3={'0' * 64}&expires=1717804800",
        f"v={good_v}&v2=",
    ):
        with pytest.raises(SignatureMismatch):
            _verify("PUT", "f", query, length="1")


def test_a_version_that_is_not_enabled_does_not_count() -> None:
    good_v = sign_v(SECRET, "f", 1)
    verdict = _verify("PUT", "f", f"v={good_v}&v3=x&expires=1", length="1", versions=("v", "v2"))
    assert verdict.version == "v"
    with pytest.raises(Forbidden, match="version"):
        _verify("PUT", "f", f"v={good_v}", length="1", versions=("v2",))
    with pytest.raises(Forbidden, match="version"):
        _verify("PUT", "f", "", length="1")


@pytest.mark.parametrize(
    ("raw", "signed"),
    [
        ("a%20b", "a b"),
        ("a%2525", "a%25"),
        ("a+b", "a+b"),
        ("caf%C3%A9", "caf\u00e9"),
        ("cafe%CC%81", "cafe\u0301"),
        ("a%2Fb", "a/b"),
        ("a//b", "a//b"),
    ],
)
def test_pitfall_05_the_path_is_decoded_once_and_never_normalised(raw: str, signed: str) -> None:
    assert slot_path(f"/upload/{raw}".encode(), BASE) == signed
    _verify("PUT", raw, f"v={sign_v(SECRET, signed, 1)}", length="1")


@pytest.mark.parametrize(
    "raw",
    [
        b"/upload/a/../b",
        b"/upload/..%2fb",
        b"/upload/%2e%2e/b",
        b"/upload/./b",
        b"/upload/a%00b",
        b"/upload/a%0Ab",
        b"/upload/a%7f",
        b"/upload/%ff",
        b"/upload/%zz",
        b"/upload/",
        b"/upload//a",
        b"/upload/%2Fa",
        b"/upload",
        b"/uploads/a",
        b"/uploadx",
        b"/other/a",
    ],
)
def test_pitfall_05_what_cannot_be_a_slot_path_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidUri) as refused:
        slot_path(raw, BASE)
    assert refused.value.status == 400


def test_pitfall_06_no_content_type_is_octet_stream_and_the_refusal_says_so() -> None:
    query = f"v2={sign_v2(SECRET, 'f', 1, 'application/octet-stream')}"
    _verify("PUT", "f", query, length="1")
    with pytest.raises(SignatureMismatch, match="No Content-Type was sent"):
        _verify("PUT", "f.png", f"v2={sign_v2(SECRET, 'f.png', 1, 'image/png')}", length="1")


def test_pitfall_06_type_parameters_are_signed_verbatim() -> None:
    kind = "text/plain;  Charset=UTF-8"
    query = f"v2={sign_v2(SECRET, 'f', 1, kind)}"
    _verify("PUT", "f", query, length="1", content_type=kind)
    with pytest.raises(SignatureMismatch):
        _verify("PUT", "f", query, length="1", content_type="text/plain; charset=utf-8")


@pytest.mark.parametrize("raw", [b"text/\xff", b"a/b\x00c", b"a/b\nc"])
def test_a_content_type_that_could_forge_fields_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        _verify("PUT", "f", f"v2={'0' * 64}", length="1", content_type=raw)


@pytest.mark.parametrize("version", ["v", "v2", "token"])
def test_pitfall_07_a_signed_size_needs_a_length(version: str) -> None:
    with pytest.raises(LengthRequired) as refused:
        _verify("PUT", "f", f"{version}={'0' * 64}")
    assert refused.value.status == 411


@pytest.mark.parametrize("length", ["", "-1", "+5", "0x1", "1 ", "\u0661", "9" * 20])
def test_a_length_is_a_decimal_number(length: str) -> None:
    with pytest.raises(BadRequest):
        _verify("PUT", "f", f"v={'0' * 64}", length=length)


def test_nothing_is_deleted_without_a_delete_secret() -> None:
    with pytest.raises(Forbidden):
        _verify("DELETE", "f", f"token={'0' * 64}", secrets=SlotSecrets(secret=SECRET))
    with pytest.raises(SignatureMismatch):
        _verify("DELETE", "f", f"token={sign_delete(SECRET, 'f', 'other')}")
    # What signed an upload deletes nothing.
    with pytest.raises(SignatureMismatch):
        _verify("DELETE", "f", f"token={sign_v2(SECRET, 'f', 1)}", length="1")


def test_secrets_are_not_shown() -> None:
    assert "secret string" not in repr(SECRETS)
    assert "del secret" not in repr(SECRETS)


def test_only_the_four_parameters_are_tokens() -> None:
    for name in ALL:
        assert presented(CanonicalQuery(f"{name}=x".encode()))
    assert not presented(CanonicalQuery(b"V=x&v1=x&expires=1"))


@given(st.sampled_from(["v", "v2", "token", "v3"]), st.text(max_size=70))
def test_no_other_text_passes_for_a_token(version: str, token: str) -> None:
    if token in (V_BAR, V2_BAR):
        return
    with pytest.raises(GatewayError):
        _verify(
            "PUT",
            "foo/bar.jpg",
            f"{version}={quote(token)}&expires=1717804800",
            length="1048576",
            content_type="image/jpeg",
        )


@pytest.mark.parametrize(
    ("version", "differs"), [("v", "path or size"), ("v2", "path, size or type")]
)
def test_a_wrong_token_says_what_it_was_checked_for(version: str, differs: str) -> None:
    with pytest.raises(SignatureMismatch) as caught:
        _verify("PUT", "a/b.jpg", f"{version}={'0' * 64}", length="7", content_type="a/b")
    assert f"checked for Content-Length 7; {differs} differ, or the secret" in caught.value.detail
