"""From votes to preference pairs: rows for DPO, with nothing of what the run is measured on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from doneness.config import Recipe
from doneness.core import DataError, DonenessError, Message, say, tr
from doneness.review import Left, Lengths, Pair, apart, lengths, matched, preferred, read_book
from doneness.runs.atomic import write_text
from doneness.runs.probes import Question, load_table
from doneness.workflows.train import recipe_of

FILE = "pairs.jsonl"
LEAVE = 0.5


@dataclass(frozen=True)
class Made:
    """Pairs that were written.

    Attributes:
        path: where.
        pairs: the rows.
        left: what became of the votes that are none.
        lengths: whether longer answers were preferred.
        lines: what else is to be known.
    """

    path: Path
    pairs: tuple[Pair, ...]
    left: Left
    lengths: Lengths
    lines: tuple[Message, ...] = ()


def make_pairs(run: Path, out: Path | None = None, leave: float = LEAVE, match: bool = False) -> Made:
    """Write the pairs that a run's votes make.

    Args:
        run: a run folder with votes.
        out: the file; by default pairs.jsonl in the run folder.
        leave: share of the probe questions that stay out, so that the table after training is of questions that were
            not trained on. By behaviour, and always the same ones.
        match: leave out pairs until length says nothing of which answer is the better one.

    Raises:
        DonenessError: nobody voted, no pair is left, or `out` is a file that is read.
    """
    if not 0 <= leave <= 0.9:
        raise DonenessError(tr("review.pairs.leave", value=leave))
    out, recipe = out or run / FILE, recipe_of(run)
    _refuse_inputs(out, recipe)
    with read_book(run) as book:
        votes = [v for v in book.votes() if v.reviewer.kind != "judge"] if book is not None else []
    if not votes:
        raise DonenessError(tr("review.pairs.no_votes", path=str(run)))
    table = load_table(run)
    questions = table.questions if table is not None else ()
    kept = kept_apart(questions, leave, recipe.run.seed if recipe else 0)
    evaluated, lines = _evaluated(recipe)
    pairs, left = preferred(votes)
    pairs, of_kept, leaked = apart(pairs, kept, [q.prompt for q in questions if q.id in kept] + evaluated)
    fewer = matched(pairs) if match else pairs
    left = replace(left, kept_apart=of_kept, leaked=leaked, unmatched=len(pairs) - len(fewer))
    found = lengths(fewer)
    if found is None:
        raise DonenessError(tr("review.pairs.none", path=str(run), counts=said(left)))
    write_text(out, "".join(json.dumps(pair.row(), ensure_ascii=False) + "\n" for pair in fewer))
    return Made(out, fewer, left, found, lines)


def said(left: Left) -> Message:
    """What was left out, in words."""
    return say("review.pairs.counts", **{name: getattr(left, name) for name in left.__dataclass_fields__})


def kept_apart(questions: Sequence[Question], share: float, seed: int) -> frozenset[str]:
    """Ids of the questions that are kept for the table after training; of every behaviour in proportion."""
    by_behaviour: dict[str, list[str]] = {}
    for question in questions:
        by_behaviour.setdefault(question.behaviour, []).append(question.id)
    found: set[str] = set()
    for ids in by_behaviour.values():
        drawn = sorted(ids, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
        found |= {*drawn[: round(share * len(drawn))]}
    return frozenset(found)


def _evaluated(recipe: Recipe | None) -> tuple[list[str], tuple[Message, ...]]:
    """The questions that the run's evaluation rows ask; a line where they cannot be read."""
    if recipe is None:
        return [], (say("review.pairs.no_recipe"),)
    from doneness.workflows.rows import read_recipe_rows
    from doneness.workflows.stage_rows import read_stage_rows

    try:
        if recipe.run.stage in ("sft", "distill"):
            rows = read_recipe_rows(recipe).eval
            return [row.prompt for row in rows.rows] if rows else [], ()
        staged = read_stage_rows(recipe).eval
    except DataError as error:
        return [], (say("review.pairs.no_eval", reason=str(error)),)
    faces = [getattr(row, "face", getattr(row, "row", row)) for row in staged.rows] if staged else []
    return [str(getattr(face, "prompt", "")) for face in faces if getattr(face, "prompt", "")], ()


def _refuse_inputs(out: Path, recipe: Recipe | None) -> None:
    """Pairs are written over pairs, and over nothing else that a run is made of."""
    read = (recipe.data.train, recipe.data.eval, recipe.probes.suite) if recipe else ()
    known = any(path and Path(path).exists() and out.exists() and Path(path).samefile(out) for path in read)
    if known or (out.exists() and out.suffix.lower() != ".jsonl") or out.name == "journal.jsonl":
        raise DonenessError(tr("workflows.over_input", path=str(out)))
