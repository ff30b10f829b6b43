"""Forms, as a plain ASGI application under a server that is not ours: see test_other_servers."""

from collections.abc import Iterator

import pytest

from tests.clients import test_forms
from tests.servers.gateway import GatewayProcess, running_gateway

#: When a body is asked for is the server's business there: Hypercorn does it before it asks us.
_OURS = "test_a_form_is_asked_for_only_when_its_fields_can_be_read"

#: The tests of forms and their clients, against this module's gateway.
globals().update(
    {
        name: thing
        for name, thing in vars(test_forms).items()
        if (name.startswith("test_") and name != _OURS) or name == "s3"
    }
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("forms-hypercorn")
    with running_gateway(folder, module="tests.servers.hypercorn_gateway") as process:
        yield process
