"""An access key: what a signature is made with, whose it is, and when it counts."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An access key. ``not_before`` (included) and ``not_after`` (excluded) are Unix seconds.

    Several keys may belong to one ``principal``: that is how keys are rotated.
    """

    id: str
    secret: str = field(repr=False)
    principal: str
    policy: str
    not_before: float | None = None
    not_after: float | None = None
    disabled: bool = False

    def counts(self, now: float) -> bool:
        """Whether it is enabled and within its dates."""
        return (
            not self.disabled
            and (self.not_before is None or self.not_before <= now)
            and (self.not_after is None or now < self.not_after)
        )
