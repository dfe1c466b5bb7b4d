"""What can be shown: the answers of checkpoints to the same questions, side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from doneness.runs.probes import Answer, Question


@dataclass(frozen=True)
class Deck:
    """Answers by question and checkpoint.

    Attributes:
        steps: of the checkpoints; 0 is the base model.
        questions: those that at least two of them answered.
        texts: of every question, what each checkpoint answered; None where it was not asked.
    """

    steps: tuple[int, ...]
    questions: tuple[Question, ...]
    texts: tuple[tuple[str | None, ...], ...]

    @cached_property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """Of every answer its `name_of`; empty where there is none."""
        return tuple(tuple("" if t is None else name_of(t) for t in row) for row in self.texts)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Question id → place."""
        return {question.id: place for place, question in enumerate(self.questions)}

    @cached_property
    def differing(self) -> NDArray[np.bool_]:
        """Whether two checkpoints answered a question, and not the same; shape (questions, k, k)."""
        codes = self._codes
        there = codes >= 0
        both = there[:, :, None] & there[:, None, :]
        return np.asarray(both & (codes[:, :, None] != codes[:, None, :]))

    @cached_property
    def share(self) -> NDArray[np.float64]:
        """Share of the questions both answered at which they do not say the same; 1 where there is none. (k, k)."""
        there = self._codes >= 0
        both = (there[:, :, None] & there[:, None, :]).sum(axis=0)
        found = np.where(both > 0, self.differing.sum(axis=0) / np.maximum(both, 1), 1.0)
        return np.asarray(found, dtype=np.float64)

    @property
    def same(self) -> int:
        """Pairs of answers that are word for word alike: ties that nobody needs to be shown."""
        there = self._codes >= 0
        both = int((there[:, :, None] & there[:, None, :]).sum()) - int(there.sum())
        return (both - int(self.differing.sum())) // 2

    @property
    def pairs(self) -> int:
        """Pairs of different answers; those that several checkpoints gave count once."""
        distinct = self._codes.max(axis=1, initial=-1) + 1
        return int((distinct * (distinct - 1) // 2).sum())

    @cached_property
    def _codes(self) -> NDArray[np.int64]:
        """Number of each answer among those to its question; −1 where there is none. Shape (questions, k)."""
        found = np.full((len(self.questions), len(self.steps)), -1, dtype=np.int64)
        for q, row in enumerate(self.names):
            known: dict[str, int] = {}
            for k, name in enumerate(row):
                if name:
                    found[q, k] = known.setdefault(name, len(known))
        return found


def deal(questions: Iterable[Question], answers: Mapping[int, Sequence[Answer]]) -> Deck:
    """Lay answers side by side.

    Args:
        questions: as they were asked.
        answers: by step.
    """
    steps = tuple(sorted(answers))
    by_step = [{a.id: writable(a.text) for a in answers[step]} for step in steps]
    kept, texts = [], []
    for question in questions:
        row = tuple(known.get(question.id) for known in by_step)
        # A question of which only options or likelihoods were measured has no answers to be read.
        if sum(t is not None for t in row) > 1 and any(t and t.strip() for t in row):
            kept.append(question)
            texts.append(row)
    return Deck(steps, tuple(kept), tuple(texts))


@lru_cache(maxsize=4096)
def name_of(text: str) -> str:
    """A name for what an answer says, the same whatever its spaces and line breaks."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:32]


def writable(text: str) -> str:
    """The text with a question mark for halves of surrogate pairs, which no file can hold."""
    return text.encode("utf-8", "replace").decode()
