"""Fixtures for every room. Servers are real and on loopback; what is not installed is skipped visibly."""

import os
import shutil

import pytest
from hypothesis import HealthCheck, settings

from tests.servers import chromium

pytest_plugins = ["tests.servers.fixtures"]

# Examples are counted, never timed: on a busy machine a slow one is no mistake. They are the same ones each time, so
# that a change is judged by what it changed; `make accept` looks for new ones.
settings.register_profile(
    "sluice",
    deadline=None,
    derandomize=not os.environ.get("SLUICE_TEST_RANDOM"),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("sluice")

#: `make accept` and CI set it to "all": then a server that is missing is a failure, not a skip.
REQUIRED = os.environ.get("SLUICE_TEST_REQUIRE", "")

#: By marker: the programs of which one has to be there.
_NEEDS = {
    "s3": ("radosgw",),
    "redis": ("redis-server",),
    "xmpp": ("prosody",),
    "nginx": ("nginx",),
    "browser": chromium.PROGRAMS,
    "node": ("node",),
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a server that is not installed; fail instead where all are required."""
    for marker, programs in _NEEDS.items():
        if not item.get_closest_marker(marker):
            continue
        if not any(shutil.which(program, path=_PATH) for program in programs):
            missing = f"{programs[0]} is not installed"
            if REQUIRED == "all":
                pytest.fail(f"{missing}, and SLUICE_TEST_REQUIRE=all", pytrace=False)
            pytest.skip(missing)


_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/sbin"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where everything is required, a skipped test is a failure, whatever it was skipped for."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if REQUIRED == "all" and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
