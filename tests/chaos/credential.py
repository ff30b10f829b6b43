"""What begins uploads in these tests."""

import time

from gateway.protocol.signatures import jwt


def bearer(bucket: str, key_id: str, secret: str) -> tuple[tuple[str, str], ...]:
    """A token for everything in a bucket, as a header; it lasts longer than any run."""
    claims = {"sub": "chaos", "bucket": bucket, "prefix": "", "exp": int(time.time()) + 6 * 3600}
    return (("Authorization", f"Bearer {jwt.sign(claims, secret, key_id=key_id)}"),)
