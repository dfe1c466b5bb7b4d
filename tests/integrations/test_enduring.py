"""Nothing of ours ends somebody's loop: a rule that fails, a channel that is down, a full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from doneness.core import Action, DonenessError, StopDecision, Verdict
from doneness.integrations import Monitor
from doneness.runs import Run, read
from doneness.stopping import Budget, EvidenceRule
from doneness.testing.synthetic import overfitting_run
from tests.integrations.conftest import Planted, Raising, said
from tests.integrations.test_monitor import feed, verdicts


def test_a_rule_that_fails_is_one_line_and_no_decision(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Monitor(tmp_path / "run", rule=Raising()) as monitor:
        told = [monitor.log_eval(step, loss=1.0) for step in (1, 2)]
        assert monitor.decision is None and not monitor.should_stop
    assert {(d.action, d.verdict) for d in told} == {(Action.CONTINUE, Verdict.UNDECIDED)}
    assert "the rule failed" in str(told[0].reason)
    run = read(tmp_path / "run")[0]
    assert [(e.data["where"], e.data["error"]) for e in run.events if e.kind == "error"] == [("rule", "RuntimeError")]
    assert ["the rule broke" in line for line in said(caplog)] == [True]


def test_a_channel_that_is_down_keeps_nobody_else_from_hearing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[int] = []

    def down(decision: StopDecision, run: Run) -> None:
        raise ConnectionError("slack down")

    with Monitor(
        tmp_path / "run", rule=Planted(2), on_change=[down, lambda d, r: heard.append(r.last_step)]
    ) as monitor:
        decisions = [monitor.log_eval(step, loss=1.0).action for step in (1, 2, 3)]
    assert decisions == [Action.CONTINUE, Action.STOP, Action.STOP] and heard == [2]
    assert [e.data["where"] for e in read(tmp_path / "run")[0].events if e.kind == "error"] == ["on_change"]
    assert ["slack down" in line for line in said(caplog)] == [True]


def test_ctrl_c_in_a_rule_passes(tmp_path: Path) -> None:
    class Interrupting(Raising):
        def decide(self, run: Run) -> StopDecision:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Monitor(tmp_path / "run", rule=Interrupting()) as monitor:
        monitor.log_eval(1, loss=1.0)


@pytest.mark.parametrize("full", ["journal", "rows"])
def test_a_full_disk_is_one_line_and_the_judgement_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    source = overfitting_run(rows=200, evals=12, steps=300)
    with Monitor(tmp_path / "whole", planned_steps=300) as monitor:
        whole = feed(monitor, source)
    caplog.clear()
    monitor = Monitor(tmp_path / "run", planned_steps=300)
    told = feed(monitor, source, last=100)

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place = "doneness.runs.journal.os.write" if full == "journal" else "doneness.runs.atomic.os.fdopen"
    with monkeypatch.context() as patched:
        patched.setattr(place, refuse)
        told += feed(monitor, source, first=100)
    monitor.close()
    assert verdicts(told) == verdicts(whole) and told[-1].verdict is Verdict.OVERFITTING
    assert ["No space left" in line and "from memory" in line for line in said(caplog)] == [True]
    # The journal is whole up to there, and a run resumed from a checkpoint goes on from it.
    run = read(tmp_path / "run")[0]
    assert run.faults == () and run.damage.lost == 0 and 100 <= run.last_step < 300
    assert run.last_step <= max(d.step or 0 for d in told)
    with Monitor(tmp_path / "run", planned_steps=300) as again:
        again.resume(100)
        assert verdicts(feed(again, source, first=100)) == verdicts([d for d in whole if (d.step or 0) > 100])


def test_what_is_in_memory_can_be_gone_back_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"per_example": [1.0, 2.0], "tokens": [1, 1]}
    monitor = Monitor(tmp_path / "run", rule=Planted(99))
    monitor.log_eval(1, **rows)

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("doneness.runs.journal.os.write", refuse)
    for step in (2, 3):
        monitor.log_eval(step, **rows)
    assert [e.step for e in monitor.run().examples] == [1, 2, 3]
    monitor.resume(2)
    assert [e.step for e in monitor.run().examples] == [1, 2] and monitor.last_step == 2
    monitor.close()


@pytest.mark.parametrize(
    ("counted", "named"),
    [({}, ["target_tokens", "tokens"]), ({"tokens": 5}, ["target_tokens"]), ({"tokens": 5, "targets": 2}, [])],
)
def test_a_budget_that_nobody_counts_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, counted: dict[str, int], named: list[str]
) -> None:
    rule = EvidenceRule(budget=Budget(target_tokens=10**9, tokens=10**9))
    with Monitor(tmp_path / "run", rule=rule) as monitor:
        monitor.log_eval(0, loss=1.0)
        for step in (1, 2):
            monitor.log_train(step, loss=1.0, **counted)
            monitor.log_eval(step, loss=1.0)
    assert [f"budget.{name} is set" in line for name, line in zip(named, said(caplog), strict=True)] == [True] * len(
        named
    )


@pytest.mark.parametrize(
    ("rows", "clusters", "level", "words"),
    [
        (500, None, "WARNING", ("500 evaluation rows (500 independent)", "0.8%", "1,327")),
        (1400, None, "INFO", ("1,400 evaluation rows",)),
        (1400, 100, "WARNING", ("1,400 evaluation rows (100 independent)", "1.8%")),
    ],
)
def test_the_first_evaluation_says_what_so_many_rows_can_show(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    rows: int,
    clusters: int | None,
    level: str,
    words: tuple[str, ...],
) -> None:
    caplog.set_level("INFO", logger="doneness")
    belongs = None if clusters is None else [i % clusters for i in range(rows)]
    with Monitor(tmp_path / "run", rule=Planted(99)) as monitor:
        for step in (1, 2):
            monitor.log_eval(step, per_example=[20.0] * rows, tokens=[10] * rows, clusters=belongs)
    with Monitor(tmp_path / "run", rule=Planted(99)) as monitor:
        monitor.log_eval(3, per_example=[20.0] * rows, tokens=[10] * rows, clusters=belongs)
    (line,) = [r for r in caplog.records if r.name == "doneness"]
    assert line.levelname == level and all(word in line.message for word in words)


def test_rows_of_one_cluster_are_one_unit(tmp_path: Path) -> None:
    with Monitor(tmp_path / "run", rule=Planted(99)) as monitor:
        monitor.log_eval(
            1, per_example=[1.0, 2.0, 3.0], tokens=[1, 1, 1], ids=["a", "b", "c"], clusters=["x", "x", None]
        )
        with pytest.raises(DonenessError, match="clusters has 1 entries for 2 rows"):
            monitor.log_eval(2, per_example=[1.0, 2.0], tokens=[1, 1], clusters=["x"])
    (each,) = read(tmp_path / "run")[0].examples
    assert each.cluster is not None and each.cluster.tolist() == ["x", "x", "row c"]
