"""Runs with losses by span, whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from doneness.runs import EVAL_LOSS, SPAN_LOSS, ExampleLosses, Run, Series, SpanLosses
from doneness.testing.synthetic import converged_run

Floats = NDArray[np.float64]
Truth = Callable[[Floats], Floats]


def settled(u: Floats) -> Floats:
    """A loss that falls fast and has settled by a third of the run."""
    return np.asarray(1.4 + 0.8 * np.exp(-u / 0.06))


def still_falling(u: Floats) -> Floats:
    """A loss that falls to the end."""
    return np.asarray(0.4 + 0.7 * (u + 0.05) ** -0.3)


def span_run(
    label: Truth,
    free: Truth,
    rows: int = 800,
    labels: tuple[str, ...] = ("yes", "no", "maybe"),
    cluster: int = 1,
    seed: int = 0,
) -> Run:
    """A run of answers with 40 tokens or so of free text, one label token and the end.

    Args:
        label: true loss of the label token over the share of the run that is done.
        free: the same of the free text.
        rows: evaluation rows.
        labels: texts, row by row in turn.
        cluster: rows of one conversation; all of a conversation have the same losses.
        seed: of everything random.
    """
    rng = np.random.default_rng(seed)
    base = converged_run(seed=seed)
    steps = [] if base.evals is None else base.evals.step.tolist()
    ids = np.array([f"row-{i:05d}" for i in range(rows)])
    conversation = np.array([f"talk-{i // cluster:05d}" for i in range(rows)])
    free_tokens = np.repeat(rng.integers(25, 55, -(-rows // cluster)), cluster)[:rows]
    hard = rng.normal(0.0, 0.3, -(-rows // cluster))
    found = {}
    for step in steps:
        u = np.array(step / steps[-1])

        def losses(truth: Truth, hardness: float, u: Floats = u) -> Floats:
            wander = rng.normal(0.0, 0.04, hard.size)
            return np.repeat(float(truth(u)) * (1.0 + hardness * hard) + wander, cluster)[:rows]

        parts = {
            "label": SpanLosses(losses(label, 0.5), np.ones(rows, np.int64)),
            "explanation": SpanLosses(losses(free, 1.0) * free_tokens, free_tokens),
            "end": SpanLosses(np.full(rows, 0.02), np.ones(rows, np.int64)),
        }
        nll = sum((part.nll for part in parts.values()), np.zeros(rows))
        named = np.array([labels[i % len(labels)] for i in range(rows)])
        groups = {"label": named} if len(set(labels)) > 1 else {}
        clusters = conversation if cluster > 1 else None
        found[step] = ExampleLosses(step, ids, nll, free_tokens + 2, parts, clusters, groups)
    series = dict(base.series)
    names = ("label", "explanation", "end")
    series[EVAL_LOSS] = _like(base, [found[step].mean for step in steps])
    series |= {SPAN_LOSS + name: _like(base, [found[step].spans[name].mean for step in steps]) for name in names}
    return replace(base, name="spans", series=series, example_steps=tuple(found), example_source=found.__getitem__)


def _like(base: Run, values: list[float]) -> Series:
    assert base.evals is not None
    return replace(base.evals, value=np.array(values))
