"""Questions as token ids: what stands before the answer, and nothing after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from doneness.core import DataError, tr
from doneness.data import PromptRow, Row
from doneness.models.chat import Answer, EncodedRows
from doneness.models.messages import as_turns, known_to
from doneness.models.render import head_ids, head_text


@dataclass(frozen=True)
class EncodedPrompt:
    """A question ready to be answered.

    Attributes:
        row: as it was read.
        ids: its tokens, up to where the assistant begins to speak.
        messages: what was said, as the chat template has it.
    """

    row: PromptRow
    ids: tuple[int, ...]
    messages: tuple[dict[str, Any], ...]

    # It holds no answer that is learnt, and is never cut.
    targets: ClassVar[int] = 0
    cut: ClassVar[int] = 0
    lost: ClassVar[int] = 0
    answers: ClassVar[tuple[Answer, ...]] = ()
    several: ClassVar[tuple[Answer, ...]] = ()

    @property
    def id(self) -> str:
        """The row's id."""
        return self.row.id

    @property
    def start(self) -> int:
        """Where the answer begins."""
        return len(self.ids)

    @property
    def cluster(self) -> str | None:
        """What the row belongs to."""
        return self.row.cluster

    @property
    def reference(self) -> str:
        """The right answer; "" where the row has none."""
        return self.row.reference or ""


def encode_prompts(
    tokenizer: Any, rows: Sequence[PromptRow], limit: int, system: str = "", on_long: str = "truncate"
) -> EncodedRows[EncodedPrompt]:
    """Token ids of all questions. None is cut: half a question has another answer.

    Args:
        tokenizer: with its chat template, if it has one.
        rows: the questions.
        limit: tokens, chat markup included.
        system: put before a row that has no system turn.
        on_long: skip leaves longer rows out; truncate and refuse refuse them.

    Raises:
        DataError: a question is too long, or no row is left.
    """
    known, kept, skipped = known_to(tokenizer), list[EncodedPrompt](), 0
    for row in rows:
        turns = as_turns(Row(row.id, row.turns, row.line), system, known)
        ids = head_ids(tokenizer, head_text(tokenizer, turns, row.tools if known.tools else ()))
        if len(ids) <= limit:
            kept.append(EncodedPrompt(row, tuple(ids), tuple(turns)))
        elif on_long == "skip":
            skipped += 1
        else:
            raise DataError(tr("models.question_too_long", row=row.id, line=row.line, tokens=len(ids), limit=limit))
    if not kept:
        raise DataError(tr("models.no_rows_left", skipped=skipped, limit=limit))
    return EncodedRows(tuple(kept), 0, skipped)
