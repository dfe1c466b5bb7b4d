"""From a run, its diagnosis and whatever else is known to the view that the report shows."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from doneness.core import Diagnosis, Verdict, language, speaking, tr
from doneness.report import answers as side
from doneness.report import checkpoints
from doneness.report.checklist import checklist
from doneness.report.curve import curve
from doneness.report.decisions import decisions, folded, said
from doneness.report.findings import finding_rows, missing
from doneness.report.group_rows import group_rows
from doneness.report.health import health
from doneness.report.keynumbers import key_numbers
from doneness.report.numbers import count, general
from doneness.report.span_rows import span_rows
from doneness.report.view import ReportView
from doneness.report.why import why_not_best
from doneness.runs import Run
from doneness.runs.probes import Answer, Choice, ProbeTable

_SHOWN_ELSEWHERE = ("recipe", "versions")


@dataclass(frozen=True)
class Extras:
    """What a report may be given beside run and diagnosis; everything may be absent.

    Attributes:
        table: behaviours × checkpoints.
        choice: the checkpoint to keep; it overrides the diagnosis's recommendation.
        answers: every answer of every checkpoint.
        recipe: nested sections; by default `run.meta["recipe"]`.
        card: the data card, Markdown.
        command: what to type next; by default one that fits what is known.
    """

    table: ProbeTable | None = None
    choice: Choice | None = None
    answers: tuple[Answer, ...] = ()
    recipe: Mapping[str, Any] | None = None
    card: str | None = None
    command: str | None = None


def build(run: Run, diagnosis: Diagnosis, extras: Extras | None = None, lang: str | None = None) -> ReportView:
    """Compute what the report on `run` shows.

    Args:
        run: finished, crashed or foreign.
        diagnosis: the verdict on it.
        extras: probes, choice, recipe, data card, where there are any.
        lang: "en" or "zh"; by default the reader's language.
    """
    with speaking(lang or language()):
        return _build(run, diagnosis, extras or Extras())


def _build(run: Run, diagnosis: Diagnosis, extras: Extras) -> ReportView:
    chosen = extras.choice.step if extras.choice else diagnosis.recommended_step
    data = curve(run, diagnosis, chosen)
    found, damaged = decisions(run)
    recipe = extras.recipe if extras.recipe is not None else run.meta.get("recipe")
    questions = side.side_by_side(extras.table, extras.answers)
    first = side.most_telling(questions, chosen)
    why = why_not_best(diagnosis)
    given = {
        "probes": extras.table is not None,
        "answers": bool(questions),
        "decisions": bool(found),
        "recipe": bool(recipe),
        "card": bool(extras.card),
        "versions": bool(run.meta.get("versions")),
        "seed": run.meta.get("seed") is not None,
    }
    return ReportView(
        lang=language(),
        run=run.name,
        source=tr("report.source", kind=run.kind, path=str(run.path) if run.path else run.name),
        verdict=diagnosis.verdict.value,
        verdict_word=tr(f"report.verdict.{diagnosis.verdict.value}"),
        headline=said(diagnosis.headline),
        advice=said(diagnosis.advice) if diagnosis.advice else "",
        reasons=tuple(said(m) for m in extras.choice.reasons) if extras.choice else (why,) if why else (),
        command=extras.command or next_command(run, diagnosis, extras),
        key_numbers=key_numbers(run, diagnosis, data),
        curve=data,
        checkpoints=checkpoints.rows(run, diagnosis, data),
        checklist=checklist(extras.table, chosen, extras.choice) if extras.table else None,
        questions=questions[first : first + 1] + questions[:first] + questions[first + 1 :],
        timeline=folded(found),
        findings=finding_rows(diagnosis.findings),
        missing=missing(run, diagnosis, data, given, damaged),
        recipe=sections(recipe) if isinstance(recipe, Mapping) else (),
        card=extras.card,
        facts=facts(run),
        readings=tuple(said(reading) for reading in diagnosis.readings),
        spans=span_rows(run, diagnosis),
        groups=group_rows(run),
        notice=tr("report.notice.explore") if run.exploratory else "",
        health=health(run),
    )


def next_command(run: Run, diagnosis: Diagnosis, extras: Extras) -> str | None:
    """The command that follows from the verdict; None where no command of ours does.

    A run that still learns wants a longer one; a finished one wants questions: the recipe's, then
    those of whoever will use it. Another tool's run can do neither with us.
    """
    if run.path is None or run.kind != "journal":
        return None
    where = shlex.quote(str(run.path))
    epochs = (extras.recipe or run.meta.get("recipe") or {}).get("schedule", {}).get("epochs")
    if diagnosis.verdict is Verdict.LEARNING and epochs:
        longer = shlex.quote(f"{run.path}-longer")
        return f"doneness train {where}/recipe.toml run.folder={longer} schedule.epochs={2 * float(epochs):g}"
    if diagnosis.verdict in (Verdict.BROKEN, Verdict.DIVERGED):
        return None
    return f"doneness probe {where}" + ("" if extras.table is None else " --suite your-questions.jsonl")


def sections(recipe: Mapping[str, Any]) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """The recipe's sections as (name, pairs); deeper tables become dotted keys, loose keys come first."""
    loose = tuple((str(k), written(v)) for k, v in recipe.items() if not isinstance(v, Mapping))
    tables = tuple((str(k), tuple(_flat(v))) for k, v in recipe.items() if isinstance(v, Mapping))
    return ((("", loose),) if loose else ()) + tables


def facts(run: Run) -> tuple[tuple[str, str], ...]:
    """Seed, versions and the run's other plain facts."""
    pairs: list[tuple[str, str]] = []
    if run.meta.get("seed") is not None:
        pairs.append((tr("report.facts.seed"), written(run.meta["seed"])))
    versions = run.meta.get("versions")
    if isinstance(versions, Mapping):
        pairs += [(str(name), written(version)) for name, version in versions.items()]
    held = run.meta.get("held_out")
    if isinstance(held, Mapping):
        pairs += [(f"held_out.{name}", written(value)) for name, value in held.items()]
    for key, value in run.meta.items():
        if key not in (*_SHOWN_ELSEWHERE, "seed") and isinstance(value, (str, int, float, bool)):
            pairs.append((key, written(value)))
    return tuple(pairs)


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            pairs += _flat(value, f"{prefix}{key}.")
        else:
            pairs.append((f"{prefix}{key}", written(value)))
    return pairs


def written(value: Any) -> str:
    """A fact of a run as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return count(value) if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return general(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(written(v) for v in value)
    return str(value)
