"""What deciding about a request costs, step by step, in microseconds of CPU: no socket, no store.

Run it: ``python -m tests.bench.request_cost``. Steps are those of :mod:`gateway.web.endpoint`, in its order, for a
presigned PUT and GET and a PUT signed in headers; the last line signs the request that goes to a store.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Coroutine
from typing import Final

from gateway.auth.authenticator import Authenticator, Rules
from gateway.auth.authorise import access, authorise
from gateway.auth.key import Key
from gateway.auth.policies import Policies, shipped_folder
from gateway.protocol.commands import RequestHead
from gateway.protocol.dialects.s3 import S3Dialect
from gateway.protocol.routing import dialect_of, route
from gateway.protocol.signatures.authorization import Credentials, sign_headers
from gateway.protocol.signatures.presign import presign
from gateway.sessions.memory import MemorySessions

KEY: Final = Key(id="SLUICEBENCHKEY0001", secret="s" * 40, principal="bench", policy="full-access")
OURS: Final = Credentials(key_id=KEY.id, secret=KEY.secret, region="us-east-1")
HOST: Final = (b"host", b"127.0.0.1:8080")
#: What clients send beside what is signed.
USUAL: Final = ((b"user-agent", b"bench"), (b"accept", b"*/*"), (b"content-length", b"16384"))
PATH: Final = b"/photos/2026/07/cat.jpg"
ROUNDS: Final = 7
CALLS: Final = 3000


class OneKey:
    """Finds the only key there is."""

    def find(self, key_id: str, now: float) -> Key | None:
        return KEY if key_id == KEY.id else None


def presigned(method: str, now: float) -> RequestHead:
    query = presign(method, PATH, b"", [HOST], OURS, expires=3600, now=now)
    return RequestHead(method, PATH, query, (HOST, *USUAL))


def signed(method: str, now: float) -> RequestHead:
    added = sign_headers(method, PATH, b"", [HOST], OURS, payload="0" * 64, now=now)
    return RequestHead(method, PATH, b"", (HOST, *added, *USUAL))


def fresh(head: RequestHead) -> RequestHead:
    """The same head, with nothing remembered of it."""
    return RequestHead(head.method, head.raw_path, head.raw_query, head.headers)


def microseconds(step: Callable[[], object]) -> float:
    """Median CPU time of a call over several rounds."""
    found = []
    for _ in range(ROUNDS):
        before = time.process_time()
        for _ in range(CALLS):
            step()
        found.append((time.process_time() - before) / CALLS * 1e6)
    return statistics.median(found)


def done(work: Coroutine[object, object, object]) -> object:
    """What a coroutine that waits for nothing answers; an event loop's own cost is not counted."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waited")


def measure(
    name: str, head: RequestHead, gate: Authenticator, policies: Policies, now: float
) -> None:
    """Print a line for each step."""
    dialect = S3Dialect()
    target = route(head, (), ())
    grant = asyncio.run(gate.authenticate(head, target, now))
    command = dialect.parse(head, target)
    policy = policies.for_request(grant.policy)
    request = access(grant, command)
    assert request is not None
    steps: dict[str, Callable[[], object]] = {
        "head": lambda: fresh(head).index,
        "dialect and route": lambda: (dialect_of(head, ()), route(head, (), ())),
        "authenticate": lambda: done(gate.authenticate(fresh(head), target, now)),
        "parse": lambda: dialect.parse(fresh(head), target),
        "authorise": lambda: authorise(grant, policy, head.method, request),
    }
    found = {step: microseconds(work) for step, work in steps.items()}
    shown = "  ".join(f"{step} {value:5.1f}" for step, value in found.items())
    print(f"{name:22} {shown}  sum {sum(found.values()):6.1f} us")


def main() -> None:
    """All lines."""
    now = time.time()
    gate = Authenticator(OneKey(), MemorySessions(), Rules(region=OURS.region))
    policies = Policies.load(shipped_folder())
    for name, head in (
        ("PUT, presigned", presigned("PUT", now)),
        ("GET, presigned", presigned("GET", now)),
        ("PUT, signed in headers", signed("PUT", now)),
    ):
        measure(name, head, gate, policies, now)
    cost = microseconds(
        lambda: sign_headers("PUT", PATH, b"", [HOST], OURS, payload="UNSIGNED-PAYLOAD", now=now)
    )
    print(f"{'signing for a store':22} {cost:5.1f} us")


if __name__ == "__main__":
    main()
