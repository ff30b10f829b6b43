"""``sluice sweep``."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.cli.sweep import describe
from gateway.errors import StorageTimeout
from gateway.model import Attributes, MultipartListing, MultipartRef, ObjectKey
from gateway.runtime import open_runtime
from gateway.sessions.base import Intent
from gateway.settings import load_settings
from gateway.transfer.sweep_report import SweepFailure, SweepReport, SweepTarget
from gateway.transfer.sweeper import Sweeper
from tests.cli.conftest import Run

CONFIG = """
[storage.disk]
kind = "local"
[buckets.photos]
storage = "disk"
"""
KEY = ObjectKey("photos", "cat.jpg")


async def _leave_behind(config: Path) -> None:
    """What a gateway that was killed leaves: an intent, and the multipart that it was about."""
    async with open_runtime(load_settings(config, {})) as runtime:
        long_ago = time.time() - 1_000_000
        intent = Intent(id="i", store="disk", key=KEY, owner="gone", created=long_ago)
        await runtime.sessions.put_intent(intent)
        ref = await runtime.stores["disk"].create_multipart(KEY, Attributes())
        await runtime.sessions.put_intent(
            Intent(
                id="i",
                store="disk",
                key=KEY,
                owner="gone",
                created=long_ago,
                upload_id=ref.upload_id,
            )
        )


def test_what_a_dead_gateway_left_is_aborted_once(run: Run, folder: Path) -> None:
    (folder / "sluice.toml").write_text(CONFIG)
    asyncio.run(_leave_behind(folder / "sluice.toml"))
    first = run("sweep")
    assert first.exit_code == 0
    assert first.stdout == (
        "1 aborted, 0 in use, 0 not ours, 0 failed\naborted: disk: photos/cat.jpg\n"
    )
    assert run("sweep").stdout == "0 aborted, 0 in use, 0 not ours, 0 failed\n"


def test_what_is_not_ours_and_what_failed_is_told() -> None:
    ref = MultipartRef("main", KEY, "u")
    intent = Intent(id="i", store="main", key=KEY, owner="o", created=0.0, upload_id="u")
    slow = StorageTimeout("The store did not answer in time.")
    report = SweepReport(
        foreign=[MultipartListing(ref, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))],
        kept=[intent],
        failed=[SweepFailure(intent, slow), SweepFailure(SweepTarget("main", "films"), slow)],
    )
    assert list(describe(report)) == [
        "0 aborted, 1 in use, 1 not ours, 2 failed",
        "not ours, left alone: main: photos/cat.jpg, begun 2026-01-02T03:04:05+00:00",
        "failed: main: photos/cat.jpg: The store did not answer in time.",
        "failed: main: films: The store did not answer in time.",
    ]


def test_a_sweep_that_failed_in_part_has_exit_status_one(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failed(self: Sweeper, targets: object = ()) -> SweepReport:
        target = SweepTarget("disk", "photos")
        return SweepReport(failed=[SweepFailure(target, StorageTimeout("Too slow."))])

    monkeypatch.setattr(Sweeper, "sweep", failed)
    result = run("sweep")
    assert result.exit_code == 1
    assert result.stderr.startswith("sluice: not everything could be swept")
