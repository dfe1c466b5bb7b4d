"""One run as a line of the list: made once when it is judged, worded when it is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from doneness.core import LANGUAGES, Diagnosis, speaking, tr
from doneness.core.text import printable
from doneness.report.build import written
from doneness.report.decisions import said
from doneness.report.many import gain_left
from doneness.report.thin import thin
from doneness.runs import Run

LARGE = 100_000  # points of a run from which on what pages show is made and kept ahead of them
_SPARK = 60
_WIDE = 120  # characters of a field's value
_FIELDS = 400  # of a recipe, whose own have 120
_SILENT = ("recipe", "versions", "held_out", "data", "name")
_TOOLS = {"hf_trainer": "transformers", "hf_console": "transformers", "text": "text", "csv": "CSV", "jsonl": "JSONL"}
ROW = 4  # of what is kept from one start of the server to the next; another form takes another number


@dataclass
class Raw:
    """What is known of a run that was judged, in no language.

    Attributes:
        key: tells it from others of the same unit; "" for the first.
        home: its run folder seen from the root, where it has one of ours.
        words: by language, what is said of it.
        pace: seconds of training a step takes, None where the log has no clock.
        patience: seconds of silence after which nothing more is expected.
        points: rows of its log.
        probed: steps that were asked questions.
        saved: steps of the checkpoints on disk.
        cooled: whether a cooldown was begun.
        stored: the file of its columns in the cache, where they are large.
    """

    key: str
    name: str
    tool: str
    kind: str
    verdict: str
    words: dict[str, dict[str, str]]
    sweet: list[int] | None
    keep: int | None
    step: int
    total: int | None
    gain: float | None
    pace: float | None
    patience: float
    over: bool
    spark: list[list[float]]
    fields: dict[str, str]
    points: int
    home: str | None = None
    probed: list[int] = field(default_factory=list)
    stored: str = ""
    saved: list[int] = field(default_factory=list)
    cooled: bool = False


def raw_of(run: Run, diagnosis: Diagnosis, kept: int | None) -> Raw:
    """The line of a run; whether it is over, and its place, is for the caller to add."""
    planned = run.number("planned_steps")
    spot, cast = diagnosis.sweet_spot, diagnosis.forecast
    gain = cast.gain / cast.level if cast is not None and cast.level and math.isfinite(cast.gain) else None
    words = {}
    for lang in LANGUAGES:
        with speaking(lang):
            words[lang] = {
                "word": tr(f"report.verdict.{diagnosis.verdict.value}"),
                "headline": said(diagnosis.headline),
                "gain_text": gain_left(diagnosis),
            }
    return Raw(
        key="",
        name=printable(" ".join(run.name.split())),
        tool=_tool(run),
        kind=run.kind,
        verdict=diagnosis.verdict.value,
        words=words,
        sweet=[spot.first, spot.last] if spot else None,
        keep=kept,
        step=run.last_step,
        total=int(planned) if planned else None,
        gain=gain,
        pace=_pace(run),
        patience=0.0,
        over=False,
        spark=_spark(run),
        fields=fields_of(run),
        points=sum(len(series) for series in run.series.values()),
        saved=[each.step for each in run.checkpoints if each.exists],
        cooled=run.number("cooldown_step") is not None,
    )


def fields_of(run: Run) -> dict[str, str]:
    """The recipe and other plain facts of a run, to group by: dotted names, short values."""
    recipe = run.meta.get("recipe")
    found: dict[str, str] = {}
    if isinstance(recipe, Mapping):
        _flatten(recipe, "", found)
    else:
        _flatten({key: value for key, value in run.meta.items() if key not in _SILENT}, "", found)
    return dict(list(found.items())[:_FIELDS])


def _flatten(table: Mapping[str, Any], prefix: str, into: dict[str, str]) -> None:
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            _flatten(value, f"{name}.", into)
        elif value is not None and value != "" and value != [] and value != ():
            into[printable(name)[:_WIDE]] = printable(written(value))[:_WIDE]


def _tool(run: Run) -> str:
    if run.kind == "journal":
        return "doneness" if isinstance(run.meta.get("recipe"), Mapping) else "DonenessCallback"
    return _TOOLS.get(run.kind, run.kind)


def _pace(run: Run) -> float | None:
    """Seconds a step took over the later half of the log, evaluations included."""
    train = run.train
    if train is None:
        return None
    known = np.flatnonzero(np.isfinite(train.time))
    if known.size < 2:
        return None
    first, last = int(known[known.size // 2 - 1]), int(known[-1])
    steps = int(train.step[last] - train.step[first])
    seconds = float(train.time[last] - train.time[first])
    return seconds / steps if steps > 0 and seconds > 0 else None


def _spark(run: Run) -> list[list[float]]:
    """A few points of the evaluations where there are enough to see a shape, else of the training loss."""
    evals, train = run.evals, run.train
    series = evals if evals is not None and len(evals) >= 5 else train or evals
    if series is None:
        return []
    keep = np.isfinite(series.value)
    x, y = thin(series.step[keep].astype(np.float64), series.value[keep], _SPARK - 4)
    return [[int(a), float(f"{b:.4g}")] for a, b in zip(x.tolist(), y.tolist(), strict=True)][:_SPARK]
