"""A real XMPP server hands out slots; a real XMPP client's uploads and downloads go through Sluice."""

import asyncio
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
import slixmpp

from tests.servers.gateway import CONFIG, GatewayProcess, running_gateway
from tests.servers.prosody import SECRET, Prosody, running_prosody

SLOTS = f"""
[slots.upload]
bucket = "slots"
base_path = "/upload/"
secret = "{SECRET}"
max_size = "1MiB"

[buckets.slots]
storage = "main"
"""

NS = "{urn:xmpp:http:upload:0}"


@dataclass(frozen=True)
class Slot:
    """What XEP-0363 hands out."""

    put: str
    get: str
    headers: dict[str, str]


async def ask_for_slot(
    server: Prosody, component: str, name: str, size: int, content_type: str
) -> Slot:
    """Log in with slixmpp and request a slot."""
    client = slixmpp.ClientXMPP(server.jid, server.password)
    client.register_plugin("xep_0363")
    client.plugin["feature_mechanisms"].unencrypted_plain = True
    client.enable_direct_tls = False
    client.enable_starttls = False
    client.enable_plaintext = True
    ready = asyncio.Event()
    client.add_event_handler("session_start", lambda _: ready.set())
    client.connect("127.0.0.1", server.port)
    try:
        await asyncio.wait_for(ready.wait(), 20)
        answer = await client.plugin["xep_0363"].request_slot(
            slixmpp.JID(component), name, size, content_type
        )
        tree = ElementTree.fromstring(str(answer))
    finally:
        await client.disconnect(wait=0.5)
        await asyncio.sleep(0.05)  # its last task ends
    put, get = tree.find(f".//{NS}put"), tree.find(f".//{NS}get")
    assert put is not None
    assert get is not None
    headers = {header.attrib["name"]: header.text or "" for header in put.findall(f"{NS}header")}
    return Slot(put.attrib["url"], get.attrib["url"], headers)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with running_gateway(
        tmp_path_factory.mktemp("gateway"), CONFIG + SLOTS.replace("{", "{{")
    ) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def prosody(gateway: GatewayProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prosody]:
    with running_prosody(tmp_path_factory.mktemp("prosody"), gateway.url) as server:
        yield server


@pytest.mark.xmpp
@pytest.mark.parametrize("component", ["v1.localhost", "v2.localhost", "jwt.localhost"])
@pytest.mark.parametrize("name", ["photo.jpg", "ünï cödé (1)+%.jpg"])
async def test_a_slot_of_prosody_takes_a_file_and_gives_it_back(
    prosody: Prosody, component: str, name: str
) -> None:
    body = bytes(range(256)) * 40
    slot = await ask_for_slot(prosody, component, name, len(body), "image/jpeg")
    headers = {"Content-Type": "image/jpeg", **slot.headers}
    async with httpx.AsyncClient() as client:
        missing = await client.get(slot.get)
        stored = await client.put(slot.put, content=body, headers=headers)
        read = await client.get(slot.get)
        part = await client.get(slot.get, headers={"Range": "bytes=10-19"})
        again = await client.put(slot.put, content=body, headers=headers)

    assert (missing.status_code, stored.status_code, again.status_code) == (
        403,
        201,
        409,
    )  # who may not list must not learn what is missing
    assert (read.status_code, read.content, read.headers["content-type"]) == (
        200,
        body,
        "image/jpeg",
    )
    assert (part.status_code, part.content) == (206, body[10:20])
    assert read.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in read.headers["cache-control"]


@pytest.mark.xmpp
@pytest.mark.parametrize("component", ["v1.localhost", "v2.localhost", "jwt.localhost"])
async def test_a_slot_takes_no_other_size_and_leaves_nothing(
    prosody: Prosody, component: str
) -> None:
    slot = await ask_for_slot(prosody, component, "a.txt", 100, "text/plain")
    headers = {"Content-Type": "text/plain", **slot.headers}
    async with httpx.AsyncClient() as client:
        longer = await client.put(slot.put, content=b"x" * 101, headers=headers)
        read = await client.get(slot.get)

    # v1 and v2 sign the size, so another size is another signature; the JWT says the size
    assert longer.status_code == (413 if component.startswith("jwt") else 403)
    assert read.status_code == 403
