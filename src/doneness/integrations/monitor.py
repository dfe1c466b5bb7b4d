"""Monitor: a hand-written loop logs here, and is told when the run is done.

It writes the run folder that `doneness train` writes, so that every command works on it.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from doneness.core import Action, DonenessError, StopDecision, tr
from doneness.health import spike_record
from doneness.integrations.enduring import Enduring
from doneness.integrations.evaluation import Evaluation, as_seen_from, sizes
from doneness.integrations.given import metrics_of, number_of, rows_of, step_of
from doneness.integrations.guard import Guard
from doneness.integrations.judging import Judging, OnChange, undecided
from doneness.integrations.standing import Standing
from doneness.runs import Run
from doneness.runs.control import Inbox, Request
from doneness.runs.readers.journal import main_set
from doneness.runs.records import LAST_STEP
from doneness.stopping import EvidenceRule, StopRule
from doneness.stopping.cooldown import SHARE, Cooldown, plan_cooldown


class Monitor:
    """Records a run that somebody else's loop trains, and decides at every evaluation.

        with Monitor("runs/mine", planned_steps=1000) as monitor:
            ...
            monitor.log_train(step, loss=loss, learning_rate=rate)
            if step % 50 == 0:
                monitor.log_eval(step, per_example=nll, tokens=targets)
            if monitor.should_stop:
                break

    Wrong arguments are errors; whatever else goes wrong (the rule, a function in `on_change`, a full disk) is one
    warning and an `error` record, and the loop goes on.

    Attributes:
        folder: the run folder.
        rule: what decides.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        planned_steps: int | None = None,
        steps_per_epoch: float | None = None,
        rule: StopRule | None = None,
        meta: Mapping[str, Any] | None = None,
        on_change: Iterable[OnChange] = (),
        spikes: bool = True,
    ) -> None:
        """Open a run folder; one with a journal is gone on with, see `resume`.

        Args:
            folder: where to write; made if it is not there.
            planned_steps: optimizer steps that the run is to take; the forecast looks there.
            steps_per_epoch: optimizer steps in one pass over the training rows.
            rule: what decides; by default EvidenceRule().
            meta: further facts (method, model, seed, vocab_size, warmup_steps, …).
            on_change: called with decision and run when the verdict changes, and when a stop is advised at first sight.
            spikes: record training losses that stand far above those before them, with their rows.

        Raises:
            StorageError: the folder cannot be written, or another process is writing to it.
            UnreadableError: its journal was written by a newer version.
        """
        self.folder = Path(folder)
        self.rule: StopRule = EvidenceRule() if rule is None else rule
        self._recorder: Enduring | None = Enduring(self.folder)
        self._spiking = spikes
        self._at = Standing(self._open.records)
        self._inbox, self._asked = Inbox(self.folder), set[str]()
        facts = {"planned_steps": planned_steps, "steps_per_epoch": steps_per_epoch, **(meta or {})}
        self._per_epoch = steps_per_epoch
        guard = Guard()
        guard.monitor = self
        self._judging = Judging(self.rule, on_change, guard)
        self._start({key: value for key, value in facts.items() if value is not None})

    def log_train(
        self,
        step: int,
        *,
        loss: float,
        learning_rate: float | None = None,
        grad_norm: float | None = None,
        epoch: float | None = None,
        tokens: int | None = None,
        targets: int | None = None,
        metrics: Mapping[str, float] | None = None,
        rows: Sequence[Any] | Callable[[], Sequence[Any]] | None = None,
    ) -> None:
        """Record a step (log it before the evaluation at the same step).

        Args:
            step: optimizer steps done, ascending.
            loss: mean training loss, nats per target token.
            learning_rate, grad_norm: of the step.
            epoch: passes over the data; by default from steps_per_epoch.
            tokens, targets: tokens and target tokens seen since the beginning, padding apart.
            metrics: anything else to keep, by name.
            rows: names of the rows since the last record, or what gives them; kept only where the loss is a spike.

        Raises:
            DonenessError: a value is no number, or the step lies before the last one logged.
        """
        at = self._forward("train", step)
        given = {"grad_norm": grad_norm, "learning_rate": learning_rate}
        data = {"loss": number_of("loss", loss)}
        data |= {name: number_of(name, value) for name, value in given.items() if value is not None}
        seen = {"tokens": tokens, "targets": targets}
        counts = {name: number_of(name, value) for name, value in seen.items() if value is not None}
        further, first = metrics_of(metrics), min(self._at.reached("train") + 1, at)
        self._write("train", at, **data, **self._position(at, epoch), **counts, **_if_any(metrics=further))
        spike = self._at.spikes.judge(data["loss"]) if self._spiking else None
        if spike is not None:
            self._write("spike", at, **spike_record(spike, first, rows))

    def log_health(self, step: int, found: Mapping[str, Any], epoch: float | None = None) -> None:
        """Record what was measured of the training itself: numbers, or numbers by name, by what they measure.

        Args:
            step: optimizer steps done.
            found: "grad", "update", "lora", … as `doneness.health.HealthWatch` gives them, or your own.
            epoch: passes over the data.
        """
        at = step_of(step)
        self._write("health", at, **{**self._position(at, epoch), **found})

    def log_eval(
        self,
        step: int,
        *,
        loss: float | None = None,
        per_example: Any = None,
        tokens: Any = None,
        ids: Sequence[Any] | None = None,
        clusters: Sequence[Any] | None = None,
        name: str = "eval",
        metrics: Mapping[str, float] | None = None,
    ) -> StopDecision:
        """Record an evaluation and let the rule decide on the run so far.

        Row by row is worth far more than the mean alone: the same rows are compared between evaluations.

        Args:
            step: optimizer steps done; 0 is the model before training.
            loss: mean loss; by default that of the rows.
            per_example: summed NLL of each row's target tokens, nats; shape (n,).
            tokens: target tokens of each row; shape (n,).
            ids: names of the rows, the same at every evaluation; shape (n,).
            clusters: the conversation or document of each row, None where it stands alone; shape (n,). Rows of one are
                not independent, so they count as one.
            name: of the evaluation set. The first set judges the run; of the others the mean is kept.
            metrics: anything else that was measured, by name.

        Raises:
            DonenessError: nothing was measured, lengths differ, ids are missing or there twice, the step goes back.
        """
        if per_example is None and loss is None and not metrics:
            raise DonenessError(tr("integrations.nothing"))
        if not isinstance(name, str) or not name:
            raise DonenessError(tr("integrations.set_name"))
        at = self._forward("eval", step, name)
        rows = None if per_example is None else rows_of(at, per_example, tokens, ids, clusters)
        mean = None if loss is None else number_of("loss", loss)
        asked = self.should_cool
        decision = self.evaluated(at, Evaluation(mean, rows, name, metrics_of(metrics)))
        if asked and self.should_cool:
            self._judging.once("cool", tr("integrations.cool", reason=str(decision.reason)))
        return decision

    def evaluated(self, step: int, found: Evaluation) -> StopDecision:
        """Record what is known to be in order, and decide where it is of the set that judges the run."""
        data = self._evaluation(step, found)
        self._write("eval", step, **data)
        if found.name != main_set(self._open.records):
            return self.decision or self._judging.judged(self._open, step) or undecided(step)
        self._judging.advise(self._open, found.rows)
        return self._judging.decide(self._open, step, self._write)

    def log_checkpoint(self, step: int, path: str | Path) -> None:
        """Record that the model of `step` lies at `path`, a file or a folder."""
        at, place = step_of(step), Path(path)
        if not place.exists():
            raise DonenessError(tr("integrations.no_checkpoint", path=str(place)))
        self._write("checkpoint", at, path=as_seen_from(self.folder, place), files=sizes(place))
        self._open.sync()

    def resume(self, step: int) -> None:
        """Go on from `step`: what was recorded after it is superseded; nothing is deleted."""
        self._open.resume(step_of(step))
        self._at = Standing(self._open.records)

    def last(self, kind: str) -> dict[str, Any] | None:
        """The newest record of a kind in force; None where there is none."""
        return self._open.last(kind)

    @property
    def decision(self) -> StopDecision | None:
        """The newest decision in force, also one of before a resume; None before the first."""
        return self._at.decision

    def requests(self) -> list[Request]:
        """What was asked of the run from outside (stop, cooldown, keep) since the last call, each once.

        Whoever calls it acts on it, and says so with `note_request`; `should_stop` and `should_cool` do both.
        """
        return self._inbox.news()

    def note_request(self, step: int, request: Request, refused: bool = False) -> None:
        """Record that a request was taken: who asked, when, and whether it could not be carried out."""
        self._write("request", step_of(step), **request.noted(), **({"refused": True} if refused else {}))
        self._open.sync()

    def _hear(self) -> None:
        for request in self.requests() if self._recorder is not None else ():
            # Which checkpoints are deleted is the loop's own affair: it finds the request in the journal.
            self._asked.add(request.action)
            self.note_request(self.last_step, request)

    @property
    def should_stop(self) -> bool:
        """Whether the newest decision is to stop, somebody asked for it, or the cooldown has come to its end."""
        self._hear()
        if "stop" in self._asked:
            return True
        decision, cooling = self.decision, self.cooldown
        over = cooling is not None and self.last_step >= cooling.end
        return over or (decision is not None and decision.action is Action.STOP)

    @property
    def should_cool(self) -> bool:
        """Whether the newest decision, or somebody, asks for a lower rate, and that has not begun: see `cool_down`."""
        self._hear()
        if "cooldown" in self._asked and self.cooldown is None:
            return True
        decision = self.decision
        return decision is not None and decision.action is Action.COOLDOWN and self.cooldown is None

    @property
    def cooldown(self) -> Cooldown | None:
        """The cooldown in force: from which step on the rate falls, to zero at which; None where there is none."""
        return self._at.cooling

    def cool_down(
        self, share: float = SHARE, *, rate: float | None = None, by: str = "loop", step: int | None = None
    ) -> Cooldown | None:
        """Begin a cooldown at the last step: the rate falls to zero as `factor` says, and the run ends there.

        Until then only a broken or diverged run is told to stop. A Monitor opened on the folder again goes on with it.

        Args:
            share: its length, of the steps done; ten steps at least, and never beyond planned_steps.
            rate: of the last step, for the record.
            by: who asked for it.
            step: steps done, where the last of them is yet to be logged.

        Returns:
            The cooldown in force; None where no step is left.
        """
        step, last = max(self.last_step, step or 0), self._open.last("train") or {}
        end = int(self.run().number("planned_steps") or LAST_STEP)
        planned = None if self.cooldown else plan_cooldown(step, share, end)
        if planned is not None:
            known = last.get("learning_rate") if rate is None else rate
            self._write("cooldown", step, end=planned.end, by=by, **({} if known is None else {"rate": known}))
        return self.cooldown

    def factor(self, step: int) -> float:
        """What to multiply the learning rate by after `step` steps: 1, and in a cooldown down to 0 at its end."""
        self._judging.lowers = True
        cooling = self._at.cooling
        return 1.0 if cooling is None else cooling.factor(step)

    def run(self) -> Run:
        """The run so far."""
        return self._open.run()

    def decision_at(self, step: int) -> StopDecision | None:
        """The decision in force that was made at that step; None where there is none."""
        found = [r for r in self._open.records if r["kind"] == "decision" and r["step"] == step]
        return StopDecision.from_dict(found[-1]) if found else None

    @property
    def last_step(self) -> int:
        """The last step that a record in force speaks of; 0 for a new run."""
        return self._at.last_step

    def checkpoint_at(self, step: int) -> bool:
        """Whether a checkpoint of that step is recorded."""
        return self._open.has("checkpoint", step)

    def has_checkpoint(self, step: int) -> bool:
        """Whether it is on disk, too."""
        return any(each.step == step and each.exists for each in self.run().checkpoints)

    def fault(self, step: int, where: str, error: BaseException) -> None:
        """Record an error that did not end the run."""
        text = " ".join(str(error).split())[:500]
        self._write("error", step, where=where, error=type(error).__name__, text=text)

    def close(self, reason: str | None = None) -> None:
        """Record the end ("stopped" where a stop was advised, else "finished") and close; harmless a second time."""
        if self._recorder is None:
            return
        asked = "requested" if "stop" in self._asked else "stopped"
        ended = reason or (asked if self.should_stop else "finished")
        self._write("end", self.last_step, reason=ended)
        self.let_go()

    def let_go(self) -> None:
        """Close without an end: the run may go on later."""
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or self._recorder is None:
            self.close()
            return
        self.fault(self.last_step, "loop", error)
        self.let_go()

    @property
    def _open(self) -> Enduring:
        if self._recorder is None:
            raise DonenessError(tr("integrations.closed", folder=str(self.folder)))
        return self._recorder

    def _start(self, facts: dict[str, Any]) -> None:
        """A start record where there is none, or where the facts are others than those told before."""
        facts.setdefault("versions", {"python": platform.python_version(), "doneness": version("doneness")})
        told: dict[str, Any] = {}
        for record in self._open.records:
            if record["kind"] == "start":
                told |= record.get("meta", {})
        if not told or any(told.get(key) != value for key, value in facts.items()):
            self._open.write("start", self.last_step if told else 0, meta=facts)

    def _write(self, kind: str, step: int, **data: Any) -> None:
        if self._at.ended and kind != "error":
            # A run that had ended goes on.
            self._open.resume(self.last_step)
        self._open.write(kind, step, **data)
        self._at.note(kind, step, data)

    def _forward(self, kind: str, step: Any, name: str | None = None) -> int:
        at, last = step_of(step), self._at.reached(kind, name)
        if at < last:
            raise DonenessError(tr("integrations.back", step=at, last=last, folder=str(self.folder)))
        return at

    def _evaluation(self, step: int, found: Evaluation) -> dict[str, Any]:
        rows, records = found.rows, self._open.records
        loss = rows.mean if found.loss is None and rows is not None else found.loss
        data: dict[str, Any] = {"name": found.name, **({} if loss is None else {"loss": loss}), **found.facts}
        if rows is not None and found.name == main_set([*records, {"kind": "eval", "name": found.name}]):
            data |= {"examples": len(rows.ids), "target_tokens": int(rows.tokens.sum())}
            if rows.cluster is not None:
                data["clusters"] = len(np.unique(rows.cluster))
            place = self._open.keep(rows)
            data |= {} if place is None else {"file": place}
        last = self._open.last("train")
        seen = {k: last[k] for k in ("tokens", "targets") if k in last} if last and last["step"] == step else {}
        return data | self._position(step, found.epoch) | seen | _if_any(metrics=dict(found.metrics))

    def _position(self, step: int, epoch: float | None) -> dict[str, float]:
        if epoch is None and self._per_epoch:
            epoch = step / self._per_epoch
        return ({} if epoch is None else {"epoch": number_of("epoch", epoch)}) | {"time": self._at.seconds}


def _if_any(**given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value}
