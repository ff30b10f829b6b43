"""The half of a sink that the pump fills: the same for all, whatever becomes of the parts."""

from gateway.pipeline.flight import Flight
from gateway.pipeline.intake import Intake
from gateway.pipeline.slabs import Slab


class Filling:
    """Hands what the pump asks on to the intake. The base of sinks, which say what is done with full parts."""

    _intake: Intake
    _flight: Flight

    async def admit(self, expected: int | None) -> memoryview | None:
        """Wait for memory and answer where the next bytes go; None when no more may come. A part is begun when the
        store has answered for enough of those before it.

        ``expected`` is how many bytes the source still has, if it knows.
        """
        draft = self._intake.draft
        if not draft.size and self._flight.count:
            await self._flight.trusted(
                draft.target if expected is None else min(draft.target, expected)
            )
        return await self._intake.admit(expected)

    @property
    def prompt(self) -> bool:
        """Whether the source is to be asked for what is there, instead of a full window."""
        return self._intake.prompt

    def filled(self, size: int) -> Slab | None:
        """The source put ``size`` bytes there. Answers the slab that this has filled, if it has: with one lease
        more, for the taps, which release it."""
        return self._intake.filled(size)

    def ended(self) -> Slab | None:
        """The source is at its end. Answers the last slab, if it holds bytes that no tap saw, with one lease more."""
        return self._intake.ended()
