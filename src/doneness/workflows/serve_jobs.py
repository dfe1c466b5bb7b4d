"""What the processes beside `doneness serve` do: read what lies at a place, judge it, and say what pages show."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from doneness.core import LANGUAGES, DonenessError, UnreadableError, speaking, tr
from doneness.report import ReportView
from doneness.report.compare_table import summary
from doneness.report.comparison import Compared, Comparison, compare
from doneness.report.curve import Curve, Line, curve
from doneness.report.many import labels
from doneness.report.thin import thin
from doneness.runs import Run, read
from doneness.runs.readers import read_beneath
from doneness.web.columns import SHORT, Columns, columns_of, save
from doneness.web.requests import noted
from doneness.web.rows import LARGE, Raw, raw_of
from doneness.web.scan import leads_out
from doneness.web.where import Where
from doneness.workflows.check import Judged, judge
from doneness.workflows.going import finished
from doneness.workflows.report import view_of
from doneness.workflows.serve_answers import answers
from doneness.workflows.silence import Pace

_KEPT = 4  # units that are remembered, as a page is asked for right after its line
_MOST_POINTS = 400_000  # of a run that is remembered
_SHOWN = 4000  # points of a raw curve in a page's own figure


_held: OrderedDict[tuple[str, str], dict[str, Judged]] = OrderedDict()
_faulty: dict[str, str] = {}  # by place, the print of a unit in which some logs cannot be read


def unit(where: Where, cache: Path | None) -> dict[str, Any]:
    """The lines of all runs of a unit; what cannot be read, of all or beside them, is said in every language."""
    began = time.process_time()
    try:
        found = _judged(where)
    except DonenessError:
        why = {lang: _why(where, lang) for lang in LANGUAGES}
        return {"runs": [], "error": why, "views": {}, "seconds": time.process_time() - began}
    rows, views = [], {}
    for key, each in found.items():
        raw = _line(where, key, each)
        if cache is not None and raw.points > LARGE:
            save(columns_of(each.run), cache / columns_file(where, key))
            raw.stored = columns_file(where, key)
        if raw.points > LARGE:
            # While it is at hand: to read a million lines again takes longer than whoever opens the page likes to wait.
            views[key] = {lang: _shown(each, lang) for lang in LANGUAGES}
        rows.append(raw)
    beside = {lang: _beside(where, lang) for lang in LANGUAGES} if _faulty.get(str(where.path)) == where.print else None
    return {"runs": rows, "error": beside, "views": views, "seconds": time.process_time() - began}


def columns_file(where: Where, key: str) -> str:
    """The name under which the columns of a run are kept."""
    from hashlib import blake2b

    told = f"{where.root}\n{where.place}\n{key}\n{where.print}"
    return f"columns-{blake2b(told.encode(errors='surrogatepass'), digest_size=12).hexdigest()}.npz"


def view(where: Where, key: str, lang: str) -> dict[str, Any]:
    """What the page of a run shows, in a language."""
    return _shown(_one(where, key), lang)


def _shown(each: Judged, lang: str) -> dict[str, Any]:
    built = view_of(each, lang)
    names = [SHORT.get(name, name) for name, series in each.run.series.items() if len(series)]
    told = {"series": names, "requests": noted(each.run)}
    return {"view": replace(_light(built), questions=()), **told}


def columns(where: Where, key: str) -> Columns:
    """Everything that figures of a run are drawn from."""
    return columns_of(_one(where, key).run)


def comparison(runs: list[tuple[Where, str]], axis: str | None, lang: str) -> dict[str, Any]:
    """Several runs beside each other; their logs themselves stay here."""
    found = [_one(where, key) for where, key in runs]
    with speaking(lang):
        names = labels([each.run for each in found])
        told = [
            Compared(name, each.run, each.diagnosis, curve(each.run, replace(each.diagnosis, span=""), each.kept))
            for name, each in zip(names, found, strict=True)
        ]
        try:
            made = compare(told, axis)
        except ValueError as error:
            raise DonenessError(str(error)) from error
        return {"found": _without_logs(made), "summary": summary(made)}


def asked(where: Where, key: str, query: Mapping[str, Any], lang: str) -> dict[str, Any]:
    """Answers of several checkpoints side by side."""
    with speaking(lang):
        return answers(_one(where, key), query)


JOBS = {"unit": unit, "view": view, "columns": columns, "comparison": comparison, "answers": asked}


def _one(where: Where, key: str) -> Judged:
    found = _judged(where)
    if key not in found:
        raise DonenessError(tr("web.run_gone"))
    return found[key]


def _judged(where: Where) -> dict[str, Judged]:
    """The runs of a unit, each judged; remembered while it does not change."""
    mark = (str(where.path), where.print)
    known = _held.get(mark)
    if known is not None:
        _held.move_to_end(mark)
        return known
    # Once more, right before reading: a link may have come since the folder was looked through.
    out = leads_out(where.root, where.path)
    if out:
        raise DonenessError(tr("web.leads_out", path=out))
    unread: list[UnreadableError] = []
    runs = read(where.path, unread=unread) if where.folder else read_beneath(where.path)
    _faulty.pop(mark[0], None)
    if unread:
        _faulty[mark[0]] = mark[1]
    found: dict[str, Judged] = {}
    for number, run in enumerate(runs):
        if not where.folder and run.name == where.path.parent.name:
            # A Trainer's log is called by its folder, which is here that of all the others as well.
            run = replace(run, name=where.path.name)
        found[_key(where, run, number, found)] = judge(run)
    if sum(len(s) for each in found.values() for s in each.run.series.values()) <= _MOST_POINTS:
        _held[mark] = found
        for old in [m for m in _held if m[0] == mark[0] and m != mark]:
            del _held[old]
        while len(_held) > _KEPT:
            _held.popitem(last=False)
    return found


def _key(where: Where, run: Run, number: int, taken: Mapping[str, Any]) -> str:
    """What tells a run from the others of its unit; the first needs nothing, so that it keeps its address."""
    if number == 0:
        return ""
    place = "" if run.path is None else str(run.path).removeprefix(str(where.root))
    key = f"{place}|{run.kind}|{run.name}"
    return key if key not in taken else f"{key}|{number}"


def _line(where: Where, key: str, each: Judged) -> Raw:
    raw = raw_of(each.run, each.diagnosis, each.kept)
    raw.key, raw.over = key, finished(each.run)
    pace = Pace()
    pace.read(None, each.run)
    raw.patience = pace.patience
    if each.run.kind == "journal" and each.run.path is not None:
        raw.home = each.run.path.relative_to(where.root).as_posix() if each.run.path != where.root else ""
    raw.probed = list(each.table.steps) if each.table else []
    return raw


def _why(where: Where, lang: str) -> str:
    with speaking(lang):
        try:
            _judged(where)
        except DonenessError as error:
            return _seen_from(where, error)
    return ""


def _beside(where: Where, lang: str) -> str:
    """Which logs of a unit cannot be read; read once more, as a fault speaks the language that it was met in."""
    unread: list[UnreadableError] = []
    with speaking(lang):
        read(where.path, unread=unread)
    return " ".join(_seen_from(where, error) for error in unread)


def _seen_from(where: Where, error: DonenessError) -> str:
    return str(error).replace(str(where.root), where.root.name)


def _light(built: ReportView) -> ReportView:
    """A report whose curve holds no more points than a figure shows."""
    return replace(built, curve=_thinned(built.curve))


def _thinned(whole: Curve) -> Curve:
    axes = {}
    for name, (steps, places) in whole.axes.items():
        pick = np.unique(np.linspace(0, steps.size - 1, min(steps.size, _SHOWN)).astype(np.int64))
        axes[name] = (steps[pick], places[pick])
    rate = None if whole.rate is None else _thin(whole.rate)
    return replace(whole, raw=_thin(whole.raw), rate=rate, axes=axes)


def _thin(line: Line) -> Line:
    return Line(*thin(line.step, line.value, _SHOWN))


def _without_logs(made: Comparison) -> Comparison:
    runs = tuple(
        replace(
            each,
            run=replace(each.run, series={}, events=(), example_source=None, example_steps=(), meta={}),
            curve=_thinned(each.curve),
        )
        for each in made.runs
    )
    return replace(made, runs=runs)
