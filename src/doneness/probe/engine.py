"""What asks a checkpoint: the one interface between the questions and whatever runs the model.

An engine holds the base model and every checkpoint of a run under its step, 0 for the base. Prompts come as token
ids, so that all engines ask the same thing; answers come in the order of the prompts, whatever the order in which
they were made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from doneness.models import Generated

Ids = Sequence[int]
# how many of the prompts are answered
Answered = Callable[[int], None]


class Engine(Protocol):
    """The base model and the checkpoints of a run, ready to be asked."""

    @property
    def tokenizer(self) -> Any:
        """The one that wrote the prompts, with the chat template they were written by."""
        ...

    def steps(self) -> tuple[int, ...]:
        """The steps that can be asked, ascending; 0 is the base model and always among them."""
        ...

    def greedy(
        self,
        step: int,
        prompts: Sequence[Ids],
        max_new_tokens: int,
        drafts: Sequence[Ids] | None = None,
        progress: Answered | None = None,
    ) -> list[Generated]:
        """The likeliest answer to every prompt, token by token.

        Args:
            step: which checkpoint.
            prompts: token ids up to the point where the assistant begins to speak.
            max_new_tokens: an answer that is longer is cut there and called capped.
            drafts: what another checkpoint answered (`Generated.ids`), prompt by prompt; an empty one where there is
                none. They make it faster where the answers are alike and never change what is answered.
            progress: called with the number of prompts that are done.
        """
        ...

    def sampled(
        self, step: int, prompts: Sequence[Ids], max_new_tokens: int, count: int, temperature: float, seed: int
    ) -> list[list[Generated]]:
        """`count` answers to every prompt, drawn at `temperature`; the same seed and prompt, the same answers."""
        ...

    def options(self, step: int, prompts: Sequence[Ids], options: Sequence[Sequence[Ids]]) -> list[list[float]]:
        """The log-likelihood in nats, summed over its tokens, of every option of every prompt."""
        ...

    def losses(self, step: int, rows: Sequence[tuple[Ids, Ids]]) -> list[tuple[float, int]]:
        """Of every (context, target): the NLL of the target in nats, summed, and its tokens.

        A target without a context is a text that is scored from its second token on: the first has nothing before it.
        """
        ...

    def divergence(self, step: int, rows: Sequence[tuple[Ids, Ids]]) -> list[float]:
        """Of every (context, target): the mean over the target's tokens of KL(checkpoint ‖ base), in nats."""
        ...

    def perturbed(
        self, step: int, rows: Sequence[tuple[Ids, Ids]], radius: float, draws: int, seed: int
    ) -> NDArray[np.float64]:
        """NLL of every row, in nats, under random weight noise; shape (draws, rows).

        Args:
            step: which checkpoint.
            rows: as for `losses`.
            radius: length of the noise on each trained weight, as a share of that weight's own length.
            draws: how often noise is drawn.
            seed: of the noise; draw k of one seed is the same noise for all rows.
        """
        ...
