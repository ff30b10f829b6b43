"""What `sluice serve` says when it is ready: commands to paste that really work.

On a terminal they hold presigned URLs. Anywhere else what is printed ends in a log, where no signature
and no secret may stand (security case 91): there the commands make their URL when they are run.
"""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

from gateway import __version__
from gateway.auth.key import Key
from gateway.auth.policies import Policies
from gateway.auth.policy import AccessRequest
from gateway.cli.connection import local_endpoint, local_key
from gateway.client import Account
from gateway.model import Action, ObjectKey
from gateway.settings import LocalStorage, Settings

#: How long the pasted URLs are good for, in seconds.
LIFE: Final = 3600
_FILE: Final = "hello.txt"
_BUCKET: Final = "demo"


def first_key_notice(key: Key, path: str, *, terminal: bool) -> str:
    """The one time that a secret is shown: when the first start, on a terminal, made a key."""
    if not terminal:
        return f"Made a first key, {key.id}, and stored it with its secret in {path}.\n"
    return (
        f"Made a first key and stored it in {path}. Its secret is shown this once:\n"
        f"  access key id      {key.id}\n"
        f"  secret access key  {key.secret}\n"
    )


def own_program(program: str) -> str:
    """How a shell in this folder starts this program: ``sluice`` only where that finds it. ``program`` is
    ``sys.argv[0]``."""
    if Path(program).name != "sluice":
        return shlex.join([sys.executable, "-m", "gateway"])
    found = shutil.which("sluice")
    same = found is not None and Path(found).resolve() == Path(program).resolve()
    return "sluice" if same else shlex.quote(program)


def own_command(config: Path | None, program: str, folder: Path) -> str:
    """How a shell starts this program again from any folder: ``cd folder && sluice``; with its ``config``.

    ``program`` is ``sys.argv[0]``, ``folder`` the working directory.
    """
    words = [program] if Path(program).name == "sluice" else [sys.executable, "-m", "gateway"]
    words.append("sign")
    if config is not None:
        words += ["--config", str(config)]
    return f"cd {shlex.quote(str(folder))} && {shlex.join(words)}"


def banner(
    settings: Settings,
    *,
    port: int,
    now: float,
    signer: str | None = None,
    program: str = "sluice",
) -> str:
    """A signed upload and a ranged download by curl, signed at ``now`` (Unix seconds).

    ``port`` is the one that is really listened on. With a ``signer``, the shell's words for ``sluice
    sign``, nothing is signed here: the commands ask it for their URLs. ``program`` is how to start this one.
    """
    endpoint = local_endpoint(settings, port)
    lines = [f"Sluice {__version__} listens on {endpoint}", ""]
    key = local_key(settings)
    target = _target(settings)
    if key is None:
        lines.append(f"No key counts now: make one with `{program} keys create`.")
    elif target is None:
        lines.append("No bucket is configured: add [buckets.NAME] or [buckets_default].")
    else:
        account = _account(settings, endpoint, key)
        upload, download = (
            shlex.quote(account.presigned(method, target, expires=LIFE, now=now))
            if signer is None
            else _made_by(signer, method, target, account)
            for method in ("PUT", "GET")
        )
        lines += _commands(upload, download, _trust(settings), program)
        lines += _caution(settings, target) + _refusals(settings, key, target)
    return "\n".join([*lines, ""])


def _made_by(signer: str, method: str, target: ObjectKey, account: Account) -> str:
    """A URL as the shell makes it, with this key and no other that its environment may name."""
    options = ["--expires", f"{LIFE}s", "--key", account.access_key_id]
    options += ["--endpoint", account.endpoint, "--region", account.region]
    return f'"$({signer} {shlex.join([method, str(target), *options])})"'


def _commands(upload: str, download: str, curl: str, program: str) -> list[str]:
    return [
        "Paste into another terminal. A signed upload:",
        f"  echo 'Hello, Sluice!' > {_FILE} && {curl} -T {_FILE} {upload}",
        "A ranged download, its first five bytes:",
        f"  {curl} -r 0-4 {download}",
        f"These URLs are good for an hour; `{program} sign --help` says how to make others.",
    ]


def _account(settings: Settings, endpoint: str, key: Key) -> Account:
    return Account(
        endpoint=endpoint,
        access_key_id=key.id,
        secret=key.secret,
        region=settings.server.region,
    )


def _target(settings: Settings) -> ObjectKey | None:
    if settings.buckets_default is None and not settings.buckets:
        return None
    return ObjectKey(next(iter(settings.buckets), _BUCKET), _FILE)


def _trust(settings: Settings) -> str:
    """curl, told to trust our own certificate where the port speaks TLS."""
    certificate = settings.server.tls_cert
    return "curl" if certificate is None else f"curl --cacert {shlex.quote(str(certificate))}"


def _caution(settings: Settings, target: ObjectKey) -> list[str]:
    """The embedded store makes buckets by itself; others don't."""
    default = settings.buckets_default
    if settings.buckets or default is None:
        return []
    store = settings.storage[default.storage]
    if isinstance(store, LocalStorage) and store.buckets == "create":
        return []
    return [f"(The bucket {target.bucket} has to exist in the store.)"]


def _refusals(settings: Settings, key: Key, target: ObjectKey) -> list[str]:
    """A narrow key is refused one command or both: rightly, but who pastes them should not be surprised."""
    policy = Policies.open(settings).get(key.policy)
    steps: tuple[tuple[Action, str], ...] = (("write", "upload"), ("read", "download"))
    return [
        f"(The {name} will be refused: the policy {policy.name} of the key {key.id} does not let it {action}.)"
        for action, name in steps
        if not policy.decide(
            AccessRequest(action=action, key=target, principal=key.principal)
        ).allowed
    ]
