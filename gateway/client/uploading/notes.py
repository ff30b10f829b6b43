"""Where uploads that have begun are written down, so that another process can continue them.

One small file per endpoint, key id, object and path, in the user's state folder (XDG Base Directory Specification):
``$XDG_STATE_HOME/sluice/uploads``, by default ``~/.local/state/sluice/uploads``. An upload's URL suffices to write to
it, so nobody else may read them (0600 in a folder of 0700). They are replaced whole, and forgotten when the upload
is complete or has expired.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.client.account import Account
from gateway.client.failures import FileTrouble
from gateway.client.uploading.record import Record, load
from gateway.model import ObjectKey

#: Seconds after which a record without a known end is forgotten: no server keeps uploads longer by default.
_LONGEST: Final = 30 * 24 * 3600


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's folder for them."""
    home = environ.get("XDG_STATE_HOME", "")
    base = Path(home) if home.startswith("/") else Path("~/.local/state").expanduser()
    return base / "sluice" / "uploads"


class Notes:
    """The folder. ``now`` in Unix seconds."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self._folder: Final = folder
        self._now: Final = now

    def page(self, account: Account, key: ObjectKey, file: Path) -> "Page":
        """The note of one upload."""
        facts = (account.endpoint, account.access_key_id, str(key), str(file.absolute()))
        name = hashlib.sha256("\0".join(facts).encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return Page(self._folder / f"{name}.json", self._now)

    def forget_expired(self) -> None:
        """Remove what can't be continued any more."""
        with suppress(OSError):
            for path in self._folder.glob("*.json"):
                if Page(path, self._now).record() is None:
                    path.unlink(missing_ok=True)
            for lock in self._folder.glob("*.lock"):
                if not lock.with_suffix(".json").exists():
                    _remove_free(lock)


class Page:
    """One upload's note. A context manager: inside it nobody else sends the same file to the same place."""

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._path: Final = path
        self._now: Final = now
        self._lock = -1

    def __enter__(self) -> Self:
        """Take it. Where the folder can't be written, the upload can be sent, but not continued by another process.

        Raises:
            FileTrouble: another process is at it.
        """
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _locked(self._path.with_suffix(".lock"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lock < 0:
            return
        if not self._path.exists():
            self._path.with_suffix(".lock").unlink(missing_ok=True)
        os.close(self._lock)

    def record(self) -> Record | None:
        """What is written there; None: nothing, or nothing that can be continued."""
        try:
            found = load(self._path.read_text("utf-8"))
            written = self._path.stat().st_mtime
        except (OSError, ValueError):
            return None
        if found is None:
            return None
        ends = written + _LONGEST if found.expires is None else found.expires
        return found if ends > self._now() else None

    def save(self, record: Record | None) -> None:
        """Replace it, durably; None: forget it. Best effort: an upload does not fail because of its note."""
        with suppress(OSError):
            if record is None:
                self._path.unlink(missing_ok=True)
            elif self._lock >= 0:
                _replace(self._path, record.dump())


def _replace(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, text.encode())
        os.fsync(file)
    finally:
        os.close(file)
    draft.replace(path)


def _locked(path: Path) -> int:
    """The file, open and locked; a lock on a file that was removed meanwhile is none.

    Raises:
        FileTrouble: another process holds it.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise FileTrouble("another process is sending this file to the same place") from None
        with suppress(OSError):
            if path.stat().st_ino == os.fstat(file).st_ino:
                return file
        os.close(file)


def _remove_free(lock: Path) -> None:
    """Remove a lock that nobody holds."""
    try:
        file = _locked(lock)
    except FileTrouble:
        return
    lock.unlink(missing_ok=True)
    os.close(file)
