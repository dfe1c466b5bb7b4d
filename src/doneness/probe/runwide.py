"""Behaviours of a whole checkpoint that are no function of one answer: how flat the loss lies around its weights.

A minimum that small random changes of the weights do not leave is flat. What is measured is how much the loss rises
when noise is added to the trained weights, against base with the same noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from doneness.curves.clustered import groups_of, mean_difference, mean_interval
from doneness.runs.probes import BASE, Behaviour, Cell

Floats = NDArray[np.float64]

FLATNESS = Behaviour("flatness", "lower", "nats", 0.05, guard=False, group="memory")
RUN_WIDE: dict[str, Behaviour] = {FLATNESS.name: FLATNESS}


def flatness_cells(
    still: Mapping[int, Sequence[float]], shaken: Mapping[int, Floats], tokens: Sequence[int]
) -> tuple[Cell, ...]:
    """The rise of the loss under weight noise, nats a token; one cell a checkpoint.

    Args:
        still: summed NLL in nats of each row by step, without noise; n of them.
        shaken: the same under noise; by step, shape (draws, n). Draws are averaged: the rows are what is compared.
        tokens: target tokens of each row.

    Source: sharpness as the rise of the loss under random perturbation, Keskar et al., ICLR 2017; Neyshabur et al.,
    NeurIPS 2017.
    """
    size = np.maximum(np.asarray(tokens, dtype=np.float64), 1.0)
    rise = {s: (np.asarray(shaken[s]).mean(axis=0) - np.asarray(still[s])) / size for s in shaken if s in still}
    cells = []
    for step in sorted(rise):
        values = rise[step]
        groups = groups_of(list(range(values.size)))
        scale = max(1e-3, float(np.abs(values).max()))
        found = None
        if step != BASE and BASE in rise and values.size > 1:
            found = mean_difference(values - rise[BASE], groups, scale)
        cells.append(
            Cell(
                behaviour=FLATNESS.name,
                step=step,
                value=float(values.mean()),
                interval=mean_interval(values, groups, scale),
                n=int(values.size),
                mark="base" if step == BASE else "unsure",
                diff=found.value if found else None,
                diff_interval=found.interval if found else None,
                p=found.p if found else None,
            )
        )
    return tuple(cells)
