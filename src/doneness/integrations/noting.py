"""What a foreign trainer can be asked to do: to stop, to lower its rate, or nothing."""

from __future__ import annotations

from dataclasses import replace

from doneness.core import Action, DonenessError, StopDecision, say, tr
from doneness.diagnose import Params
from doneness.runs import Run
from doneness.stopping import EvidenceRule, StopRule


class Noting:
    """A rule whose cooldowns are notes where nobody lowers the rate.

    Attributes:
        inner: the rule itself.
        cools: whether the rate can be lowered here.
        obeyed: whether it is.
    """

    def __init__(self, rule: StopRule) -> None:
        self.inner = rule
        self.cools, self.obeyed = False, False

    @property
    def name(self) -> str:
        """The rule's own name."""
        return self.inner.name

    @property
    def params(self) -> Params:
        """What the rule holds for worth having."""
        return params_of(self.inner)

    def decide(self, run: Run) -> StopDecision:
        """The rule's decision; of a cooldown that is not acted on the reason says so."""
        decision = lowering(self.inner, self.cools).decide(run)
        if decision.action is not Action.COOLDOWN or (self.cools and self.obeyed):
            return decision
        key = "noted_cooldown" if self.cools else "cooldown"
        return replace(decision, reason=say(f"integrations.{key}", why=decision.reason))


def rule_of(rule: StopRule | None, gain: float | None) -> Noting:
    """The rule given, else EvidenceRule for the smallest gain worth going on for.

    Raises:
        DonenessError: gain is no share.
    """
    if gain is not None and not 0.0 < gain < 1.0:
        raise DonenessError(tr("integrations.gain", value=repr(gain)))
    params = Params() if gain is None else Params(gain_share=gain, gain_nats=0.0)
    return Noting(EvidenceRule(params) if rule is None else rule)


def lowering(rule: StopRule, able: bool) -> StopRule:
    """The rule, told whether anybody can lower the rate: where nobody can, a plan that lowers it is stopped instead."""
    return rule if able or not isinstance(rule, EvidenceRule) else replace(rule, cools=False)


def params_of(rule: StopRule) -> Params:
    """The thresholds of a rule, the usual ones where it has none."""
    inner = rule.inner if isinstance(rule, Noting) else rule
    return inner.params if isinstance(inner, EvidenceRule) else Params()


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
