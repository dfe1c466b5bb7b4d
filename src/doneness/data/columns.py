"""Other people's names of columns: which of theirs is which of ours, and rows under our names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from doneness.core import DataError, say, tr
from doneness.data.said import Fault

# What a row's meaning hangs on: where one of these is mapped, the others count only where they are mapped, too.
MEANING = (
    "prompt", "completion", "messages", "conversations", "instruction", "input", "output", "history", "system",
    "question", "answer", "solution", "problem", "text", "chosen", "rejected", "tools",
)  # fmt: skip
MARKS = ("label", "id", "kind", "topic", "cluster", "source")


def parse_columns(pairs: Iterable[str]) -> dict[str, str]:
    """What a recipe's data.columns says: our name → theirs.

    Raises:
        DataError: no pair, a name that is not ours, or one that is given twice.
    """
    found: dict[str, str] = {}
    known = (*MEANING, *MARKS)
    for text in pairs:
        ours, equals, theirs = (part.strip() for part in text.partition("="))
        if not equals or not theirs:
            raise DataError(tr("data.columns.form", text=text))
        if ours not in known:
            near = difflib.get_close_matches(ours, known, n=1, cutoff=0.5)
            raise DataError(tr("data.columns.unknown", text=text, known=", ".join(near or known)))
        if ours in found:
            raise DataError(tr("data.columns.twice", name=ours))
        found[ours] = theirs
    return found


def renamed(item: Mapping[str, Any], columns: Mapping[str, str]) -> Mapping[str, Any]:
    """The row under our names; what else it has stays, unless it would be taken for its meaning.

    Raises:
        Fault: it has none of the columns that are mapped to its meaning.
    """
    if not columns:
        return item
    told = {ours: item[theirs] for ours, theirs in columns.items() if theirs in item}
    wanted = [theirs for ours, theirs in columns.items() if ours in MEANING]
    if wanted and not any(theirs in item for theirs in wanted):
        raise Fault(say("data.columns.absent", names=", ".join(wanted), keys=", ".join(map(str, list(item)[:12]))))
    hidden = MEANING if wanted else ()
    return {key: value for key, value in item.items() if key not in hidden and key not in told} | told
