"""Several processes train as one: the first records and decides, and all do what it decided after the same step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import TrainerCallback

from doneness.models.together import share, summed
from doneness.runs import Recorder
from doneness.stopping.cooldown import Cooldown
from doneness.train.callback import StepCallback, Watcher
from doneness.train.health import HealthCallback
from doneness.train.order import Order
from doneness.train.signals import listening

_FLAGS = ("should_log", "should_evaluate", "should_save", "should_training_stop")


@dataclass(frozen=True)
class Begun:
    """Where a run begins, as the first process knows it.

    Attributes:
        step: of the checkpoint; 0 for none.
        ended: whether the run had ended there.
        unscored: whether the base model is yet to be scored.
        cooldown: the one in force.
        seen: tokens and target tokens so far.
    """

    step: int
    ended: bool
    unscored: bool
    cooldown: Cooldown | None
    seen: tuple[int, int]

    @classmethod
    def of(cls, recorder: Recorder, step: int, judged: bool, cooldown: Cooldown | None, ended: bool) -> Begun:
        """What the journal knows.

        Args:
            recorder: of the run.
            step: of the checkpoint.
            judged: whether there are evaluation rows.
            cooldown: the one in force.
            ended: whether the run had ended there.
        """
        last = recorder.last("train")
        seen = (int(last["tokens"]), int(last["targets"])) if last else (0, 0)
        return cls(step, ended, judged and not recorder.has("eval", 0), cooldown, seen)


NOT_BEGUN = Begun(0, False, False, None, (0, 0))  # in a process that is yet to be told


@dataclass(frozen=True)
class Seat:
    """This process's place: the first has a recorder and somebody who watches.

    Attributes:
        lead: what its steps are steered by.
        watcher, recorder: of the first process; None in the others.
    """

    lead: StepCallback | Follower
    watcher: Watcher | None = None
    recorder: Recorder | None = None

    def callbacks(self) -> list[Any]:
        """Its own, and what makes all do the same where there are several."""
        return [self.lead] if share()[1] == 1 else [self.lead, Agreement(self.lead)]

    def health(self, every: int, ids: Sequence[str], order: Order | None) -> HealthCallback | None:
        """What measures the training: once for all processes."""
        if self.recorder is None or not every:
            return None
        return HealthCallback(self.recorder, every, ids, self.lead.position, order)

    def scoring(self, step: int, done: int, total: int) -> None:
        """An evaluation has come this far."""
        if self.watcher is not None:
            self.watcher.scoring(step, done, total)


class AtBegin(TrainerCallback):  # type: ignore[misc]
    """Calls something when training begins, before anything else hears of it."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Call it."""
        self.call()


def one_card(arguments: Any) -> Any:
    """The arguments; where a machine has several cards, one process uses one of them and does not part its batches."""
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1
    return arguments


def own_chance(seed: int) -> None:
    """Let each of several processes draw its own dropout; alone, do nothing."""
    rank, processes = share()
    if processes > 1:
        torch.manual_seed(seed + rank)


class Follower(TrainerCallback):  # type: ignore[misc]
    """A process that is not the first: it hears signals, and is told the rest.

    Attributes:
        trainer: whose steps they are.
        cooldown: the one in force.
        interrupted: whether a signal to stop was heard.
    """

    def __init__(self, cooldown: Cooldown | None) -> None:
        self.trainer: Any = None
        self.cooldown = cooldown
        self.interrupted = False

    def position(self, state: Any) -> dict[str, Any]:
        """Nothing: it records nothing."""
        return {}

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM are told to the others."""

        def heard() -> None:
            self.interrupted = True

        with listening(heard):
            yield


class Agreement(TrainerCallback):  # type: ignore[misc]
    """After the first process's own callback: its flags and its cooldown are everybody's, and counts are added up."""

    def __init__(self, lead: StepCallback | Follower) -> None:
        self.lead = lead
        self.first = share()[0] == 0
        self._counted = (0, 0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Counting begins where the run stands."""
        self._counted = (self.lead.trainer.tokens_seen, self.lead.trainer.targets_seen)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """What is due at this step."""
        self._agree(control)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """A budget may be spent; the Trainer's closing summary is no step."""
        if logs and "loss" in logs:
            self._agree(control)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The rule has decided."""
        self._agree(control)

    def _agree(self, control: Any) -> None:
        lead, trainer = self.lead, self.lead.trainer
        own = [trainer.tokens_seen - self._counted[0], trainer.targets_seen - self._counted[1], int(lead.interrupted)]
        cooling = lead.cooldown
        first = [int(getattr(control, flag)) for flag in _FLAGS]
        first += [cooling.start + 1, cooling.end] if cooling is not None else [0, 0]
        told = summed([*own, *(first if self.first else [0] * len(first))])
        self._counted = (self._counted[0] + told[0], self._counted[1] + told[1])
        trainer.tokens_seen, trainer.targets_seen = self._counted
        for flag, value in zip(_FLAGS, told[3:7], strict=True):
            setattr(control, flag, bool(value))
        if not self.first:
            lead.cooldown = Cooldown(told[7] - 1, told[8]) if told[7] else None
        if told[2]:
            lead.interrupted = True
            control.should_save = control.should_training_stop = True
