"""Write the report of a run, ours or anybody's."""

from __future__ import annotations

from pathlib import Path

from doneness.core import Diagnosis, DonenessError, tr
from doneness.report import Extras, ReportView, build, render
from doneness.runs import Run
from doneness.runs.atomic import write_text
from doneness.runs.probes import Answer, load_answers, load_table
from doneness.workflows.check import check
from doneness.workflows.probe import choose_again
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
    found = check(path)
    if len(found) > 1:
        raise DonenessError(tr("workflows.many_runs", path=str(path), count=len(found)))
    run, diagnosis = found[0]
    place = Path(path)
    target = Path(out) if out else (place if place.is_dir() else place.parent) / FILE
    write_text(target, render(view_of(run, diagnosis, lang)))
    return target


def view_of(run: Run, diagnosis: Diagnosis, lang: str | None = None) -> ReportView:
    """Everything the report shows, gathered from the run's folder."""
    folder = run.path if run.kind == "journal" else None
    if folder is None:
        return build(run, diagnosis, None, lang)
    table = load_table(folder)
    answers: list[Answer] = []
    for step in table.steps if table else ():
        stored = load_answers(folder, step)
        answers += stored[1] if stored else []
    recipe = recipe_of(folder)
    card = Path(recipe.report.data_card) if recipe and recipe.report.data_card else None
    extras = Extras(
        table=table,
        choice=choose_again(folder, run, diagnosis),
        answers=tuple(answers),
        card=card.read_text(encoding="utf-8") if card and card.is_file() else None,
    )
    return build(run, diagnosis, extras, lang)
