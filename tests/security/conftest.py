"""One gateway for each module of cases."""

from collections.abc import Iterator

import pytest

from tests.protocol.signatures.wire import KEY_ID, SECRET
from tests.security.asking import Asker
from tests.servers.gateway import CONFIG, GatewayProcess, running_gateway

LIMITED = "SLUICELIMITEDKEY01"
SLOT_SECRET = "a slot's secret"
DELETE_SECRET = "a slot's other secret"

MORE = f"""
[keys.{KEY_ID}]
secret = "{SECRET}"

[keys.{LIMITED}]
secret = "{SECRET}"
policy = "team1"

[buckets.dropped]
storage = "main"

[slots.up]
bucket = "dropped"
base_path = "/up/"
secret = "{SLOT_SECRET}"
delete_secret = "{DELETE_SECRET}"
max_size = "1MiB"
"""
POLICY = """
description = "Write below team1"

[[rules]]
actions = ["read", "write"]
buckets = ["*"]
prefixes = ["team1/"]
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("security")
    (folder / "policies").mkdir()
    (folder / "policies" / "team1.toml").write_text(POLICY)
    server = '[server]\npolicies = "{folder}/policies"\nmax_head = "16KiB"'
    with running_gateway(folder, CONFIG.replace("[server]", server) + MORE) as process:
        yield process


@pytest.fixture(scope="module")
def ask(gateway: GatewayProcess) -> Asker:
    return Asker(gateway)
