"""Questions that a model answers itself, with the answer that is right where a row has one.

| shape | keys of the question | of the reference |
|---|---|---|
| prompt | prompt: a text, or a list of messages | answer, solution, completion |
| question and answer (MedicalGPT, GSM8K) | question, or problem | answer, solution |
| alpaca | instruction, input, perhaps history | output |
| messages, ShareGPT | messages or conversations up to the last answer | that answer; else answer, solution |

Of several references in a row the first named here counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doneness.core import say
from doneness.data.gather import gather
from doneness.data.marks import Marked
from doneness.data.preferences import Kept
from doneness.data.rows import Row, Turn, as_turns
from doneness.data.said import Blank, Fault, Said, messages, string, tools_of
from doneness.data.shapes import asked, listed, prompted, refuse_media, with_system
from doneness.data.sources import Reading

_REFERENCES = ("answer", "solution", "completion", "output")


@dataclass(frozen=True, slots=True)
class PromptRow(Marked):
    """A question; see `Row` for what is not said here.

    Attributes:
        turns: what was said; the last is the user's.
        reference: the right answer; None where the row has none.
        columns: the row as it was read, for rewards of one's own.
    """

    id: str
    turns: tuple[Turn, ...]
    reference: str | None
    line: int
    columns: Mapping[str, Any] = field(default_factory=dict)

    def answered(self, answer: str) -> Row:
        """The conversation with this answer."""
        return Row(self.id, (*self.turns, Turn("assistant", answer)), self.line, **self.marks)

    @property
    def face(self) -> Row:
        """The row as one of questions and answers, by which it is told apart from others."""
        return self.answered(self.reference or "")


def read_prompts(path: str | Path, reading: Reading | None = None, referenced: bool = False) -> Kept[PromptRow]:
    """Read questions.

    Args:
        path: a file, a folder, or a registry with names.
        reading: how to read.
        referenced: a row without a reference cannot be used.

    Raises:
        DataError: a file cannot be read, or a row has no question, or no reference where it needs one.
    """
    found = gather(path, lambda item: prompt_of(item, referenced), reading or Reading())
    rows = tuple(
        PromptRow(turns=turns, reference=reference, tools=tools, columns=item, **marks)
        for marks, (turns, reference, tools, item) in found.named
    )
    return Kept(Path(path), rows, found.skipped, found.renamed)


_Prompt = tuple[tuple[Turn, ...], str | None, tuple[Mapping[str, Any], ...], Mapping[str, Any]]


def prompt_of(item: Mapping[str, Any], referenced: bool) -> _Prompt:
    """What was said up to the question, the reference answer where there is one, the tools, and the object itself.

    Raises:
        Fault: there is no question.
    """
    refuse_media(item)
    said = with_system(item, _said(item))
    reference = None
    if said and said[-1].role == "assistant":
        said, reference = said[:-1], said[-1].content
    if reference is None:
        reference = _reference(item)
    if not said or said[-1].role != "user" or not said[-1].content.strip():
        raise Blank(say("data.prompt.none"))
    if referenced and not (reference or "").strip():
        raise Blank(say("data.prompt.no_reference", keys=", ".join(_REFERENCES)))
    return as_turns(said), reference if (reference or "").strip() else None, tools_of(item), item


def _said(item: Mapping[str, Any]) -> list[Said]:
    """What was said, up to the question or the answer to it."""
    if "prompt" in item:
        return prompted(item["prompt"])
    for key in ("messages", "conversations"):
        if key in item:
            return messages(item[key], key)
    if "instruction" in item:
        return asked(item)
    for key in ("question", "problem"):
        if key in item:
            return prompted(item[key])
    raise Fault(say("data.prompt.unknown", keys=", ".join(str(key) for key in list(item)[:12]) or "-"))


def _reference(item: Mapping[str, Any]) -> str | None:
    for key in _REFERENCES:
        if item.get(key) is None:
            continue
        told = listed(item[key])
        if isinstance(told, list):
            # An answer as messages, as TRL has completions: the last is the answer.
            return messages(told, key)[-1].content if told else None
        return string(told, key)
    return None
