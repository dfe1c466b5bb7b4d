"""The user's own rows as probes: held-out rows as a task, training rows to be recited, labelled rows to be classified.

Rows are read as `doneness train` reads them, in any of its shapes; the question is the conversation before the last
answer, and the reference that answer.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doneness.core import DataError, tr
from doneness.data import Row, read_rows
from doneness.probe.suite import METRICS, Probe
from doneness.runs.typed import fits

SORTS = ("task", "recite", "recite_held_out", "classify")
_KEYS: dict[str, Any] = {
    "path": str,
    "sort": str,
    "metric": str,
    "limit": int,
    "seed": int,
    "max_new_tokens": int,
    "nll": bool,
    "labels": tuple[str, ...],
}
_COUNTS = ("limit", "max_new_tokens")  # from 0 on


def own_rows(place: Path, suite: Path, file: Mapping[str, Any]) -> tuple[Probe, ...]:
    """Rows of a data file as probes.

    Args:
        place: the rows.
        suite: the TOML file that names them, for what is said of mistakes.
        file: its entry: sort (task, recite, recite_held_out, classify), metric, limit and seed (so many rows, drawn),
            max_new_tokens, nll (score the reference as well), labels (the classes, where not all occur).

    Raises:
        DataError: a key or value that is none, or rows that cannot be read.
    """
    for key, value in file.items():
        if key not in _KEYS:
            raise DataError(tr("probe.suite_key", path=str(suite), what=f"files.{key}", known=", ".join(_KEYS)))
        if not fits(value, _KEYS[key]) or (key in _COUNTS and value < 0):
            raise DataError(tr("probe.suite_value", path=str(suite), what=f"files.{key}", value=repr(value)))
    sort, metric = file["sort"], file.get("metric", "rouge_l" if file["sort"] == "task" else "")
    if sort not in SORTS:
        raise DataError(tr("probe.suite_key", path=str(suite), what=f"files.sort = {sort}", known=", ".join(SORTS)))
    if metric and metric not in METRICS:
        wrong = f"files.metric = {metric}"
        raise DataError(tr("probe.suite_key", path=str(suite), what=wrong, known=", ".join(METRICS)))
    rows = list(read_rows(place, on_empty="skip"))
    if 0 < file.get("limit", 0) < len(rows):
        rows = random.Random(file.get("seed", 0)).sample(rows, file["limit"])
    labels = tuple(file.get("labels", ())) or tuple(sorted({_label(row) for row in rows}))
    found: dict[str, Probe] = {}
    for row in rows:
        probe = _probe(row, file, metric, labels if sort == "classify" else ())
        # The same row twice is one question.
        found.setdefault(probe.id, probe)
    return tuple(found.values())


def _named(row: Row) -> str:
    """Its id, or where it has none but its number in the file, a digest: the number is another row's tomorrow."""
    if row.id not in (str(row.line), f"{row.source}:{row.line}"):
        return row.id
    text = json.dumps([(turn.role, turn.content) for turn in row.turns], ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:10]


def _label(row: Row) -> str:
    return (row.label or row.answer).strip()


def _probe(row: Row, file: Mapping[str, Any], metric: str, labels: tuple[str, ...]) -> Probe:
    """One row; the turns before its last question are part of the prompt."""
    sort = file["sort"]
    asks = ("options",) if labels else ("answer", "nll") if file.get("nll") else ("answer",)
    label = _label(row) if labels else ""
    return Probe(
        f"{sort}-{_named(row)}",
        sort,
        row.context if len(row.turns) > 2 else row.prompt,
        row.answer,
        (),
        source=row.source or "",
        asks=asks,
        options=labels,
        correct=labels.index(label) if label in labels else None,
        cluster=row.cluster or "",
        label=label,
        max_new_tokens=file.get("max_new_tokens", 0),
        metric=metric,
    )
