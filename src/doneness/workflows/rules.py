"""From the recipe's [stopping] to the rule that trains, replays and reads foreign logs."""

from __future__ import annotations

from doneness.config import StoppingSection
from doneness.diagnose import Params
from doneness.stopping import EvidenceRule, StopRule


def params_of(section: StoppingSection) -> Params:
    """The diagnosis' thresholds."""
    return Params(
        alpha=section.alpha, gain_share=section.gain_share, gain_nats=section.gain_nats, min_steps=section.min_steps
    )


def rule_of(section: StoppingSection) -> StopRule | None:
    """The rule to ask after each evaluation, or None where stopping is switched off."""
    return EvidenceRule(params_of(section)) if section.enabled else None
