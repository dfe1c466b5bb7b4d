"""A conversation taken apart: each answer of the assistant, and what stands before it.

Every answer is tokenized apart from what stands before it, so that its first token never merges with the prompt's
last: at generation time the model meets exactly these prompt tokens. Together the parts are what the template
writes for the whole conversation.

Some templates write an answer otherwise once the conversation goes on: Qwen3's drops its reasoning. What such a
history holds is not what the model has to say, so there only the last answer can be learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from doneness.core import DataError, tr
from doneness.models.messages import known_to
from doneness.models.render import Said, head_ids, head_text, render, special_ids, text_ids

_TAIL = 12  # characters of an answer's end, which stay also where a template rewrites its reasoning


@dataclass(frozen=True)
class Piece:
    """One answer with what stands between it and the answer before.

    Attributes:
        context: tokens that carry no loss.
        answer: tokens of the answer, and the one that ends its turn where there is one.
        ended: whether that one is there.
        loss: whether the answer is to be learnt.
        before, text: what `context` and `answer` were made of.
    """

    context: tuple[int, ...]
    answer: tuple[int, ...]
    ended: bool
    loss: bool
    before: str
    text: str


@dataclass(frozen=True)
class _Answer:
    """Tokens of an answer; where it ends in the text it was found in, and where its last control token begins."""

    ids: list[int]
    text: str
    end: int
    control: int | None
    ended: bool


class Chat:
    """A tokenizer, and what need be asked of it but once."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.known = known_to(tokenizer)
        self._special = special_ids(tokenizer)
        self._asks: bool | None = None
        # What a named template writes after the end of a turn, and wants learnt with it.
        self._more = str(getattr(tokenizer, "learnt_after_end", ""))

    def pieces(self, turns: Sequence[Said], tools: Sequence[Any], every: bool, row: str) -> tuple[list[Piece], bool]:
        """The parts of a conversation that ends with an answer, and whether its template rewrites earlier answers.

        Args:
            turns: what was said.
            tools: what may be called.
            every: a part for each answer; else, and where earlier answers are rewritten, one for the last.
            row: a name for faults.

        Raises:
            DataError: the template does not put the answer after its prompt.
        """
        whole = render(self.tokenizer, turns, tools=tools)
        said = turns[-1]["content"].strip()
        if said[-_TAIL:].strip() not in whole:
            # Some write lists of parts alone, and nothing where a text stands.
            raise DataError(tr("models.template_loses", row=row))
        places = [k for k, turn in enumerate(turns) if turn["role"] == "assistant"]
        if every and len(places) > 1:
            found = self._parted(turns, tools, whole, places)
            if found is not None:
                return found, False
        head = self._head(turns[:-1], tools)
        if not whole.startswith(head):
            raise DataError(tr("models.template_moves", row=row))
        answer = self._answer(whole[len(head) :], said, last=True)
        context = tuple(head_ids(self.tokenizer, head))
        piece = Piece(context, tuple(answer.ids), answer.ended, _taught(turns[-1]), head, answer.text)
        return [piece], every and len(places) > 1

    def _parted(
        self, turns: Sequence[Said], tools: Sequence[Any], whole: str, places: Sequence[int]
    ) -> list[Piece] | None:
        """A part for each answer; None where the template writes one otherwise than when it was given."""
        found: list[Piece] = []
        done, control = 0, None  # characters of `whole`: how far it was read, and where the last end of a turn begins
        for k in places:
            head = self._head(turns[:k], tools)
            upto = whole if k == places[-1] else render(self.tokenizer, turns[: k + 1], tools=tools)
            if not (whole.startswith(head) and upto.startswith(head) and len(head) >= done):
                return None
            answer = self._answer(upto[len(head) :], turns[k]["content"], last=k == places[-1])
            end = len(head) + answer.end
            if whole[len(head) : end] != upto[len(head) : end]:
                return None
            before = whole[done : len(head)]
            context = self._between(whole, control, done, len(head)) if found else head_ids(self.tokenizer, head)
            # Nothing said is nothing to learn.
            loss = _taught(turns[k]) and bool(turns[k]["content"].strip() or turns[k].get("tool_calls"))
            found.append(Piece(tuple(context), tuple(answer.ids), answer.ended, loss, before, answer.text))
            done, control = end, None if answer.control is None else len(head) + answer.control
        return found

    def _head(self, turns: Sequence[Said], tools: Sequence[Any]) -> str:
        if self._asks is None:
            asked = render(self.tokenizer, turns, ask=True, tools=tools)
            self._asks = asked != render(self.tokenizer, turns, tools=tools)
        if self._asks:
            return render(self.tokenizer, turns, ask=True, tools=tools)
        return head_text(self.tokenizer, turns, tools)

    def _between(self, whole: str, control: int | None, done: int, head: int) -> list[int]:
        """Tokens between two answers; tokenized with the control token before them, which may swallow a line break."""
        if control is not None:
            ids = text_ids(self.tokenizer, whole[control:head])
            if ids and ids[0] in self._special:
                return ids[1:]
        return text_ids(self.tokenizer, whole[done:head])

    def _answer(self, rest: str, said: str, last: bool) -> _Answer:
        """Tokens that carry loss: what was said, and the one token that ends the turn.

        Args:
            rest: the text from the answer on.
            said: the answer.
            last: where the template ends the last one with no control token, the end of sequence is put there.
        """
        said = said.strip()
        place = rest.rfind(said) if said else -1
        end = 0 if place < 0 else place + len(said)
        tail = text_ids(self.tokenizer, rest[end:])
        marks = [k for k, i in enumerate(tail) if i in self._special]
        # Of an answer that the template rewrote the last control token is the end that it writes.
        mark = None if not marks else marks[-1] if place < 0 else marks[0]
        if mark is None:
            end = len(rest) if place < 0 else end
            ids = text_ids(self.tokenizer, rest[:end])
            return _Answer([*ids, self.tokenizer.eos_token_id] if last else ids, rest[:end], end, None, last)
        # Tokenized together up to and with the end, as the template writes them.
        extra = len(tail) - mark - 1
        ids = tail if place < 0 else text_ids(self.tokenizer, rest)
        name = self.tokenizer.convert_ids_to_tokens(tail[mark])
        begins = rest.rfind(name) if place < 0 else rest.find(name, end)
        known = begins >= 0
        ends = begins + len(name) + len(self._more)
        if self._more and known and rest.startswith(self._more, begins + len(name)):
            return _Answer(text_ids(self.tokenizer, rest[:ends]), rest, ends, None, True)
        ids = ids[: len(ids) - extra] if extra else ids
        return _Answer(ids, rest, begins + len(name) if known else len(rest), begins if known else None, True)


def _taught(turn: Said) -> bool:
    """Whether an answer is to be learnt; some rows say of one that it has no weight."""
    return bool(turn.get("weight", 1))
