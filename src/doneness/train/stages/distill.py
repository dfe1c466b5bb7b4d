"""Distillation: rows as sft has them, learnt with a teacher beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from doneness.config import DistillSection
from doneness.train.stages.base import Scored, Told
from doneness.train.stages.sft import Supervised


@dataclass(frozen=True)
class Distill:
    """Questions and answers that a teacher reads, too.

    Held-out rows are judged as those of sft are, by the loss of their answers; how far the student is from the
    teacher there, teacher_kl, is told beside it.

    Attributes:
        rows: the rows.
        section: the recipe's section; its kind is logits or hidden.
        teacher: the model, on its device.
        seed: of projections.
    """

    rows: Supervised
    section: DistillSection
    teacher: Any
    seed: int

    def trainer(self) -> type:
        """TRL's SFTTrainer with the teacher's loss."""
        from doneness.train.stages.taught import HiddenTrainer, LogitsTrainer

        return HiddenTrainer if self.section.kind == "hidden" else LogitsTrainer

    def arguments(self, common: dict[str, Any]) -> Any:
        """As those of sft."""
        return self.rows.arguments(common)

    def dataset(self) -> list[dict[str, Any]]:
        """As that of sft."""
        return self.rows.dataset()

    def collator(self) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """As that of sft."""
        return self.rows.collator()

    def more(self, model: Any) -> dict[str, Any]:
        """The teacher, and which layers follow which.

        Raises:
            RecipeError: layers are named that a model lacks.
        """
        found: dict[str, Any] = {"teacher": self.teacher, "section": self.section}
        if self.section.kind == "hidden":
            from doneness.train.stages.layers import Pairs, layer_pairs

            ours, theirs = (each.config.get_text_config() for each in (model, self.teacher))
            pairs = layer_pairs(self.section.layers, ours.num_hidden_layers, theirs.num_hidden_layers)
            found["pairs"] = Pairs(pairs, ours.hidden_size, theirs.hidden_size, self.seed)
        return found

    def built(self, trainer: Any) -> None:
        """Nothing."""

    def count(self, inputs: Mapping[str, Any]) -> tuple[int, int]:
        """As that of sft: the rows' tokens, also where own answers take their place."""
        return self.rows.count(inputs)

    def score(self, model: Any, step: int, told: Told) -> Scored:
        """The loss of every held-out answer, and the divergence from the teacher over all of them."""
        from doneness.train.stages.divergence import teacher_kl

        found = self.rows.score(model, step, lambda done: told(done // 2))
        size, rows = self.rows.batch_size, self.rows.held_out
        apart = teacher_kl(model, self.teacher, rows, size, lambda done: told((len(rows) + done) // 2))
        return replace(found, metrics={**found.metrics, "teacher_kl": apart})
