"""botocore's descriptions without their documentation."""

import gzip
from pathlib import Path
from typing import Any

from botocore.loaders import Loader

from gateway.storage.s3.service_files import service_files


def emptied(data: Any) -> Any:
    """``data`` with every documentation text emptied."""
    if isinstance(data, dict):
        return {
            name: "" if name == "documentation" and isinstance(value, str) else emptied(value)
            for name, value in data.items()
        }
    return [emptied(each) for each in data] if isinstance(data, list) else data


def test_everything_but_the_documentation_is_as_botocore_reads_it() -> None:
    # A loader of its own: clients change what they have loaded.
    files = Loader(file_loader=service_files().file_loader)
    lean = files.load_service_model("s3", "service-2")
    whole = Loader().load_service_model("s3", "service-2")

    assert lean != whole
    assert lean == emptied(whole)


def test_files_without_documentation_are_the_same() -> None:
    assert service_files().load_data("partitions") == emptied(Loader().load_data("partitions"))


def test_a_packed_file_is_read_and_a_missing_one_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "packed.json.gz").write_bytes(gzip.compress(b'{"documentation": "long", "a": 1}'))
    files = service_files().file_loader

    assert files.load_file(str(tmp_path / "packed")) == {"documentation": "", "a": 1}
    assert files.load_file(str(tmp_path / "none")) is None


def test_all_sessions_share_what_was_read() -> None:
    assert service_files() is service_files()


def test_of_the_endpoints_those_of_s3_and_of_credentials_are_kept() -> None:
    files = Loader(file_loader=service_files().file_loader)
    lean = files.load_data("endpoints")
    whole = emptied(Loader().load_data("endpoints"))

    for left, right in zip(lean["partitions"], whole["partitions"], strict=True):
        assert left["regions"] == right["regions"]
        assert set(left["services"]) <= set(right["services"])
        assert len(left["services"]) < 8
        for name in left["services"]:
            assert left["services"][name] == right["services"][name]
    assert {"s3", "sts", "oidc", "portal.sso"} <= set(lean["partitions"][0]["services"])
