"""The bench of kills: what it compares, when it kills, and that no life gets by."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bench.dying import Moments

from bench import kills, kills_same
from doneness.runs import ExampleLosses, Recorder, save_examples

LAST = 100


def run_folder(folder: Path) -> Path:
    recorder = Recorder(folder)
    recorder.write("start", 0, meta={})
    for step in (10, 20):
        recorder.write("train", step, loss=1.0 / step, time=step + random.random())
        losses = ExampleLosses(step, np.array(["a", "b"]), np.array([1.0, 2.0]) / step, np.array([3, 4]))
        file = save_examples(folder, losses)
        recorder.write("eval", step, name="eval", loss=losses.mean, file=str(file.relative_to(folder)))
        recorder.write("decision", step, action="continue", verdict="learning", time=random.random())
        place = folder / f"checkpoint-{step}"
        place.mkdir()
        (place / "optimizer.pt").write_bytes(b"state")
        recorder.write("checkpoint", step, path=place.name, files={"optimizer.pt": 5})
        log = [{"loss": 1.0, "num_tokens": random.random()}]
        (place / "trainer_state.json").write_text(json.dumps({"log_history": log}))
        names = ["q_proj", "v_proj"]
        random.shuffle(names)
        (place / "adapter_config.json").write_text(json.dumps({"r": 4, "target_modules": names}))
    shutil.rmtree(folder / "checkpoint-10")
    recorder.write("checkpoint_gone", 10, path="checkpoint-10", size=5, during=20)
    recorder.write("end", 20, reason="finished")
    recorder.close()
    (folder / "recipe.toml").write_text(f'folder = "{folder}"\n')
    return folder


def differing(whole: Path, broken: Path) -> list[str]:
    found = kills_same.compared(whole, broken)
    return [name for name, value in found.items() if name.startswith("same") and value is not True]


def test_what_is_the_same_apart_from_times_is_the_same(tmp_path: Path) -> None:
    whole, broken = run_folder(tmp_path / "whole"), run_folder(tmp_path / "broken")
    assert differing(whole, broken) == []
    found = kills_same.compared(whole, broken)
    assert (found["lines compared"], found["decisions compared"], found["checkpoints kept"]) == (10, 2, 1)


def half(folder: Path) -> None:
    (folder / "evals" / ".step-00000010.npz.aks1121l").write_bytes(b"half")


def another_state(folder: Path) -> None:
    (folder / "checkpoint-20" / "optimizer.pt").write_bytes(b"other")


def another_log(folder: Path) -> None:
    (folder / "checkpoint-20" / "trainer_state.json").write_text('{"log_history": [{"loss": 2.0}]}')


def later(folder: Path) -> None:
    journal = folder / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"during":20', '"during":30'))


@pytest.mark.parametrize(
    ("change", "shows"),
    [
        (half, ["same names of files"]),
        (another_state, ["same contents of files"]),
        (another_log, ["same contents of files"]),
        (later, ["same journals, apart from times"]),
    ],
)
def test_what_a_kill_changes_is_seen(change: Callable[[Path], None], shows: list[str], tmp_path: Path) -> None:
    whole, broken = run_folder(tmp_path / "whole"), run_folder(tmp_path / "broken")
    change(broken)
    assert differing(whole, broken) == shows


def test_kills_are_drawn_over_the_whole_run() -> None:
    whole = kills._Whole(10.0, LAST, {0: 19, **{s: 30 if s % 20 == 0 else 2 for s in range(1, LAST + 1)}})
    steps = []
    for seed in range(40):
        chance, here = random.Random(seed), 0
        for left in range(20, 2, -1):
            plan = kills._plan(left, here, whole, chance)
            if plan.at is not None:
                assert here < plan.at[0] <= LAST or (here == LAST and plan.at == (0, 1))
            here = max(here, plan.at[0] if plan.at is not None else int(plan.step or 0))
            steps.append(here)
        at = kills._plan(2, here, whole, chance).at
        assert at is not None
        assert at[0] == LAST
        at = kills._plan(1, LAST, whole, chance).at
        assert at is not None
        assert at[0] == 0
    share = np.histogram(steps, bins=5, range=(0, LAST))[0] / len(steps)
    assert share.min() > 0.1


@pytest.fixture
def died(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: found.append(number))
    return found


def test_a_life_ends_at_its_moment_or_before_its_end(tmp_path: Path, died: list[int]) -> None:
    tell = os.open(tmp_path / "tell", os.O_RDWR | os.O_CREAT)
    moments = Moments(tmp_path, (3, 2), tell)
    for step, number in ((0, 1), (2, 40), (3, 1)):
        moments.step, moments.number = step, number - 1
        moments.passed("open a")
        assert not died
    moments.passed("open b")
    assert died == [signal.SIGKILL]
    assert json.loads((tmp_path / "tell").read_text()) == [3, "open b"]
    # A moment that this life does not have: the first one after it; and never beyond the end.
    for step, last in ((4, False), (1, True)):
        moments.step, moments.number = step, 0
        moments.passed("before end", last)
    assert len(died) == 3
    os.close(tell)


def test_moments_are_what_happens_to_files_of_the_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "old" / "deep").mkdir(parents=True)
    (run / "old" / "deep" / "a").write_text("a")
    (run / "evals.npz").write_bytes(b"a")
    moments = Moments(run, None, -1)
    on = [True]
    # Such a hook stays for ever: it is switched off.
    sys.addaudithook(lambda event, args: moments.audit(event, args) if on else None)
    try:
        (tmp_path / "elsewhere").write_text("a")
        (run / "evals.npz").read_bytes()
        (run / "evals.npz").write_bytes(b"b")
        (run / "old").rename(run / "going")
        shutil.rmtree(run / "going")
    finally:
        on.clear()
    told = [what for _, what in moments.seen]
    assert told[:3] == ["open evals.npz", "os.rename old", "open going"]
    assert "os.remove going/deep/a" in told
    assert told[-1] == "os.rmdir going"
