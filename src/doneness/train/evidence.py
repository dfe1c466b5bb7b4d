"""TRL's trainers with four things changed: evaluation, checkpoints, cooldown, and counting tokens."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from doneness.core import StorageError, disk_faults, tr
from doneness.runs.atomic import sync
from doneness.stopping.cooldown import Cooldown
from doneness.train.card import mark
from doneness.train.health import ROWS
from doneness.train.keeping import PARTIAL
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
    """

    def __init__(
        self,
        *args: Any,
        score: Callable[[], dict[str, float]],
        cooldown: Callable[[], Cooldown | None],
        count: Callable[[Any], tuple[int, int]],
        batch: Callable[[list[int], int], None],
        **kwargs: Any,
    ) -> None:
        with unrounded(kwargs["model"]):
            super().__init__(*args, **kwargs)
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

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The stage's own loss."""
        tokens, targets = self.count(inputs)
        self.tokens_seen += tokens
        self.targets_seen += targets
        self.batch(inputs.pop(ROWS), targets)
        return super().compute_loss(model, inputs, *args, **kwargs)  # type: ignore[misc]

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
        partial = run / PARTIAL
        shutil.rmtree(partial, ignore_errors=True)
        self._saving = True
        try:
            with disk_faults(run / name):
                super()._save_checkpoint(model, trial)  # type: ignore[misc]
                if self.note:
                    mark(partial / name, self.note)
                for file in (partial / name).iterdir():
                    sync(file)
                shutil.rmtree(run / name, ignore_errors=True)
                (partial / name).rename(run / name)
                sync(run)
        except Exception as error:
            if isinstance(error, StorageError) or shutil.disk_usage(run).free > 1 << 20:
                raise
            # torch reports a full disk as a failed assertion of its archive writer, without the cause.
            raise StorageError(tr("train.disk_full", path=run / name)) from error
        finally:
            self._saving = False
            shutil.rmtree(partial, ignore_errors=True)


@functools.cache
def evident(trainer: type) -> type:
    """A Trainer's class with evidence before it."""
    return type(f"Evident{trainer.__name__}", (Evidence, trainer), {})
