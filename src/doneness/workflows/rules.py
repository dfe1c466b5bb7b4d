"""From the recipe's [stopping] to the rule that trains, replays and reads foreign logs."""

from __future__ import annotations

from dataclasses import replace

from doneness.config import StoppingSection
from doneness.config.gain import parse_gain
from doneness.config.target import parse_target
from doneness.diagnose import Params
from doneness.stopping import Budget, EvidenceRule, PatienceRule, StopRule


def params_of(section: StoppingSection) -> Params:
    """The diagnosis' thresholds."""
    params = Params(
        alpha=section.alpha,
        gain_share=section.gain_share,
        gain_nats=section.gain_nats,
        min_steps=section.min_steps,
        span=section.span,
        prefer=section.prefer,
    )
    gain = parse_gain(section.stop_when_gain_below)
    if gain is None:
        return params
    if gain.hourly:
        return replace(params, hourly_share=gain.share, hourly_nats=gain.nats, hourly_by_device=gain.by_device)
    # Nats that somebody asked for are meant, however low the loss.
    return replace(params, gain_share=gain.share, gain_nats=gain.nats, nats_cap=1.0 if gain.nats else params.nats_cap)


def rule_of(section: StoppingSection) -> StopRule | None:
    """The rule to ask after each evaluation, or None where stopping is switched off."""
    if not section.enabled:
        return None
    if section.patience:
        return PatienceRule(section.patience, 0.0, start=False)
    budget = Budget(
        target_tokens=section.max_target_tokens,
        tokens=section.max_tokens,
        hours=section.max_hours,
        cost=section.max_cost,
        cost_per_hour=section.cost_per_hour,
    )
    if section.goal != "target":
        return EvidenceRule(params_of(section), goal=section.goal, budget=budget)
    loss, aim = section.target_loss or None, parse_target(section.target)
    return EvidenceRule(params_of(section), goal=section.goal, target=loss, aim=aim, budget=budget)
