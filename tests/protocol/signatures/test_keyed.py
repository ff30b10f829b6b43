"""The one reference is the standard library's."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.signatures.keyed import KeyedHash


@given(st.binary(max_size=130), st.lists(st.binary(max_size=200), max_size=3))
def test_it_is_hmac_whatever_was_hashed_before(key: bytes, texts: list[bytes]) -> None:
    keyed = KeyedHash(key)
    for text in texts:
        assert keyed.hexdigest(text) == hmac.digest(key, text, "sha256").hex()
