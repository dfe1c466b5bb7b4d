"""DonenessCallback: one line in anybody's Trainer, `callbacks=[DonenessCallback()]`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from doneness.core import DonenessError, StopDecision, tr
from doneness.data import parse_spans
from doneness.health import EVERY
from doneness.integrations import sparing, together
from doneness.integrations.alerts import alert, flush, record, summarise
from doneness.integrations.clusters import Asked as AskedClusters
from doneness.integrations.clusters import Clusters
from doneness.integrations.cooling import Schedule
from doneness.integrations.ended import ended_at
from doneness.integrations.evaluation import Evaluation
from doneness.integrations.facts import facts_of, is_preference
from doneness.integrations.guard import Guard, guarded
from doneness.integrations.health import Measuring
from doneness.integrations.logged import Measured, measured, trained
from doneness.integrations.monitor import Monitor
from doneness.integrations.noting import every_of, obeys, rule_of
from doneness.integrations.pairs import pairs_of
from doneness.integrations.requests import Requests
from doneness.integrations.scoring import Asked, Scoring
from doneness.integrations.steering import Steering
from doneness.integrations.target_spans import TargetSpans
from doneness.models.reporters import report
from doneness.runs import ExampleLosses
from doneness.stopping import StopRule
from doneness.stopping.tracked import of_decision, of_spans

logger = logging.getLogger("doneness")


class DonenessCallback(TrainerCallback):  # type: ignore[misc]
    """Records a Trainer's run, scores its evaluations row by row, and stops it when it is done.

    Works with transformers' Trainer and TRL's (SFT, DPO, KTO, reward, …). The evaluation that the
    Trainer runs anyway is listened to; only where it cannot be is a pass of our own made. With
    several processes the first one writes and decides, and all stop together. What is asked from
    outside, in the run folder's control.jsonl, is done at the next step, also with `on_stop="note"`.
    Whatever goes wrong in here, training goes on.

    Attributes:
        decision: the newest decision, on every process.
        stopped: whether it ended the run.
        on: whether a run is being recorded.
        every_eval: where a pass of our own is needed, make it at every evaluation. Set it to False to make it only
            where a checkpoint is saved.
        over: the decision that had ended the run before it was resumed, if one had: it ends again.
        save_improved: save a checkpoint at every proven improvement, beyond those planned; not with save_strategy
            "no", nor where the disk has no room for three more. Set it to False to leave checkpoints to the Trainer.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        rule: StopRule | None = None,
        on_stop: str = "stop",
        gain: float | None = None,
        alerts: bool = True,
        trackers: bool = True,
        health: int = EVERY,
        spans: Sequence[str] = (),
        cluster: AskedClusters | None = None,
    ) -> None:
        """Say where and how.

        Args:
            folder: the run folder; by default "doneness" in the Trainer's output folder.
            rule: what decides; by default EvidenceRule().
            on_stop: "stop" ends the run, with a checkpoint, or lowers its rate to zero first; "note" only records.
            gain: smallest share of the loss worth going on for, for the default rule; 0.005 is half a percent.
            alerts: tell W&B and Trackio of a changed verdict, where they run.
            trackers: log the verdict as a code, the gain left and the losses of `spans` at every evaluation, in W&B,
                Trackio and MLflow where they run; after `report_through`, in whatever the Trainer reports to.
            health: measure gradients, updates, adapters, noise, pace and memory at the first step and every so many,
                and name the rows of loss spikes; 0 does none of it.
            spans: target tokens to sum apart: label, explanation, reasoning, name=/pattern/ or name=json:field.
                Where there is a label, it decides.
            cluster: what each evaluation row belongs to (its conversation, its document), so that rows of one count as
                one: a column's name, one entry a row, or what makes it of a row.

        Raises:
            DonenessError: on_stop, gain, health or one of spans is none of these.
        """
        self.rule = rule_of(rule, gain)
        self.folder = None if folder is None else Path(folder)
        self.obey, self.every_eval, self.alerts = obeys(on_stop), True, alerts
        self.health = every_of(health)
        self.trackers, self.spans = trackers, tuple(spans)
        # A slip is told here, not when training begins.
        self._asked = tuple(span.name for span in parse_spans(self.spans))
        self._clusters = None if cluster is None else Clusters(cluster)
        self.save_improved = True
        self.over: StopDecision | None = None
        self._trainer: Any = None
        self.decision: StopDecision | None = None
        self.stopped, self.on = False, False
        self.guard = Guard()
        self._scoring: Scoring | None = None
        self._measuring: Measuring | None = None
        self._steering: Steering | None = None
        self._requests: Requests | None = None
        self._facts: dict[str, Any] = {}
        self._main: str | None = None
        self._saved = -1

    def report_through(self, trainer: Any) -> None:
        """Log our numbers through what `trainer` reports to (`report_to`), TensorBoard among it."""
        self._trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Open the run folder on the first process, and listen on all of them."""
        self._let_go()
        self.stopped, self.decision, self.over, self._main, self._saved = False, None, None, None, -1
        step, reason = int(state.global_step), None
        try:
            schedule = Schedule(kwargs.get("lr_scheduler"), step, bool(getattr(args, "deepspeed", None)))
            self._steering = Steering(self.rule, self.obey, args, schedule, self.guard)
            self._requests = Requests(self._steering, self.guard, args)
            spans = TargetSpans(kwargs.get("processing_class"), self.spans)
            self._scoring = Scoring(model, _unwrapped(model), self.guard, spans)
            self._facts = facts_of(args, state, model, kwargs.get("train_dataloader"))
            self._scoring.hear_pairs(pairs_of(self._facts.get("method"), args, _unwrapped(model)))
            if state.is_world_process_zero:
                self._open(args, step)
                if self.over is None:
                    self._measure(args, model, step)
        except Exception as error:
            reason = str(error) if isinstance(error, DonenessError) else f"{type(error).__name__}: {error}"
        self.on = together.agreed(reason, state.is_world_process_zero)
        if not self.on:
            self._let_go()
            return
        monitor = self.guard.monitor
        self.over, cooldown = together.from_first((self.over, None if monitor is None else monitor.cooldown))
        self.stopped, self.decision = self.over is not None, self.over
        if self.over is not None:
            sparing.release(args, state)
        elif self._steering is not None:
            with self.guard.at("cooldown", step):
                self._steering.take_up(cooldown, step)

    @guarded
    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Record a row of training logs; evaluations and the closing summary are none."""
        if logs and "train_runtime" in logs:
            sparing.release(args, state)
        if self.guard.monitor is None or not logs or "loss" not in logs:
            return
        more: dict[str, Any] = {}
        if self._measuring is not None and self._measuring.on:
            more = {**self._measuring.counted(), "rows": self._measuring.rows(kwargs.get("train_dataloader"))}
        self.guard.monitor.log_train(int(state.global_step), **{**trained(logs), **more})

    @guarded
    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A step begins."""
        if self._measuring is not None:
            self._measuring.step_begin(int(state.global_step) + 1)

    @guarded
    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, optimizer: Any = None, **kwargs: Any) -> None:
        """Gradients are whole, and clipped already."""
        if self._measuring is not None:
            self._measuring.before_update(int(state.global_step) + 1, optimizer)

    @guarded
    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The weights have moved."""
        if self._measuring is not None:
            self._measuring.after_update(int(state.global_step) + 1)

    @guarded
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """What was measured of the step is recorded; what was heard before belongs to no evaluation."""
        if self._steering is not None:
            self._steering.step_end(int(state.global_step), control)
        if self._requests is not None:
            self._requests.step_end(state, control)
        if self._measuring is not None:
            self._measuring.step_end(int(state.global_step), float(state.epoch or 0.0))
        if self._scoring is not None:
            self._scoring.capture.forget()

    @guarded
    def on_prediction_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A batch of an evaluation is done."""
        if self._scoring is not None:
            self._scoring.capture.batch_done()

    @guarded
    def on_predict(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A prediction is no evaluation."""
        if self._scoring is not None:
            self._scoring.capture.forget()

    @guarded
    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        """Record the evaluation, decide, and have every process stop where that was decided."""
        self._pause()
        step, told = int(state.global_step), measured(metrics or {})
        self._main = self._main or told.name
        main, save, steering = told.name == self._main, False, self._steering
        assert steering is not None
        rows, facts = self._rows(args, step, control, told, kwargs.get("eval_dataloader"))
        # A mean of preference losses proves no improvement.
        proven = rows is not None or not is_preference(self._facts.get("method"), told.metrics)
        if self.guard.monitor is not None:
            with self.guard.at("on_evaluate", step):
                found = Evaluation(told.loss, rows, told.name, told.metrics, float(state.epoch or 0.0), facts)
                self.decision = self.guard.monitor.evaluated(step, found)
                if self.alerts:
                    summarise(self.decision)
                # A further evaluation set comes at the same step, and decides nothing.
                if self.trackers and main:
                    self._report(step, of_spans(told.name, rows, self._asked))
                save = main and self.save_improved and proven and steering.wants(self.guard.monitor, control)
        self.decision, save = together.from_first((self.decision, save))
        if main and self.decision is not None:
            control.should_save = control.should_save or save
            steering.act(self.decision, state, control)
        self.stopped = steering.stopped

    @guarded
    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A strategy that saves only the best has overruled the checkpoint at the stop: ask again."""
        if self._steering is not None and self._saved != state.global_step:
            self._steering.hold(control)

    @guarded
    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A checkpoint is there."""
        self._pause()
        place = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if self.guard.monitor is not None and place.is_dir() and self._saved != state.global_step:
            self.guard.monitor.log_checkpoint(int(state.global_step), place)
            if self._steering is not None:
                self._steering.saved(self.guard.monitor, state)
            if self._requests is not None:
                self._requests.saved(state)
        self._saved = int(state.global_step)

    @guarded
    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record how it ended."""
        over = "finished" if state.global_step >= state.max_steps else "requested"
        ending = None if self._steering is None else self._steering.ending
        if self.guard.monitor is not None and (self.over is None or self.guard.monitor.last("end") is None):
            self.guard.monitor.close(ending or ("stopped" if self.over else over))
        if self.guard.monitor is not None and self.trackers:
            flush()
        self._let_go()

    def _open(self, args: Any, step: int) -> None:
        told = (alert,) if self.alerts else ()
        folder = self.folder or Path(args.output_dir) / "doneness"
        monitor = Monitor(folder, rule=self.rule, meta=self._facts, on_change=told, spikes=self.health > 0)
        self.guard.monitor = monitor
        self.over = ended_at(monitor, step) if self.obey else None
        if self.over is not None:
            logger.warning(tr("integrations.over", reason=str(self.over.reason), step=step))
            return
        if monitor.last_step > step or (step > 0 and monitor.last_step > 0):
            monitor.resume(step)
        if monitor.checkpoint_at(step):
            self._saved = step

    def _measure(self, args: Any, model: Any, step: int) -> None:
        """Begin to measure, where asked to; that this cannot be done is no reason not to record the run."""
        with self.guard.at("health", step):
            if self.health and self.guard.monitor is not None:
                self._measuring = Measuring(_unwrapped(model), self.health, self.guard.monitor, self.guard, args)

    def _pause(self) -> None:
        if self._measuring is not None:
            self._measuring.paused()

    def _report(self, step: int, spans: dict[str, float]) -> None:
        row = spans | of_decision(self.decision)
        if self._trainer is None:
            record(row, step)
        else:
            report(self._trainer, row)

    def _let_go(self) -> None:
        self.on = False
        if self._measuring is not None:
            self._measuring.remove()
        if self._scoring is not None:
            self._scoring.remove()
        if self.guard.monitor is not None:
            self.guard.monitor.let_go()
        if self._steering is not None:
            self._steering.let_go()
        self._scoring, self._measuring, self._steering, self._requests, self.guard = None, None, None, None, Guard()

    def _rows(
        self, args: Any, step: int, control: Any, told: Measured, loader: Any
    ) -> tuple[ExampleLosses | None, dict[str, Any]]:
        """Losses row by row, or pair by pair, of the set that is judged; and what the record says."""
        assert self._scoring is not None
        due = self.every_eval or control.should_save or str(getattr(args.save_strategy, "value", "")) == "best"
        asked = Asked(step, loader, int(args.per_device_eval_batch_size), due)
        unheard = is_preference(self._facts.get("method"), told.metrics) and not self._scoring.pairs
        if told.name != self._main or unheard:
            self._scoring.capture.forget()
            return None, {} if asked.rows is None else {"examples": asked.rows}
        rows, facts = self._scoring.take(asked)
        # Pairs have identities of their own.
        clusters = None if self._scoring.pairs else self._clusters
        if rows is not None and clusters is not None and self.guard.monitor is not None:
            whole = getattr(self._trainer, "eval_dataset", None)
            held = whole.get(told.name) if isinstance(whole, dict) else whole
            with self.guard.at("cluster", step):
                rows = clusters.add(rows, loader, self._scoring.capture.kind, held)
        return rows, facts


def _unwrapped(model: Any) -> Any:
    from accelerate.utils import extract_model_from_parallel

    return extract_model_from_parallel(model, keep_torch_compile=False)
