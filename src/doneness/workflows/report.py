"""Write the report of a run, ours or anybody's."""

from __future__ import annotations

from pathlib import Path

from doneness.core import DonenessError, tr
from doneness.report import Extras, ReportView, build, render
from doneness.runs import read
from doneness.runs.atomic import write_text
from doneness.runs.probes import Answer, load_answers
from doneness.workflows.check import Judged, judge
from doneness.workflows.train import recipe_of

FILE = "report.html"


def write_report(path: str | Path, out: str | Path | None = None, lang: str | None = None) -> Path:
    """Judge the run at `path` and write one HTML file.

    Args:
        path: a run folder, an output or checkpoint folder, or a log file.
        out: where to write; by default report.html inside the run's folder.
        lang: "en" or "zh"; by default the reader's language.

    Returns:
        The file written.

    Raises:
        UnreadableError: nothing there that can be read.
    """
    found = read(path)
    if len(found) > 1:
        raise DonenessError(tr("workflows.many_runs", path=str(path), count=len(found)))
    place = Path(path)
    target = Path(out) if out else (place if place.is_dir() else place.parent) / FILE
    write_text(target, render(view_of(judge(found[0]), lang)))
    return target


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
