"""`doneness watch --on-stop` on a run that is over, or seems to be: the command runs once, and then the watch ends."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from tests.cli.test_watch import Seen, rows

from doneness.cli.main import main
from doneness.core import Diagnosis
from doneness.diagnose import Params
from doneness.runs import Run
from doneness.workflows import watch as module
from doneness.workflows.watch import LogWatcher


def state(path: Path, count: int, planned: int) -> None:
    history = [json.loads(row) for row in rows(count).splitlines()]
    path.write_text(json.dumps({"log_history": history, "max_steps": planned}))


@pytest.mark.parametrize("planned", [120, 500])
def test_on_a_run_that_is_over_the_command_runs_once_and_the_watch_ends(
    planned: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its plan, and broken off before: no second evaluation will come."""
    monkeypatch.setattr("doneness.cli.watch._LEAST", 0.3)
    log, told = tmp_path / "trainer_state.json", tmp_path / "told"
    state(log, 12, planned)
    os.utime(log, (time.time() - 4000, time.time() - 4000))
    began = time.monotonic()
    command = f"echo $DONENESS_ACTION $DONENESS_STEP >> {told}"
    assert main(["watch", str(log), "--interval", "0.1", "--on-stop", command]) == 0
    assert 0.2 < time.monotonic() - began < 120
    assert told.read_text() == "stop 120\n"
    assert [word in capsys.readouterr().out for word in ("nothing more is logged",)] == [True]


def test_the_watch_ends_after_the_command_or_where_none_can_follow(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("doneness.cli.watch._LEAST", 0.3)
    log, told = tmp_path / "trainer_state.json", tmp_path / "told"
    counts = [9, 10, 11]
    state(log, 8, 500)
    monkeypatch.setattr("time.sleep", lambda _: state(log, counts.pop(0), 500) if counts else None)
    assert main(["watch", str(log), "--interval", "0.1", "--on-stop", f"echo once >> {told}"]) == 0
    assert told.read_text() == "once\n" and "twice in a row" in capsys.readouterr().out
    state(log, 3, 30)
    assert main(["watch", str(log), "--interval", "0.1", "--on-stop", f"echo twice >> {told}"]) == 0
    assert told.read_text() == "once\n" and "ends at step 30" in capsys.readouterr().out


def test_a_live_log_is_not_taken_for_over_at_the_first_look(tmp_path: Path) -> None:
    """A long evaluation may be under way: only its usual silence, from the file's last change, ends a run."""
    log = tmp_path / "trainer_state.json"
    for age, over in ((0.0, False), (3000.0, False), (4000.0, True)):
        state(log, 12, 500)
        os.utime(log, (time.time() - age, time.time() - age))
        watcher = LogWatcher(log)
        assert watcher.look() is not None and watcher.look() is None
        look = watcher.stop_without_news(0.0, over=False)
        assert (look is not None and look.stop) is over, age
    state(log, 12, 500)
    watcher = LogWatcher(log)
    assert watcher.look() is not None and watcher.stop_without_news(0.0, over=True) is not None


def test_a_log_that_still_moves_is_not_taken_for_over(tmp_path: Path) -> None:
    seen = Seen(tmp_path / "log.jsonl")
    assert seen.after(rows(3)) is not None and seen.after(rows(12)) is not None
    assert seen.watcher.stop_without_news(0.0, over=False) is None
    look = seen.watcher.stop_without_news(0.0, over=True)
    assert look is not None and look.stop
    assert seen.watcher.stop_without_news(0.0, over=True) is None, "once"


def test_a_slow_look_does_not_end_the_watch_before_the_command_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading a long log takes longer than the log must rest to be taken for over."""
    quick = module._decided

    def slow(run: Run, params: Params | None, watched: bool) -> Diagnosis:
        time.sleep(0.5)
        return quick(run, params, watched)

    monkeypatch.setattr(module, "_decided", slow)
    monkeypatch.setattr("doneness.cli.watch._LEAST", 0.3)
    log, told = tmp_path / "trainer_state.json", tmp_path / "told"
    state(log, 12, 120)
    command = f"echo $DONENESS_ACTION >> {told}"
    assert main(["watch", str(log), "--interval", "0.1", "--on-stop", command]) == 0
    assert told.read_text() == "stop\n"
