"""A supervisor for a real S3: one-node Ceph (mon, mgr, osd, radosgw) with its objects in memory.

Needs root and Debian's packages ceph-mon, ceph-mgr, ceph-osd, radosgw and ceph-common. The daemons run in
the foreground as children and die with this process. Version 16 knows SigV4, aws-chunked, multipart,
ranges, versioning, conditional PutObject; not: conditional Complete, unsigned trailers, new checksums.
"""

import asyncio
import ctypes
import os
import shutil
import signal
import socket
import sys
import urllib.error
import urllib.request
import uuid
from contextlib import suppress
from pathlib import Path

from tests.servers.lease import S3Endpoint, ServerFailed, forget, supervise

ACCESS_KEY, SECRET_KEY = "rgwtestaccesskey01", "rgwtestsecretkey0123456789"
_SBIN = "/usr/sbin:/usr/local/sbin:/sbin"
_PROGRAMS = ("ceph", "ceph-mon", "ceph-mgr", "ceph-osd", "ceph-authtool", "monmaptool", "radosgw")

_CONFIGURATION = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon_port}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail crit = 1
mon data avail warn = 1
run dir = {home}/run
admin socket = {home}/run/$name.asok
log file = {home}/logs/$name.log
mon cluster log file = {home}/logs/cluster.log
mon data = {home}/mon
mgr data = {home}/mgr
osd data = {home}/osd
osd objectstore = memstore
memstore device bytes = 8589934592
keyring = {home}/keyring
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw dns name = localhost
rgw crypt require ssl = false
rgw gc obj min wait = 1
rgw gc processor period = 5
rgw gc processor max time = 5
"""


def missing() -> str | None:
    """Why this server cannot run here; None: it can."""
    absent = [name for name in _PROGRAMS if shutil.which(name, path=_path()) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    return None if os.geteuid() == 0 else "Ceph's daemons are run as root only"


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:{_SBIN}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    """Linux's PR_SET_PDEATHSIG: the daemons end even where this supervisor is killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Cluster:
    """The daemons and their folder."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._conf = home / "ceph.conf"
        self._daemons: list[asyncio.subprocess.Process] = []
        self._environment = os.environ | {"PATH": _path()}

    async def start(self) -> S3Endpoint:
        """Bring all up, one after the other: each needs the one before."""
        port = self._configure()
        await self._make_monitor()
        await self._daemon("ceph-mon", "-i", "a")
        await self._until_monitor_answers()
        await self._grant("mgr.x", "mon", "allow profile mgr", "osd", "allow *")
        await self._daemon("ceph-mgr", "-i", "x")
        identity = str(uuid.uuid4())
        await self._ceph("osd", "new", identity)
        await self._grant(
            "osd.0", "mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *"
        )
        await self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", identity, *self._with_conf())
        await self._daemon("ceph-osd", "-i", "0")
        await self._run(
            "radosgw-admin",
            *self._with_conf(),
            *("user", "create", "--uid=test", "--display-name=test"),
            *(f"--access-key={ACCESS_KEY}", f"--secret-key={SECRET_KEY}"),
        )
        await self._daemon("radosgw", "-n", "client.rgw")
        url = f"http://127.0.0.1:{port}"
        await self._until_gateway_answers(url)
        return S3Endpoint(url, ACCESS_KEY, SECRET_KEY)

    async def stop(self) -> None:
        """End the daemons, the last one first; nothing in them is worth a clean end."""
        for daemon in reversed(self._daemons):
            with suppress(ProcessLookupError):
                daemon.kill()
            await daemon.wait()
        for folder in ("mon", "mgr", "osd", "run"):
            shutil.rmtree(self._home / folder, ignore_errors=True)

    def _configure(self) -> int:
        for folder in ("mon", "mgr", "osd", "run", "logs"):
            (self._home / folder).mkdir(exist_ok=True)
        self._fsid, self._mon_port, port = str(uuid.uuid4()), _free_port(), _free_port()
        self._conf.write_text(
            _CONFIGURATION.format(
                home=self._home, fsid=self._fsid, mon_port=self._mon_port, port=port
            )
        )
        return port

    async def _make_monitor(self) -> None:
        address = f"[v2:127.0.0.1:{self._mon_port}]"
        monmap, keyring = str(self._home / "monmap"), str(self._home / "keyring")
        await self._run(
            "monmaptool",
            "--create",
            "--clobber",
            "--fsid",
            self._fsid,
            "--addv",
            "a",
            address,
            monmap,
        )
        await self._run(
            *("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon."),
            *("--cap", "mon", "allow *"),
        )
        for name in ("client.admin", "client.rgw"):
            await self._run(
                *("ceph-authtool", keyring, "--gen-key", "-n", name),
                *("--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *"),
            )
        await self._run(
            *("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring),
            *self._with_conf(),
        )

    async def _grant(self, name: str, *capabilities: str) -> None:
        key = await self._ceph("auth", "get-or-create", name, *capabilities)
        with (self._home / "keyring").open("a") as keyring:
            keyring.write(key)

    async def _until_monitor_answers(self) -> None:
        for _ in range(60):
            with suppress(ServerFailed, TimeoutError):
                async with asyncio.timeout(5):
                    await self._ceph("-s")
                    return
            await asyncio.sleep(0.2)
        raise ServerFailed("the monitor does not answer")

    async def _until_gateway_answers(self, url: str) -> None:
        for _ in range(200):
            with suppress(OSError):
                await asyncio.to_thread(_get, url)
                return
            await asyncio.sleep(0.2)
        raise ServerFailed("radosgw does not answer")

    def _with_conf(self) -> tuple[str, str]:
        return ("-c", str(self._conf))

    async def _ceph(self, *arguments: str) -> str:
        return await self._run("ceph", *self._with_conf(), *arguments)

    async def _daemon(self, *command: str) -> None:
        daemon = await asyncio.create_subprocess_exec(
            *command, "-f", *self._with_conf(), env=self._environment, preexec_fn=_die_with_parent
        )
        self._daemons.append(daemon)

    async def _run(self, *command: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            preexec_fn=_die_with_parent,
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise ServerFailed(f"{command[0]} ended with {process.returncode}")
        return output.decode()


def _get(url: str) -> None:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except urllib.error.HTTPError as answer:
        answer.close()


async def main(home: Path) -> None:
    """Serve until nobody holds a lease."""
    cluster = Cluster(home)
    try:
        await supervise(home, cluster.start)
    finally:
        await cluster.stop()
    forget(home)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
