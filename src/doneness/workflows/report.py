"""Write the report of a run, ours or anybody's."""

from __future__ import annotations

from pathlib import Path

from doneness.core import DonenessError, language, speaking, tr
from doneness.report import Extras, Overview, ReportView, build, render, render_overview
from doneness.report.many import gain_left, labels, line, looked_at
from doneness.report.numbers import ABSENT, count
from doneness.runs import read
from doneness.runs.atomic import write_text
from doneness.runs.probes import Answer, load_answers
from doneness.runs.readers.hub import is_address
from doneness.workflows.check import Checked, Judged, judge
from doneness.workflows.outputs import refuse_inputs
from doneness.workflows.train import recipe_of

FILE = "report.html"


def write_report(path: str | Path, out: str | Path | None = None, lang: str | None = None) -> Path:
    """Judge the run at `path` and write one HTML file.

    Args:
        path: a run folder, an output or checkpoint folder, or a log file.
        out: where to write; by default report.html inside the run's folder, here for one on the Hub.
        lang: "en" or "zh"; by default the reader's language.

    Returns:
        The file written.

    Raises:
        UnreadableError: nothing there that can be read.
    """
    refuse_inputs(out, [path])
    found = read(path)
    if len(found) > 1:
        raise DonenessError(tr("workflows.many_runs", path=str(path), count=len(found)))
    target = Path(out) if out else _home(path) / FILE
    write_text(target, render(view_of(judge(found[0]), lang)))
    return target


def write_overview(found: Checked, out: str | Path, lang: str | None = None) -> Path:
    """Write one HTML file about everything checked: the full report of one run, an overview of many.

    Raises:
        StorageError: `out` cannot be written.
    """
    target = Path(out)
    if len(found.judged) == 1 and not found.unreadable:
        write_text(target, render(view_of(found.judged[0], lang)))
        return target
    with speaking(lang or language()):
        names = labels([each.run for each in found.judged])
        rows = [
            Overview(
                view=view_of(each),
                label=name,
                keep=ABSENT if each.diagnosis.recommended_step is None else count(each.diagnosis.recommended_step),
                gain=gain_left(each.diagnosis),
                looks=looked_at(each.run),
                note=line(each.run, each.diagnosis),
            )
            for name, each in zip(names, found.judged, strict=True)
        ]
        lost = [(each.path, each.error) for each in found.unreadable]
        write_text(target, render_overview(rows, lost, language()))
    return target


def _home(path: str | Path) -> Path:
    """Where the report lies unless told otherwise: with the run, or here for one that was read from the Hub."""
    if is_address(path):
        return Path()
    place = Path(path)
    return place if place.is_dir() else place.parent


def view_of(judged: Judged, lang: str | None = None) -> ReportView:
    """Everything the report shows, gathered from the run's folder."""
    folder = judged.run.path if judged.run.kind == "journal" else None
    if folder is None:
        return build(judged.run, judged.diagnosis, None, lang)
    answers: list[Answer] = []
    for step in judged.table.steps if judged.table else ():
        stored = load_answers(folder, step)
        answers += stored[1] if stored else []
    recipe = recipe_of(folder)
    card = Path(recipe.report.data_card) if recipe and recipe.report.data_card else None
    extras = Extras(
        table=judged.table,
        choice=judged.choice if judged.table or judged.diagnosis.sweet_spot else None,
        answers=tuple(answers),
        card=card.read_text(encoding="utf-8") if card and card.is_file() else None,
    )
    return build(judged.run, judged.diagnosis, extras, lang)
