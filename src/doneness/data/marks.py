"""What a row of any stage says about itself beside its text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """The marks of a row; each by its name alone, so that none is taken for another.

    Attributes:
        kind: what sort of example it is ("fact", "unknowable", "emergency", …), where the row says.
        source: the data set it is read from, where there are several; else where its content comes from, where the
            row says ("source", "dataset" or "category").
        topic: what it is about, where the row says.
        label: the label as the row itself names it ("label" or "final_decision").
        cluster: the conversation, document or question it belongs to, where the row says; rows of one are not
            independent.
        tools: what the assistant may call, in OpenAI's form.
    """

    kind: str | None = None
    source: str | None = None
    topic: str | None = None
    label: str | None = None
    cluster: str | None = None
    tools: tuple[Mapping[str, Any], ...] = ()

    @property
    def marks(self) -> dict[str, Any]:
        """The marks, for another row made of this one."""
        return {each.name: getattr(self, each.name) for each in fields(Marked)}
