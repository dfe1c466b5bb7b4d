"""What happens around each step: record, look, decide, save, and listen for requests."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from transformers import TrainerCallback

from doneness.core import Action, StopDecision
from doneness.diagnose import Params
from doneness.models.reporters import report
from doneness.runs.control import Inbox, Request
from doneness.runs.recorder import Recorder
from doneness.stopping import Budget, EvidenceRule, StopRule
from doneness.stopping.cooldown import Cooldown, cooldown_of, ends_at_once, plan_cooldown
from doneness.stopping.improvement import improved, judged
from doneness.stopping.rules import BehaviourRule
from doneness.stopping.tracked import of_decision, of_evaluation
from doneness.train.asking import Sharing
from doneness.train.keeping import rotate
from doneness.train.resume import sizes
from doneness.train.signals import listening

# What other stages than sft log beside the loss, by TRL's names.
_OF_STAGES = (
    "rewards/", "logps/", "kl", "nll_loss", "accuracy", "margin", "min_reward", "mean_reward", "max_reward", "reward",
    "frac_reward", "completions/", "entropy", "clip_ratio/", "distill/",
)  # fmt: skip


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

    def cooling(self, step: int, end: int) -> None:
        """From `step` on the learning rate falls to zero, and the run ends at `end`."""

    def interrupted(self) -> None:
        """Ctrl-C was heard; the step at hand is finished and saved first."""


@dataclass(frozen=True)
class Plan:
    """What is to happen, as the recipe has it.

    Attributes:
        last: the planned last step.
        looks, saves: steps to evaluate and to save at; no looks where there are no evaluation rows.
        obey: whether a decision to stop or to cool down is acted on.
        cooldown_share: length of a cooldown as a share of the steps done.
        keep_bytes: what the checkpoints may take together; 0 keeps all.
    """

    last: int
    looks: frozenset[int]
    saves: frozenset[int]
    obey: bool
    cooldown_share: float
    keep_bytes: float


class StepCallback(TrainerCallback):  # type: ignore[misc]
    """Writes the journal and steers the Trainer.

    Attributes:
        cooldown: the one in force; read from the journal when a run is resumed.
        stopped: the decision that ended the run at once, if one did.
        cooled: the cooldown came to its end.
        asking: puts a few questions before each decision, where somebody asks.
        decision: the newest decision.
        interrupted: Ctrl-C or a request to terminate came.
    """

    def __init__(
        self, recorder: Recorder, rule: StopRule | None, watcher: Watcher, plan: Plan, asking: Sharing | None = None
    ) -> None:
        self.recorder, self.rule, self.watcher, self.plan = recorder, rule, watcher, plan
        self.asking = asking
        self.params = rule.params if isinstance(rule, (EvidenceRule, BehaviourRule)) else Params()
        self.budget = rule.budget if isinstance(rule, (EvidenceRule, BehaviourRule)) else Budget()
        self.trainer: Any = None
        self.inbox = Inbox(recorder.folder)
        self.cooldown: Cooldown | None = cooldown_of(recorder.records)
        self.stopped: StopDecision | None = None
        self.decision: StopDecision | None = None
        self.cooled = False
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
        """Start the clock, and tell the trackers of the base model's evaluation, which came before they were there."""
        self._begun = time.monotonic()
        base = self.recorder.last("eval")
        if state.global_step == 0 and base is not None:
            report(self.trainer, of_evaluation(base) | of_decision(self.decision))

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Record the step, and decide where the budget is spent; the Trainer's closing summary is no step."""
        if not logs or "loss" not in logs:
            return
        data = {
            "loss": logs["loss"],
            "grad_norm": logs.get("grad_norm", math.nan),
            "learning_rate": logs["learning_rate"],
            **self.position(state),
        }
        pairs = {name: value for name, value in logs.items() if name.startswith(_OF_STAGES)}
        self.recorder.write("train", state.global_step, **data, **({"metrics": pairs} if pairs else {}))
        self.watcher.trained({"step": state.global_step, **data})
        spent = self.budget.spent(data["targets"], data["tokens"], data["time"]) if self.budget else None
        if spent is None or self.cooldown is not None or not self.plan.obey:
            return
        if self.plan.looks:
            control.should_evaluate = True  # and the rule decides
        else:
            self._act(self.decide(state.global_step), control)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Ask for what is due at this step."""
        step = state.global_step
        control.should_log = True
        control.should_evaluate = step in self.plan.looks
        control.should_save = step in self.plan.saves
        for request in self.inbox.news():
            self._heed(request, step, control)
        if self.cooldown is not None and step in self.cooldown.looks:
            control.should_evaluate = bool(self.plan.looks)
            control.should_save = control.should_save or step >= self.cooldown.end
        if self.cooldown is not None and step >= self.cooldown.end:
            self.cooled = True
            control.should_training_stop = True
        if self.interrupted or self.asked_to_stop:
            control.should_save = True
            control.should_training_stop = True

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        """Let the rule decide on the run so far, and record what it said, also when it says go on."""
        step = state.global_step
        self.ask(step)
        decision = self.decide(step)
        record = self.recorder.last("eval") or {}
        self.watcher.evaluated(record, decision)
        report(self.trainer, of_evaluation(record) | of_decision(decision))
        self._act(decision, control)
        if not control.should_save and improved(judged(self.recorder.run(), self.params), self._saved):
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A checkpoint counts once it is whole and the journal says so; then older ones may have to go."""
        if not self.recorder.has("checkpoint", state.global_step):
            name = f"checkpoint-{state.global_step}"
            self.recorder.write("checkpoint", state.global_step, path=name, files=sizes(self.recorder.folder / name))
        self.rotate(state.global_step)
        self.recorder.sync()
        if not self.plan.looks and self.asking is not None:
            self.ask(state.global_step)
            self._act(self.decide(state.global_step), control)

    def rotate(self, step: int) -> None:
        """Delete the checkpoints that there is no room for after the one of `step`; again, it deletes nothing more."""
        if self.plan.keep_bytes:
            rotate(self.recorder, step, self.plan.keep_bytes, judged(self.recorder.run(), self.params))

    def ask(self, step: int) -> None:
        """Let the model be asked a few questions, where somebody asks."""
        if self.asking is not None:
            self.asking(self.trainer.model, step, self.seconds)

    def decide(self, step: int) -> StopDecision | None:
        """The rule's decision at `step`, recorded once."""
        if self.rule is None:
            return None
        decision = self.rule.decide(self.recorder.run())
        if self.cooldown is not None:
            decision = self.cooldown.govern(decision)
        self.decision = decision
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

    @property
    def _saved(self) -> int:
        """Step of the checkpoint saved last; 0 for the base model."""
        last = self.recorder.last("checkpoint")
        return int(last["step"]) if last else 0

    def _act(self, decision: StopDecision | None, control: Any) -> None:
        """Stop, or begin to cool down, where the decision says so and is to be obeyed."""
        if decision is None or not self.plan.obey or decision.action is Action.CONTINUE:
            return
        if decision.action is Action.COOLDOWN:
            self._cool(int(self.trainer.state.global_step), "rule", control)
        elif self.cooldown is None or ends_at_once(decision):
            self.stopped = decision
            control.should_save = True
            control.should_training_stop = True

    def _cool(self, step: int, by: str, control: Any) -> None:
        """Begin to lower the learning rate; the rate of the next step is still what it was."""
        planned = plan_cooldown(step, self.plan.cooldown_share, self.plan.last)
        if self.cooldown is not None or planned is None:
            return
        rate = float(self.trainer.lr_scheduler.get_last_lr()[0])
        self.recorder.write("cooldown", step, end=planned.end, rate=rate, by=by)
        self.cooldown = planned
        control.should_save = True  # from here one can also train on at the high rate
        self.watcher.cooling(step, planned.end)

    def _heed(self, request: Request, step: int, control: Any) -> None:
        """Act on a request from outside."""
        planned = plan_cooldown(step, self.plan.cooldown_share, self.plan.last)
        refused = request.action == "cooldown" and (self.cooldown is not None or planned is None)
        self.recorder.write("request", step, **request.noted(), **({"refused": True} if refused else {}))
        if request.action == "stop":
            self.asked_to_stop = True
        elif request.action == "cooldown":
            self._cool(step, "request", control)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM end the run after the step at hand, with a checkpoint; a second Ctrl-C at once."""

        def heard() -> None:
            self.interrupted = True
            self.watcher.interrupted()

        with listening(heard):
            yield
