"""Answers of a run's checkpoints side by side: found, filtered, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from doneness.core.text import printable
from doneness.report.answers import behaviour_title, marked
from doneness.runs.probes import Answer, Question, load_answers
from doneness.workflows.check import Judged

PAGE = 20  # questions on a page
_MOST_STEPS = 6
_KINDS = {"same": "same", "new": "added", "gone": "removed"}


def answers(each: Judged, query: Mapping[str, Any]) -> dict[str, Any]:
    """One page of questions with the answers of some checkpoints.

    Args:
        each: the run.
        query: "steps" (by default base, the kept and the last), "behaviour", "find", "changed", "page".
    """
    table, folder = each.table, each.run.path
    if table is None or folder is None:
        return {"steps": [], "all_steps": [], "behaviours": [], "of": 0, "pages": 0, "chosen": each.kept, "items": []}
    steps = _steps(query.get("steps") or (), table.steps, each.kept)
    held = {step: known[1] for step in steps if (known := load_answers(folder, step))}
    by_step = {step: {a.id: a for a in rows} for step, rows in held.items()}
    wanted = [q for q in table.questions if _fits(q, query, [by_step[s].get(q.id) for s in steps if s in by_step])]
    page = max(0, int(query.get("page") or 0))
    pages = -(-len(wanted) // PAGE)
    shown = wanted[page * PAGE : (page + 1) * PAGE]
    return {
        "steps": steps,
        "all_steps": list(table.steps),
        "behaviours": [
            {"name": name, "title": behaviour_title(name)}
            for name in dict.fromkeys(q.behaviour for q in table.questions)
        ],
        "of": len(wanted),
        "pages": pages,
        "chosen": each.kept,
        "items": [_item(question, steps, by_step) for question in shown],
    }


def _steps(asked: Sequence[int], known: Sequence[int], kept: int | None) -> list[int]:
    found = [step for step in dict.fromkeys(asked) if step in known]
    usual = [known[0], kept, known[-1]] if known else []
    return sorted(found or {step for step in usual if step is not None and step in known})[:_MOST_STEPS]


def _fits(question: Question, query: Mapping[str, Any], found: Sequence[Answer | None]) -> bool:
    behaviour, text = str(query.get("behaviour") or ""), str(query.get("find") or "").casefold()
    if behaviour and question.behaviour != behaviour:
        return False
    texts = [answer.text for answer in found if answer is not None]
    if not texts:
        return False
    if query.get("changed") and len(set(texts)) < 2:
        return False
    return not text or any(text in each.casefold() for each in (question.prompt, question.reference, *texts))


def _item(question: Question, steps: Sequence[int], by_step: Mapping[int, Mapping[str, Answer]]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    before: str | None = None
    for step in steps:
        answer = by_step.get(step, {}).get(question.id)
        if answer is None:
            continue
        text = printable(answer.text)
        pieces = [(text, "same")] if before is None else [(p.text, _KINDS[p.kind]) for p in marked(before, text)[0]]
        told[str(step)] = {
            "text": text,
            "score": None,
            "tokens": answer.tokens,
            "capped": answer.capped,
            "parts": [list(piece) for piece in pieces],
        }
        before = text
    return {
        "id": printable(question.id),
        "title": behaviour_title(question.behaviour) if question.behaviour else "",
        "behaviour": printable(question.behaviour),
        "prompt": printable(question.prompt),
        "reference": printable(question.reference),
        "answers": told,
    }
