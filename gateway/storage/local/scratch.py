"""Unfinished files, each in a folder that belongs to one living process.

The process holds a lock on its folder; the system drops it however the process ends. So whoever can
take the lock knows that nobody will finish what lies there, and may remove it.
"""

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path

from gateway.storage.local.disk import FOLDER_MODE, opened_folder, try_lock
from gateway.storage.rules import new_name


class Scratch:
    """This process's folder for unfinished files, in ``parent``."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._folder, self._lock = self._claim()

    def _claim(self) -> tuple[Path, int]:
        while True:
            folder = self._parent / new_name()
            folder.mkdir(mode=FOLDER_MODE)
            # Until it is locked, a cleaner may take it for a dead process's and remove it.
            with suppress(FileNotFoundError):
                lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                fcntl.flock(lock, fcntl.LOCK_EX)
                if folder.exists():
                    return folder, lock
                os.close(lock)

    def path(self) -> Path:
        """A name that nobody has used."""
        return self._folder / new_name()

    def discard(self, folder: Path) -> None:
        """Make a folder vanish at once, wherever it lies, then remove it.

        Raises:
            FileNotFoundError: it is not there.
        """
        grave = self.path()
        folder.rename(grave)
        shutil.rmtree(grave, ignore_errors=True)

    def clean_dead(self) -> None:
        """Remove what processes that ended left behind."""
        for folder in self._parent.iterdir():
            with (
                suppress(FileNotFoundError, NotADirectoryError),
                opened_folder(folder) as descriptor,
            ):
                if folder != self._folder and try_lock(descriptor):
                    shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Remove the folder with what is in it."""
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)
