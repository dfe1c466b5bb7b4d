"""The same judgement for Lightning: `Trainer(callbacks=[lightning_callback()])`."""

from __future__ import annotations

import functools
import logging
import math
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from doneness.core import Action, DonenessError, StopDecision, tr
from doneness.integrations import together
from doneness.integrations.alerts import alert, summarise
from doneness.integrations.cooling import Fixed, Schedule
from doneness.integrations.ended import ended_at
from doneness.integrations.evaluation import Evaluation
from doneness.integrations.facts import versions
from doneness.integrations.guard import Guard
from doneness.integrations.monitor import Monitor
from doneness.integrations.noting import Noting, obeys, rule_of
from doneness.integrations.requests import protect
from doneness.integrations.scoring import Asked, Scoring
from doneness.runs.records import LAST_STEP
from doneness.stopping import StopRule
from doneness.stopping.cooldown import SHARE, Cooldown, plan_cooldown

logger = logging.getLogger("doneness")
F = TypeVar("F", bound=Callable[..., Any])
_HOMES = ("lightning.pytorch", "pytorch_lightning")


def lightning_callback(
    folder: str | Path | None = None,
    *,
    watch: str = "val_loss",
    rule: StopRule | None = None,
    on_stop: str = "stop",
    gain: float | None = None,
    alerts: bool = True,
) -> Any:
    """A Lightning callback that records a fit, scores its validations, and stops it when it is done.

    Losses row by row are heard where the module holds a transformers model and calls it with labels;
    elsewhere the mean that the module logs under `watch` has to do.

    Args:
        folder: the run folder; by default "doneness" in the Trainer's default_root_dir.
        watch: what the module logs its validation loss as.
        rule: what decides; by default EvidenceRule().
        on_stop: "stop" ends the fit, with a checkpoint in the run folder, or lowers its rate to zero first; "note"
            only records.
        gain: smallest share of the loss worth going on for, for the default rule.
        alerts: tell W&B and Trackio of a changed verdict, where they run.

    Raises:
        DonenessError: Lightning is not installed, or an argument is none of these.
    """
    kind = type("LightningDoneness", (_Events, _base()), {})
    return kind(None if folder is None else Path(folder), watch, rule_of(rule, gain), obeys(on_stop), alerts)


def _base() -> type[Any]:
    """The Callback of whichever of Lightning's two packages is in use."""
    for home in (*(each for each in _HOMES if each in sys.modules), *_HOMES):
        try:
            return import_module(home).Callback  # type: ignore[no-any-return]
        except ModuleNotFoundError as error:
            if error.name not in (home, home.partition(".")[0]):
                raise
    raise DonenessError(tr("integrations.no_lightning"))


def _guarded(method: F) -> F:
    """An event that does nothing while no fit is recorded, and never raises."""

    @functools.wraps(method)
    def event(self: Any, trainer: Any, *args: Any, **kwargs: Any) -> None:
        if self.on:
            with self.guard.at(method.__name__, int(trainer.global_step)):
                method(self, trainer, *args, **kwargs)

    return event  # type: ignore[return-value]


class _Events:
    """What happens at each event; Lightning's Callback is mixed in when it is made."""

    def __init__(self, folder: Path | None, watch: str, rule: Noting, obey: bool, alerts: bool) -> None:
        self.folder, self.watch, self.rule, self.obey, self.alerts = folder, watch, rule, obey, alerts
        self.decision: StopDecision | None = None
        self.stopped, self.on = False, False
        self.guard = Guard()
        self._scoring: Scoring | None = None
        self._rates: Schedule | Fixed | None = None
        self._cooldown: Cooldown | None = None
        self._told: set[str] = set()
        self._losses: list[float] = []
        self._logged, self._heard = 0, -1

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Open the run folder on the first process, and listen on all of them."""
        self._let_go()
        self.stopped, self.decision, self._losses, self._logged = False, None, [], int(trainer.global_step)
        reason, over = None, None
        try:
            self._rates = _rates_of(trainer)
            self.rule.cools, self.rule.obeyed = self._rates.able, self.obey
            model = _transformer(pl_module)
            self._scoring = None if model is None else Scoring(model, model, self.guard)
            if trainer.is_global_zero:
                over = self._open(trainer)
        except Exception as error:
            reason = str(error) if isinstance(error, DonenessError) else f"{type(error).__name__}: {error}"
        self.on = together.agreed(reason, trainer.is_global_zero)
        if not self.on:
            self._let_go()
            return
        monitor = self.guard.monitor
        over, cooldown = together.from_first((over, None if monitor is None else monitor.cooldown))
        if over is not None:
            self.stopped, self.decision, trainer.should_stop = True, over, True
            self._let_go()
            return
        with self.guard.at("cooldown", int(trainer.global_step)):
            self._take_up(cooldown, int(trainer.global_step))

    @_guarded
    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Record the mean loss since the last record, as often as the Trainer logs."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if loss is not None:
            # Lightning hands over the loss divided by the batches that make up a step.
            self._losses.append(float(loss) * trainer.accumulate_grad_batches)
        step, monitor = int(trainer.global_step), self.guard.monitor
        if self._cooldown is not None and self._rates is not None:
            self._rates.turn(step)
            # Lightning validates once more where it is asked to stop.
            trainer.should_stop = trainer.should_stop or step >= self._cooldown.end
        if step != self._heard:
            self._heard = step
            self._hear(trainer)
        if step == self._logged or step % (trainer.log_every_n_steps or 1) or not self._losses:
            return
        if monitor is not None:
            rate = trainer.optimizers[0].param_groups[0]["lr"] if trainer.optimizers else None
            monitor.log_train(step, loss=sum(self._losses) / len(self._losses), learning_rate=rate)
            self._note_checkpoints(trainer)
        self._losses, self._logged = [], step

    @_guarded
    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """What was heard before belongs to no validation."""
        if self._scoring is not None:
            self._scoring.capture.forget()

    @_guarded
    def on_validation_batch_end(self, trainer: Any, *args: Any, **kwargs: Any) -> None:
        """A batch of a validation is done."""
        if self._scoring is not None:
            self._scoring.capture.batch_done()

    @_guarded
    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Record the validation, decide, and have every process stop where that was decided."""
        step = int(trainer.global_step)
        told = {name: float(value) for name, value in trainer.callback_metrics.items()}
        loader, rows = trainer.val_dataloaders, None
        facts: dict[str, Any] = {}
        if self._scoring is not None and not isinstance(loader, (list, tuple, dict)):
            rows, facts = self._scoring.take(Asked(step, loader, getattr(loader, "batch_size", None) or 1, True))
        if self.guard.monitor is not None:
            with self.guard.at("on_validation_end", step):
                metrics = {name: value for name, value in told.items() if name != self.watch}
                found = Evaluation(told.get(self.watch), rows, "eval", metrics, None, facts)
                self.decision = self.guard.monitor.evaluated(step, found)
                if self.alerts:
                    summarise(self.decision)
        self.decision = together.from_first(self.decision)
        if self.decision is not None and self.decision.action is Action.STOP and not self.stopped:
            self._stop(trainer, self.decision)
        elif self.decision is not None and self.decision.action is Action.COOLDOWN and self._cooldown is None:
            self._cool(trainer, self.decision)

    @_guarded
    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Record how it ended."""
        if self.guard.monitor is not None:
            self._note_checkpoints(trainer)
            early = trainer.should_stop and not self.stopped
            cooled = self._cooldown is not None and int(trainer.global_step) >= self._cooldown.end
            ending = "cooled" if cooled else "stopped" if self.stopped else "requested" if early else "finished"
            self.guard.monitor.close(ending)
        self._let_go()

    @_guarded
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """The fit fails: the journal keeps why, and has no end."""
        if self.guard.monitor is not None:
            self.guard.monitor.fault(int(trainer.global_step), "fit", exception)
        self._let_go()

    def _hear(self, trainer: Any) -> None:
        """Do what somebody asks for in control.jsonl: the first process reads, all do it."""
        step, monitor = int(trainer.global_step), self.guard.monitor
        news = [] if monitor is None else monitor.requests()
        if together.share()[1] > 1:
            (some,) = together.summed([len(news)])
            news = together.from_first(news) if some else []
        for request in news:
            done = request.action == "stop" or (request.action == "cooldown" and self._cool_asked(trainer))
            if request.action == "stop":
                # Lightning validates once more where it is asked to stop, and ends after this step.
                trainer.should_stop = True
                self._save(trainer)
            elif request.action == "keep" and monitor is not None:
                done = self._keep(monitor, int(request.step or 0))
            if monitor is not None:
                monitor.note_request(step, request, refused=not done)

    def _cool_asked(self, trainer: Any) -> bool:
        step, rates = int(trainer.global_step), self._rates
        planned = plan_cooldown(step, SHARE, self._planned(trainer))
        if self._cooldown is not None or rates is None or not rates.able or planned is None:
            return False
        begun = None
        with self.guard.at("cooldown", step):
            begun = (
                None
                if self.guard.monitor is None
                else self.guard.monitor.cool_down(rate=rates.rate, by="request", step=step)
            )
        self._cooldown = together.from_first(begun)
        if self._cooldown is not None:
            rates.lower(self._cooldown, step, rates.rate)
        return self._cooldown is not None

    def _keep(self, monitor: Monitor, step: int) -> bool:
        """Have a saved checkpoint, a file or a folder, a second name that Lightning does not delete."""
        there = [c.path for c in monitor.run().checkpoints if c.step == step and c.exists and c.path is not None]
        if there:
            monitor.log_checkpoint(step, protect(monitor.folder, there[0]))
        return bool(there)

    def _save(self, trainer: Any) -> None:
        place = self._home(trainer) / f"checkpoint-{trainer.global_step}.ckpt"
        trainer.save_checkpoint(place)
        if self.guard.monitor is not None:
            self.guard.monitor.log_checkpoint(int(trainer.global_step), place)

    def _cool(self, trainer: Any, decision: StopDecision) -> None:
        step, last, rates = int(trainer.global_step), self._planned(trainer), self._rates
        planned = plan_cooldown(step, SHARE, last)
        if rates is None or planned is None:
            return
        if not self.obey:
            self._say("noted", reason=str(decision.reason))
            return
        if not rates.able:
            self._say("cannot_cool", kind=rates.kind, steps=planned.end - step)
            return
        begun = None
        with self.guard.at("cooldown", step):
            begun = None if self.guard.monitor is None else self.guard.monitor.cool_down(rate=rates.rate, by="rule")
        self._take_up(together.from_first(begun), step)
        if self._cooldown is not None:
            self._say("cools", reason=str(decision.reason), end=self._cooldown.end)

    def _take_up(self, cooldown: Cooldown | None, step: int) -> None:
        """Lower the rate from here on, or go on lowering it."""
        if cooldown is None or self._rates is None or not self.obey or step >= cooldown.end:
            return
        if not self._rates.able:
            self._say("cannot_cool", kind=self._rates.kind, steps=cooldown.end - step)
            return
        begun = None if self.guard.monitor is None else self.guard.monitor.last("cooldown")
        rate = together.from_first(None if begun is None else begun.get("rate"))
        self._cooldown = cooldown
        self._rates.lower(cooldown, step, rate)

    def _say(self, key: str, **numbers: Any) -> None:
        """Once, on the process that writes."""
        if self.guard.monitor is not None and key not in self._told:
            logger.warning(tr(f"integrations.{key}", **numbers))
        self._told.add(key)

    def _planned(self, trainer: Any) -> int:
        planned = trainer.estimated_stepping_batches
        return int(planned) if math.isfinite(planned) and planned > 0 else LAST_STEP

    def _stop(self, trainer: Any, decision: StopDecision) -> None:
        if trainer.is_global_zero:
            key = "stops" if self.obey else "noted"
            logger.warning(tr(f"integrations.{key}", reason=str(decision.reason)))
        if not self.obey:
            return
        self.stopped, trainer.should_stop = True, True
        self._save(trainer)

    def _open(self, trainer: Any) -> StopDecision | None:
        """Open the run folder; the decision that had ended the run here before, if one had."""
        planned, batches = trainer.estimated_stepping_batches, trainer.num_training_batches
        facts: dict[str, Any] = {"name": Path(trainer.default_root_dir).resolve().name, "versions": versions()}
        facts["devices"] = int(trainer.world_size)
        if math.isfinite(planned) and planned > 0:
            facts["planned_steps"] = int(planned)
        epoch = math.ceil(batches / trainer.accumulate_grad_batches) if math.isfinite(batches) and batches else None
        told = (alert,) if self.alerts else ()
        home, step = self._home(trainer), int(trainer.global_step)
        monitor = Monitor(home, steps_per_epoch=epoch, rule=self.rule, meta=facts, on_change=told)
        self.guard.monitor = monitor
        over = ended_at(monitor, step) if self.obey else None
        if over is not None:
            logger.warning(tr("integrations.over", reason=str(over.reason), step=step))
        elif monitor.last_step > step or (step > 0 and monitor.last_step > 0):
            monitor.resume(step)
        return over

    def _home(self, trainer: Any) -> Path:
        return self.folder or Path(trainer.default_root_dir) / "doneness"

    def _note_checkpoints(self, trainer: Any) -> None:
        """Checkpoints that Lightning's own callbacks have saved since; they tell of the last one alone."""
        monitor = self.guard.monitor
        for each in trainer.checkpoint_callbacks:
            path, step = getattr(each, "_last_checkpoint_saved", ""), getattr(each, "_last_global_step_saved", 0)
            if monitor is not None and path and Path(path).exists() and not monitor.checkpoint_at(int(step)):
                monitor.log_checkpoint(int(step), path)

    def _let_go(self) -> None:
        self.on = False
        if self._scoring is not None:
            self._scoring.remove()
        if self.guard.monitor is not None:
            self.guard.monitor.let_go()
        if self._rates is not None:
            self._rates.let_go()
        self._scoring, self._rates, self._cooldown, self._told, self.guard = None, None, None, set(), Guard()


def _rates_of(trainer: Any) -> Schedule | Fixed:
    """What the learning rate comes from: a schedule by steps, an optimizer's own, or something that is not ours."""
    configs, optimizers = trainer.lr_scheduler_configs, trainer.optimizers
    if len(optimizers) == 1 and not configs:
        return Fixed(optimizers[0])
    first = configs[0] if len(configs) == 1 and len(optimizers) == 1 else None
    by_step = first is not None and (first.interval, first.frequency) == ("step", 1)
    return Schedule(first.scheduler if by_step and first is not None else None, int(trainer.global_step))


def _transformer(module: Any) -> Any:
    """The first transformers model inside a module, adapters around it included; None where there is none."""
    for part in module.modules():
        if (
            part is not module
            and hasattr(part, "config")
            and (hasattr(part, "loss_type") or hasattr(part, "peft_type"))
        ):
            return part
    return None
