"""Pairs of answers as token ids, and how likely a model holds each answer of a pair."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.core import DataError, tr
from doneness.data import KtoRow, PreferenceRow, Row, TextRow
from doneness.models.chat import Answer, Encoded, EncodedRows, encode
from doneness.models.cutting import balanced
from doneness.models.nll import example_losses
from doneness.runs import ExampleLosses

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EncodedPair:
    """One question with two answers to it, the chosen one and the rejected one.

    The tokens before the answers are the same in both.
    """

    chosen: Encoded
    rejected: Encoded

    @property
    def id(self) -> str:
        """The row's id."""
        return self.chosen.id

    @property
    def ids(self) -> tuple[int, ...]:
        """The tokens of both, one after the other."""
        return self.chosen.ids + self.rejected.ids

    @property
    def targets(self) -> int:
        """Number of tokens of both answers."""
        return self.chosen.targets + self.rejected.targets

    @property
    def start(self) -> int:
        """Number of tokens before the answers."""
        return self.chosen.start

    @property
    def several(self) -> tuple[Answer, ...]:
        """Where each answer stands in its own half."""
        return (*self.chosen.answers, *self.rejected.answers)

    @property
    def cut(self) -> int:
        """Tokens that did not fit."""
        return self.chosen.cut + self.rejected.cut

    @property
    def lost(self) -> int:
        """Of these, those of the answers."""
        return self.chosen.lost + self.rejected.lost


@dataclass(frozen=True)
class Marked:
    """An answer, and whether it is one to give."""

    row: Encoded
    good: bool

    @property
    def id(self) -> str:
        """The row's id."""
        return self.row.id

    @property
    def ids(self) -> tuple[int, ...]:
        """All tokens."""
        return self.row.ids

    @property
    def targets(self) -> int:
        """Tokens of the answer."""
        return self.row.targets

    @property
    def start(self) -> int:
        """Number of tokens before the answer."""
        return self.row.start

    @property
    def several(self) -> tuple[Answer, ...]:
        """Where the answer stands."""
        return self.row.answers

    @property
    def cut(self) -> int:
        """Tokens that did not fit."""
        return self.row.cut

    @property
    def lost(self) -> int:
        """Of these, those of the answer."""
        return self.row.lost


@dataclass(frozen=True)
class PairScores:
    """How likely a model holds the answers of n pairs.

    Attributes:
        chosen, rejected: summed log-probability of each answer, nats; shape (n,).
        chosen_tokens, rejected_tokens: their target tokens; shape (n,).
    """

    chosen: Floats
    rejected: Floats
    chosen_tokens: NDArray[np.int64]
    rejected_tokens: NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """How rows with answers are encoded; see `encode`."""

    max_length: int
    system: str = ""
    on_long: str = "truncate"
    cut: str = "answer"

    def sides(self, tokenizer: Any, rows: Sequence[Row]) -> list[Encoded] | None:
        """Answers to one question, each learnt by its last answer; None where one is too long and such are skipped.

        Raises:
            DataError: one is too long, and such rows are refused; or nothing of an answer would be left.
        """
        # What is balanced is cut at once in all sides: the longest answer says what is left of the question.
        limit = sys.maxsize if self.cut == "balanced" else self.max_length
        try:
            found = [encode(tokenizer, row, limit, self.system, answers="last", cut=self.cut) for row in rows]
            if self.cut == "balanced":
                found = _balanced(found, self.max_length)
        except DataError:
            if self.on_long == "skip":
                return None
            raise
        numbers: dict[str, Any]
        for row, side in zip(rows, found, strict=True):
            if side.cut and self.on_long == "refuse":
                numbers = {"tokens": len(side.ids) + side.cut, "limit": self.max_length}
                raise DataError(tr("models.row_too_long", row=row.id, line=row.line, **numbers))
        if self.on_long == "skip" and any(side.cut for side in found):
            return None
        return [replace(e, source=r.source, cluster=r.cluster) for r, e in zip(rows, found, strict=True)]


def _balanced(sides: Sequence[Encoded], limit: int) -> list[Encoded]:
    """Question and answers shortened as LLaMA-Factory does: all that was said before the answers is one question."""
    head = sides[0].ids[: sides[0].start]
    source, target = balanced(len(head), max(len(side.ids) - side.start for side in sides), limit)
    if not target:
        raise DataError(tr("models.prompt_too_long", row=sides[0].id, tokens=len(head), limit=limit))
    return [_kept(side, head[:source], side.ids[side.start :][:target]) for side in sides]


def _kept(side: Encoded, head: tuple[int, ...], answer: tuple[int, ...]) -> Encoded:
    ids = head + answer
    lost = len(side.ids) - side.start - len(answer)
    ended = side.answers[-1].ended and not lost
    several = () if ended != bool(lost) else (Answer(len(head), len(ids), ended),)
    return replace(side, ids=ids, start=len(head), cut=len(side.ids) - len(ids), lost=lost, several=several)


def encode_pairs(tokenizer: Any, rows: Sequence[PreferenceRow], asked: Asked) -> EncodedRows[EncodedPair]:
    """Token ids of pairs.

    Raises:
        DataError: a row is too long and such rows are refused, no row is left, or cut answers are no longer two, and
            the cut is not LLaMA-Factory's.
    """
    kept, skipped = [], 0
    for row in rows:
        found = asked.sides(tokenizer, row.sides)
        if found is None:
            skipped += 1
            continue
        pair = EncodedPair(*_alike(*found))
        # LLaMA-Factory, whose cut is the balanced one, trains on such a pair; it moves nothing.
        if pair.chosen.ids == pair.rejected.ids and asked.cut != "balanced":
            raise DataError(tr("models.pair_alike", row=row.id, line=row.line, limit=asked.max_length))
        kept.append(pair)
    return _collected(kept, skipped, asked)


def encode_marked(tokenizer: Any, rows: Sequence[KtoRow], asked: Asked) -> EncodedRows[Marked]:
    """Token ids of answers with their marks.

    Raises:
        DataError: as `encode_pairs`.
    """
    found = [(asked.sides(tokenizer, [row.row]), row.desirable) for row in rows]
    kept = [Marked(sides[0], good) for sides, good in found if sides is not None]
    return _collected(kept, len(found) - len(kept), asked)


def encode_texts(tokenizer: Any, rows: Sequence[TextRow], max_length: int) -> EncodedRows[Encoded]:
    """Token ids of documents, each ended by the end-of-sequence token and parted where it is too long.

    Every token but a part's first carries loss; the parts of a document are one cluster. A part of a single token
    has nothing to predict and is left out.
    """
    kept: list[Encoded] = []
    for row in rows:
        ids = [*tokenizer(row.text)["input_ids"]]
        if not ids or ids[-1] != tokenizer.eos_token_id:
            ids.append(tokenizer.eos_token_id)
        for number, at in enumerate(range(0, len(ids), max_length)):
            part = tuple(ids[at : at + max_length])
            name = row.id if len(ids) <= max_length else f"{row.id}.{number + 1}"
            if len(part) > 1:
                last = at + max_length >= len(ids)
                mark = row.cluster or row.id
                several = (Answer(1, len(part), last),)
                kept.append(Encoded(name, part, 1, source=row.source, cluster=mark, several=several))
    if not kept:
        raise DataError(tr("models.no_rows_left", skipped=0, limit=max_length))
    return EncodedRows(tuple(kept), 0, 0)


def _alike(chosen: Encoded, rejected: Encoded) -> tuple[Encoded, Encoded]:
    """Both after the same tokens: where their questions were cut to different lengths, the shorter of them."""
    one, other = (side.ids[: side.start] for side in (chosen, rejected))
    if one == other:
        return chosen, rejected
    head = min(one, other, key=len)
    return _after(chosen, head), _after(rejected, head)


def _after(side: Encoded, head: tuple[int, ...]) -> Encoded:
    several = tuple(
        Answer(a.begin - side.start + len(head), a.end - side.start + len(head), a.ended) for a in side.several
    )
    gone = side.start - len(head)
    return replace(side, ids=head + side.ids[side.start :], start=len(head), several=several, cut=side.cut + gone)


def _collected(kept: Sequence[Any], skipped: int, asked: Asked) -> EncodedRows[Any]:
    if not kept:
        raise DataError(tr("models.no_rows_left", skipped=skipped, limit=asked.max_length))
    cut, lost = (sum(getattr(row, name) for row in kept) for name in ("cut", "lost"))
    return EncodedRows(tuple(kept), sum(row.cut > 0 for row in kept), skipped, cut, lost)


def score_pairs(
    model: Any,
    pairs: Sequence[EncodedPair],
    batch_size: int,
    progress: Callable[[int], None] | None = None,
    shared: bool = False,
) -> PairScores:
    """Both answers of every pair, with the model as it stands.

    Args:
        model: a causal language model.
        pairs: encoded pairs.
        batch_size: pairs scored at once at most.
        progress: called with the number of pairs done.
        shared: every process of several calls this, and scores a part.
    """
    rows = [replace(row, spans={}) for pair in pairs for row in (pair.chosen, pair.rejected)]
    told = None if progress is None else lambda done: progress(done // 2)
    found = example_losses(model, rows, 0, 2 * batch_size, told, shared=shared)
    return PairScores(-found.nll[::2], -found.nll[1::2], found.tokens[::2], found.tokens[1::2])


def margin_losses(step: int, pairs: Sequence[EncodedPair], margin: Floats) -> ExampleLosses:
    """−log σ(margin) of every pair, one number that tells the loss, the margin and who won; a pair counts as one.

    Args:
        step: recorded with the result.
        pairs: n of them.
        margin: how much more reward the chosen answers have; shape (n,).
    """
    known = any(pair.chosen.cluster is not None for pair in pairs)
    cluster = np.array([pair.chosen.cluster or f"row {pair.id}" for pair in pairs], dtype=np.str_) if known else None
    ids = np.array([pair.id for pair in pairs], dtype=np.str_)
    return ExampleLosses(step, ids, np.logaddexp(0.0, -margin), np.ones(len(pairs), dtype=np.int64), {}, cluster)


def reward_metrics(scores: PairScores, chosen: Floats, rejected: Floats) -> Mapping[str, float]:
    """What TRL logs of a preference evaluation, by the same names, over all pairs at once.

    Args:
        scores: of the model.
        chosen, rejected: rewards of the answers; shape (n,).
    """
    return {
        "rewards/chosen": float(chosen.mean()),
        "rewards/rejected": float(rejected.mean()),
        "rewards/margins": float((chosen - rejected).mean()),
        "rewards/accuracies": float((chosen > rejected).mean()),
        "logps/chosen": float(scores.chosen.mean()),
        "logps/rejected": float(scores.rejected.mean()),
    }
