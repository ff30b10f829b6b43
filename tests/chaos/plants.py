"""Bugs to plant: what servers of resumable uploads got wrong, each as an edit of our own source.

An edit that no longer finds its text fails loudly: then the plant is to be written anew.
"""

import inspect
import textwrap
from typing import Any

import pytest

from gateway.sessions import memory_uploads, uploads
from gateway.transfer.resumable import chunks, completing, status
from gateway.transfer.resumable.appending import Appending
from gateway.transfer.resumable.chunk_sink import ChunkSink
from gateway.transfer.resumable.chunks import Chunks
from gateway.transfer.resumable.completing import Completing
from gateway.transfer.resumable.slice_sink import SliceSink
from gateway.transfer.resumable.tails import StoreTails
from gateway.transfer.resumable.takeover import Takeovers
from gateway.transfer.resumable.writing import Writing


class Edit:
    """In the source of ``name``, an attribute of ``owner``, each first text becomes the second."""

    def __init__(self, owner: Any, name: str, *changes: tuple[str, str]) -> None:
        self._owner, self._name, self._changes = owner, name, changes

    def plant(self, patch: pytest.MonkeyPatch) -> None:
        """Replace the function by the edited one.

        Raises:
            ValueError: a text is not there, once.
        """
        found = vars(self._owner)[self._name]
        source = textwrap.dedent(inspect.getsource(found))
        for old, new in self._changes:
            if source.count(old) != 1:
                raise ValueError(f"{self._name} has not once {old!r}")
            source = source.replace(old, new)
        made: dict[str, Any] = {}
        code = compile(source, f"planted {self._name}", "exec")
        exec(code, inspect.unwrap(found).__globals__, made)
        patch.setattr(self._owner, self._name, made[self._name])


#: What a part is numbered by where parts are counted.
_COUNT = "1 + sum(1 for each in self._writing.session.extents if each.number)"

PLANTS: dict[str, tuple[Edit, ...]] = {
    "the hole: the offset is the sum of what is there": (
        Edit(
            uploads,
            "unbroken_run",
            ("    end = 0\n", "    return sum(each.size for each in extents)\n"),
        ),
    ),
    "the lost tail: segments are removed before the part that has them is there": (
        Edit(
            SliceSink,
            "_send",
            (
                "self._complete(draft, index)\n",
                "self._complete(draft, index)\n"
                "        names = [each.name for each in replaced]\n"
                "        await self._site.tails.drop(self._writing.session, names)\n",
            ),
        ),
    ),
    "no fencing: a change is made under whichever epoch": (
        Edit(
            memory_uploads,
            "after_change",
            ("    if found.epoch != epoch:\n        raise _overtaken()\n", ""),
        ),
    ),
    "told before it is durable: a segment is written a little later": (
        Edit(
            StoreTails,
            "put",
            (
                "    await self._retriers[session.store].call(\n"
                '        "PutObject", lambda: placement.store.put(placement.key, views, attributes)\n'
                "    )\n",
                "    copy = [memoryview(b''.join(views))]\n"
                "    put = lambda: placement.store.put(placement.key, copy, attributes)\n"
                "    loop = asyncio.get_running_loop()\n"
                "    loop.call_later(0.05, lambda: loop.create_task(put()))\n",
            ),
        ),
    ),
    "parts are numbered by their count": (
        Edit(
            SliceSink,
            "_send",
            (
                "    self._commits.expect(draft.offset, replaced)\n",
                f"    draft.number = {_COUNT} + len(self._commits._sent)\n"
                "    self._commits.expect(draft.offset, replaced)\n",
            ),
        ),
        Edit(
            ChunkSink,
            "_send",
            (
                "    await self._flight.send(ref, draft)\n",
                f"    draft.number = {_COUNT}\n    await self._flight.send(ref, draft)\n",
            ),
        ),
    ),
    "what was not verified is mapped": (
        Edit(
            Appending,
            "_append",
            ("incoming.chain(running), incoming.staged", "incoming.chain(running), False"),
        ),
        Edit(Chunks, "put", ("staged=bool(claims or signed)", "staged=False")),
    ),
    "completed without a look at the size": (
        Edit(
            chunks,
            "_has_all",
            (
                "session.offset == session.length",
                "max((each.stop for each in session.extents), default=0) == session.length",
            ),
        ),
        Edit(completing, "receipts_of", ("if extent.offset > at:", "if False:")),
        Edit(Completing, "_publish_parts", ("if size != session.length:", "if False:")),
        Edit(Completing, "_check", ("if not whole:", "if False:")),
    ),
    "who is taken over keeps what he had, under the newcomer's feet": (
        Edit(Takeovers, "writing", ("again=offset == session.offset", "again=False")),
    ),
    "the expiry does not see that an upload lives": (
        Edit(
            Writing,
            "change",
            ("max(self._expires(), self.session.expires)", "self.session.expires"),
        ),
    ),
    "a chunk that comes again is counted again": (
        Edit(chunks, "runs_of", ("gap is not None and gap.start <= at", "True")),
        Edit(
            status,
            "_received",
            (
                "return end - sum(gap.size for gap in session.missing)",
                "return sum(each.size for each in session.extents)",
            ),
        ),
    ),
    "an interrupted completion is taken for done": (
        Edit(
            Completing,
            "redo",
            ("if found is None:", "if False:"),
            ("_stored(found)", 'Stored(etag="", size=noted.size)'),
        ),
    ),
}
