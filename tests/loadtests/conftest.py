"""Servers of measurements, in processes of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.processes import Server, running_module


@pytest.fixture(scope="module")
def null_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A null S3 on a good day."""
    with running_module("null_s3", "loadtests.null_s3", tmp_path_factory.mktemp("null")) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """For logs."""
    return tmp_path
