"""npm's packages: at their exact versions, and a clear word where they can't be had."""

import json
from pathlib import Path

import pytest

from loadtests import node
from loadtests.node import PeerMissing

LOCK = json.loads((Path(node.__file__).parent / "package-lock.json").read_text())


def test_every_package_is_pinned_and_no_registry_is_named() -> None:
    packages = {name: entry for name, entry in LOCK["packages"].items() if name}
    assert len(packages) > 50
    assert all({"version", "integrity"} <= entry.keys() for entry in packages.values())
    assert not any("resolved" in entry for entry in packages.values())


@pytest.mark.parametrize("package", ["@tus/server", "tus-js-client", "@uppy/tus"])
def test_what_the_reports_call_it_is_what_the_lock_file_has(package: str) -> None:
    assert (
        node.version(package)
        == f"{package}@{LOCK['packages'][f'node_modules/{package}']['version']}"
    )


def test_without_npm_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PeerMissing, match="node and npm"):
        node.installed()


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(PeerMissing, match="no such thing"):
        node.run(["sh", "-c", "echo no such thing >&2; exit 3"])
    with pytest.raises(PeerMissing, match="No such file"):
        node.run(["/nowhere/npm", "ci"])
