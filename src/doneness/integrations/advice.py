"""What a run cannot be told for lack of something, said once: too few rows, a budget of tokens nobody counts."""

from __future__ import annotations

import logging

import numpy as np

from doneness.core import tr
from doneness.data import advised_rows, detectable
from doneness.integrations.noting import Noting, params_of
from doneness.runs import ExampleLosses, Run
from doneness.stopping import EvidenceRule, StopRule

logger = logging.getLogger("doneness")


def of_rows(rows: ExampleLosses, rule: StopRule) -> None:
    """Say what change so many evaluation rows can show; a warning where it is more than the gain that matters."""
    loss = abs(rows.mean)
    # Of pairs and labels, one token each, the spread that the advice takes for granted is not known.
    if not 0.0 < loss < float("inf") or bool((rows.tokens == 1).all()):
        return
    units = len(rows.ids) if rows.cluster is None else len(np.unique(rows.cluster))
    gain, detects = params_of(rule).epsilon(loss) / loss, detectable(units)
    enough = detects <= gain * 1.001
    key = "rows_enough" if enough else "rows_few"
    needed = advised_rows(gain)
    text = tr(f"integrations.{key}", rows=len(rows.ids), units=units, detects=detects, gain=gain, needed=needed)
    logger.log(logging.INFO if enough else logging.WARNING, text)


def of_budget(run: Run, rule: StopRule) -> bool:
    """Say that a budget of tokens is never reached where none are logged; whether there was something to say."""
    inner = rule.inner if isinstance(rule, Noting) else rule
    if not isinstance(inner, EvidenceRule) or run.train is None:
        return False
    limits = {"target_tokens": ("targets", inner.budget.target_tokens), "tokens": ("tokens", inner.budget.tokens)}
    silent = [name for name, (axis, limit) in limits.items() if limit and not np.isfinite(run.train.axis(axis)).any()]
    for name in silent:
        logger.warning(tr("integrations.uncounted", budget=name))
    return bool(silent)
