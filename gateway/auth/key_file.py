"""``keys.json``: the keys that Sluice itself made, and which keys are disabled.

One file per data directory, shared by all workers and by ``sluice keys``. It is only ever replaced as
a whole (write aside, fsync, rename), so a reader needs no lock and never sees half of it; writers take
turns by a lock on a file beside it, because the renamed file itself cannot carry the lock.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

#: Version of the file's form. A newer one is refused: it may forbid what we would allow.
SCHEMA: Final = 1

#: What changes whenever the file is replaced: time of change in ns, size in bytes, inode. None: no file.
Stamp: TypeAlias = tuple[int, int, int] | None


class KeysError(Exception):
    """Keys that contradict each other or cannot be read. ``str()`` says which, where and what to do."""


class KeyEntry(BaseModel):
    """A key as the file has it; times in Unix seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    secret: Annotated[str, Field(min_length=1, repr=False)]
    principal: Annotated[str, Field(min_length=1)]
    policy: Annotated[str, Field(min_length=1)]
    not_before: float | None = None
    not_after: float | None = None


class KeyDocument(BaseModel):
    """The whole file. ``disabled`` may also name keys of the configuration file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = SCHEMA
    keys: dict[str, KeyEntry] = Field(default_factory=dict)
    disabled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The file at ``path``. Its folder is made, for its owner only, when it is first written."""

    path: Path

    def stamp(self) -> Stamp:
        """A cheap mark of the file's present state.

        Raises:
            KeysError: it cannot be looked at.
        """
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise KeysError(f"{self.path}: {error.strerror}") from None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def read(self) -> KeyDocument:
        """What it says; a file that is not there says nothing.

        Raises:
            KeysError: unreadable, not of our form, or written by a newer Sluice.
        """
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return KeyDocument()
        except OSError as error:
            raise KeysError(f"{self.path}: {error.strerror}") from None
        return self._parsed(raw)

    def _parsed(self, raw: bytes) -> KeyDocument:
        try:
            tree = json.loads(raw)
        except ValueError as error:
            raise KeysError(f"{self.path}: {_MEND} It is not JSON: {error}") from None
        version = tree.get("version") if isinstance(tree, dict) else None
        if isinstance(version, int) and version > SCHEMA:
            raise KeysError(
                f"{self.path}: written by a newer Sluice (version {version}, this one knows {SCHEMA}). "
                "Run that one, or point server.data_dir elsewhere."
            )
        try:
            return KeyDocument.model_validate(tree)
        except ValidationError as error:
            # Never the message as a whole: it would quote the values, and with them secrets.
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(str(step) for step in first["loc"]) or "file"
            raise KeysError(f"{self.path}: {_MEND} {place}: {first['msg']}") from None

    def others_can_read(self) -> bool:
        """Whether anybody but its owner has access to the file."""
        try:
            return bool(self.path.stat().st_mode & 0o077)
        except OSError:
            return False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other writers out, in this process and in others.

        Raises:
            KeysError: the folder cannot be made or written.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(
                self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise KeysError(f"{error.filename}: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def replace(self, document: KeyDocument) -> None:
        """Write it durably and at once. Only inside :meth:`locked`.

        Raises:
            KeysError: it cannot be written; then the old file is still there, whole.
        """
        aside = self.path.with_suffix(".new")
        try:
            # Left behind by a writer that was killed; we hold the lock, so nobody is at it.
            aside.unlink(missing_ok=True)
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(document.model_dump(), file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            aside.rename(self.path)
            _sync_folder(self.path.parent)
        except OSError as error:
            raise KeysError(f"{self.path}: {error.strerror}") from None


_MEND: Final = "The file of generated keys is damaged; mend it, or move it away and make new keys."


def _sync_folder(folder: Path) -> None:
    """A rename is durable only when the folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
