"""From a run's health series and spikes to what the report's section shows."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from doneness.core import tr
from doneness.core.text import printable
from doneness.report.health_view import HealthLine, HealthView, HeatMap, SpikeRow
from doneness.report.noise_scale import noise_sentence
from doneness.report.numbers import compact, count, general, plain
from doneness.runs import HEALTH, Event, Run
from doneness.runs.journal import number
from doneness.runs.run import Floats

_ORDER = ("all", "q", "k", "v", "qkv", "o", "mlp", "norm", "embedding", "head", "other")
_MOST_CELLS = 1500
_MOST_KINDS = 11
_MOST_LAYERS = 256
_MOST_SPIKES = 50
_WORD = 60


def health(run: Run) -> HealthView | None:
    """What the section on health shows; None for a log without any of it."""
    measured = any(name.startswith(HEALTH) for name in run.series)
    spikes = spike_rows(run)
    if not measured and not spikes:
        return None
    return HealthView(
        grad=_lines(run, "grad"),
        update=_lines(run, "update"),
        clipped=_flagged(run, "clipped"),
        sampled=_flagged(run, "sampled"),
        heat=heat_map(run),
        noise=noise_sentence(run) if measured else "",
        spikes=spikes,
        facts=_facts(run),
    )


def spike_rows(run: Run) -> tuple[SpikeRow, ...]:
    """The spikes in order of step, the last fifty of very many."""
    return tuple(_spike(event) for event in run.events if event.kind == "spike")[-_MOST_SPIKES:]


def spikes_line(run: Run) -> str:
    """One line on the spikes for terminal and Markdown; "" where there are none."""
    found = [event for event in run.events if event.kind == "spike"]
    if not found:
        return ""
    last = _spike(found[-1])
    rows = tr("report.list_comma").join(last.rows[:4]) + ("…" if last.count > 4 else "")
    key = "report.health.line_rows" if rows else "report.health.line"
    return tr(key, n=len(found), step=last.steps, loss=last.loss, expected=last.expected, rows=rows)


def heat_map(run: Run) -> HeatMap | None:
    """LoRA's size by layer; of many measured steps as many as can be drawn, the first and the last among them."""
    start = f"{HEALTH}lora/"
    named = {n.removeprefix(start): s for n, s in run.series.items() if n.startswith(start) and len(s)}
    # Layers by number, then what lies in none.
    layers = sorted(named, key=lambda n: (not n.isdigit(), int(n[:9]) if n.isdigit() else 0, n))[:_MOST_LAYERS]
    if not layers:
        return None
    steps = np.unique(np.concatenate([named[layer].step for layer in layers]))
    room = max(_MOST_CELLS // len(layers), 8)
    drawn = steps if steps.size <= room else steps[np.unique(np.linspace(0, steps.size - 1, room).round().astype(int))]
    rows = []
    for layer in layers:
        told = dict(zip(named[layer].step.tolist(), named[layer].value.tolist(), strict=True))
        rows.append(tuple(v if (v := told.get(s)) is not None and 0 <= v < 1e15 else None for s in drawn.tolist()))
    titles = tuple(printable(layer)[:_WORD] if layer.isdigit() else _kind(layer) for layer in layers)
    return HeatMap(titles, tuple(int(s) for s in drawn), tuple(rows), int(steps.size))


def _lines(run: Run, what: str) -> tuple[HealthLine, ...]:
    start = f"{HEALTH}{what}/"
    kinds = [name.removeprefix(start) for name in run.series if name.startswith(start)]
    kinds.sort(key=lambda kind: _ORDER.index(kind) if kind in _ORDER else len(_ORDER))
    found = []
    for kind in kinds[:_MOST_KINDS]:
        column = run.series[start + kind]
        good = np.isfinite(column.value) & (column.value >= 0)
        points = tuple(zip(column.step[good].tolist(), column.value[good].tolist(), strict=True))
        if points:
            found.append(HealthLine(_kind(kind), points))
    return tuple(found)


def _kind(name: str) -> str:
    return tr(f"report.health.kind.{name}") if name in _ORDER else printable(name)[:_WORD]


def _flagged(run: Run, name: str) -> bool:
    column = run.series.get(f"{HEALTH}{name}")
    return column is not None and bool((column.value == 1).any())


def _spike(event: Event) -> SpikeRow:
    data: Mapping[str, Any] = event.data
    first, rows, said = data.get("first"), data.get("rows"), data.get("count")
    names = tuple(_name(each) for each in rows) if isinstance(rows, list) else ()
    several = isinstance(first, int) and not isinstance(first, bool) and 0 <= first < event.step
    away = number(data.get("deviations"))
    return SpikeRow(
        steps=f"{count(first)}–{count(event.step)}" if several else count(event.step),
        loss=_loss(number(data.get("loss"))),
        expected=plain(number(data.get("expected"))),
        deviations=plain(away, 1),
        rows=names,
        count=said if isinstance(said, int) and not isinstance(said, bool) else len(names),
    )


def _loss(value: float) -> str:
    """A loss; what is no number says so, for it is the reason why the row is there."""
    return plain(value) if math.isfinite(value) else "NaN" if math.isnan(value) else "∞"


def _name(row: Any) -> str:
    # Names of rows come from outside: one line, and not endless.
    return re.sub(r"\s+", " ", printable(str(row)))[:_WORD]


def _facts(run: Run) -> tuple[tuple[str, str], ...]:
    """Throughput, as the median over the measured stretches, tokens seen, and memory."""
    pairs = []
    for name in ("tokens_per_second", "targets_per_second", "steps_per_second"):
        found, written = _finite(run, name), general if name == "steps_per_second" else compact
        if found.size:
            middle, low, high = (written(float(v)) for v in (np.median(found), found.min(), found.max()))
            key = "report.health.median" if found.size > 1 else "report.health.once"
            pairs.append((tr(f"report.health.{name}"), tr(key, value=middle, low=low, high=high)))
    for name in ("tokens", "targets"):
        seen: Floats = getattr(run.train, name) if run.train is not None else np.empty(0)
        seen = seen[np.isfinite(seen)]
        if seen.size:
            pairs.append((tr(f"report.health.{name}"), count(float(seen[-1]))))
    for kind in ("cuda", "rss"):
        found = _finite(run, f"peak_memory_bytes/{kind}")
        if found.size:
            size = tr("report.health.gigabytes", n=plain(float(found.max()) / 1e9, 2))
            pairs.append((tr(f"report.health.memory.{kind}"), size))
    return tuple(pairs)


def _finite(run: Run, name: str) -> Floats:
    column = run.series.get(HEALTH + name)
    return column.value[np.isfinite(column.value)] if column is not None else np.empty(0)
