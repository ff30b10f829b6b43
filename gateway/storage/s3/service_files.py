"""botocore's descriptions of services, read without what no request of ours needs.

Most of S3's description is documentation, and most of the list of endpoints is other services'. Kept as botocore
keeps it, in ordered dictionaries, that takes 11 MiB of every worker for ever; what is left here is one.
"""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from botocore.loaders import JSONFileLoader, Loader

#: Endpoint prefixes of S3 and of what the credential chain may ask: STS, IAM Identity Center, sign-in.
_SERVICES: Final = frozenset({"s3", "sts", "portal.sso", "sso", "oidc", "sso-oidc", "signin"})


class _LeanFiles(JSONFileLoader):  # type: ignore[misc]
    """botocore's reader of JSON files, which leaves documentation and other services' endpoints out."""

    def load_file(self, file_path: str) -> Any:
        """The data of ``file_path`` (without its suffix); None where there is no such file."""
        data = _read(file_path)
        return data if data is None or Path(file_path).name != "endpoints" else _ours(data)


@cache
def service_files() -> Loader:
    """A loader for all sessions: it keeps what it has read, which takes a tenth of a second to parse."""
    return Loader(file_loader=_LeanFiles())


def _read(file_path: str) -> Any:
    plain = Path(file_path + ".json")
    if plain.is_file():
        return _parse(plain.read_bytes())
    packed = Path(file_path + ".json.gz")
    return _parse(gzip.decompress(packed.read_bytes())) if packed.is_file() else None


def _ours(endpoints: dict[str, Any]) -> dict[str, Any]:
    for partition in endpoints.get("partitions", ()):
        services = partition.get("services", {})
        partition["services"] = {name: services[name] for name in services if name in _SERVICES}
    return endpoints


def _parse(data: bytes) -> Any:
    return json.loads(data, object_pairs_hook=_without_documentation)


def _without_documentation(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Emptied, not removed: botocore expects it in places. A structure's member of this name is no text.
    return {
        name: "" if name == "documentation" and isinstance(value, str) else value
        for name, value in pairs
    }
