"""What is written beyond the plan, what is deleted, and what a full disk leaves."""

from __future__ import annotations

import errno
import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from doneness.config import Recipe
from doneness.core import StorageError, SweetSpot
from doneness.diagnose import Case, Params
from doneness.runs import Recorder, read, read_records
from doneness.stopping.improvement import improved
from doneness.testing import synthetic as make
from doneness.train.keeping import GOING, PARTIAL, Held, least_useful, needed, present, rotate, sweep
from doneness.train.resume import sizes
from doneness.workflows.train import train_run
from tests.train.conftest import Quiet

Make = Callable[..., Recipe]
SIZE = 1000
FILES = {"adapter_model.safetensors": SIZE - 300, "optimizer.pt": 96, "scheduler.pt": 100, "rng_state.pth": 100}


def saved(recorder: Recorder, *steps: int) -> None:
    for step in steps:
        place = recorder.folder / f"checkpoint-{step}"
        place.mkdir()
        for name, size in FILES.items():
            (place / name).write_bytes(b"x" * size)
        (place / "trainer_state.json").write_text("{} \n")
        recorder.write("checkpoint", step, path=place.name, files=sizes(place))


def names(folder: Path) -> list[str]:
    return sorted((p.name for p in folder.glob("checkpoint-*")), key=lambda n: int(n.rpartition("-")[2]))


def gone(folder: Path) -> list[tuple[int, int, int]]:
    records = read_records(folder / "journal.jsonl")[0]
    return [(r["step"], r["size"], r["during"]) for r in records if r["kind"] == "checkpoint_gone"]


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path)


def course(recorder: Recorder, *losses: tuple[int, float]) -> Case:
    for step, loss in losses:
        recorder.write("eval", step, loss=loss)
    return Case(recorder.run(), Params())


def test_the_least_useful_goes_first() -> None:
    held = [Held(step, Path(str(step)), 1) for step in (10, 20, 40, 80, 90, 100)]
    assert least_useful(held, held, SweetSpot(80, 90, (80, 90), 90)).step == 10
    assert least_useful(held[1:], held[1:], SweetSpot(20, 40, (20, 40), 20)).step == 100
    # All in the sweet spot: the one whose neighbours are nearest.
    assert least_useful(held[1:5], held, SweetSpot(0, 100, (10,), 10)).step == 90
    # Without one the newest is worth most.
    assert least_useful(held, held, None).step == 10


def test_rotation_stays_within_its_budget_and_keeps_what_is_needed(recorder: Recorder) -> None:
    case = course(recorder, (0, 3.0), (10, 2.0), (20, 1.0), (30, 1.5), (40, 2.0), (50, 2.5))
    saved(recorder, 10, 20, 30, 40, 50)
    recorder.write("request", 50, request="keep", keep=40)
    assert rotate(recorder, 50, 5 * SIZE, case) == []
    assert rotate(recorder, 50, 4 * SIZE, case) == [10]
    assert rotate(recorder, 50, 1, case) == [30]
    assert names(recorder.folder) == ["checkpoint-20", "checkpoint-40", "checkpoint-50"]
    found = read(recorder.folder)[0].checkpoints
    assert [(c.step, c.exists) for c in found] == [(10, False), (20, True), (30, False), (40, True), (50, True)]
    records, _ = read_records(recorder.folder / "journal.jsonl")
    assert {r["step"] for r in records if r["kind"] == "checkpoint_gone"} == {10, 30}
    assert not list(recorder.folder.glob(f"{GOING}*"))
    # Written again, it is there again.
    saved(recorder, 10)
    assert recorder.run().checkpoints[0].exists


def test_the_last_good_and_the_newest_whole_stay(recorder: Recorder) -> None:
    case = course(recorder, (0, 3.0), (10, 2.0), (20, 1.9), (30, 9.0))
    saved(recorder, 10, 20, 30, 40)
    recorder.write("decision", 30, verdict="diverged", action="stop")
    (recorder.folder / "checkpoint-40" / "optimizer.pt").unlink()
    assert needed(recorder, present(recorder)) == {20, 30, 40}
    rotate(recorder, 40, 1, case)
    assert names(recorder.folder) == ["checkpoint-20", "checkpoint-30", "checkpoint-40"]


def test_what_somebody_put_into_a_checkpoint_is_not_deleted(recorder: Recorder) -> None:
    case = course(recorder, (0, 3.0), (10, 2.0), (20, 1.0), (30, 0.5))
    saved(recorder, 10, 20, 30)
    (recorder.folder / "checkpoint-10" / "notes.txt").write_text("mine")
    shutil.move(recorder.folder / "checkpoint-20", recorder.folder / "elsewhere-20")
    (recorder.folder / "checkpoint-20").symlink_to(recorder.folder / "elsewhere-20")
    assert rotate(recorder, 30, 1, case) == []
    assert (recorder.folder / "elsewhere-20" / "optimizer.pt").is_file()
    (recorder.folder / "checkpoint-10" / "notes.txt").unlink()
    (recorder.folder / "best").symlink_to("checkpoint-10")
    assert rotate(recorder, 30, 1, case) == []
    (recorder.folder / "best").unlink()
    assert rotate(recorder, 30, 1, case) == [10]


def test_a_deletion_that_was_killed_is_finished(recorder: Recorder) -> None:
    saved(recorder, 10, 20)
    (recorder.folder / "checkpoint-10").rename(recorder.folder / f"{GOING}checkpoint-10")
    assert [c.exists for c in recorder.run().checkpoints] == [False, True]
    for _ in range(2):
        sweep(recorder, 20)
        assert [p.name for p in recorder.folder.iterdir() if p.is_dir()] == ["checkpoint-20"]
        # The kill came before the record, which is made up for, once.
        assert gone(recorder.folder) == [(10, SIZE, 20)]
    (recorder.folder / "checkpoint-20").rename(recorder.folder / f"{GOING}checkpoint-20")
    recorder.write("checkpoint_gone", 20, path="checkpoint-20", size=SIZE, during=30)
    sweep(recorder, 30)
    assert gone(recorder.folder) == [(10, SIZE, 20), (20, SIZE, 30)]
    assert not list(recorder.folder.glob(f"{GOING}*"))


def test_what_a_kill_left_half_written_goes(recorder: Recorder) -> None:
    saved(recorder, 10)
    evals = recorder.folder / "evals"
    evals.mkdir()
    mine = ["evals/step-00000010.npz", "evals/.step-mine.npz", "evals/.other-00000010.npz.ab12cd_9", "recipe.toml"]
    half = ["evals/.step-00000010.npz.aks1121l", ".recipe.toml.ab12cd_9", f"{PARTIAL}/checkpoint-20/optimizer.pt"]
    (recorder.folder / PARTIAL / "checkpoint-20").mkdir(parents=True)
    for name in mine + half:
        (recorder.folder / name).write_bytes(b"half")
    writing = recorder.folder / "evals" / ".step-00000020.npz.zzzzzzzz"
    with writing.open("wb") as handle:
        fcntl.flock(handle.fileno(), fcntl.LOCK_EX)  # by a process that is alive
        sweep(recorder, 10)
        assert writing.exists()
    sweep(recorder, 10)
    assert not writing.exists()
    assert [name for name in mine + half if (recorder.folder / name).exists()] == mine
    assert not (recorder.folder / PARTIAL).exists()


def test_a_request_to_keep_counts_before_it_is_heeded(recorder: Recorder) -> None:
    saved(recorder, 10, 20, 30)
    lines = [{"request": "keep", "step": 10}, {"request": "keep", "step": [20]}, {"request": "stop", "step": 20}]
    (recorder.folder / "control.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert needed(recorder, present(recorder)) == {10, 30}


def test_a_disk_that_refuses_to_delete_is_noted_and_ends_nothing(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = course(recorder, (0, 3.0), (10, 2.0), (20, 1.0))
    saved(recorder, 10, 20)

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(Path, "rename", refuse)
    assert rotate(recorder, 20, 1, case) == []
    assert recorder.records[-1]["kind"] == "error"
    assert names(recorder.folder) == ["checkpoint-10", "checkpoint-20"]


def test_an_improvement_must_be_certain() -> None:
    steps = (0, 50, 100, 150, 200, 250, 300, 350, 400)
    falling = Case(make.learning_run(rows=600, steps=400, eval_steps=steps), Params())
    assert improved(falling, 200)
    assert improved(falling, 0)
    assert not improved(falling, 400)  # nothing is better than itself
    flat = Case(make.flat_run(rows=600, steps=400, eval_steps=steps), Params())
    assert not improved(flat, 200)
    means = Case(make.learning_run(rows=0, steps=400, eval_steps=steps), Params())
    assert improved(means, 100)


@pytest.mark.model
def test_without_regular_checkpoints_proven_improvements_are_files(make_recipe: Make) -> None:
    recipe = make_recipe("improving", "checkpoints.with_evaluations=false", "schedule.max_steps=8")
    run = train_run(recipe, Quiet()).run
    assert run.evals is not None
    steps = [c.step for c in run.checkpoints]
    assert steps[-1] == 8
    assert len(steps) > 1
    assert set(steps) <= set(run.evals.step.tolist())


@pytest.mark.model
def test_a_run_keeps_within_its_gigabytes(make_recipe: Make) -> None:
    one = make_recipe("one", "schedule.max_steps=1")
    train_run(one, Quiet())
    size = sum(f.stat().st_size for f in (Path(one.run.folder) / "checkpoint-1").iterdir())
    recipe = make_recipe("many", f"checkpoints.keep_gb={3.5 * size / 1e9}", "schedule.max_steps=8")
    folder = Path(recipe.run.folder)
    folder.mkdir()
    (folder / "control.jsonl").write_text(json.dumps({"request": "keep", "step": 2}) + "\n")
    run = train_run(recipe, Quiet()).run
    kept = {c.step for c in run.checkpoints if c.exists}
    assert {2, 8} <= kept
    assert len(kept) == 3
    assert {c.step for c in run.checkpoints} == {1, 2, 3, 4, 5, 6, 7, 8}
    assert kept == {int(p.name.rpartition("-")[2]) for p in folder.glob("checkpoint-*")}


class Killed(BaseException):
    """A kill at a record, or at a file that is moved."""


def die(monkeypatch: pytest.MonkeyPatch, what: str, during: int) -> None:
    """Be killed `before` or `after` a kind of record of the rotation at step `during`."""
    when, _, kind = what.partition(" ")
    write = Recorder.write

    def dying(self: Recorder, named: str, step: int, **data: Any) -> None:
        due = named == kind and data.get("during", step) == during
        if due and when == "before":
            raise Killed
        write(self, named, step, **data)
        if due and when == "after":
            raise Killed

    monkeypatch.setattr(Recorder, "write", dying)


def kept_after(folder: Path, step: int) -> set[int]:
    """What a run that was left alone had on its disk when it was done with a step."""
    records = [r for r in read_records(folder / "journal.jsonl")[0] if r.get("during", r["step"]) <= step]
    away = {r["step"] for r in records if r["kind"] == "checkpoint_gone"}
    return {r["step"] for r in records if r["kind"] == "checkpoint"} - away


@pytest.mark.model
def test_a_rotation_that_was_killed_is_finished_before_anything_else(
    make_recipe: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make_recipe("one", "schedule.max_steps=1")
    train_run(one, Quiet())
    size = sum(f.stat().st_size for f in (Path(one.run.folder) / "checkpoint-1").iterdir())
    options = (f"checkpoints.keep_gb={2.5 * size / 1e9}", "schedule.max_steps=6", "data.eval_rows=4")
    whole = make_recipe("whole", *options)
    train_run(whole, Quiet())
    assert [during for *_, during in gone(Path(whole.run.folder))] == [3, 4, 5, 6]
    wanted = sorted(str(p.relative_to(whole.run.folder)) for p in Path(whole.run.folder).rglob("*"))

    class Looking(Quiet):
        def began(self, step: int, total: int) -> None:
            super().began(step, total)
            assert {int(name.rpartition("-")[2]) for name in names(folder)} == kept_after(Path(whole.run.folder), step)

    for number, (what, during) in enumerate(
        [("after checkpoint", 4), ("before checkpoint_gone", 4), ("after checkpoint", 6)]
    ):
        broken = make_recipe(f"broken-{number}", *options)
        folder = Path(broken.run.folder)
        with monkeypatch.context() as patched, pytest.raises(Killed):
            die(patched, what, during)
            train_run(broken, Quiet())
        watcher = Looking()
        train_run(broken, watcher)
        assert watcher.told[0] == ("began", during, 6)
        assert [(step, at) for step, _, at in gone(folder)] == [
            (step, at) for step, _, at in gone(Path(whole.run.folder))
        ]
        assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*")) == wanted


@pytest.mark.model
def test_a_full_disk_keeps_the_old_checkpoints(make_recipe: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from trl import SFTTrainer

    recipe, whole = (make_recipe(n, "checkpoints.keep_gb=1e-9", "schedule.max_steps=6") for n in ("full", "whole"))
    save = SFTTrainer._save_checkpoint

    def full(self: Any, model: Any, trial: Any) -> None:
        save(self, model, trial)
        if self.state.global_step == 4:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SFTTrainer, "_save_checkpoint", full)
    with pytest.raises(StorageError, match="full"):
        train_run(recipe, Quiet())
    folder = Path(recipe.run.folder)
    kept = [c.step for c in read(folder)[0].checkpoints if c.exists]
    assert kept[-1] == 3
    assert [f"checkpoint-{s}" for s in kept] == names(folder)
    monkeypatch.undo()
    train_run(recipe, Quiet())
    train_run(whole, Quiet())
    one, other = read(recipe.run.folder)[0], read(whole.run.folder)[0]
    assert one.train is not None
    assert other.train is not None
    assert one.train.value.tolist() == other.train.value.tolist()
    assert [c.step for c in one.checkpoints if c.exists] == [c.step for c in other.checkpoints if c.exists]
