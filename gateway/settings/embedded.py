"""What holds where nothing is configured: one machine, one folder, and it works.

The defaults that depend on other settings live here: files stand under ``server.data_dir`` wherever
that is, and without any store there is an embedded one that takes every bucket.
"""

from pathlib import Path
from typing import Any, Final

#: The name of the embedded store, as ``[storage.disk]`` would have it.
EMBEDDED_STORE: Final = "disk"


def fill(tree: dict[str, Any]) -> None:
    """Complete ``tree`` in place where it leaves out a place for files, or every store."""
    data_dir = _data_dir(tree)
    _default(tree, "sessions", "url", f"sqlite:///{data_dir / 'sessions.db'}")
    _default(tree, "memory", "spool", str(data_dir / "spool"))
    if not any(name in tree for name in ("storage", "buckets", "buckets_default")):
        tree["storage"] = {EMBEDDED_STORE: {"kind": "local"}}
        tree["buckets_default"] = {"storage": EMBEDDED_STORE}
    stores = tree.get("storage")
    for store in stores.values() if isinstance(stores, dict) else ():
        if isinstance(store, dict) and store.get("kind") == "local":
            store.setdefault("path", str(data_dir / "objects"))


def _data_dir(tree: dict[str, Any]) -> Path:
    server = tree.get("server")
    return Path(str(server.get("data_dir", ".sluice")) if isinstance(server, dict) else ".sluice")


def _default(tree: dict[str, Any], section: str, key: str, value: str) -> None:
    node = tree.setdefault(section, {})
    if isinstance(node, dict):  # anything else is a mistake that validation will name
        node.setdefault(key, value)
