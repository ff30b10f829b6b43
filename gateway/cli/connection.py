"""Which gateway, and which key: by option, environment, or the local configuration, in this order."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from gateway.auth.key import Key
from gateway.auth.keys import KeyRing
from gateway.cli.mistakes import Mistake
from gateway.cli.options import read_settings
from gateway.client import Account
from gateway.settings import Settings

_ENDPOINTS: Final = ("SLUICE_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_PAIRS: Final = (
    ("SLUICE_ACCESS_KEY_ID", "SLUICE_SECRET_ACCESS_KEY"),
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
)
_REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
#: Addresses that mean "every interface": one can listen on them, not connect to them.
_WILDCARDS: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104


class Connection:
    """The answers for one command. ``environ`` is an argument for the tests."""

    def __init__(
        self,
        *,
        endpoint: str | None = None,
        key: str | None = None,
        region: str | None = None,
        config: Path | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._endpoint: Final = endpoint
        self._key: Final = key
        self._region: Final = region
        self._config: Final = config
        self._environ: Final = environ

    @cached_property
    def settings(self) -> Settings:
        """The local configuration: read only when something is not said otherwise."""
        return read_settings(self._config)

    @cached_property
    def account(self) -> Account:
        """The endpoint, with the key that signs for it.

        Raises:
            Mistake: no key is to be found, or half of one.
            SettingsError, KeysError: the local configuration is needed and wrong.
        """
        pair = self._pair()
        try:
            return Account(
                endpoint=self.endpoint,
                access_key_id=pair.id,
                secret=pair.secret,
                region=self._region_for(pair),
            )
        except ValueError as error:
            raise Mistake(str(error)) from None

    @property
    def endpoint(self) -> str:
        """The gateway's URL, without a trailing slash."""
        named = self._endpoint or self._first(_ENDPOINTS)
        return (named or local_endpoint(self.settings)).rstrip("/")

    @cached_property
    def source(self) -> str:
        """Where the key came from, for messages."""
        return self._pair().source

    def _first(self, names: tuple[str, ...]) -> str | None:
        return next((self._environ[name] for name in names if self._environ.get(name)), None)

    def _pair(self) -> "_Pair":
        wanted, _, secret = (self._key or "").partition(":")
        if secret:
            return _Pair(wanted, secret, "--key")
        found = self._from_environment(wanted) or self._from_local_keys(wanted)
        if found is None:
            if wanted:
                _refuse_if_dead(self.settings, wanted)
            raise Mistake(
                f"The secret of key {wanted} is not known here; set SLUICE_ACCESS_KEY_ID and "
                "SLUICE_SECRET_ACCESS_KEY."
                if wanted
                else "No key: give --key, set SLUICE_ACCESS_KEY_ID and SLUICE_SECRET_ACCESS_KEY, "
                "or make one with `sluice keys create`."
            )
        return found

    def _from_environment(self, wanted: str) -> "_Pair | None":
        for id_name, secret_name in _PAIRS:
            key_id, secret = self._environ.get(id_name, ""), self._environ.get(secret_name, "")
            if bool(key_id) != bool(secret):
                missing = secret_name if key_id else id_name
                raise Mistake(f"{missing} is not set; it goes with the other of the pair.")
            if key_id and wanted in ("", key_id):
                return _Pair(key_id, secret, id_name)
        return None

    def _from_local_keys(self, wanted: str) -> "_Pair | None":
        found = local_key(self.settings, wanted)
        return None if found is None else _Pair(found.id, found.secret, "the local keys")

    def _region_for(self, pair: "_Pair") -> str:
        """AWS's variables name the region of AWS's credentials, not of others."""
        of_aws = self._first(_REGIONS) if pair.source.startswith("AWS_") else None
        return self._region or of_aws or self.settings.server.region


@dataclass(frozen=True, slots=True)
class _Pair:
    id: str
    secret: str
    source: str

    def __repr__(self) -> str:
        return f"_Pair({self.id!r}, ..., {self.source!r})"


def local_key(settings: Settings, wanted: str = "") -> Key | None:
    """A key of the local gateway that counts now: the named one, else the first configured, else the first made."""
    now = time.time()
    keys = KeyRing.open(settings).list()
    return next((key for key in keys if wanted in ("", key.id) and key.counts(now)), None)


def _refuse_if_dead(settings: Settings, wanted: str) -> None:
    """A key that is known here and does not count.

    Raises:
        Mistake: which it is, and what to do.
    """
    key = next((key for key in KeyRing.open(settings).list() if key.id == wanted), None)
    if key is not None:
        why = (
            "is disabled"
            if key.disabled
            else "does not count at this time (see `sluice keys list`)"
        )
        raise Mistake(f"The key {wanted} {why}; make another with `sluice keys create`.")


def local_endpoint(settings: Settings, port: int | None = None) -> str:
    """The URL under which this machine reaches the gateway that ``settings`` describe."""
    server = settings.server
    host = _WILDCARDS.get(server.host, server.host)
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    scheme = "http" if server.tls_cert is None else "https"
    return f"{scheme}://{host}:{port or server.port}"
