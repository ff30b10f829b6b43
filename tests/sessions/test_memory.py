"""The store in memory."""

from gateway.sessions.memory import MemorySessions
from tests.sessions.contract import NOW, SessionContract


class TestContract(SessionContract):
    """All three stores run here, by the parameters of ``sessions``."""


async def test_what_has_expired_takes_no_memory() -> None:
    sessions = MemorySessions()
    for number in range(100):
        await sessions.use_once("s", str(number), NOW + number, NOW + number + 1)
        await sessions.acquire(str(number), "h", NOW + number, 1)
    await sessions.use_once("s", "last", NOW + 1000, NOW + 2000)
    assert len(sessions._nonces) == 1
    assert len(sessions._leases) == 0
