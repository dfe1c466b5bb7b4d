"""What happens around each step: record, look, decide, save, and listen for requests."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from transformers import TrainerCallback

from doneness.core import Action, StopDecision
from doneness.runs.recorder import Recorder, read_requests
from doneness.stopping import StopRule
from doneness.train.resume import sizes


class Watcher(Protocol):
    """Whoever wants to see the run as it goes; every method is told after the journal."""

    def began(self, step: int, total: int) -> None:
        """Training begins at `step` (above 0 when resumed) of `total`."""

    def trained(self, record: dict[str, Any]) -> None:
        """A step was done."""

    def evaluated(self, record: dict[str, Any], decision: StopDecision | None) -> None:
        """The evaluation rows were scored, and the rule has decided."""

    def scoring(self, step: int, done: int, total: int) -> None:
        """The evaluation at `step` has come this far."""

    def interrupted(self) -> None:
        """Ctrl-C was heard; the step at hand is finished and saved first."""


class StepCallback(TrainerCallback):  # type: ignore[misc]
    """Writes the journal and steers the Trainer.

    Attributes:
        stopped: the decision that ended the run, if one did.
        interrupted: Ctrl-C or a request to terminate came.
    """

    def __init__(
        self,
        recorder: Recorder,
        rule: StopRule | None,
        watcher: Watcher,
        looks: frozenset[int],
        saves: frozenset[int],
        obey: bool,
    ) -> None:
        self.recorder, self.rule, self.watcher = recorder, rule, watcher
        self.looks, self.saves, self.obey = looks, saves, obey
        self.trainer: Any = None
        self.stopped: StopDecision | None = None
        self.asked_to_stop = False
        self.interrupted = False
        last = recorder.last("train")
        # Time of training, pauses apart: what the resumed journal counted goes on counting.
        self._before = float(last.get("time") or 0.0) if last else 0.0
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of training so far, evaluations included, pauses apart."""
        return self._before + time.monotonic() - self._begun

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self._begun = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Record the step; the Trainer's closing summary is no step."""
        if not logs or "loss" not in logs:
            return
        data = {
            "loss": logs["loss"],
            "grad_norm": logs.get("grad_norm", math.nan),
            "learning_rate": logs["learning_rate"],
            **self.position(state),
        }
        self.recorder.write("train", state.global_step, **data)
        self.watcher.trained({"step": state.global_step, **data})

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Ask for what is due at this step."""
        step = state.global_step
        control.should_log = True
        control.should_evaluate = step in self.looks
        control.should_save = step in self.saves
        for request in read_requests(self.recorder.folder):
            if request["request"] == "stop" and not self._done(request):
                who = str(request.get("who", "?"))
                self.recorder.write("request", step, request="stop", who=who, id=str(request.get("id", "")))
                self.asked_to_stop = True
        if self.interrupted or self.asked_to_stop:
            control.should_save = True
            control.should_training_stop = True

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        """Let the rule decide on the run so far, and record what it said, also when it says go on."""
        decision = self.decide(state.global_step)
        record = self.recorder.last("eval") or {}
        self.watcher.evaluated(record, decision)
        if decision and decision.action is Action.STOP and self.obey:
            self.stopped = decision
            control.should_save = True
            control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A checkpoint counts once it is whole and the journal says so."""
        if not self.recorder.has("checkpoint", state.global_step):
            name = f"checkpoint-{state.global_step}"
            self.recorder.write("checkpoint", state.global_step, path=name, files=sizes(self.recorder.folder / name))
        self.recorder.sync()

    def decide(self, step: int) -> StopDecision | None:
        """The rule's decision at `step`, recorded once."""
        if self.rule is None:
            return None
        decision = self.rule.decide(self.recorder.run())
        data = decision.to_dict() | {"rule": self.rule.name}
        data.pop("step")
        self.recorder.write("decision", step, **data)
        return decision

    def position(self, state: Any) -> dict[str, Any]:
        """Where on every x-axis the run stands."""
        return {
            "epoch": float(state.epoch or 0.0),
            "tokens": self.trainer.tokens_seen,
            "targets": self.trainer.targets_seen,
            "time": round(self.seconds, 3),
        }

    def _done(self, request: dict[str, Any]) -> bool:
        key = str(request.get("id", ""))
        return any(r["kind"] == "request" and r.get("id") == key for r in self.recorder.records)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM end the run after the step at hand, with a checkpoint; a second Ctrl-C at once."""

        def heard(number: int, frame: Any) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True
            self.watcher.interrupted()

        try:
            before = {s: signal.signal(s, heard) for s in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not in the main thread: whoever called us has the signals
            yield
            return
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
