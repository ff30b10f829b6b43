from gateway.drain import Drain
from gateway.server.refusals import render_refusal
from gateway.server.rules import Rules
from gateway.server.shared import SCRATCH, Shared


def test_one_process_counts_all_its_connections_in_one_place() -> None:
    shared = Shared(Rules(max_connections=1), Drain(), render_refusal)
    one, two = shared.census.enter("192.0.2.1"), shared.census.enter("192.0.2.2")
    assert one is not None
    assert two is not None
    assert (one.full is None, two.full is None) == (True, False)


def test_the_scratch_buffer_can_be_written_and_is_not_one_per_connection() -> None:
    shared = Shared(Rules(), Drain(), render_refusal)
    assert len(shared.scratch) == SCRATCH
    assert not shared.scratch.readonly
    assert shared.scratch[:10].obj is shared.scratch.obj
