"""A log that moved and then falls silent: the run may have died, and no further line will say so."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from doneness.cli.main import main
from doneness.core import Verdict
from doneness.runs import EVAL_LOSS, TRAIN_LOSS, Run, Series
from doneness.workflows import silence
from doneness.workflows.silence import Pace
from doneness.workflows.watch import LogWatcher

DIP = (2.0, 1.6, 1.4, 1.3, 1.35, 1.45, 1.6, 1.8, 2.0, 2.2, 2.4, 2.6)


def state(path: Path, count: int, planned: int = 500) -> None:
    """The first `count` evaluations of a run that turns."""
    history: list[dict[str, float]] = []
    for i, loss in enumerate(DIP[:count]):
        history += [{"step": s, "epoch": s / 50, "loss": 3 - 0.01 * s} for s in range(10 * i + 1, 10 * i + 11)]
        history.append({"step": 10 * i + 10, "epoch": (i + 1) / 5, "eval_loss": loss})
    path.write_text(json.dumps({"log_history": history, "max_steps": planned}))


def first_stop(folder: Path) -> int:
    """How many evaluations it takes to the first verdict that stops."""
    log = folder / "probe.json"
    watcher = LogWatcher(log)
    for count in range(1, len(DIP)):
        state(log, count)
        look = watcher.look()
        if look is not None and look.diagnosis.verdict is Verdict.OVERFITTING:
            return count
    raise AssertionError("never")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence counts after half a second, the watch leaves as soon after its command."""
    monkeypatch.setattr(silence, "LEAST", 0.5)
    monkeypatch.setattr(silence, "PAUSES", 2.0)
    monkeypatch.setattr("doneness.cli.watch._LEAST", 0.3)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The watch's clock, which moves only when it is told to: a busy machine is no silent log."""
    now = [1000.0]
    # In these two modules alone: a process that is waited for waits in real time.
    monkeypatch.setattr("doneness.cli.watch.time", SimpleNamespace(monotonic=lambda: now[0], sleep=None))
    monkeypatch.setattr("doneness.workflows.watch.time", SimpleNamespace(monotonic=lambda: now[0], time=time.time))
    return now


def grow(
    monkeypatch: pytest.MonkeyPatch, clock: list[float], log: Path, counts: list[int], give_up: float = 20.0
) -> None:
    """Let the log grow while the watch sleeps; one that waits for ever is sent home."""
    began = clock[0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        if clock[0] - began > give_up:
            raise KeyboardInterrupt
        if counts:
            state(log, counts.pop(0))

    monkeypatch.setattr("doneness.cli.watch.time.sleep", sleep)


def unwrapped(out: str) -> str:
    """What was printed, wherever the terminal broke its lines."""
    return "".join(out.split())


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_run_that_died_at_the_first_stop_is_told_of_and_ends_the_watch(
    lang: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    clock: list[float],
) -> None:
    log, told, first = tmp_path / "trainer_state.json", tmp_path / "told", first_stop(tmp_path)
    state(log, first - 2)
    grow(monkeypatch, clock, log, [first - 1, first])
    command = f"echo $DONENESS_ACTION $DONENESS_STEP >> {told}"
    assert main(["--lang", lang, "watch", str(log), "--interval", "0.1", "--on-stop", command]) == 0
    assert told.read_text() == f"stop {10 * first}\n"
    out = unwrapped(capsys.readouterr().out)
    assert out.count("mayhavedied" if lang == "en" else "可能已中断") == 1
    assert "twiceinarow" not in out and "连续两次" not in out


@pytest.mark.usefixtures("quick")
def test_without_a_stop_it_is_told_of_and_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    """It may hang and come back."""
    log, told = tmp_path / "trainer_state.json", tmp_path / "told"
    state(log, 2)
    grow(monkeypatch, clock, log, [3], give_up=2.5)
    assert main(["watch", str(log), "--interval", "0.1", "--on-stop", f"echo stop >> {told}"]) == 130
    assert unwrapped(capsys.readouterr().out).count("mayhavedied") == 1 and not told.exists()


def test_each_silence_is_told_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    monkeypatch.setattr(silence, "UNSEEN", 0.3)
    monkeypatch.setattr(silence, "LEAST", 0.3)
    monkeypatch.setattr(silence, "PAUSES", 0.5)
    log = tmp_path / "trainer_state.json"
    state(log, 3)
    watcher = LogWatcher(log)
    watcher.look()
    for count in (4, 5):
        state(log, count)
        watcher.look()
        assert watcher.silence() is None
        clock[0] += 0.7
        found = watcher.silence()
        assert found is not None and found[0] >= 0.3 and watcher.silence() is None


def test_how_long_it_may_pause_is_its_own_to_tell() -> None:
    pace = Pace()
    assert pace.patience == 3600.0, "an evaluation may be under way, and none was seen to come"
    steps = np.arange(1, 7)
    before = Run("a", series={TRAIN_LOSS: Series.of(steps, steps * 1.0), EVAL_LOSS: Series.of([2], [1.0])})
    after = Run("a", series={TRAIN_LOSS: before.series[TRAIN_LOSS], EVAL_LOSS: Series.of([2, 4], [1.0, 0.9])})
    pace.moved(20.0)
    pace.read(None, before)
    pace.read(before, before)
    assert pace.patience == 3600.0
    pace.read(before, after)
    assert pace.patience == 600.0
    pace.moved(400.0)
    assert pace.patience == 4000.0


def test_a_log_with_a_clock_has_told_its_pauses_before_we_came() -> None:
    clock = np.array([1.0, 2, 3, 500, 501, 502])
    run = Run("a", series={
        TRAIN_LOSS: Series.of(np.arange(1, 7), np.arange(1, 7) * 1.0, time=clock),
        EVAL_LOSS: Series.of([2, 4], [1.0, 0.9], time=[2.0, 500.0]),
    })  # fmt: skip
    pace = Pace()
    pace.read(None, run)
    assert (pace.longest, pace.patience) == (497.0, 4970.0)


def test_at_its_end_a_log_is_not_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "LEAST", 0.0)
    log = tmp_path / "trainer_state.json"
    state(log, 3, planned=50)
    watcher = LogWatcher(log)
    watcher.look()
    for count, silent in ((4, True), (5, False)):
        state(log, count, planned=50)
        monkeypatch.setattr(silence, "PAUSES", 0.0)
        watcher.look()
        assert watcher.silent is silent
