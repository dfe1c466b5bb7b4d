from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import doneness
from doneness.cli.main import main
from doneness.core import Action, DonenessError, StopDecision, StorageError, Verdict, say
from doneness.integrations import Monitor
from doneness.runs import Run, read
from doneness.stopping import EvidenceRule, replay
from doneness.testing.synthetic import overfitting_run


def feed(monitor: Monitor, run: Run, first: int = -1, last: int = 10**9) -> list[StopDecision]:
    """Log what `run` logged after `first` up to `last`, as a loop would."""
    assert run.train is not None
    rows = {e.step: e for e in run.examples}
    rate = run.series["train/learning_rate"].value
    trained = {int(s): (float(v), float(r)) for s, v, r in zip(run.train.step, run.train.value, rate, strict=True)}
    told = []
    for step in sorted({*rows, *trained}):
        if not first < step <= last:
            continue
        if step in trained:
            loss, lr = trained[step]
            monitor.log_train(step, loss=loss, learning_rate=lr, tokens=2000 * step)
        if step in rows:
            each = rows[step]
            told.append(monitor.log_eval(step, per_example=each.nll, tokens=each.tokens, ids=list(each.ids)))
    return told


def verdicts(decisions: list[StopDecision]) -> list[tuple[Any, ...]]:
    return [(d.step, d.action, d.verdict, d.recommended_step, str(d.reason)) for d in decisions]


def test_what_is_logged_is_what_is_read(tmp_path: Path) -> None:
    source = overfitting_run(rows=200, evals=12, steps=300)
    assert source.train is not None and source.evals is not None
    with Monitor(tmp_path / "run", planned_steps=300, steps_per_epoch=100, meta={"seed": 3}) as monitor:
        told = feed(monitor, source)
        assert monitor.should_stop == (told[-1].action is Action.STOP)
    run = read(tmp_path / "run")[0]
    assert run.kind == "journal" and run.faults == () and run.notes == ()
    assert run.train is not None and run.evals is not None
    np.testing.assert_array_equal(run.train.step, source.train.step)
    np.testing.assert_array_equal(run.train.value, source.train.value)
    np.testing.assert_allclose(run.evals.value, [e.mean for e in source.examples], rtol=1e-12)
    np.testing.assert_allclose(run.train.epoch, source.train.step / 100)
    for mine, theirs in zip(run.examples, source.examples, strict=True):
        np.testing.assert_array_equal(mine.ids, theirs.ids)
        np.testing.assert_array_equal(mine.nll, theirs.nll)
        np.testing.assert_array_equal(mine.tokens, theirs.tokens)
    assert (run.number("planned_steps"), run.number("seed"), run.number("eval_rows")) == (300, 3, 200)
    # The same rule on the finished run, looking at each evaluation from the run up to it alone.
    again = replay(run, EvidenceRule())
    assert verdicts(again) == verdicts(told)
    assert Verdict.OVERFITTING in {d.verdict for d in told}
    lines = (tmp_path / "run" / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    kinds = [json.loads(line)["kind"] for line in lines]
    assert set(kinds) == {"start", "train", "eval", "decision", "end"}


def test_the_commands_work_on_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Monitor(tmp_path / "run", planned_steps=300) as monitor:
        feed(monitor, overfitting_run(rows=200, evals=12, steps=300))
        (tmp_path / "run" / "model.pt").write_bytes(b"weights")
        monitor.log_checkpoint(300, tmp_path / "run" / "model.pt")
    for command in (["check", str(tmp_path / "run"), "--json"], ["report", str(tmp_path / "run")]):
        assert main(command) == 0
    assert '"overfitting"' in capsys.readouterr().out
    assert [(c.step, c.exists) for c in read(tmp_path / "run")[0].checkpoints] == [(300, True)]


def test_a_resumed_run_decides_as_one_that_was_never_broken_off(tmp_path: Path) -> None:
    source = overfitting_run(rows=200, evals=12, steps=300)
    with Monitor(tmp_path / "whole", planned_steps=300) as monitor:
        whole = feed(monitor, source)
    broken = Monitor(tmp_path / "broken", planned_steps=300)
    feed(broken, source, last=250)
    broken.let_go()
    resumed = Monitor(tmp_path / "broken", planned_steps=300)
    assert resumed.decision is not None and resumed.last_step == 250
    resumed.resume(150)
    assert resumed.last_step == 150 and resumed.decision.step == 150
    later = feed(resumed, source, first=150)
    resumed.close()
    resumed.close()
    assert verdicts(later) == verdicts([d for d in whole if (d.step or 0) > 150])
    first, second = (read(tmp_path / name)[0] for name in ("whole", "broken"))
    assert first.train is not None and second.train is not None
    np.testing.assert_array_equal(first.train.value, second.train.value)
    assert [e.step for e in first.examples] == [e.step for e in second.examples]


def test_going_on_after_the_end_takes_the_end_back(tmp_path: Path) -> None:
    with Monitor(tmp_path / "run") as monitor:
        monitor.log_train(10, loss=2.0)
    with Monitor(tmp_path / "run") as monitor:
        monitor.log_train(11, loss=1.9)
        told = [e.kind for e in read(tmp_path / "run")[0].events]
        assert told[-1] == "resume"
    assert [e.kind for e in read(tmp_path / "run")[0].events] == ["start", "end", "resume", "end"]
    # Nothing is told twice: the facts are the same.


class Turning:
    """Says overfitting from a step on."""

    name = "turning"

    def __init__(self, step: int) -> None:
        self.step = step

    def decide(self, run: Run) -> StopDecision:
        late = run.last_step >= self.step
        action, verdict = (Action.STOP, Verdict.OVERFITTING) if late else (Action.CONTINUE, Verdict.LEARNING)
        return StopDecision(action, verdict, say("probe.choice.only", step=1), (), run.last_step)


def test_a_change_is_told_once(tmp_path: Path) -> None:
    told: list[tuple[int, str]] = []

    def hear(decision: StopDecision, run: Run) -> None:
        told.append((run.last_step, decision.verdict.value))

    with Monitor(tmp_path / "run", rule=Turning(3), on_change=[hear]) as monitor:
        stops = [monitor.log_eval(step, loss=1.0).action for step in range(6)]
    assert told == [(3, "overfitting")]
    assert stops == [Action.CONTINUE] * 3 + [Action.STOP] * 3
    assert read(tmp_path / "run")[0].events[-1].data == {"reason": "stopped"}


def test_other_sets_and_metrics_are_kept_beside(tmp_path: Path) -> None:
    with Monitor(tmp_path / "run", rule=Turning(99)) as monitor:
        for step in (1, 2):
            monitor.log_train(step, loss=1.0, metrics={"entropy": 0.5 * step})
            monitor.log_eval(step, loss=0.9 / step, metrics={"f1": 0.1 * step}, name="web")
            monitor.log_eval(step, per_example=[1.0, 2.0], tokens=[1, 1], name="books")
    run = read(tmp_path / "run")[0]
    values = {name: column.value.tolist() for name, column in run.series.items()}
    assert values["eval/loss"] == [0.9, 0.45]
    assert values["eval:books/loss"] == [1.5, 1.5]
    assert values["eval/f1"] == [0.1, 0.2] and values["train/entropy"] == [0.5, 1.0]
    assert run.examples == () and len([e for e in run.events if e.kind == "decision"]) == 2


def test_a_loop_that_fails_leaves_the_reason_and_no_end(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Monitor(tmp_path / "run") as monitor:
        monitor.log_train(1, loss=1.0)
        _ = 1 // 0
    run = read(tmp_path / "run")[0]
    assert [e.kind for e in run.events] == ["start", "error"]
    assert run.events[-1].data["error"] == "ZeroDivisionError"


ROWS = {"per_example": [1.0, 2.0], "tokens": [1, 2]}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "needs a loss"),
        ({"per_example": [1.0]}, "needs tokens"),
        ({"per_example": [1.0, 2.0], "tokens": [1]}, "2 losses, tokens 1 counts and ids 2 names"),
        (ROWS | {"ids": ["a"]}, "ids 1 names"),
        (ROWS | {"ids": ["a", "a"]}, "'a' stands for two rows"),
        (ROWS | {"ids": ["a", float("nan")]}, "row 1 has no id"),
        (ROWS | {"ids": ["a", None]}, "row 1 has no id"),
        ({"per_example": [1.0, 2.0], "tokens": [1, 0]}, "tokens of row 1"),
        ({"per_example": [1.0, 2.0], "tokens": [1, 1.5]}, "tokens of row 1"),
        ({"per_example": [[1.0]], "tokens": [1]}, "per_example must be one number for each row"),
        ({"per_example": ["a"], "tokens": [1]}, "per_example must be one number for each row"),
        ({"per_example": [], "tokens": []}, "per_example is empty"),
        ({"loss": "low"}, "loss must be a number"),
        ({"loss": 1.0, "metrics": {"f1": "high"}}, "f1 must be a number"),
        ({"loss": 1.0, "name": ""}, "name of the evaluation set"),
        ({"loss": 1.0, "step": -1}, "step must be a whole number"),
        ({"loss": 1.0, "step": 1.5}, "step must be a whole number"),
        ({"loss": 1.0, "step": True}, "step must be a whole number"),
        ({"loss": 1.0, "step": 4}, "lies before step 5"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    monitor = Monitor(tmp_path / "run", rule=Turning(99))
    monitor.log_eval(5, loss=1.0)
    before = (tmp_path / "run" / "journal.jsonl").read_bytes()
    with pytest.raises(DonenessError, match=said) as raised:
        monitor.log_eval(**({"step": 6} | given))
    assert "\n" not in str(raised.value)
    assert (tmp_path / "run" / "journal.jsonl").read_bytes() == before
    monitor.let_go()


def test_steps_go_forward_until_resumed(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path / "run")
    monitor.log_train(5, loss=1.0)
    with pytest.raises(DonenessError, match=r"call resume\(4\)"):
        monitor.log_train(4, loss=1.0)
    monitor.resume(3)
    monitor.log_train(4, loss=0.5)
    monitor.close()
    with pytest.raises(DonenessError, match="closed"):
        monitor.log_train(6, loss=1.0)
    train = read(tmp_path / "run")[0].train
    assert train is not None and (train.step.tolist(), train.value.tolist()) == ([4], [0.5])


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(StorageError, match="run"):
        Monitor(tmp_path / "run")


def test_a_checkpoint_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with Monitor(tmp_path / "run") as monitor, pytest.raises(DonenessError, match="no checkpoint there"):
        monitor.log_checkpoint(1, tmp_path / "nowhere")


def test_it_loads_no_torch() -> None:
    assert doneness.Monitor is Monitor
    code = "import sys, doneness; doneness.Monitor; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
