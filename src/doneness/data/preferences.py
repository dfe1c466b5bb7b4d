"""Rows of the other stages that have answers: pairs of a better and a worse answer, and answers with a verdict each.

| pair | keys |
|---|---|
| explicit (TRL) | prompt, chosen, rejected: texts or lists of messages |
| implicit (TRL) | chosen, rejected: whole conversations (or texts) that begin alike |
| alpaca (LLaMA-Factory) | instruction, input, chosen, rejected, perhaps system and history |
| ShareGPT (LLaMA-Factory, MedicalGPT) | conversations or messages, chosen, rejected: a message or a text each |
| MedicalGPT | question, response_chosen, response_rejected, perhaps system and history |
| chosen_messages, rejected_messages | whole conversations |

A verdict (KTO) is `label` or `kto_tag`, true or false, beside any shape of a supervised row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from doneness.core import DataError, say, tr
from doneness.data.gather import gather
from doneness.data.marks import Marked
from doneness.data.rows import Row, Turn, as_turns
from doneness.data.said import Blank, Fault, Said, message, messages, string, tools_of
from doneness.data.shapes import asked, listed, prompted, refuse_media, turns_of, with_system
from doneness.data.sources import Reading

T = TypeVar("T")

_YES, _NO = ("true", "1", "yes", "desirable"), ("false", "0", "no", "undesirable", "-1")


@dataclass(frozen=True, slots=True)
class PreferenceRow(Marked):
    """Two answers to the same question; see `Row` for what is not said here.

    Attributes:
        turns: what was said before the answers.
        chosen, rejected: the better and the worse answer; usually one turn each.
    """

    id: str
    turns: tuple[Turn, ...]
    chosen: tuple[Turn, ...]
    rejected: tuple[Turn, ...]
    line: int

    @property
    def prompt(self) -> str:
        """The last user turn."""
        return next(turn.content for turn in reversed(self.turns) if turn.role == "user")

    @property
    def context(self) -> str:
        """Everything said before the answers, the system turn apart."""
        return "\n".join(turn.content for turn in self.turns if turn.role != "system")

    @property
    def sides(self) -> tuple[Row, Row]:
        """The chosen and the rejected answer as rows of their own, both with this row's id."""
        return self._side(self.chosen), self._side(self.rejected)

    def _side(self, answer: tuple[Turn, ...]) -> Row:
        return Row(self.id, self.turns + answer, self.line, **self.marks)


@dataclass(frozen=True, slots=True)
class KtoRow:
    """An answer with a verdict.

    Attributes:
        row: the conversation with its answer.
        desirable: whether that is one to give.
    """

    row: Row
    desirable: bool

    @property
    def id(self) -> str:
        """The row's id."""
        return self.row.id


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """Rows of a stage; `path`, `skipped` and `renamed` as in `Rows`."""

    path: Path
    rows: tuple[T, ...]
    skipped: Mapping[int, str] = field(default_factory=dict)
    renamed: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)


def read_preferences(path: str | Path, reading: Reading | None = None) -> Kept[PreferenceRow]:
    """Read pairs.

    Args:
        path: a file, a folder, or a registry with names.
        reading: how to read.

    Raises:
        DataError: a file cannot be read, or a row is no pair: no question, an answer that is empty, twice the same
            answer.
    """
    found = gather(path, pair_of, reading or Reading())
    rows = tuple(
        PreferenceRow(turns=turns, chosen=chosen, rejected=rejected, tools=tools, **marks)
        for marks, (turns, chosen, rejected, tools) in found.named
    )
    return Kept(Path(path), rows, found.skipped, found.renamed)


def read_kto(path: str | Path, reading: Reading | None = None) -> Kept[KtoRow]:
    """Read answers with a verdict each.

    Raises:
        DataError: a file cannot be read, a row lacks its question, answer or verdict, or all verdicts are the same.
    """
    found = gather(path, judged_of, reading or Reading())
    rows = []
    for marks, (said, tools, good) in found.named:
        # The verdict is no label in the sense of a span.
        rows.append(KtoRow(Row(turns=as_turns(said), tools=tools, **{**marks, "label": None}), good))
    if len({row.desirable for row in rows}) < 2:
        verdict = "true" if rows[0].desirable else "false"
        raise DataError(tr("data.kto.one_sign", path=str(path), rows=len(rows), verdict=verdict))
    return Kept(Path(path), tuple(rows), found.skipped, found.renamed)


_Pair = tuple[tuple[Turn, ...], tuple[Turn, ...], tuple[Turn, ...], tuple[Mapping[str, Any], ...]]


def pair_of(item: Mapping[str, Any]) -> _Pair:
    """What was said, the chosen answer, the rejected one, and the tools of one object.

    Raises:
        Fault: it is no pair.
    """
    refuse_media(item)
    before, chosen, rejected = _sides(item)
    for name, answer in (("chosen", chosen), ("rejected", rejected)):
        if not answer or answer[-1].role != "assistant" or not answer[-1].content.strip():
            raise Blank(say("data.pair.empty", name=name))
    if not any(each.role == "user" and each.content.strip() for each in before):
        raise Blank(say("data.pair.no_prompt"))
    if [each.content.strip() for each in chosen] == [each.content.strip() for each in rejected]:
        raise Blank(say("data.pair.same"))
    return as_turns(before), as_turns(chosen), as_turns(rejected), tools_of(item)


def _sides(item: Mapping[str, Any]) -> tuple[list[Said], list[Said], list[Said]]:
    """What was said before, the chosen answer, the rejected one."""
    if "response_chosen" in item and "response_rejected" in item:
        question = {"instruction": item.get("question", item.get("instruction")), "history": item.get("history")}
        said = with_system(item, asked(question))
        return said, _answer(item, "response_chosen"), _answer(item, "response_rejected")
    if "chosen_messages" in item and "rejected_messages" in item:
        return _alike(item, "chosen_messages", "rejected_messages")
    lacking = [key for key in ("chosen", "rejected") if key not in item]
    if lacking:
        keys = ", ".join(str(key) for key in list(item)[:12]) or "-"
        raise Fault(say("data.pair.lacks", names=", ".join(lacking), keys=keys))
    before = _before(item)
    if before is None:
        return _alike(item, "chosen", "rejected")
    chosen, rejected = _answer(item, "chosen"), _answer(item, "rejected")
    # Some give the prompt and, again, whole conversations.
    chosen, rejected = (each[len(before) :] if each[: len(before)] == before else each for each in (chosen, rejected))
    return with_system(item, before), chosen, rejected


def _before(item: Mapping[str, Any]) -> list[Said] | None:
    """What was said before the answers; None where only they say it."""
    if "prompt" in item:
        return prompted(item["prompt"])
    for key in ("conversations", "messages"):
        if key in item:
            return messages(item[key], key)
    if "instruction" in item:
        return asked(item)
    return [Said("user", string(item["question"], "question"))] if "question" in item else None


def _answer(item: Mapping[str, Any], key: str) -> list[Said]:
    """An answer: a text, a message, or messages."""
    told = listed(item[key])
    if isinstance(told, Mapping):
        return [message(told, key)]
    return messages(told, key) if isinstance(told, list) else [Said("assistant", string(told, key))]


def _alike(item: Mapping[str, Any], better: str, worse: str) -> tuple[list[Said], list[Said], list[Said]]:
    """Two conversations that begin alike: what they share, and where each goes on with the assistant's words."""
    one, other = listed(item[better]), listed(item[worse])
    if not (isinstance(one, list) and isinstance(other, list)):
        return _alike_texts(string(one, better), string(other, worse))
    chosen, rejected = messages(one, better), messages(other, worse)
    same = 0
    while same < min(len(chosen), len(rejected)) and chosen[same] == rejected[same]:
        same += 1
    # The answers begin with the assistant.
    while same > 0 and not (_speaks(chosen, same) and _speaks(rejected, same)):
        same -= 1
    return with_system(item, chosen[:same]), chosen[same:], rejected[same:]


def _speaks(said: Sequence[Said], at: int) -> bool:
    return at < len(said) and said[at].role == "assistant"


def _alike_texts(one: str, other: str) -> tuple[list[Said], list[Said], list[Said]]:
    """Dialogues as texts with Human: and Assistant: after a blank line, as those of Anthropic's HH are."""
    mark = "\n\nAssistant:"
    at = one.rfind(mark)
    head = one[: at + len(mark)]
    if at < 0 or not other.startswith(head):
        raise Blank(say("data.pair.no_prompt"))
    before: list[Said] = []
    for part in head.removesuffix(mark).split("\n\nHuman:")[1:]:
        question, _, answer = part.partition(mark)
        before.append(Said("user", question.strip()))
        if answer.strip():
            before.append(Said("assistant", answer.strip()))
    return before, [Said("assistant", one[len(head) :].strip())], [Said("assistant", other[len(head) :].strip())]


def judged_of(item: Mapping[str, Any]) -> tuple[tuple[Said, ...], tuple[Mapping[str, Any], ...], bool]:
    """What was said, the tools, and whether the answer is a good one.

    Raises:
        Fault: there is no verdict, or no conversation.
    """
    told = item.get("kto_tag", item.get("label"))
    word = str(told).strip().lower()
    if word not in (*_YES, *_NO):
        raise Fault(say("data.kto.no_label", value=repr(told)[:40]))
    return turns_of(item), tools_of(item), word in _YES
