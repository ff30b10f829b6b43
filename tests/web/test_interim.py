"""Progress in interim responses: often enough, and no more often."""

from gateway.protocol.object_heads import Headers
from gateway.web.interim import EVERY, InterimProgress


class Told:
    def __init__(self, version: int = 8) -> None:
        self.now = 100.0
        self.sent: list[tuple[int, Headers]] = []
        self.progress = InterimProgress(version, self._send, lambda: self.now)

    def _send(self, status: int, headers: Headers) -> None:
        self.sent.append((status, headers))


def test_R16_an_offset_is_told_with_the_version_and_without_a_location() -> None:
    told = Told()
    told.progress(5)
    assert told.sent == [(104, ((b"upload-offset", b"5"), (b"upload-draft-interop-version", b"8")))]


def test_R16_offsets_that_follow_fast_are_told_now_and_then() -> None:
    told = Told()
    for step in range(100):
        told.progress(step)
        told.now += EVERY / 10
    offsets = [int(headers[0][1]) for _, headers in told.sent]
    assert len(offsets) in (10, 11)
    assert offsets == sorted(set(offsets))


def test_a_clock_that_is_set_back_does_not_silence_it() -> None:
    told = Told()
    told.progress(1)
    told.now -= 3600
    told.progress(2)
    assert len(told.sent) == 2


def test_versions_without_progress_are_told_nothing() -> None:
    told = Told(3)
    told.progress(5)
    assert told.sent == []
