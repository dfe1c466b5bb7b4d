"""Spans of rows that another trainer tokenized: only token ids are there, so their text is decoded.

What stands in a row's target is found once per row and remembered: an evaluation set comes again and again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.data import parse_spans
from doneness.models.offsets import decoded_spans

Places = Mapping[str, tuple[int, ...]]
_TRAILING = 3  # tokens after the one that ends a turn, such as a line feed


class TargetSpans:
    """Finds the spans of a row's target tokens."""

    def __init__(self, tokenizer: Any, definitions: Iterable[str] = ()) -> None:
        """Take the definitions as a recipe writes them; `first`, `end` and `rest` are always there.

        Args:
            tokenizer: of the model; a processor's own is taken out of it. None leaves the definitions unused.
            definitions: label, explanation, reasoning, name=/pattern/ or name=json:field.

        Raises:
            DataError: a definition is none.
        """
        self.spans = parse_spans(definitions)
        self._tokenizer = getattr(tokenizer, "tokenizer", tokenizer)
        self._special = frozenset(getattr(self._tokenizer, "all_special_ids", None) or ())
        self._known: dict[str, dict[str, tuple[int, ...]]] = {}

    def of(self, name: str, targets: NDArray[np.int64]) -> Places:
        """Indices into the target tokens, ascending, by span.

        Args:
            name: identity of the row.
            targets: its target tokens in order; shape (n,), n ≥ 1.
        """
        if name not in self._known:
            self._known[name] = self._found([int(token) for token in targets])
        return self._known[name]

    def _found(self, ids: Sequence[int]) -> dict[str, tuple[int, ...]]:
        end = self._end(ids)
        found: dict[str, tuple[int, ...]] = {}
        if self.spans and self._tokenizer is not None:
            found = decoded_spans(self._tokenizer, ids[:end], self.spans)
        rest = tuple(range(1, max(end, 1)))
        return {**found, "first": (0,), "rest": rest, "end": tuple(range(max(end, 1), len(ids)))}

    def _end(self, ids: Sequence[int]) -> int:
        """Where the end of the turn begins; len(ids) where the target does not hold one."""
        for k in range(len(ids) - 1, max(-1, len(ids) - 1 - _TRAILING), -1):
            if ids[k] in self._special:
                return k
        return len(ids)
