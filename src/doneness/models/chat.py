"""Rows as the model sees them: token ids, and which of them carry loss.

The chat template is the tokenizer's own. Loss is on what the assistant says: every answer of a conversation, or the
last alone. What stands before an answer is context, and what the template writes after the token that ends a turn
(a line break, usually) is never asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, NamedTuple, TypeVar

from doneness.core import DataError, tr
from doneness.data import Row, Span
from doneness.models.cutting import cut_balanced, cut_end, cut_question, size, without_oldest
from doneness.models.messages import as_turns
from doneness.models.offsets import spans_of
from doneness.models.render import TemplateRefusal, head_ids
from doneness.models.turns import Chat, Piece

MASKED = -100  # the label of a token that carries no loss, in transformers and torch


class Answer(NamedTuple):
    """An answer that carries loss: tokens `begin` to `end` (not included) of the row.

    `ended` says whether the last of them ends the turn; of a cut answer it does not.
    """

    begin: int
    end: int
    ended: bool = True


@dataclass(frozen=True)
class Encoded:
    """One row as token ids.

    Attributes:
        id: the row's id.
        ids: all tokens.
        start: index of the first token that carries loss.
        cut: tokens that did not fit max_length.
        spans: which target tokens belong to each span of the last answer, counted among the row's target tokens,
            ascending; those that were cut are not among them.
        label: the text of the label, where a span of that name is asked for and the answer has one.
        source, turn, cluster: where the row comes from, how many questions its conversation has, and the
            conversation or document it belongs to.
        several: the answers that carry loss, ascending; empty for the usual one, from `start` to the last token.
        lost: of the tokens that did not fit, those that would have carried loss.
        rewritten: earlier answers should carry loss and do not, as the template writes them otherwise in a history.
    """

    id: str
    ids: tuple[int, ...]
    start: int
    cut: int = 0
    spans: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    label: str | None = None
    source: str | None = None
    turn: int = 1
    cluster: str | None = None
    several: tuple[Answer, ...] = ()
    lost: int = 0
    rewritten: bool = False

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Every answer that carries loss."""
        return self.several or (Answer(self.start, len(self.ids), not self.lost),)

    @property
    def parts(self) -> dict[str, tuple[int, ...]]:
        """The spans, and those that every row has: first, rest and end part its target tokens without overlap.

        First and end are the first token and the end of turn of each answer.
        """
        first: list[int] = []
        rest: list[int] = []
        end: list[int] = []
        at = 0
        for answer in self.answers:
            last = at + answer.end - answer.begin - 1
            first.append(at)
            # The end of a cut answer is not there; a lone token is the first.
            ended = answer.ended and last > at
            rest += range(at + 1, last + 1 - ended)
            end += [last] * ended
            at = last + 1
        return {**self.spans, "first": tuple(first), "rest": tuple(rest), "end": tuple(end)}

    @property
    def targets(self) -> int:
        """Number of tokens that carry loss."""
        return sum(answer.end - answer.begin for answer in self.answers)

    @property
    def labels(self) -> tuple[int, ...]:
        """The tokens that carry loss, each in its place; −100 in all others."""
        found = [MASKED] * len(self.ids)
        for begin, end, _ in self.answers:
            found[begin:end] = self.ids[begin:end]
        return tuple(found)


R = TypeVar("R")


@dataclass(frozen=True)
class EncodedRows(Generic[R]):
    """Rows ready for the model, with what was cut or left out.

    Attributes:
        rows: those kept.
        truncated: how many of them were cut.
        skipped: how many were left out as too long.
        cut: tokens cut in all, of which `lost` would have carried loss.
        rewritten: rows of which the last answer alone is learnt, as the template rewrites earlier ones.
    """

    rows: tuple[R, ...]
    truncated: int
    skipped: int
    cut: int = 0
    lost: int = 0
    rewritten: int = 0


@dataclass(frozen=True)
class _Asked:
    """What a row is made into."""

    limit: int
    system: str
    answers: str
    cut: str
    spans: Sequence[Span] | None


def encode(
    tokenizer: Any,
    row: Row,
    max_length: int,
    system: str = "",
    spans: Sequence[Span] | None = None,
    answers: str = "all",
    cut: str = "answer",
) -> Encoded:
    """Token ids of one row, cut where it is longer than `max_length`.

    Args:
        tokenizer: with its chat template, if it has one.
        row: what is said.
        max_length: in tokens, chat markup included.
        system: put before a row that has no system turn.
        spans: also find the tokens of these; None for rows that are trained on, which need none.
        answers: all, or last: which of the assistant's answers carry loss.
        cut: answer, balanced or prompt: what goes where a row is too long, see `cutting`.

    Raises:
        DataError: the template does not put the answer after its prompt, or the prompt alone is too long.
    """
    return _encode(Chat(tokenizer), row, _Asked(max_length, system, answers, cut, spans))


def _encode(chat: Chat, row: Row, asked: _Asked) -> Encoded:
    turns = as_turns(row, asked.system, chat.known)
    # LLaMA-Factory shortens turn by turn also where the last answer alone is learnt.
    every = asked.answers == "all" or asked.cut == "balanced"
    try:
        whole, moved = chat.pieces(turns, row.tools, every, row.id)
    except TemplateRefusal as error:
        raise DataError(tr("models.row_refused", row=row.id, line=row.line, what=str(error))) from error
    if asked.answers == "last":
        whole = [*(replace(piece, loss=False) for piece in whole[:-1]), whole[-1]]
    if not any(piece.loss for piece in whole):
        raise DataError(tr("models.nothing_to_learn", row=row.id))
    kept = whole
    if size(whole) > asked.limit:
        kept = _cut(chat, row, whole, turns, asked)
    # What follows the last token that carries loss teaches nothing.
    while kept and not (kept[-1].loss and kept[-1].answer):
        kept = kept[:-1]
    if not kept:
        tokens = len(whole[0].context)
        raise DataError(tr("models.prompt_too_long", row=row.id, tokens=tokens, limit=asked.limit))
    lost = _loss(whole) - _loss(kept)
    encoded = replace(_joined(row.id, kept, lost), cut=size(whole) - size(kept))
    encoded = replace(encoded, rewritten=moved and asked.answers == "all")
    return encoded if asked.spans is None else _with_spans(chat.tokenizer, encoded, row, whole[-1], kept, asked.spans)


def _cut(chat: Chat, row: Row, pieces: list[Piece], turns: Sequence[Mapping[str, Any]], asked: _Asked) -> list[Piece]:
    """What stays of a row that is too long."""
    if asked.cut == "balanced":
        return cut_balanced(pieces, asked.limit, newest=asked.answers == "last")
    if asked.cut == "answer":
        return cut_end(pieces, asked.limit)
    while size(pieces) > asked.limit and (fewer := without_oldest(turns)) is not None:
        turns = fewer
        pieces, _ = chat.pieces(turns, row.tools, len(pieces) > 1, row.id)
        if asked.answers == "last":
            pieces = [*(replace(piece, loss=False) for piece in pieces[:-1]), pieces[-1]]
    if size(pieces) <= asked.limit:
        return pieces
    question = next((turn["content"].strip() for turn in turns if turn["role"] == "user"), "")
    first = pieces[0]
    place = first.before.find(question)
    begin, end = (_shared(chat.tokenizer, first, at) for at in (max(place, 0), max(place, 0) + len(question)))
    return cut_question(pieces, asked.limit, begin, end if place >= 0 else begin)


def _shared(tokenizer: Any, piece: Piece, at: int) -> int:
    """How many of the tokens before an answer stand before character `at`."""
    count = 0
    for one, other in zip(head_ids(tokenizer, piece.before[:at]), piece.context, strict=False):
        if one != other:
            break
        count += 1
    return count


def _loss(pieces: Sequence[Piece]) -> int:
    return sum(len(piece.answer) for piece in pieces if piece.loss)


def _joined(name: str, pieces: Sequence[Piece], lost: int) -> Encoded:
    ids: list[int] = []
    answers: list[Answer] = []
    for piece in pieces:
        ids += piece.context
        if piece.loss and piece.answer:
            answers.append(Answer(len(ids), len(ids) + len(piece.answer), piece.ended))
        ids += piece.answer
    usual = len(answers) == 1 and answers[0].ended != bool(lost)
    return Encoded(name, tuple(ids), answers[0].begin, lost=lost, several=() if usual else tuple(answers))


def _with_spans(
    tokenizer: Any, encoded: Encoded, row: Row, last: Piece, kept: Sequence[Piece], spans: Sequence[Span]
) -> Encoded:
    """The row with its spans, and with what it belongs to."""
    said = row.answer.strip()
    place = last.text.rfind(said)
    # A template that rewrites the answer (some set reasoning apart) is searched as it was written.
    answer, begin = (said, place) if place >= 0 else (last.text, 0)
    ranges = {span.name: span.find(answer, row.label) for span in spans}
    moved = {name: [(begin + a, begin + b) for a, b in found] for name, found in ranges.items()}
    there = kept[-1].text == last.text and last.answer[: len(kept[-1].answer)] == kept[-1].answer
    # The end of the turn is nobody's, also where what was searched holds it; of an answer cut away nothing is left.
    spoken = (kept[-1].answer[:-1] if kept[-1].ended else kept[-1].answer) if there else ()
    before = encoded.targets - len(kept[-1].answer)
    found = spans_of(tokenizer, last.text, spoken, moved)
    label = ranges.get("label", ())
    return replace(
        encoded,
        spans={name: tuple(before + k for k in places) for name, places in found.items()},
        label=" ".join(answer[a:b] for a, b in label).strip() if label else None,
        source=row.source,
        turn=sum(turn.role == "user" for turn in row.turns),
        cluster=row.cluster,
    )


def encode_rows(
    tokenizer: Any,
    rows: Sequence[Row],
    max_length: int,
    system: str = "",
    on_long: str = "truncate",
    spans: Sequence[Span] | None = None,
    answers: str = "all",
    cut: str = "answer",
) -> EncodedRows[Encoded]:
    """Token ids of all rows; `on_long` is truncate, skip or refuse, the rest as for `encode`.

    Raises:
        DataError: `on_long` is refuse and a row is too long, or no row is left.
    """
    chat, asked = Chat(tokenizer), _Asked(max_length, system, answers, cut, spans)
    kept: list[Encoded] = []
    truncated = skipped = 0
    for row in rows:
        encoded = _encode_or_skip(chat, row, asked, on_long)
        if encoded is None or (encoded.cut and on_long == "skip"):
            skipped += 1
            continue
        if encoded.cut and on_long == "refuse":
            total = len(encoded.ids) + encoded.cut
            raise DataError(tr("models.row_too_long", row=row.id, line=row.line, tokens=total, limit=max_length))
        truncated += encoded.cut > 0
        kept.append(encoded)
    if not kept:
        raise DataError(tr("models.no_rows_left", skipped=skipped, limit=max_length))
    for span in spans or ():
        if not any(encoded.spans.get(span.name) for encoded in kept):
            raise DataError(tr("models.span_cut", name=span.name))
    gone = (sum(row.cut for row in kept), sum(row.lost for row in kept))
    return EncodedRows(tuple(kept), truncated, skipped, *gone, rewritten=sum(row.rewritten for row in kept))


def _encode_or_skip(chat: Chat, row: Row, asked: _Asked, on_long: str) -> Encoded | None:
    try:
        return _encode(chat, row, asked)
    except DataError:
        if on_long == "skip":
            return None
        raise
