"""Monitor: a hand-written loop logs here, and is told when the run is done.

It writes the run folder that `doneness train` writes, so that every command works on it.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from doneness.core import Action, DonenessError, StopDecision, tr
from doneness.health import SpikeRule, spike_record
from doneness.integrations.given import metrics_of, number_of, rows_of, step_of
from doneness.runs import ExampleLosses, Recorder, Run, save_examples
from doneness.runs.journal import number
from doneness.runs.readers.journal import main_set
from doneness.stopping import EvidenceRule, StopRule

OnChange = Callable[[StopDecision, Run], None]


@dataclass(frozen=True)
class Evaluation:
    """One evaluation as it goes into the journal.

    Attributes:
        loss: mean loss, nats per target token; None takes that of the rows, if there are any.
        rows: per-example losses, where known.
        name: of the evaluation set.
        metrics: everything else that was measured.
        epoch: passes over the training data.
        facts: further fields of the record.
    """

    loss: float | None = None
    rows: ExampleLosses | None = None
    name: str = "eval"
    metrics: Mapping[str, float] = field(default_factory=dict)
    epoch: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class Monitor:
    """Records a run that somebody else's loop trains, and decides at every evaluation.

        with Monitor("runs/mine", planned_steps=1000) as monitor:
            ...
            monitor.log_train(step, loss=loss, learning_rate=rate)
            if step % 50 == 0:
                monitor.log_eval(step, per_example=nll, tokens=targets)
                if monitor.should_stop:
                    break

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
            StorageError: the folder cannot be written.
            UnreadableError: its journal was written by a newer version.
        """
        self.folder = Path(folder)
        self.rule: StopRule = EvidenceRule() if rule is None else rule
        self._on_change = tuple(on_change)
        self._recorder: Recorder | None = Recorder(self.folder)
        self._longest, self._spiking = 0.0, spikes
        self._restore()
        facts = {"planned_steps": planned_steps, "steps_per_epoch": steps_per_epoch, **(meta or {})}
        self._per_epoch = steps_per_epoch
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
        further, first = metrics_of(metrics), min(self._reached.get("train", 0) + 1, at)
        self._write("train", at, **data, **self._position(at, epoch), **counts, **_if_any(metrics=further))
        spike = self._spikes.judge(data["loss"]) if self._spiking else None
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
        rows = None if per_example is None else rows_of(at, per_example, tokens, ids)
        mean = None if loss is None else number_of("loss", loss)
        return self.evaluated(at, Evaluation(mean, rows, name, metrics_of(metrics)))

    def evaluated(self, step: int, found: Evaluation) -> StopDecision:
        """Record what is known to be in order, and decide where it is of the set that judges the run."""
        data = self._evaluation(step, found)
        self._write("eval", step, **data)
        if found.name != main_set(self._open.records):
            return self.decision or self.rule.decide(self._open.run().until(step))
        return self._decide(step)

    def log_checkpoint(self, step: int, path: str | Path) -> None:
        """Record that the model of `step` lies at `path`, a file or a folder."""
        at, place = step_of(step), Path(path)
        if not place.exists():
            raise DonenessError(tr("integrations.no_checkpoint", path=str(place)))
        self._write("checkpoint", at, path=_as_seen_from(self.folder, place), files=_sizes(place))
        self._open.sync()

    def resume(self, step: int) -> None:
        """Go on from `step`: what was recorded after it is superseded; nothing is deleted."""
        self._open.resume(step_of(step))
        self._restore()

    def last(self, kind: str) -> dict[str, Any] | None:
        """The newest record of a kind in force; None where there is none."""
        return self._open.last(kind)

    @property
    def decision(self) -> StopDecision | None:
        """The newest decision in force, also one of before a resume; None before the first."""
        last = self._open.last("decision")
        return StopDecision.from_dict(last) if last is not None else None

    @property
    def should_stop(self) -> bool:
        """Whether the newest decision is to stop."""
        decision = self.decision
        return decision is not None and decision.action is Action.STOP

    @property
    def last_step(self) -> int:
        """The last step that a record in force speaks of; 0 for a new run."""
        return max(self._reached.values(), default=0)

    def checkpoint_at(self, step: int) -> bool:
        """Whether a checkpoint of that step is recorded."""
        return self._open.has("checkpoint", step)

    def fault(self, step: int, where: str, error: BaseException) -> None:
        """Record an error that did not end the run."""
        text = " ".join(str(error).split())[:500]
        self._write("error", step, where=where, error=type(error).__name__, text=text)

    def close(self, reason: str | None = None) -> None:
        """Record the end ("stopped" where a stop was advised, else "finished") and close; harmless a second time."""
        if self._recorder is None:
            return
        ended = reason or ("stopped" if self.should_stop else "finished")
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
    def _open(self) -> Recorder:
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
        if self._ended and kind != "error":
            # A run that had ended goes on.
            self._open.resume(self.last_step)
        self._open.write(kind, step, **data)
        self._note(kind, step, data)

    def _note(self, kind: str, step: int, data: Mapping[str, Any]) -> None:
        """How far each kind of record has come, and whether the run has ended."""
        if kind in ("start", "resume", "end"):
            self._ended = kind == "end"
        if kind in ("train", "eval", "checkpoint"):
            self._ended = False
            self._reached[_column(kind, data.get("name"))] = step
            self._longest = max(self._longest, data.get("time") or 0.0)

    def _restore(self) -> None:
        """Stand where the records in force stand."""
        self._reached: dict[str, int] = {}
        self._ended = False
        self._longest = 0.0
        for record in self._open.records:
            self._note(record["kind"], record["step"], record)
        # Seconds of training, pauses between sessions apart.
        self._before, self._begun = self._longest, time.monotonic()
        self._spikes = SpikeRule(number(r.get("loss")) for r in self._open.records if r["kind"] == "train")

    def _forward(self, kind: str, step: Any, name: str | None = None) -> int:
        at, last = step_of(step), self._reached.get(_column(kind, name), 0)
        if at < last:
            raise DonenessError(tr("integrations.back", step=at, last=last, folder=str(self.folder)))
        return at

    def _evaluation(self, step: int, found: Evaluation) -> dict[str, Any]:
        rows, records = found.rows, self._open.records
        loss = rows.mean if found.loss is None and rows is not None else found.loss
        data: dict[str, Any] = {"name": found.name, **({} if loss is None else {"loss": loss}), **found.facts}
        if rows is not None and found.name == main_set([*records, {"kind": "eval", "name": found.name}]):
            path = save_examples(self.folder, rows)
            data |= {"examples": len(rows.ids), "target_tokens": int(rows.tokens.sum())}
            data["file"] = str(path.relative_to(self.folder))
        last = self._open.last("train")
        seen = {k: last[k] for k in ("tokens", "targets") if k in last} if last and last["step"] == step else {}
        place = self._position(step, found.epoch) | seen
        return data | place | _if_any(metrics=dict(found.metrics))

    def _decide(self, step: int) -> StopDecision:
        before = self.decision
        # Rows after this step are no evidence here: a replay will not have them either.
        run = self._open.run().until(step)
        decision = self.rule.decide(run)
        data = decision.to_dict() | {"rule": self.rule.name}
        data.pop("step")
        self._write("decision", step, **data)
        news = decision.action is Action.STOP if before is None else before.verdict is not decision.verdict
        if news:
            for told in self._on_change:
                told(decision, run)
        return decision

    def _position(self, step: int, epoch: float | None) -> dict[str, float]:
        if epoch is None and self._per_epoch:
            epoch = step / self._per_epoch
        seconds = round(self._before + time.monotonic() - self._begun, 3)
        return ({} if epoch is None else {"epoch": number_of("epoch", epoch)}) | {"time": seconds}


def _column(kind: str, name: Any) -> str:
    return f"eval:{name}" if kind == "eval" else kind


def _if_any(**given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value}


def _as_seen_from(folder: Path, place: Path) -> str:
    """Relative where both lie in one tree, so that the tree can be moved."""
    home, there = folder.resolve(), place.resolve()
    return os.path.relpath(there, home) if there.is_relative_to(home.parent) else str(there)


def _sizes(place: Path) -> dict[str, int]:
    files = [place] if place.is_file() else sorted(file for file in place.iterdir() if file.is_file())
    return {file.name: file.stat().st_size for file in files}
