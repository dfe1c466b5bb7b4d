"""What a hand-written loop hands over, checked before anything is written: every fault is one line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.core import DonenessError, tr
from doneness.runs import ExampleLosses
from doneness.runs.records import LAST_STEP

_SHOWN = 60


def step_of(value: Any) -> int:
    """A step: a whole number from 0 to 10^12.

    Raises:
        DonenessError: it is none.
    """
    try:
        step = -1 if isinstance(value, (bool, np.bool_)) else index(value)
    except TypeError:
        step = -1
    if not 0 <= step <= LAST_STEP:
        raise DonenessError(tr("integrations.step", value=_shown(value)))
    return step


def number_of(name: str, value: Any) -> float:
    """A number, NaN and infinity among them; tensors and arrays of one element too.

    Raises:
        DonenessError: it is none.
    """
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise DonenessError(tr("integrations.number", name=name, value=_shown(value))) from None


def metrics_of(metrics: Mapping[str, Any] | None) -> dict[str, float]:
    """Metrics by name, every one a number.

    Raises:
        DonenessError: one is none.
    """
    return {str(name): number_of(str(name), value) for name, value in (metrics or {}).items()}


def rows_of(
    step: int, per_example: Any, tokens: Any, ids: Sequence[Any] | None, clusters: Sequence[Any] | None = None
) -> ExampleLosses:
    """Per-example losses from what a loop collected.

    Args:
        step: optimizer steps done.
        per_example: summed NLL of each row in nats; shape (n,), an array, a list or a tensor.
        tokens: target tokens of each row, at least 1; shape (n,).
        ids: names of the rows, unique; by default "row-00000" and so on, in the order given.
        clusters: what each row belongs to, None where it stands alone.

    Raises:
        DonenessError: lengths differ, an id is missing or there twice, or a count is no count.
    """
    if tokens is None:
        raise DonenessError(tr("integrations.no_tokens"))
    nll, counts = _vector("per_example", per_example), _vector("tokens", tokens)
    names = [f"row-{i:05d}" for i in range(nll.size)] if ids is None else [_name(i, each) for i, each in enumerate(ids)]
    if not nll.size:
        raise DonenessError(tr("integrations.no_rows"))
    if not nll.size == counts.size == len(names):
        raise DonenessError(tr("integrations.lengths", losses=nll.size, tokens=counts.size, ids=len(names)))
    bad = np.flatnonzero(~((counts >= 1) & (counts <= LAST_STEP) & (counts == np.round(counts))))
    if bad.size:
        raise DonenessError(tr("integrations.count", row=int(bad[0]), value=_shown(float(counts[bad[0]]))))
    if len(set(names)) < len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise DonenessError(tr("integrations.id_twice", id=_shown(twice)))
    belonging = None if clusters is None else clusters_of(names, clusters)
    return ExampleLosses(step, np.array(names, dtype=np.str_), nll, counts.astype(np.int64), cluster=belonging)


def clusters_of(names: Sequence[str], clusters: Sequence[Any]) -> NDArray[np.str_]:
    """The cluster of each row; one of its own where it has none; shape (n,).

    Raises:
        DonenessError: they are not as many as the rows.
    """
    if len(clusters) != len(names):
        raise DonenessError(tr("integrations.clusters", clusters=len(clusters), rows=len(names)))
    return np.array(
        [f"row {name}" if _absent(each) else str(each) for name, each in zip(names, clusters, strict=True)],
        dtype=np.str_,
    )


def _vector(name: str, values: Any) -> NDArray[np.float64]:
    # Tensors may lie on another device or be of a kind that numpy lacks; they bring what turns them into doubles.
    if hasattr(values, "detach"):
        values = values.detach().double().cpu().numpy()
    try:
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise DonenessError(tr("integrations.vector", name=name)) from None
    if vector.ndim != 1:
        raise DonenessError(tr("integrations.vector", name=name))
    return vector


def _name(row: int, given: Any) -> str:
    if _absent(given):
        raise DonenessError(tr("integrations.id_missing", row=row))
    return str(given)


def _absent(given: Any) -> bool:
    return given is None or (isinstance(given, (float, np.floating)) and math.isnan(given)) or str(given) == ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
