"""Which S3 takes bodies that are still coming, and with which checksum behind them."""

import pytest

from gateway.storage.base import Capabilities
from gateway.storage.s3.store_passages import passages
from tests.storage.s3.raw_store import plane_to


@pytest.mark.parametrize(
    ("checksums", "trailers", "hashed", "taken"),
    [
        ((), False, False, True),
        ((), False, True, False),
        (("crc64nvme", "sha-256"), True, False, True),
        (("crc64nvme",), False, False, False),
        (("sha-256",), True, False, False),
    ],
)
async def test_nothing_goes_with_less_care_because_its_client_is_slow(
    checksums: tuple[str, ...], trailers: bool, hashed: bool, taken: bool
) -> None:
    capabilities = Capabilities(checksums=frozenset(checksums), trailers=trailers)
    async with plane_to("https://127.0.0.1:1", hash_payload=hashed) as plane:
        found = passages(plane, capabilities, lambda ref: None)
    assert (found is not None) == taken
