"""The engine of this machine: the base model loaded once, each checkpoint over it, answers by our own loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.models import Generated, LoadedModel, answer_all
from doneness.models.decode_fit import why_not
from doneness.models.divergence import Divergence
from doneness.models.generate import Learnt
from doneness.models.options import row_losses
from doneness.models.perturb import perturbed_losses
from doneness.models.sample import sample_all
from doneness.models.switch import Switch
from doneness.probe.engine import Answered, Ids


class TorchEngine:
    """The base model and the checkpoints of a run, in this process.

    Attributes:
        learnt: what forwards take and how often guesses are right, and the tally of all that was answered.
    """

    def __init__(self, base: Callable[[], LoadedModel], checkpoints: Mapping[int, Path], batch_size: int = 16) -> None:
        """Nothing is loaded until something is asked.

        Args:
            base: loads the base model; called at most once.
            checkpoints: folders by step: adapters, or whole models.
            batch_size: prompts answered at once.
        """
        self.learnt = Learnt()
        self._batch = batch_size
        self._switch = Switch(base, checkpoints)
        self._divergence = Divergence(self._switch)

    @property
    def tokenizer(self) -> Any:
        """The base model's; loads it."""
        return self._switch.base.tokenizer

    def steps(self) -> tuple[int, ...]:
        """All steps, ascending; 0 is the base model."""
        return self._switch.steps()

    def slower_for(self, step: int) -> str:
        """What keeps a step's model from our own loop, so that it answers by transformers' own; empty if nothing."""
        return why_not(self._switch.to(step))

    def greedy(
        self,
        step: int,
        prompts: Sequence[Ids],
        max_new_tokens: int,
        drafts: Sequence[Ids] | None = None,
        progress: Answered | None = None,
    ) -> list[Generated]:
        """The likeliest answer to every prompt; see `Engine`."""
        model = self._switch.to(step)
        return answer_all(model, self.tokenizer, prompts, max_new_tokens, self._batch, progress, drafts, self.learnt)

    def sampled(
        self, step: int, prompts: Sequence[Ids], max_new_tokens: int, count: int, temperature: float, seed: int
    ) -> list[list[Generated]]:
        """`count` answers to every prompt; see `Engine`."""
        model = self._switch.to(step)
        how = (max_new_tokens, count, temperature, seed)
        return sample_all(model, self.tokenizer, prompts, how, self._batch, self.learnt)

    def options(self, step: int, prompts: Sequence[Ids], options: Sequence[Sequence[Ids]]) -> list[list[float]]:
        """Log-likelihoods of the options, in nats; see `Engine`."""
        rows = [(prompt, option) for prompt, each in zip(prompts, options, strict=True) for option in each]
        found = iter(self.losses(step, rows))
        return [[-next(found)[0] for _ in each] for each in options]

    def losses(self, step: int, rows: Sequence[tuple[Ids, Ids]]) -> list[tuple[float, int]]:
        """NLL and tokens of every target; see `Engine`."""
        return row_losses(self._switch.to(step), rows, self._batch)

    def divergence(self, step: int, rows: Sequence[tuple[Ids, Ids]]) -> list[float]:
        """Mean KL to the base model of every row, in nats a token; see `Engine`."""
        return self._divergence.of(step, rows)

    def perturbed(
        self, step: int, rows: Sequence[tuple[Ids, Ids]], radius: float, draws: int, seed: int
    ) -> NDArray[np.float64]:
        """NLL of every row under weight noise, (draws, rows); see `Engine`."""
        return perturbed_losses(self._switch, step, rows, (radius, draws, seed), self._batch)
