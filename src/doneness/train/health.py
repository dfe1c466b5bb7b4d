"""Training health in our own trainer: what is measured around each step, and which rows made a loss spike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from transformers import TrainerCallback

from doneness.health import HealthWatch, SpikeRule, spike_record
from doneness.runs.journal import number
from doneness.runs.recorder import Recorder
from doneness.train.order import Order

ROWS = "rows"  # the batch's column of row numbers
FILLER = "filler"  # marks a row that does not count: another process had one more
_APART = (ROWS, FILLER)


class WithRows:
    """A collator that keeps the rows' numbers in the batch, as plain numbers that no device ever holds."""

    def __init__(self, collate: Callable[[list[dict[str, Any]]], dict[str, Any]]) -> None:
        self.collate = collate

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """The batch of `examples`."""
        rows = [int(each[ROWS]) for each in examples if FILLER not in each]
        found = self.collate([{k: v for k, v in each.items() if k not in _APART} for each in examples])
        if not rows and "labels" in found:
            found["labels"] = found["labels"].fill_(-100)
        return {**found, ROWS: rows}


class HealthCallback(TrainerCallback):  # type: ignore[misc]
    """Writes `health` and `spike` records; the training itself is, bit for bit, what it would be without."""

    def __init__(
        self,
        recorder: Recorder,
        every: int,
        ids: Sequence[str],
        position: Callable[[Any], Any],
        order: Order | None = None,
    ) -> None:
        """Go on where the journal stands.

        Args:
            recorder: the journal.
            every: steps between two measurements.
            ids: of the training rows, by number.
            position: tells where on every x-axis the run stands.
            order: knows the rows that other processes took; None where there is none.
        """
        self.order = order
        self.recorder, self.every, self.ids, self.position = recorder, every, ids, position
        self.spikes = SpikeRule(number(r.get("loss")) for r in recorder.records if r["kind"] == "train")
        self.trainer: Any = None
        self._watch: HealthWatch | None = None
        self._rows: list[int] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Look at the model that is about to be trained."""
        last, alone = self.recorder.last("health"), args.world_size == 1
        self._watch = HealthWatch(model, self.every, last, args.gradient_accumulation_steps, alone)
        self._watch.pace.start(self.trainer.tokens_seen, self.trainer.targets_seen)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A step begins."""
        assert self._watch is not None
        self._rows = []
        self._watch.begin(state.global_step + 1)

    def batch(self, rows: Sequence[int], targets: int) -> None:
        """A micro-batch of these rows goes through the model."""
        self._rows += rows
        if self._watch is not None:
            self._watch.batch(len(rows), targets)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, optimizer: Any = None, **kwargs: Any) -> None:
        """Gradients are whole and clipped."""
        assert self._watch is not None
        self._watch.before_update(optimizer)

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The weights have moved."""
        assert self._watch is not None
        self._watch.after_update()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record what was measured."""
        assert self._watch is not None
        found = self._watch.end(self.trainer.tokens_seen, self.trainer.targets_seen)
        if found is not None:
            self.recorder.write("health", state.global_step, **found, **self.position(state))

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Judge the step's loss by those before it."""
        if not logs or "loss" not in logs or "reward" in logs:
            return  # the loss of a policy stands about zero and jumps by nature
        spike = self.spikes.judge(float(logs["loss"]))
        if spike is not None:
            step = int(state.global_step)
            taken = self._rows if self.order is None else self.order.rows(step)
            rows = [self.ids[row] for row in taken]
            self.recorder.write("spike", step, **spike_record(spike, step, rows), **self.position(state))

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """An evaluation is no training."""
        self._pause()

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Nor is a checkpoint."""
        self._pause()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave the model as it was found."""
        if self._watch is not None:
            self._watch.drop()

    def _pause(self) -> None:
        if self._watch is not None:
            self._watch.pace.paused()
