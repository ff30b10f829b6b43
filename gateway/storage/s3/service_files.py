"""botocore's descriptions of services, read without what is only for people.

Most of S3's description is documentation. Kept as botocore keeps it, in ordered dictionaries, it takes 11 MiB of every
worker for ever; the same data in plain dictionaries without the documentation takes a quarter.
"""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader, Loader


class _LeanFiles(JSONFileLoader):  # type: ignore[misc]
    """botocore's reader of JSON files, which leaves documentation out."""

    def load_file(self, file_path: str) -> Any:
        """The data of ``file_path`` (without its suffix); None where there is no such file."""
        plain = Path(file_path + ".json")
        if plain.is_file():
            return _parse(plain.read_bytes())
        packed = Path(file_path + ".json.gz")
        return _parse(gzip.decompress(packed.read_bytes())) if packed.is_file() else None


@cache
def service_files() -> Loader:
    """A loader for all sessions: it keeps what it has read, which takes a tenth of a second to parse."""
    return Loader(file_loader=_LeanFiles())


def _parse(data: bytes) -> Any:
    return json.loads(data, object_pairs_hook=_without_documentation)


def _without_documentation(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Emptied, not removed: botocore expects it in places. A structure's member of this name is no text.
    return {
        name: "" if name == "documentation" and isinstance(value, str) else value
        for name, value in pairs
    }
