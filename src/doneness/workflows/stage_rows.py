"""Rows of the stages that are not learnt from one answer: pairs, marked answers, texts, questions alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from doneness.config import Recipe
from doneness.config.rewards import parse_rewards
from doneness.core import DataError, Message, say, tr
from doneness.data import (
    HeldOut,
    Kept,
    KtoRow,
    PreferenceRow,
    Row,
    TextRow,
    Turn,
    hold_out,
    normalise,
    read_kto,
    read_preferences,
    read_prompts,
    read_texts,
    reduced,
    stratified,
)
from doneness.workflows.held_out import refuse_asked, wanted_rows
from doneness.workflows.rows import of_file, reading_of, skipped_lines

_WANTED = 400  # pairs held out where nobody says how many: their accuracy is then told to five points
_WANTED_ANSWERS = 100  # questions held out where each takes an answer to be written at every evaluation
_SEEN = 2000  # characters of a text that its near-duplicates are looked for by


@dataclass(frozen=True)
class StageRows:
    """As `RecipeRows`, of another stage."""

    train: Kept[Any]
    eval: Kept[Any] | None
    lines: tuple[Message, ...] = ()
    held_out: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class _Kind:
    """How rows of a stage are read, and what of a row is its question."""

    read: Callable[..., Kept[Any]]
    face: Callable[[Any], Row]
    mark: Callable[[Any, str | None], Any]


def _text_face(row: TextRow) -> Row:
    # As a question with nothing for an answer: rows are told apart by what stands before the last turn.
    turns = (Turn("user", row.text[:_SEEN]), Turn("assistant", ""))
    return Row(row.id, turns, row.line, cluster=row.cluster, source=row.source)


def _pair_face(row: PreferenceRow) -> Row:
    return row.sides[0]


def _clustered(row: Any, cluster: str | None) -> Any:
    return replace(row, cluster=cluster)


def _judged(row: KtoRow, cluster: str | None) -> KtoRow:
    return replace(row, row=replace(row.row, cluster=cluster))


_PAIRS = _Kind(read_preferences, _pair_face, _clustered)
_KINDS = {
    "pretrain": _Kind(read_texts, _text_face, _clustered),
    "dpo": _PAIRS,
    "orpo": _PAIRS,
    "reward": _PAIRS,
    "kto": _Kind(read_kto, lambda row: row.row, _judged),
    "grpo": _Kind(read_prompts, lambda row: row.face, _clustered),
}


def read_stage_rows(recipe: Recipe) -> StageRows:
    """Read the recipe's files and pick the rows it asks for; `recipe.run.stage` is not sft.

    Raises:
        DataError: a file is missing, empty, or holds a row that cannot be used.
    """
    if not recipe.data.train:
        raise DataError(tr("workflows.no_train_file"))
    kind, data, seed = _kind_of(recipe), recipe.data, recipe.run.seed
    whole = kind.read(data.train, reading_of(recipe))
    if data.eval:
        train = _picked(kind, whole, data.train_rows, seed)
        held_out = _picked(kind, kind.read(data.eval, reading_of(recipe)), data.eval_rows, seed)
        _refuse_leak(kind, train, held_out)
        return StageRows(train, held_out)
    if data.hold_out == "none":
        return StageRows(_picked(kind, whole, data.train_rows, seed), None)
    asked = wanted_rows(data)
    wanted = asked or (_WANTED_ANSWERS if recipe.run.stage == "grpo" else _WANTED)
    faces = [kind.face(row) for row in whole.rows]
    split = hold_out(faces, wanted, seed, "asked" if asked else "rows", data.hold_out_share)
    if split is None:
        refuse_asked(recipe, len(whole))
        lines = (say("workflows.held_out.none", rows=len(whole)),)
        return StageRows(_picked(kind, whole, data.train_rows, seed), None, lines)
    split = reduced(split, data.eval_rows, seed)
    train, judged = (_sided(kind, whole, side) for side in (split.train, split.eval))
    lines = (_said(recipe.run.stage, split, len(whole)),)
    facts: dict[str, Any] = {"rows": len(split.eval), "groups": split.groups, "all_groups": split.all_groups}
    facts |= {"seed": split.seed, "near_duplicates_left_out": split.near_train + split.near_eval, "hash": split.digest}
    return StageRows(_picked(kind, train, data.train_rows, seed), judged, lines, facts)


def _kind_of(recipe: Recipe) -> _Kind:
    """The stage's kind; questions need their answers where a reward asks for them."""
    kind = _KINDS[recipe.run.stage]
    if recipe.run.stage != "grpo" or all(reward.name != "exact" for reward in parse_rewards(recipe.rewards.use)):
        return kind
    return replace(kind, read=partial(read_prompts, referenced=True))


def encode_stage_rows(tokenizer: Any, rows: StageRows, recipe: Recipe) -> Any:
    """The rows as token ids; a `TrainingRows` for the trainer.

    Raises:
        DataError: a row is too long and such rows are refused, or none is left.
    """
    from doneness.models.pairs import Asked, encode_marked, encode_pairs, encode_texts
    from doneness.models.prompts import encode_prompts
    from doneness.train.loop import TrainingRows

    data = recipe.data
    asked = Asked(data.max_length, data.system, data.on_long, data.cut)

    def encoded(part: Kept[Any]) -> Any:
        with of_file(part):
            return made(part)

    def made(part: Kept[Any]) -> Any:
        if recipe.run.stage == "pretrain":
            return encode_texts(tokenizer, part.rows, data.max_length)
        if recipe.run.stage == "grpo":
            return encode_prompts(tokenizer, part.rows, data.max_length, data.system, data.on_long)
        make = encode_marked if recipe.run.stage == "kto" else encode_pairs
        return make(tokenizer, part.rows, asked)

    train = encoded(rows.train)
    needed = recipe.optimizer.batch_size // recipe.grpo.generations
    if recipe.run.stage == "grpo" and len(train.rows) < needed:
        raise DataError(tr("workflows.few_questions", rows=len(train.rows), needed=needed))
    if recipe.run.stage == "kto":
        # They are taken in the order that they come in, pass for pass.
        order = np.random.default_rng(recipe.run.seed).permutation(len(train.rows))
        train = replace(train, rows=tuple(train.rows[i] for i in order))
    return TrainingRows(train, encoded(rows.eval) if rows.eval else None, rows.held_out)


def stage_lines(rows: StageRows, encoded: Any, recipe: Recipe) -> tuple[Message, ...]:
    """What became of the rows on their way to token ids, where it is not what one would think."""
    found = [part for part in (encoded.train, encoded.eval) if part is not None]
    cut, tokens, lost = (sum(getattr(part, name) for part in found) for name in ("truncated", "cut", "lost"))
    lines = skipped_lines(rows.train, rows.eval)
    if cut:
        numbers = {"rows": cut, "all": sum(len(part.rows) for part in found), "limit": recipe.data.max_length}
        lines.append(say(f"workflows.rows.cut_{recipe.data.cut}", **numbers, tokens=tokens, lost=lost))
    skipped = sum(part.skipped for part in found)
    if skipped:
        lines.append(say("workflows.rows.skipped", rows=skipped, limit=recipe.data.max_length))
    return tuple(lines)


def _said(stage: str, split: HeldOut, rows: int) -> Message:
    near = split.near_train + split.near_eval
    key = {"pretrain": "texts", "grpo": "questions"}.get(stage, "pairs")
    numbers = {"rows": len(split.eval), "all": rows, "groups": split.groups, "seed": split.seed, "near": near}
    # Points of a share near a half; 1.96 standard errors.
    return say(f"workflows.held_out.{key}", **numbers, points=98.0 / split.groups**0.5)


def _sided(kind: _Kind, whole: Kept[Any], side: Sequence[Row]) -> Kept[Any]:
    """The rows behind the faces of one side; those of one group say so."""
    known = {kind.face(row).id: row for row in whole.rows}
    return replace(whole, rows=tuple(kind.mark(known[face.id], face.cluster) for face in side))


def _picked(kind: _Kind, rows: Kept[Any], n: int, seed: int) -> Kept[Any]:
    if n == 0 or n >= len(rows):
        return rows
    faces = stratified([kind.face(row) for row in rows.rows], n, seed)
    known = {kind.face(row).id: row for row in rows.rows}
    return replace(rows, rows=tuple(known[face.id] for face in faces))


def _refuse_leak(kind: _Kind, train: Kept[Any], held_out: Kept[Any]) -> None:
    """An evaluation file made of training rows says nothing of new ones."""
    known = {normalise(kind.face(row).context) for row in train.rows}
    again = sum(normalise(kind.face(row).context) in known for row in held_out.rows)
    if 2 * again >= len(held_out):
        raise DataError(tr("workflows.leak", path=str(held_out.path), again=again, rows=len(held_out)))
