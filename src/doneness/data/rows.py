"""Rows of a supervised data set: the types, and reading them.

The shape is found row by row (see `shapes`), so a file may mix them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from doneness.core import say
from doneness.data.gather import gather
from doneness.data.marks import Marked
from doneness.data.said import Fault, Said, tools_of
from doneness.data.shapes import turns_of
from doneness.data.sources import Reading


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance; `role` is system, user or assistant.

    `content` has all of it as text. `more` keeps apart what a chat template may write in its own way: "reasoning",
    "tool_calls" and what was "said" beside them; "role": tool, "name" and "tool_call_id" of a tool's result; "weight":
    0 of an answer that is not to be learnt.
    """

    role: str
    content: str
    more: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Row(Marked):
    """One example; the last turn is the assistant's answer. Its marks are those of `Marked`.

    Attributes:
        id: unique within its file.
        turns: the conversation.
        line: line in a JSONL file, or place in a JSON array; both from 1.
    """

    id: str
    turns: tuple[Turn, ...]
    line: int

    @property
    def answer(self) -> str:
        """The text that carries loss."""
        return self.turns[-1].content

    @property
    def prompt(self) -> str:
        """The last user turn."""
        return next(turn.content for turn in reversed(self.turns) if turn.role == "user")

    @property
    def context(self) -> str:
        """Everything said before the answer, the system turn apart: what makes the question the question.

        In a conversation of several turns the last user turn may be a bare "and then?".
        """
        return "\n".join(turn.content for turn in self.turns[:-1] if turn.role != "system")


@dataclass(frozen=True, slots=True)
class Rows:
    """A data file.

    Attributes:
        path: where it was read from; a registry with the names after "#".
        rows: those that can be used, in the order of the file.
        skipped: line → reason, for rows left out under on_empty = "skip".
        renamed: lines whose id another row had already taken.
    """

    path: Path
    rows: tuple[Row, ...]
    skipped: Mapping[int, str] = field(default_factory=dict)
    renamed: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)


def read_rows(path: str | Path, on_empty: Literal["refuse", "skip"] = "refuse", reading: Reading | None = None) -> Rows:
    """Read a data set: a file, a folder of files, or data sets of a registry (see `sources`).

    Args:
        path: where it lies.
        on_empty: what to do with a row that has no question or no answer, where `reading` does not say.
        reading: how to read.

    Raises:
        DataError: a file is missing, empty, not UTF-8 or not what its ending says, a row has a shape that is not
            known, or a row lacks its question or answer and is not to be skipped.
    """
    found = gather(path, said_of, reading or Reading(on_empty))
    rows = tuple(Row(turns=as_turns(said), tools=tools, **marks) for marks, (said, tools) in found.named)
    return Rows(Path(path), rows, found.skipped, found.renamed)


def as_turns(said: Iterable[Said]) -> tuple[Turn, ...]:
    """Utterances as they are kept."""
    return tuple(Turn(*each) for each in said)


def said_of(item: Mapping[str, Any]) -> tuple[tuple[Said, ...], tuple[Mapping[str, Any], ...]]:
    """The conversation and the tools in one object.

    Raises:
        Fault: it holds no conversation that ends with an answer, or says itself that its answer is a bad one.
    """
    for name in ("kto_tag", "label"):
        # Booleans alone: a text may be the label of a class.
        if item.get(name) is False:
            raise Fault(say("data.kto.bad_answer", name=name))
    return turns_of(item), tools_of(item)
