"""A run's report as JSON: the same words and numbers that its page shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from doneness.report import ReportView
from doneness.report.curve import Line

_KEPT = (
    "step",
    "epoch",
    "tokens",
    "loss",
    "interval",
    "diff",
    "diff_interval",
    "n",
    "state",
    "sweet",
    "best",
    "chosen",
)


def detail(view: ReportView, row: Mapping[str, Any], can: Mapping[str, bool], series: Sequence[str]) -> dict[str, Any]:
    """Everything but the columns, see there."""
    curve = view.curve
    return {
        "row": dict(row),
        "notice": view.notice,
        "sentence": view.headline,
        "advice": view.advice,
        "reasons": list(view.reasons),
        "next": view.command,
        "numbers": _plain(view.key_numbers),
        "checkpoints": [{name: _plain(getattr(each, name)) for name in _KEPT} for each in view.checkpoints],
        "decisions": _plain(view.timeline),
        "spans": [_span(each) for each in _plain(view.spans)],
        "findings": _plain(view.findings),
        "missing": _plain(view.missing),
        "behaviours": _plain(view.checklist.rows) if view.checklist else [],
        "probed": list(view.checklist.steps) if view.checklist else [],
        "heat": _plain(view.health.heat) if view.health and view.health.heat else None,
        "forecast": _line(curve.forecast),
        "sweet": list(curve.sweet) if curve.sweet else None,
        "last": curve.last,
        "planned": curve.planned,
        "epochs": [list(each) for each in curve.epochs],
        "flags": _plain(curve.flags),
        "axes": list(curve.axes),
        "series": list(series),
        "can": dict(can),
    }


def _span(each: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in each.items() if name != "points"}


def _line(line: Line | None) -> dict[str, Any] | None:
    if line is None:
        return None
    bounds = {"low": line.low, "high": line.high}
    told: dict[str, Any] = {"x": line.step.tolist(), "y": _plain(line.value)}
    return told | {name: _plain(values) for name, values in bounds.items() if values is not None}


def _plain(value: Any) -> Any:
    """Plain data; what is no number is None."""
    if isinstance(value, np.ndarray):
        return [_plain(each) for each in value.tolist()]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (str, int, bool)) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return _plain(msgspec.structs.asdict(value) if isinstance(value, msgspec.Struct) else _fields(value))


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
