"""TRL's trainers with five things changed: evaluation, checkpoints, cooldown, the order of rows, counting tokens."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from doneness.core import StorageError, disk_faults, tr
from doneness.models.together import gathered, meet, share
from doneness.runs.atomic import sync
from doneness.stopping.cooldown import Cooldown
from doneness.train.card import mark
from doneness.train.freed import give_back
from doneness.train.health import FILLER, ROWS
from doneness.train.keeping import PARTIAL
from doneness.train.order import Marked, Order, Share
from doneness.train.precision import unrounded


class Evidence:
    """Evaluates example by example, writes checkpoints atomically, and counts what it saw.

    Put before a Trainer's class, whose loss and loop stay as they are.

    Attributes:
        score: called for every evaluation; returns its metrics.
        cooldown: the one in force, asked at every step.
        count: tokens and target tokens of a micro-batch, padding apart.
        batch: told the numbers of the rows and the target tokens of every micro-batch.
        tokens_seen, targets_seen: exact, padding apart.
        note: put on top of every checkpoint's card; "" puts nothing.
        order: which rows make a step; None where TRL's class draws them itself.
    """

    def __init__(
        self,
        *args: Any,
        score: Callable[[], dict[str, float]],
        cooldown: Callable[[], Cooldown | None],
        count: Callable[[Any], tuple[int, int]],
        batch: Callable[[list[int], int], None],
        order: Order | None = None,
        **kwargs: Any,
    ) -> None:
        with unrounded(kwargs["model"]):
            super().__init__(*args, **kwargs)
        self.order = order
        self.score = score
        self.cooldown = cooldown
        self.count = count
        self.batch = batch
        self.note = ""
        self.tokens_seen = 0
        self.targets_seen = 0
        self._saving = False
        self.control: Any
        self.state: Any
        self.args: Any
        self.lr_scheduler: Any
        self.callback_handler: Any
        self.accelerator: Any
        if order is not None and order.split.processes > 1:
            self._gather_whatever()

    def get_train_dataloader(self) -> Any:
        """This process's micro-batches, in an order that does not depend on how many processes share a step."""
        if self.order is None:
            return super().get_train_dataloader()  # type: ignore[misc]
        from torch.utils.data import DataLoader

        rows: Any = Marked(self.train_dataset, FILLER)  # type: ignore[attr-defined]
        collate = self.data_collator  # type: ignore[attr-defined]
        pin = self.args.dataloader_pin_memory
        return DataLoader(rows, batch_sampler=Share(self.order), collate_fn=collate, pin_memory=pin)

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The stage's own loss."""
        rows = inputs.pop(ROWS)
        tokens, targets = self.count(inputs) if rows else (0, 0)
        self.tokens_seen += tokens
        self.targets_seen += targets
        self.batch(rows, targets)
        found = super().compute_loss(model, inputs, *args, **kwargs)  # type: ignore[misc]
        weight = self._weight(len(rows))
        if weight == 1.0:
            return found
        return (found[0] * weight, *found[1:]) if isinstance(found, tuple) else found * weight

    def _weight(self, rows: int) -> float:
        """What a micro-batch's mean over its rows is multiplied by, so that every row of a step counts the same.

        They are averaged over micro-batches and over processes, which may hold different numbers of rows in the last
        step of a pass. A loss that is summed over tokens needs no such thing.
        """
        if self.order is None or getattr(self, "loss_is_scaled_for_ga", None) is not False:
            return 1.0
        parts: int = self.current_gradient_accumulation_steps * self.order.split.processes  # type: ignore[attr-defined]
        return rows * parts / len(self.order.rows(self.state.global_step + 1))

    def _gather_whatever(self) -> None:
        """Let TRL gather what it logs of pairs also where processes hold different numbers of them."""
        usual = self.accelerator.gather

        def gather(found: Any) -> Any:
            order, step = self.order, self.state.global_step + 1
            if order is None or not order.uneven(step) or not getattr(found, "ndim", 0):
                return usual(found)
            import torch

            return torch.cat([part.to(found.device) for part in gathered(found.detach().cpu())])

        self.accelerator.gather = gather

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Score the evaluation rows and tell the callbacks, as the Trainer's own would."""
        metrics = self.score()
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The planned schedule, lowered by a cooldown once one is in force."""
        fresh = self.lr_scheduler is None
        scheduler = super().create_scheduler(num_training_steps, optimizer)  # type: ignore[misc]
        if fresh:
            scheduler.lr_lambdas = [self._lowered(planned) for planned in scheduler.lr_lambdas]
        return scheduler

    def _lowered(self, planned: Callable[[int], float]) -> Callable[[int], float]:
        # A plain function: of it nothing is written into scheduler.pt, the journal alone knows the cooldown.
        def factor(step: int) -> float:
            cooling = self.cooldown()
            return planned(step) if cooling is None else cooling.lowered(planned)(step)

        return factor

    def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        """Rows come as token ids; TRL has nothing left to do to them."""
        return dataset

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """The report says what a card would; a README per checkpoint would only repeat it."""

    def _get_output_dir(self, trial: Any) -> str:
        run = super()._get_output_dir(trial)  # type: ignore[misc]
        return str(Path(run) / PARTIAL) if self._saving else run

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write under `.partial`, force it onto the disk, then rename: a checkpoint is whole or not there."""
        run = Path(self.args.output_dir)
        name = f"checkpoint-{self.state.global_step}"
        partial, first = run / PARTIAL, share()[0] == 0
        if first:
            shutil.rmtree(partial, ignore_errors=True)
        meet()  # each process writes its part
        self._saving = True
        try:
            with disk_faults(run / name):
                super()._save_checkpoint(model, trial)  # type: ignore[misc]
                meet()
                if first:
                    self._put(partial / name, run / name)
                meet()
        except Exception as error:
            if isinstance(error, StorageError) or shutil.disk_usage(run).free > 1 << 20:
                raise
            # torch reports a full disk as a failed assertion of its archive writer, without the cause.
            raise StorageError(tr("train.disk_full", path=run / name)) from error
        finally:
            self._saving = False
            if first:
                shutil.rmtree(partial, ignore_errors=True)
            give_back()

    def _put(self, made: Path, place: Path) -> None:
        """The checkpoint that was `made`, whole, where it belongs."""
        if self.note:
            mark(made, self.note)
        for file in made.rglob("*"):
            sync(file)
        shutil.rmtree(place, ignore_errors=True)
        made.rename(place)
        sync(place.parent)


@functools.cache
def evident(trainer: type) -> type:
    """A Trainer's class with evidence before it."""
    return type(f"Evident{trainer.__name__}", (Evidence, trainer), {})
