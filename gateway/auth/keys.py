"""The key ring: every access key that counts, from the configuration and from ``sluice keys``.

Looking a key up is a dict lookup. At most every ``interval`` seconds it also looks whether the key file
was replaced, which costs one ``stat``: so a key that was disabled anywhere on the machine is refused by
every worker within that time, without a message to anyone.
"""

import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from gateway.auth.key import Key
from gateway.auth.key_file import KeyDocument, KeyEntry, KeyFile, KeysError, Stamp
from gateway.model import ANONYMOUS
from gateway.settings import Settings
from gateway.settings.sections import KeySection

FILE_NAME: Final = "keys.json"
ID_PREFIX: Final = "SLUICE"
_ID_LETTERS: Final = string.ascii_uppercase + string.digits


def _silent(problem: str) -> None:
    """Tell nobody."""


class KeyRing:
    """All keys. One per process; not for several threads."""

    def __init__(
        self,
        configured: Mapping[str, Key],
        file: KeyFile,
        *,
        interval: float = 0.5,
        on_problem: Callable[[str], None] = _silent,
    ) -> None:
        """``on_problem`` is told, once per change of the file, why the last good keys are kept.

        Raises:
            KeysError: the file is damaged, or has a key that is configured too.
        """
        self._configured: Final = dict(configured)
        self._file: Final = file
        self._interval: Final = interval
        self._on_problem: Final = on_problem
        self._stamp: Stamp = file.stamp()
        self._looked: float | None = None
        self._trouble = ""
        self._document = file.read()
        self._keys = self._merged(self._document)
        if file.others_can_read():
            on_problem(f"{file.path}: others can read the secrets in it; run chmod 600 on it.")

    @classmethod
    def open(cls, settings: Settings, on_problem: Callable[[str], None] = _silent) -> "KeyRing":
        """The ring that the settings describe: ``[keys.X]`` and ``<data_dir>/keys.json``.

        Raises:
            KeysError: a secret file or the key file cannot be read, or a key is there twice.
        """
        configured = {name: _configured(name, section) for name, section in settings.keys.items()}
        return cls(
            configured,
            KeyFile((settings.server.data_dir / FILE_NAME).absolute()),
            interval=settings.auth.reload,
            on_problem=on_problem,
        )

    @property
    def path(self) -> Path:
        """Where generated keys are kept."""
        return self._file.path

    def find(self, key_id: str, now: float) -> Key | None:
        """The key, if it is known, enabled and within its dates at ``now`` (Unix seconds)."""
        self.maybe_reload(now)
        key = self._keys.get(key_id)
        return key if key is not None and key.counts(now) else None

    def list(self) -> tuple[Key, ...]:
        """All keys, those that do not count included: the configured ones, then the others as they were made."""
        return tuple(self._keys.values())

    def maybe_reload(self, now: float) -> None:
        """:meth:`reload`, if the last look is ``interval`` seconds ago, or the clock was set back."""
        if self._looked is None or not 0 <= now - self._looked < self._interval:
            self._looked = now
            self.reload()

    def reload(self) -> None:
        """Take over what is new in the file. What cannot be used changes nothing and is reported: keys that were
        good a moment ago stay good, and one that was disabled stays disabled."""
        try:
            stamp = self._file.stamp()
            if stamp == self._stamp:
                return
            if stamp is None:
                raise KeysError(
                    f"{self.path}: the file of generated keys is gone; put it back, or restart without."
                )
            document = self._file.read()
            self._keys = self._merged(document)
        except KeysError as error:
            self._report(str(error))
        else:
            self._stamp, self._document, self._trouble = stamp, document, ""

    def create(
        self,
        principal: str | None = None,
        policy: str = "full-access",
        not_before: float | None = None,
        not_after: float | None = None,
    ) -> Key:
        """Make a key, durably. ``principal`` None: the key's own id.

        Raises:
            KeysError: the principal's name is reserved, the dates leave no time, or the file cannot be written.
        """
        with self._file.locked():
            return self._added(principal, policy, not_before, not_after)

    def ensure_first_key(self, policy: str = "full-access") -> Key | None:
        """Make a key if there is none at all; None when there is one. Of several processes one makes it."""
        if self._keys:
            return None
        with self._file.locked():
            if self._current().keys:
                return None
            return self._added(None, policy, None, None)

    def disable(self, key_id: str) -> Key:
        """Refuse a key from now on, durably; also one of the configuration file. Answers the key as it was.

        Raises:
            KeysError: there is no such key, or the file cannot be written.
        """
        with self._file.locked():
            document = self._current()
            key = self._merged(document).get(key_id)
            if key is None:
                raise KeysError(f"There is no key {key_id}; `sluice keys list` shows them all.")
            if key_id not in document.disabled:
                self._store(document.model_copy(update={"disabled": (*document.disabled, key_id)}))
        return key

    def _added(
        self,
        principal: str | None,
        policy: str,
        not_before: float | None,
        not_after: float | None,
    ) -> Key:
        document = self._current()
        key_id = ID_PREFIX + "".join(secrets.choice(_ID_LETTERS) for _ in range(14))
        entry = KeyEntry(
            secret=secrets.token_urlsafe(30),
            principal=principal or key_id,
            policy=policy,
            not_before=not_before,
            not_after=not_after,
        )
        key = _generated(key_id, entry)
        _checked(key, "The new key")
        self._store(document.model_copy(update={"keys": {**document.keys, key_id: entry}}))
        return key

    def _current(self) -> KeyDocument:
        """What the file says now, under the lock."""
        document = self._file.read()
        self._merged(document)
        return document

    def _store(self, document: KeyDocument) -> None:
        self._file.replace(document)
        self._stamp, self._document = self._file.stamp(), document
        self._keys = self._merged(document)

    def _merged(self, document: KeyDocument) -> dict[str, Key]:
        keys = dict(self._configured)
        for key_id, entry in document.keys.items():
            if key_id in keys:
                raise KeysError(
                    f"The key {key_id} is both in the configuration ([keys.{key_id}]) and in {self.path}; "
                    "remove one of the two."
                )
            keys[key_id] = _checked(_generated(key_id, entry), f"{self.path}: keys.{key_id}")
        for key_id in document.disabled:
            if key_id in keys:
                keys[key_id] = replace(keys[key_id], disabled=True)
        return keys

    def _report(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._on_problem(f"{trouble} The keys known so far stay in use.")


def _configured(key_id: str, section: KeySection) -> Key:
    """A key of the configuration, its secret file read."""
    if section.secret is not None:
        secret = section.secret.get_secret_value()
    else:
        assert section.secret_file is not None  # exactly one of the two is there
        secret = _first_line(key_id, section.secret_file)
    key = Key(
        id=key_id,
        secret=secret,
        principal=section.principal or key_id,
        policy=section.policy,
        not_before=section.not_before.timestamp() if section.not_before else None,
        not_after=section.not_after.timestamp() if section.not_after else None,
        disabled=section.disabled,
    )
    if not secret:
        raise KeysError(f"keys.{key_id}: the secret is empty.")
    return _checked(key, f"keys.{key_id}")


def _first_line(key_id: str, path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise KeysError(f"keys.{key_id}.secret_file: {path.absolute()}: {reason}") from None
    return text.partition("\n")[0].strip()


def _generated(key_id: str, entry: KeyEntry) -> Key:
    return Key(
        id=key_id,
        secret=entry.secret,
        principal=entry.principal,
        policy=entry.policy,
        not_before=entry.not_before,
        not_after=entry.not_after,
    )


def _checked(key: Key, where: str) -> Key:
    """Refuse what could never work, or would be mistaken for something else."""
    if key.principal == ANONYMOUS.id:
        raise KeysError(
            f"{where}: the principal {ANONYMOUS.id!r} stands for requests without a credential; "
            "choose another name."
        )
    if key.not_before is not None and key.not_after is not None and key.not_before >= key.not_after:
        raise KeysError(
            f"{where}: not_after is not later than not_before, so it would never count."
        )
    return key
