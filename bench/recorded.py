"""The recorded trajectories, read back, and what each of them truly did.

What a run did is told by all of it, by its per-example losses: three evaluations at a time, so that no
single lucky one decides. A rule never sees that much.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from doneness.curves import PairedEffect, paired_effect
from doneness.diagnose import Case, Params
from doneness.diagnose.spans import deciding
from doneness.runs import Run, of_span, read

HOME = Path(__file__).with_name("trajectories")
_WINDOW = 3  # evaluations
_SURE = 0.01
_NOISY = 0.01  # trajectory noise as a share of the loss

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Recorded:
    """A recorded run; `group` is one for several seeds of one recipe."""

    name: str
    run: Run

    @property
    def group(self) -> str:
        stem, _, seed = self.name.rpartition("-")
        return stem if seed.isdigit() else self.name

    @cached_property
    def case(self) -> Case:
        """The losses that decide, of the whole run."""
        span = deciding(self.run, "")
        return Case(of_span(self.run, span) if span else self.run, Params())

    @property
    def nll(self) -> Floats:
        """Summed losses by evaluation and unit; shape (k, n). Rows of one document are one unit."""
        assert self.case.table is not None
        return self.case.table.nll

    @property
    def tokens(self) -> Floats:
        """Target tokens of each unit; shape (n,)."""
        assert self.case.table is not None
        return self.case.table.tokens

    @property
    def step(self) -> NDArray[np.int64]:
        return self.case.step

    @property
    def loss(self) -> Floats:
        return self.case.loss

    @property
    def trained_tokens(self) -> int:
        """Tokens that the run trained on, padding apart."""
        assert self.run.train is not None
        return int(self.run.train.tokens[-1])

    @cached_property
    def noise(self) -> float:
        """Trajectory noise as a share of the loss."""
        return self.case.noise / self.case.level

    @cached_property
    def course(self) -> str:
        """What the evaluation loss did: "overfitting", "falling" or "settled".

        Overfitting: the last three evaluations are worse than the best three, by more than the smallest gain that
        matters and for certain. Falling: they are better than the three that ended at two thirds of the run.
        """
        windows = np.stack([part.mean(axis=0) for part in self._windows])
        means = windows.sum(axis=1)
        best = int(np.argmin(means))
        if self._worse(windows[-1], windows[best]):
            return "overfitting"
        late = int(np.searchsorted(self.step, 2.0 / 3.0 * self.step[-1], side="right")) - _WINDOW
        return "falling" if self._worse(windows[min(late, len(windows) - 1)], windows[-1]) else "settled"

    @property
    def label(self) -> str:
        """`course`, and "noisy" where the trajectory noise is a hundredth of the loss or more."""
        return f"{self.course}, noisy" if self.noise >= _NOISY else self.course

    @property
    def _windows(self) -> list[Floats]:
        return [self.nll[i : i + _WINDOW] for i in range(len(self.nll) - _WINDOW + 1)]

    def _worse(self, this: Floats, that: Floats) -> bool:
        found = paired_effect(this, that, self.tokens)
        return found.diff > self.case.epsilon and found.p_worse(0.0, self.case.noise / np.sqrt(_WINDOW)) < _SURE


def recorded(home: Path = HOME) -> list[Recorded]:
    """Every recorded run, by name; a folder without a journal is not finished and left out."""
    found = sorted(path.parent for path in home.glob("*/journal.jsonl"))
    return [Recorded(folder.name, read(folder)[0]) for folder in found]


def means_alone(run: Run) -> Run:
    """The run without its per-example losses, as most logs are."""
    return replace(run, example_steps=(), example_source=None)


def unpaired(nll: Floats, tokens: Floats) -> float:
    """Standard error of a token-weighted mean over examples of their own, nats; as `paired_effect` has it."""
    return paired_effect(nll, np.zeros_like(nll), tokens).se


def paired(recorded: Recorded, this: int, that: int) -> PairedEffect:
    """Evaluation `this` minus evaluation `that`."""
    return paired_effect(recorded.nll[this], recorded.nll[that], recorded.tokens)
