"""Loss forgone, cross-fitted: what is kept and what is best are chosen on some rows and read on others.

The least of two dozen evaluations on a few dozen rows is a lucky one. A rule held against it looks worse than it is,
and a rule that keeps it looks perfect, for it is scored on the losses that it chose by. Here one half of the rows
chooses, both the rule's checkpoint and the best of the whole run, and the other half says what these are worth. A
rule stops where it does on all rows; what it keeps there is asked anew. (A checkpoint chosen on all rows against a
best chosen on half of them was tried: whoever keeps the least then comes out below zero, by 11 % on the noisiest run.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from doneness.runs import EVAL_LOSS, ExampleLosses, Run

SPLITS = 5

Floats = NDArray[np.float64]
# The evaluation kept by a run that shows some rows alone.
Keeps = Callable[[Run], int]


def apart(run: Run, keeps: Keeps) -> tuple[float, float]:
    """How much worse the checkpoint kept is than the best.

    Args:
        run: with per-example losses, those that decide.
        keeps: chooses an evaluation by index.

    Returns:
        The loss of what is kept above that of the best, and that of the best; nats per target token, on rows that
        chose neither.
    """
    above, best, tokens = 0.0, 0.0, 0
    for chooses, reads in splits(run):
        kept, least = keeps(chooses), int(np.argmin(_losses(chooses)))
        losses, weight = _losses(reads), int(reads.examples[0].tokens.sum())
        above += weight * float(losses[kept] - losses[least])
        best += weight * float(losses[least])
        tokens += weight
    return above / tokens, best / tokens


def splits(run: Run) -> Iterator[tuple[Run, Run]]:
    """The run as one half of its rows shows it, and as the other does; rows of one document stay together."""
    units = np.unique(_units(run.examples[0]))
    rng = np.random.default_rng(0)
    for _ in range(SPLITS):
        halves = tuple(of_units(run, half) for half in np.array_split(rng.permutation(units), 2))
        yield halves[0], halves[1]
        yield halves[1], halves[0]


def of_units(run: Run, units: NDArray[np.str_]) -> Run:
    """The run as evaluated on these rows (or documents) alone."""
    losses = {each.step: _part(each, np.isin(_units(each), units)) for each in run.examples}
    assert run.evals is not None
    value = np.array([losses[step].mean for step in run.evals.step.tolist()])
    return replace(
        run,
        series={**run.series, EVAL_LOSS: replace(run.evals, value=value)},
        example_steps=tuple(sorted(losses)),
        example_source=losses.__getitem__,
    )


def _part(each: ExampleLosses, keep: NDArray[np.bool_]) -> ExampleLosses:
    cluster = None if each.cluster is None else each.cluster[keep]
    return ExampleLosses(each.step, each.ids[keep], each.nll[keep], each.tokens[keep], cluster=cluster)


def _units(each: ExampleLosses) -> NDArray[np.str_]:
    return each.ids if each.cluster is None else each.cluster


def _losses(run: Run) -> Floats:
    assert run.evals is not None
    return run.evals.value
