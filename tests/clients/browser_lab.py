"""A page in a real Chromium, a gateway, and files: what the tests of browsers' clients share."""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from gateway.cli.signed import Wanted, sign_page
from gateway.client import Account
from gateway.model import ObjectKey
from tests.servers.chromium import Page
from tests.servers.gateway import KEY_ID, SECRET, GatewayProcess

MIB = 1 << 20
#: Bytes per second at which a test's file takes long enough to be stopped in its middle.
SLOW = 4 * MIB


def token(expires: float = 3600, size: int | None = None, key: str = KEY_ID) -> str:
    """The token of a link that ``sluice sign --page`` makes."""
    wanted = Wanted(
        method="PUT", key=ObjectKey("demo", "in/"), expires=int(expires), now=time.time(), size=size
    )
    link = sign_page(wanted, Account(endpoint="http://h", access_key_id=key, secret=SECRET))
    return link.partition("#token=")[2]


class Lab:
    """A page of a gateway's, and files on its disk."""

    def __init__(self, gateway: GatewayProcess, page: Page, folder: Path) -> None:
        self.gateway = gateway
        self.page = page
        self.folder = folder

    def file(self, name: str, size: int = 10 * MIB) -> Path:
        """A file of random bytes."""
        path = self.folder / name
        path.write_bytes(os.urandom(size))
        return path

    def visit(self, fragment: str = "") -> None:
        """Open the page; with a link's fragment."""
        self.page.visit("about:blank")
        self.page.visit(f"{self.gateway.url}/-/upload{fragment}")

    def module(self, path: Path, bearer: str | None = None, **options: Any) -> None:
        """Load the module, and make ``upload`` out of it for a file; ``seen`` are its progress events."""
        self.page.run(
            "document.body.append(Object.assign(document.createElement('input'), "
            "{type: 'file', id: 'mine'}))"
        )
        self.page.choose("#mine", path)
        endpoint = options.pop("endpoint", self.gateway.url)
        settings = {"headers": {"Authorization": f"Bearer {bearer or token()}"}} | options
        self.page.run(
            f"""(async () => {{
              window.sluice = await import('{self.gateway.url}/-/static/sluice.js');
              const file = document.querySelector('#mine').files[0];
              const url = sluice.target('demo', 'in/' + file.name, {json.dumps(endpoint)});
              window.upload = new sluice.Upload(file, {{url, ...{json.dumps(settings)}}});
              window.seen = []; window.states = [];
              upload.addEventListener('progress', (event) => seen.push(event.detail));
              upload.addEventListener('state', (event) => states.push(event.detail));
            }})()"""
        )

    def start(self) -> None:
        """Begin, and let the promise be."""
        self.page.run("void upload.start().catch(() => undefined)")

    def reach(self, state: str, seconds: float = 30) -> None:
        """Wait for a state."""
        self.page.wait_for(f"upload.state === {json.dumps(state)}", seconds)

    def under_way(self) -> int:
        """Wait until the server acknowledged something, and more is being sent; answers what it acknowledged."""
        return int(
            self.page.wait_for(
                "upload.progress.acknowledged > 0 && "
                "upload.progress.sent > upload.progress.acknowledged && "
                "upload.progress.acknowledged"
            )
        )

    def stored(self, path: Path) -> bool:
        """Whether the object has the file's bytes."""
        found = self.gateway.s3().get_object(Bucket="demo", Key=f"in/{path.name}")
        with found["Body"] as body:
            digest = hashlib.sha256(body.read()).digest()
        return digest == hashlib.sha256(path.read_bytes()).digest()

    def unfinished(self) -> list[str]:
        """The names of the files that can go on; the tests' pages have one memory."""
        names: list[str] = self.page.run(
            "import('/-/static/sluice.js').then((m) => m.unfinished())"
            ".then((all) => all.map((one) => one.name))"
        )
        return names

    def sent(self, method: str) -> list[dict[str, Any]]:
        """The uploads' requests of a method."""
        return [
            request
            for request in self.page.requests
            if request["method"] == method and "/-/uploads/" in request["url"]
        ]

    def offsets(self) -> list[int]:
        """Where each PATCH began."""
        return [int(request["headers"]["upload-offset"]) for request in self.sent("PATCH")]


def row(name: str, part: str = "") -> str:
    """A script for a file's row of the upload page, or a part of it."""
    found = f"[...document.querySelectorAll('#uploads .upload')].find((r) => r.textContent.includes('{name}'))"
    return f"{found}?.querySelector('{part}')" if part else found
