"""What a sanity run measures: everything that its checks look at, and nothing that needs a model."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from doneness.sanity.floor import Floor

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Gradient:
    """What can move.

    Attributes:
        trained, total: parameters that are trained, and all.
        tensors: trained tensors.
        moving: of them, those that had a gradient other than zero in one of two steps.
        idle: names of some that had none.
        known: whether it was measured at all; of rows that the model cannot read it is not.
    """

    trained: int
    total: int
    tensors: int
    moving: int
    idle: tuple[str, ...] = ()
    known: bool = True


@dataclass(frozen=True, slots=True)
class Targets:
    """What carries loss.

    Attributes:
        rows: training rows.
        tokens: of all rows.
        targets: tokens that carry loss.
        answers: tokens that the answers have as texts; 0 where rows are no answers.
        lost: tokens of answers that were cut away.
        bits: upper bound of what the targets say, in bits: the smaller of the step-0 loss and of their compressed size.
    """

    rows: int
    tokens: int
    targets: int
    answers: int
    lost: int
    bits: float


@dataclass(frozen=True, slots=True)
class Tokens:
    """Whether tokenizer, template and model belong together; counts are of rows unless said otherwise.

    Attributes:
        vocabulary: rows of the model's embedding.
        highest: largest token id in the rows.
        unknown: share of all tokens that are the unknown token.
        no_begin: rows without the token that the tokenizer begins texts with.
        two_begins: rows that begin with it twice.
        no_end: rows whose uncut answer does not close with a token that ends answers.
        split: control texts of the template that are several tokens.
        entropy: mean entropy of the untrained model's predictions, nats.
        surprise: its mean loss on the same tokens, nats.
        unigram: entropy of the rows' target tokens by how often each occurs, which needs no model, nats.
    """

    vocabulary: int
    highest: int
    unknown: float
    no_begin: int
    two_begins: int
    no_end: int
    split: tuple[str, ...]
    entropy: float
    surprise: float
    unigram: float = math.nan


@dataclass(frozen=True, slots=True)
class Levels:
    """Losses that need no training, nats per target token.

    Attributes:
        base: of the untrained model.
        shuffled: the same with every answer under another row's question; None where rows are no answers.
        floor: what contradictory rows leave to any model.
    """

    base: float
    shuffled: float | None
    floor: Floor


@dataclass(frozen=True, slots=True)
class Trace:
    """The run itself; arrays are ascending in step.

    Attributes:
        planned: steps planned.
        step, loss, grad: of every training step; shape (n,).
        looks, level, exact: evaluations on training rows: loss in nats per target token, share of answers given word
            for word (NaN where rows are no answers); shape (m,).
        spread: standard error of the last `level` over its rows.
        judged: rows of an evaluation.
        update: median ‖Δθ‖ / ‖θ‖ of a step; NaN where it was not measured.
    """

    planned: int
    step: Floats
    loss: Floats
    grad: Floats
    looks: Floats
    level: Floats
    exact: Floats
    spread: float
    judged: int
    update: float


@dataclass(frozen=True, slots=True)
class Trial:
    """A few steps of training with one thing changed, from the same start.

    Attributes:
        what: rate, unfrozen, unmasked, adapter or rows.
        size: the factor on the rate, or the rank, or the rows.
        steps: optimizer steps.
        before, after: loss on the same rows, nats per target token.
    """

    what: str
    size: float
    steps: int
    before: float
    after: float

    @property
    def fall(self) -> float:
        """By how much the loss fell; minus infinity where it is no number any more."""
        return self.before - self.after if np.isfinite(self.after) else -np.inf


@dataclass(frozen=True, slots=True)
class Setting:
    """What was trained, and how.

    Attributes:
        stage: sft or pretrain.
        method: lora, qlora, dora or full.
        rank: of adapters.
        rate: the peak learning rate.
    """

    stage: str
    method: str
    rank: int
    rate: float


@dataclass(frozen=True, slots=True)
class Measured:
    """All of it; `trace` is None where nothing could be trained, `trials` are empty where nothing had to be tried."""

    setting: Setting
    gradient: Gradient
    targets: Targets
    tokens: Tokens
    levels: Levels
    trace: Trace | None = None
    trials: tuple[Trial, ...] = ()

    def with_trials(self, trials: tuple[Trial, ...]) -> Measured:
        """The same with what was tried."""
        return replace(self, trials=trials)

    def tried(self, what: str) -> tuple[Trial, ...]:
        """The trials of one kind."""
        return tuple(trial for trial in self.trials if trial.what == what)
