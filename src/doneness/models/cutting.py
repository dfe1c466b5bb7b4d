"""Rows longer than the limit: what is cut of them, and what of it would have carried loss.

| cut | what goes |
|---|---|
| `answer` | the end of the row: of an answer, or of a conversation |
| `balanced` | the ends of question and answer, turn by turn (pairs: by the longer), as LLaMA-Factory does |
| `prompt` | the oldest exchanges, then the beginning of the question; the system turn stays |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from doneness.models.render import Said
from doneness.models.turns import Piece

_LEAST = 4  # a question keeps this part of the limit at least; what does not fit then goes off the answer's end


def size(pieces: Sequence[Piece]) -> int:
    """Tokens in all."""
    return sum(len(piece.context) + len(piece.answer) for piece in pieces)


def cut_end(pieces: Sequence[Piece], limit: int) -> list[Piece]:
    """What fits from the beginning; nothing after the last answer of which something is left."""
    kept: list[Piece] = []
    room = limit
    for piece in pieces:
        room -= len(piece.context)
        if room <= 0:
            break
        kept.append(_shortened(piece, len(piece.context), room))
        room -= len(piece.answer)
    return kept


def cut_balanced(pieces: Sequence[Piece], limit: int, newest: bool) -> list[Piece]:
    """Question and answer shortened turn by turn, as LLaMA-Factory's `infer_seqlen` does.

    Args:
        pieces: what was said.
        limit: in tokens.
        newest: the last turns come first, as where the last answer alone is learnt.
    """
    kept: list[Piece] = []
    total = 0
    for piece in reversed(pieces) if newest else pieces:
        if total >= limit:
            break
        source, target = balanced(len(piece.context), len(piece.answer), limit - total)
        total += source + target
        kept.append(_shortened(piece, source, target))
    return kept[::-1] if newest else kept


def balanced(source: int, target: int, limit: int) -> tuple[int, int]:
    """How many tokens of a question and of its answer stay; LLaMA-Factory's rule, number by number."""
    if target * 2 < limit:
        most = limit
    elif source * 2 < limit:
        most = limit - source
    else:
        most = int(limit * (target / (source + target)))
    kept = min(most, target)
    return min(max(limit - kept, 0), source), kept


def without_oldest(turns: Sequence[Said]) -> list[Said] | None:
    """The conversation without its oldest question and what followed it; None where that is all there is."""
    questions = [k for k, turn in enumerate(turns) if turn["role"] == "user"]
    answered = next((k for k, turn in enumerate(turns) if turn["role"] == "assistant"), len(turns))
    following = next((k for k in questions if k > answered), None)
    if following is None:
        return None
    return [*(turn for turn in turns[:following] if turn["role"] == "system"), *turns[following:]]


def cut_question(pieces: Sequence[Piece], limit: int, begin: int, end: int) -> list[Piece]:
    """The beginning of the first question goes, then the end of what was said.

    Args:
        pieces: one exchange.
        limit: in tokens.
        begin, end: where the question's own words stand among the tokens before the first answer.
    """
    first = pieces[0]
    words = max(0, end - begin)
    spare = max(0, words - min(words, limit // _LEAST))
    gone = min(max(0, size(pieces) - limit), spare)
    shorter = replace(first, context=first.context[:begin] + first.context[begin + gone :])
    return cut_end([shorter, *pieces[1:]], limit)


def _shortened(piece: Piece, source: int, target: int) -> Piece:
    if source >= len(piece.context) and target >= len(piece.answer):
        return piece
    ended = piece.ended and target >= len(piece.answer)
    return replace(piece, context=piece.context[:source], answer=piece.answer[:target], ended=ended)
