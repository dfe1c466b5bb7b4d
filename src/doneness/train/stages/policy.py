"""TRL's GRPOTrainer on rows that are encoded already, and in an order that a resumed run finds again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import torch
from trl import GRPOTrainer
from trl.trainer.utils import RepeatSampler, add_fused_lm_head

from doneness.train.health import ROWS

ASKED = "asked"  # the column of a question's token ids


class PolicyTrainer(GRPOTrainer):  # type: ignore[misc]
    """Asks with our token ids, tells which rows a batch is of, and draws each epoch's order from the epoch's number."""

    # Told of a step whose answers no reward says anything of: how many are done, their rows, and the answers.
    unheard: Callable[[int, list[int], Any], None] | None = None

    def __init__(self, *args: Any, data_collator: Any = None, reference: Any = None, **kwargs: Any) -> None:
        self._ids: list[list[int]] = []
        logging.getLogger(GRPOTrainer.__module__).addFilter(_said_by_us)
        config = kwargs["args"]
        beta, config.beta = config.beta, config.beta if reference is None else 0.0
        # The rows are left as they are: TRL's own collator does nothing else.
        super().__init__(*args, **kwargs)
        config.beta = self.beta = beta
        if reference is not None:
            # TRL would load it anew by the name of its folder, which a model made of a GGUF file has none of.
            add_fused_lm_head(reference, temperature=self.temperature)
            self.ref_model = self.accelerator.prepare_model(reference, evaluation_mode=True)

    def get_train_dataloader(self) -> Any:
        """TRL's own: each question as often as it is answered."""
        return super().get_train_dataloader()

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        found = super()._get_train_sampler(dataset)
        return _Ordered(
            found.data_source,
            mini_repeat_count=found.mini_repeat_count,
            batch_size=found.batch_size,
            repeat_count=found.repeat_count,
            seed=found.seed,
        )

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self._ids = [list(row[ASKED]) for row in inputs]
        found: dict[str, Any] = super()._generate_and_score_completions(inputs)
        return {**found, ROWS: torch.tensor([row[ROWS] for row in inputs])}

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> Any:
        found = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        if self.unheard is not None and bool(torch.isnan(found).all()):
            self.unheard(int(self.state.global_step), [int(row[ROWS]) for row in inputs], completion_ids_list)
        return found

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[Any, Any, Any]:
        return self._ids, None, {}

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        # A copy: what the step takes out of it stays in TRL's store.
        found = dict(super()._prepare_inputs(generation_batch))
        return {**found, ROWS: found[ROWS].tolist()}


def _said_by_us(record: logging.LogRecord) -> bool:
    """TRL prints a whole row, its token ids with it, wherever no reward says anything; `unheard` tells what matters."""
    return "All reward functions returned None" not in record.getMessage()


class _Ordered(RepeatSampler):  # type: ignore[misc]
    """TRL's own draws the second epoch's order from where the first one's draws ended, which nobody saves."""

    epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate before each epoch, also by a run that is resumed in the middle of one."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        self.generator.manual_seed(self.seed + self.epoch)
        yield from super().__iter__()
