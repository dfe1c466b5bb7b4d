"""A run seen through one sort of evaluation row: those of one source, or of one turn of the conversation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.runs.run import EVAL_LOSS, ExampleLosses, Run, Series, SpanLosses

SORTINGS = ("source", "turn")
MOST = 12
OTHER = "other"


def sorted_by(run: Run, sorting: str) -> dict[str, int]:
    """The sorts of row that the last evaluation has, and how many rows of each, the largest first; a dozen at most.

    Turns stand in their order. Empty where the run records no such sorting, or all rows are of one sort.
    """
    last = run.examples[-1].groups.get(sorting) if run.examples else None
    if last is None:
        return {}
    count = Counter(_folded(last).tolist())
    order = sorted(count.items(), key=(lambda item: item[0]) if sorting == "turn" else (lambda item: (-item[1], item)))
    return dict(order) if len(count) > 1 else {}


def of_group(run: Run, sorting: str, name: str) -> Run:
    """The run with the losses of the rows of one sort as its evaluation losses; everything else stays.

    Evaluations without such a row are left out.
    """
    found = {e.step: part for e in run.examples if (part := _part(e, sorting, name)) is not None}
    steps = sorted(found)
    column = {EVAL_LOSS: Series.of(steps, [found[step].mean for step in steps])} if steps else {}
    rest = {key: series for key, series in run.series.items() if key != EVAL_LOSS}
    return replace(run, series=rest | column, example_steps=tuple(steps), example_source=found.__getitem__)


def means(losses: ExampleLosses) -> dict[str, dict[str, dict[str, float | int]]]:
    """Mean loss by source and by turn, as the journal keeps it: {"source": {"NHS": {"loss", "rows", "tokens"}}}."""
    found: dict[str, dict[str, dict[str, float | int]]] = {}
    for sorting in SORTINGS:
        names: Any = losses.groups.get(sorting)
        for name in [] if names is None else sorted(set(_folded(names).tolist())):
            part = _part(losses, sorting, name)
            if part is not None:
                numbers = {"loss": part.mean, "rows": int(part.ids.size), "tokens": int(part.tokens.sum())}
                found.setdefault(sorting, {})[name] = numbers
    return found


def _part(each: ExampleLosses, sorting: str, name: str) -> ExampleLosses | None:
    names = each.groups.get(sorting)
    if names is None or not (has := _folded(names) == name).any():
        return None
    spans: Mapping[str, SpanLosses] = each.spans
    return ExampleLosses(
        step=each.step,
        ids=each.ids[has],
        nll=each.nll[has],
        tokens=each.tokens[has],
        spans={key: SpanLosses(span.nll[has], span.tokens[has]) for key, span in spans.items()},
        cluster=None if each.cluster is None else each.cluster[has],
    )


def _folded(names: NDArray[np.str_]) -> NDArray[np.str_]:
    """A file from elsewhere may hold more sorts than anybody can read: the smallest count as "other"."""
    count = Counter(names.tolist())
    if len(count) <= MOST:
        return names
    kept = [name for name, _ in sorted(count.items(), key=lambda item: (-item[1], item[0]))[: MOST - 1]]
    return np.where(np.isin(names, kept), names, OTHER).astype(np.str_)
