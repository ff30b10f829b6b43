"""A local store in a test's folder."""

from pathlib import Path

from gateway.model import ObjectKey
from gateway.settings import LocalStorage
from gateway.storage.local import LocalStore

KEY = ObjectKey("photos", "album/one.jpg")


async def again(path: Path) -> LocalStore:
    """The store as another process would open it."""
    other = LocalStore("disk", LocalStorage(kind="local", path=path))
    await other.start()
    return other


def files(path: Path) -> list[Path]:
    return sorted(one for one in path.rglob("*") if one.is_file())
