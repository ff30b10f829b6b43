"""Resumable uploads, as a plain ASGI application under a server that is not ours: see test_other_servers.

What needs a server's help is not here: interim answers, and trailers.
"""

from collections.abc import Iterator

import pytest

from tests.clients import test_resumable
from tests.servers.gateway import CONFIG, GatewayProcess, running_gateway

pytestmark = pytest.mark.ci

test_tuspy_uploads = test_resumable.test_tuspy_uploads
test_tuspy_sends_checksums = test_resumable.test_tuspy_sends_checksums
test_a_half_open_connection_is_taken_over_within_a_second = (
    test_resumable.test_a_half_open_connection_is_taken_over_within_a_second
)
test_a_question_does_not_wait_for_a_hanging_writer = (
    test_resumable.test_a_question_does_not_wait_for_a_hanging_writer
)
test_progress_is_followed_live = test_resumable.test_progress_is_followed_live


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("resumable-hypercorn")
    config = CONFIG + '\n[transfer]\npart_size = "256KiB"\n'
    with running_gateway(folder, config, module="tests.servers.hypercorn_gateway") as process:
        yield process
