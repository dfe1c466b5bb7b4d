"""What a foreign trainer can be asked to do: to stop, or nothing."""

from __future__ import annotations

from dataclasses import replace

from doneness.core import Action, DonenessError, StopDecision, say, tr
from doneness.diagnose import Params
from doneness.runs import Run
from doneness.stopping import EvidenceRule, StopRule


class Noting:
    """A rule whose cooldowns are notes: a foreign trainer's learning rate is not ours to lower."""

    def __init__(self, rule: StopRule) -> None:
        self.inner = rule

    @property
    def name(self) -> str:
        """The rule's own name."""
        return self.inner.name

    def decide(self, run: Run) -> StopDecision:
        """The rule's decision; of a cooldown the reason says that it is not acted on."""
        decision = self.inner.decide(run)
        if decision.action is not Action.COOLDOWN:
            return decision
        return replace(decision, reason=say("integrations.cooldown", why=decision.reason))


def rule_of(rule: StopRule | None, gain: float | None) -> Noting:
    """The rule given, else EvidenceRule for the smallest gain worth going on for.

    Raises:
        DonenessError: gain is no share.
    """
    if gain is not None and not 0.0 < gain < 1.0:
        raise DonenessError(tr("integrations.gain", value=repr(gain)))
    params = Params() if gain is None else Params(gain_share=gain, gain_nats=0.0)
    return Noting(EvidenceRule(params) if rule is None else rule)


def obeys(on_stop: str) -> bool:
    """Whether a decision to stop is obeyed.

    Raises:
        DonenessError: neither "stop" nor "note".
    """
    if on_stop not in ("stop", "note"):
        raise DonenessError(tr("integrations.on_stop", value=repr(on_stop)))
    return on_stop == "stop"


def every_of(health: int) -> int:
    """Steps between two measurements; 0 for none.

    Raises:
        DonenessError: no whole number from 0 on.
    """
    if isinstance(health, bool) or not isinstance(health, int) or health < 0:
        raise DonenessError(tr("integrations.health", value=repr(health)))
    return health
