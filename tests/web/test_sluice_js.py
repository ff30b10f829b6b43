"""``sluice.js`` without a browser; in one: ``tests/clients/test_browser.py``."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "gateway/web/static"
TESTS = Path(__file__).with_name("sluice.test.mjs")

pytestmark = pytest.mark.node


def node(*arguments: str, text: str | None = None) -> str:
    """What node prints; it has to succeed."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("NODE_")}
    done = subprocess.run(
        ["node", *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=plain,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_decisions_and_its_answers_to_failing_servers_are_right() -> None:
    told = node("--test", "--test-reporter=tap", str(TESTS))

    assert "\n# fail 0" in told
    assert int(told.partition("\n# pass ")[2].split()[0]) >= 30


@pytest.mark.parametrize("name", ["sluice.js", "upload.js"])
def test_scripts_are_modules_that_every_current_engine_can_read(name: str) -> None:
    node("--input-type=module", "--check", text=(STATIC / name).read_text(encoding="utf-8"))
