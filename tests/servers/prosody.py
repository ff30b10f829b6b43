"""Prosody on a free port, handing out slots as v1 and v2 (mod_http_upload_external) and JWT (mod_http_file_share)."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.ports import free_port, wait_for_port

SECRET = "shared between prosody and sluice"
USER, PASSWORD = "romeo", "juliet-1597"

_CONFIG = """
run_as_root = true
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
plugin_paths = {{ "/usr/lib/prosody/modules" }}
daemonize = false
modules_enabled = {{ "roster"; "saslauth"; "disco"; "ping" }}
modules_disabled = {{ "s2s"; "offline"; "tls" }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
storage = "internal"
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{}}
http_ports = {{}}
https_ports = {{}}
interfaces = {{ "127.0.0.1" }}
log = {{ info = "{folder}/prosody.log" }}
VirtualHost "localhost"
Component "v1.localhost" "http_upload_external"
  http_upload_external_base_url = "{url}/upload/"
  http_upload_external_secret = "{secret}"
Component "v2.localhost" "http_upload_external"
  http_upload_external_base_url = "{url}/upload/"
  http_upload_external_secret = "{secret}"
  http_upload_external_protocol = "v2"
Component "jwt.localhost" "http_file_share"
  http_file_share_base_url = "{url}/upload/"
  http_file_share_secret = "{secret}"
"""


@dataclass(frozen=True)
class Prosody:
    """A running server; users log in at ``port`` on loopback."""

    port: int
    jid: str = f"{USER}@localhost"
    password: str = PASSWORD


@contextmanager
def running_prosody(folder: Path, upload_url: str) -> Iterator[Prosody]:
    """Prosody whose slots point at ``upload_url``."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    config = folder / "prosody.cfg.lua"
    config.write_text(_CONFIG.format(folder=folder, port=port, url=upload_url, secret=SECRET))
    environment = os.environ | {"PROSODY_CONFIG": str(config)}
    subprocess.run(
        ["prosodyctl", "--config", str(config), "register", USER, "localhost", PASSWORD],
        check=True,
        capture_output=True,
        env=environment,
        timeout=30,
    )
    process = subprocess.Popen(
        ["prosody", "-F", "--config", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        wait_for_port(port)
        yield Prosody(port)
    finally:
        process.terminate()
        process.wait(10)
