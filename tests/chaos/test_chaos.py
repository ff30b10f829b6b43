"""Uploads through a fleet whose gateways are killed and whose store fails: a few before a store that is quick to start,
a thousand before Ceph."""

from pathlib import Path

import pytest

from tests.chaos.plan import FOUL, plan
from tests.chaos.runner import chaos
from tests.servers.lease import S3Endpoint

#: What decides all of it; ``python -m tests.chaos`` takes others.
SEED = 20261121


def test_a_plan_is_decided_by_its_seed_and_number() -> None:
    assert plan(1, 2) == plan(1, 2)
    assert plan(1, 2) != plan(1, 3)
    assert plan(1, 2) != plan(2, 2)
    assert plan(1, 2, FOUL) != plan(1, 2)


@pytest.mark.ci
@pytest.mark.redis
@pytest.mark.timeout(300)
async def test_a_few_runs_keep_every_promise(moto_s3: S3Endpoint, tmp_path: Path) -> None:
    report = await chaos(moto_s3, tmp_path, SEED, range(15), module="tests.chaos.short_leases")
    assert report.failures == []
    assert len(report.outcomes) == 15


@pytest.mark.slow
@pytest.mark.s3
@pytest.mark.redis
@pytest.mark.timeout(1200)
async def test_a_thousand_runs_keep_every_promise(rgw: S3Endpoint, tmp_path: Path) -> None:
    report = await chaos(rgw, tmp_path, SEED, range(1000))
    print(*report.lines(), sep="\n")
    assert report.failures == []
    assert report.kills > 30


@pytest.mark.slow
@pytest.mark.s3
@pytest.mark.redis
@pytest.mark.timeout(900)
async def test_a_few_hundred_runs_in_foul_weather_keep_every_promise(
    rgw: S3Endpoint, tmp_path: Path
) -> None:
    report = await chaos(rgw, tmp_path, SEED, range(200), weather=FOUL)
    print(*report.lines(), sep="\n")
    assert report.failures == []
    assert report.kills > 10
