"""Why a request would be allowed or refused, rule by rule: for ``sluice policy explain``."""

from dataclasses import dataclass

from gateway.auth.policy import AccessRequest, Decision, Policy
from gateway.units import format_size


@dataclass(frozen=True, slots=True)
class Considered:
    """A rule and what became of it: whether it decided, and why or why not."""

    place: str
    decided: bool
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision and the way to it. ``considered`` has every rule of the policy, in order."""

    policy: Policy
    request: AccessRequest
    decision: Decision
    considered: tuple[Considered, ...]

    def lines(self) -> list[str]:
        """It as text for a terminal."""
        verdict = "allowed" if self.decision.allowed else "refused"
        lines = [
            f"{verdict}: {self.request.action} {self.request.key} by policy {self.policy.name}"
        ]
        lines += [
            f"  {'*' if rule.decided else '-'} {rule.place}: {rule.why}" for rule in self.considered
        ]
        if not self.considered:
            lines.append(f"  {self.policy.file} has no rules, so it refuses everything")
        lines.append(f"  {self.decision.reason}")
        if self.decision.allowed and self.request.action == "write":
            limit = self.decision.max_size
            lines.append(f"  size: {'any' if limit is None else f'at most {format_size(limit)}'}")
            lines.append(f"  replace an object: {'yes' if self.decision.overwrite else 'no'}")
        return lines


def explain(policy: Policy, request: AccessRequest) -> Explanation:
    """Decide as :meth:`Policy.decide` does, and keep the way."""
    considered = []
    decided = False
    for rule in policy.rules:
        misfit = rule.misfit(request)
        if decided:
            considered.append(Considered(rule.place, False, "not reached"))
        elif misfit is None:
            decided = True
            considered.append(Considered(rule.place, True, "it fits, so it decides"))
        else:
            considered.append(Considered(rule.place, False, f"other {misfit.aspect}: {misfit.why}"))
    return Explanation(policy, request, policy.decide(request), tuple(considered))
