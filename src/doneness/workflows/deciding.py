"""Which checkpoint to keep, by losses and probes together; the one place where both meet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from doneness.core import Diagnosis, Message, say
from doneness.diagnose import Params, diagnose
from doneness.probe.choice import explain, ruled_out
from doneness.runs import Run
from doneness.runs.probes import Choice, ProbeTable


def decide(run: Run, params: Params | None, table: ProbeTable | None) -> tuple[Diagnosis, Choice]:
    """The verdict on a run and the checkpoint to keep; the verdict's own recommendation is the same one.

    Args:
        run: the run.
        params: thresholds of the verdict.
        table: what the probes found, and how strict to be with it; None where nothing was asked.
    """
    found = diagnose(run, params)
    tied = spot_of(found)
    vetoed = ruled_out(table, tied)
    if vetoed:
        found = diagnose(run, params, barred=vetoed)
    choice = explain(found, run, table, vetoed)
    if choice.goal is None or choice.step is None or choice.step == found.recommended_step:
        return found, choice
    found = diagnose(run, params, barred=vetoed, chosen=choice.step)
    # Where there is no loss to go by, no verdict names a step.
    return found if choice.step == found.recommended_step else _led(found, run, choice.step), choice


def spot_of(found: Diagnosis) -> tuple[int, ...]:
    """The steps that are tied in loss; empty where there is no loss to go by."""
    return found.sweet_spot.steps if found.sweet_spot else ()


def losses_of(run: Run | None) -> dict[int, float]:
    """Evaluation loss by step, nats; empty where the run has none."""
    if run is None or run.evals is None:
        return {}
    found = zip(run.evals.step.tolist(), run.evals.value.tolist(), strict=True)
    return {step: loss for step, loss in found if math.isfinite(loss)}


def _led(found: Diagnosis, run: Run, step: int) -> Diagnosis:
    """The verdict with the checkpoint that the answers chose where it names one; the loss alone chose another."""
    paths = [c.path for c in run.checkpoints if c.step == step]
    name = (paths[0].name if paths[0] is not None else f"checkpoint-{step}") if paths else None
    keep = say("diagnose.keep.checkpoint", checkpoint=name) if name else say("diagnose.keep.step", step=step)
    advice = found.advice
    if advice is not None and advice.key in ("diagnose.advice.overfitting", "diagnose.advice.converged"):
        advice = Message(advice.key, {**advice.args, "step": step})
    return replace(
        found,
        headline=_keeping(found.headline, keep),
        advice=advice,
        recommended_step=step,
        recommended_checkpoint=name,
    )


def _keeping(message: Message, keep: Message) -> Message:
    if message.key.startswith("diagnose.keep."):
        return keep
    args: Mapping[str, object] = {
        k: _keeping(v, keep) if isinstance(v, Message) else v for k, v in message.args.items()
    }
    return Message(message.key, args)
