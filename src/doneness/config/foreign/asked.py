"""What another tool was asked for, and what has become of it here so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from doneness.config.foreign.table import Table, read
from doneness.core import Message, say, tr


class Asked:
    """The arguments that were given, the tool's defaults for the others, and the recipe that grows out of them.

    Attributes:
        table: the tool's arguments.
        sections: the recipe's tables, by section.
        notes: what the user is to know, in order.
        faults: what cannot be done, each with what to do instead.
        stage: the recipe's stage, known before the conversions begin.
    """

    def __init__(
        self, table: Table, given: Mapping[str, Any], usual: Mapping[str, str], gpu: Callable[[], bool]
    ) -> None:
        self.table = table
        self.sections: dict[str, dict[str, Any]] = {}
        self.notes: list[Message] = []
        self.faults: list[str] = []
        self.stage = "sft"
        self._given, self._gpu = given, gpu
        self._usual = {name: read(table.arguments[name].kind, text) for name, text in usual.items()}

    def __getitem__(self, name: str) -> Any:
        """The value of an argument: what was given, else the tool's default."""
        if self._given.get(name) is not None:
            return self._given[name]
        return self._usual[name] if name in self._usual else self.table.arguments[name].usual

    def given(self, name: str) -> bool:
        """Whether somebody gave it, and not as nothing."""
        return self._given.get(name) is not None

    def known(self, name: str) -> bool:
        """Whether the tool has such an argument at all."""
        return name in self.table.arguments

    def gpu(self) -> bool:
        """Whether there is one to train on."""
        return not self["use_cpu"] and not self["no_cuda"] and self._gpu()

    def put(self, key: str, value: Any) -> None:
        """Write `section.key` of the recipe; None leaves it as it is usual here."""
        if value is None:
            return
        section, _, name = key.partition(".")
        self.sections.setdefault(section, {})[name] = value

    def note(self, key: str, /, **numbers: Any) -> None:
        """Something the user is to know."""
        self.notes.append(say(f"foreign.note.{key}", **numbers))

    def fault(self, key: str, /, **numbers: Any) -> None:
        """Something that cannot be done."""
        self.faults.append(tr(f"foreign.fault.{key}", **numbers))
