"""A teacher that writes: its answers to the training questions, kept in the run folder, and the rows made of them.

They are written in parts, each whole or not there; a run that is broken off goes on with the questions that are left.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from doneness.config import Recipe, dump_recipe
from doneness.core import DataError, DonenessError, Message, UnreadableError, launched, say, tr
from doneness.data import Row, Rows, Turn
from doneness.runs import Claim
from doneness.runs.atomic import write_text
from doneness.workflows.rows import RecipeRows, read_recipe_rows

FOLDER = "teacher"
_PART = 64  # answers
_BATCH = 8  # answers written at once


@dataclass(frozen=True)
class _Said:
    """An answer of the teacher's; `ended` says whether it came to its end before distill.max_new_tokens."""

    text: str
    ended: bool


def writes(recipe: Recipe) -> bool:
    """Whether the recipe's training rows are what a teacher writes."""
    return recipe.run.stage == "distill" and recipe.distill.kind == "text"


def write_answers(recipe: Recipe, told: Callable[[Message], None], resolved: Path) -> None:
    """Let the teacher answer what it has not answered yet.

    Args:
        recipe: with absolute paths.
        told: given how many answers are to be written, and when they are.
        resolved: where the recipe is written, beside which the answers lie.

    Raises:
        DonenessError: data or teacher cannot be used, or several processes would write.
        KeyboardInterrupt: interrupted; the parts that are whole are kept.
    """
    rows = read_recipe_rows(recipe)
    folder = resolved.parent / FOLDER
    known = _read(folder)
    missing = [row for row in _needed(rows) if _key(row) not in known]
    if not missing:
        return
    if launched.processes() > 1:
        raise DonenessError(tr("workflows.teacher.one"))
    from doneness.models import load_tokenizer
    from doneness.models.teacher import load_teacher

    # What is wrong with the student is to be found before hours are spent, and what is wrong with the teacher before
    # anything is written: the folder would be one of a recipe that is mended next.
    load_tokenizer(recipe.model.path)
    teacher = load_teacher(recipe)
    claim = Claim(resolved.parent)
    try:
        write_text(resolved, dump_recipe(recipe))
        told(say("workflows.teacher.writing", rows=len(missing), known=len(known), folder=str(folder)))
        begin = max((int(file.stem.rpartition("-")[2]) for file in _parts(folder)), default=0)
        for number, at in enumerate(range(0, len(missing), _PART), start=begin + 1):
            part = missing[at : at + _PART]
            lines = [_line(row, said) for row, said in zip(part, _answers(recipe, teacher, part), strict=True)]
            write_text(folder / f"answers-{number:06d}.jsonl", "".join(lines))
    finally:
        claim.release()


def with_answers(recipe: Recipe, rows: RecipeRows) -> RecipeRows:
    """Training rows with the teacher's answers; held-out rows keep their own, where they have one.

    Raises:
        DataError: the teacher has not answered them yet, or has finished no answer.
    """
    known = _read(Path(recipe.run.folder) / FOLDER)
    missing = sum(_key(row) not in known for row in _needed(rows))
    if missing:
        raise DataError(tr("workflows.teacher.missing", rows=missing))
    train = _answered(rows.train, known, keep=False)
    judged = None if rows.eval is None else _answered(rows.eval, known, keep=True)
    left_out = len(rows.train) - len(train)
    if not len(train) or (judged is not None and not len(judged)):
        raise DataError(tr("workflows.teacher.none", rows=len(rows.train), limit=recipe.distill.max_new_tokens))
    lines = [say("workflows.teacher.done", rows=len(train), left_out=left_out, limit=recipe.distill.max_new_tokens)]
    return replace(rows, train=train, eval=judged, lines=(*rows.lines, *lines))


def _needed(rows: RecipeRows) -> list[Row]:
    """Rows that the teacher has to answer: those to train on, and those to judge by that have no answer."""
    return [*rows.train, *(row for row in rows.eval or () if not row.answer.strip())]


def _answered(rows: Rows, known: Mapping[str, _Said], keep: bool) -> Rows:
    """The rows with the teacher's answers; what it did not finish teaches nobody how to end."""
    found: list[Row] = []
    for row in rows:
        if keep and row.answer.strip():
            found.append(row)
            continue
        said = known[_key(row)]
        if said.ended and said.text.strip():
            found.append(replace(row, turns=(*row.turns[:-1], Turn("assistant", said.text)), label=None))
    return replace(rows, rows=tuple(found))


def _answers(recipe: Recipe, teacher: Any, rows: Sequence[Row]) -> list[_Said]:
    from doneness.models.messages import as_turns, known_to
    from doneness.models.render import head_ids, head_text
    from doneness.models.written import Sampling, sample_all

    asked, tokenizer = recipe.distill, teacher.tokenizer
    known = known_to(tokenizer)
    prompts = []
    for row in rows:
        turns = as_turns(replace(row, turns=row.turns[:-1]), recipe.data.system, known)
        prompts.append(head_ids(tokenizer, head_text(tokenizer, turns, row.tools if known.tools else ())))
    # By the questions: the same answers also where a run was broken off before.
    seed = int(hashlib.sha256("".join(map(_key, rows)).encode()).hexdigest()[:8], 16) ^ recipe.run.seed
    how = Sampling(asked.max_new_tokens, asked.sampling, seed=seed % 2**31)
    return [
        _Said(one[0].text.strip(), one[0].ended) for one in sample_all(teacher.model, tokenizer, prompts, how, _BATCH)
    ]


def _key(row: Row) -> str:
    """The question, by all that was said before the answer, and by what may be called to answer it."""
    asked = [[turn.role, turn.content] for turn in row.turns[:-1]]
    said = json.dumps([*asked, list(row.tools)] if row.tools else asked, ensure_ascii=True)
    return hashlib.sha256(said.encode()).hexdigest()[:24]


def _line(row: Row, said: _Said) -> str:
    messages = [{"role": turn.role, "content": turn.content} for turn in row.turns[:-1]]
    messages.append({"role": "assistant", "content": said.text})
    told = {"id": row.id, "messages": messages, "ended": said.ended, "key": _key(row)}
    # A lone surrogate in a question can be written as an escape alone.
    return json.dumps(told, ensure_ascii=True) + "\n"


def _parts(folder: Path) -> list[Path]:
    found = folder.glob("answers-*.jsonl") if folder.is_dir() else ()
    return sorted(file for file in found if file.stem.removeprefix("answers-").isdecimal())


def _read(folder: Path) -> dict[str, _Said]:
    """What the teacher has said, by question.

    Raises:
        UnreadableError: a part was damaged.
    """
    found: dict[str, _Said] = {}
    for file in _parts(folder):
        try:
            for line in file.read_text(encoding="utf-8").splitlines():
                told = json.loads(line)
                found[str(told["key"])] = _Said(str(told["messages"][-1]["content"]), bool(told["ended"]))
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise UnreadableError(tr("workflows.teacher.damaged", path=str(file))) from error
    return found
