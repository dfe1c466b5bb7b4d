from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from doneness.cli.main import main
from doneness.cli.prune import size
from doneness.core import DonenessError
from doneness.runs import Journal, read
from doneness.workflows.prune import plan_prune, prune

DIP = (2.0, 1.6, 1.4, 1.3, 1.35, 1.45, 1.6, 1.8, 2.0, 2.2)
LONG_AGO = time.time() - 7200


def rows(losses: tuple[float, ...], until: int) -> list[dict[str, float]]:
    found = [{"step": s, "epoch": s / 50, "loss": 3.0 - 0.01 * s} for s in range(1, until + 1)]
    evals = zip(range(10, 101, 10), losses, strict=True)
    found += [{"step": s, "epoch": s / 50, "eval_loss": v} for s, v in evals if s <= until]
    return sorted(found, key=lambda row: row["step"])  # stable: a Trainer logs the loss, then evaluates


def checkpoint(root: Path, step: int, losses: tuple[float, ...] = DIP, weights: str = "model.safetensors") -> Path:
    folder = root / f"checkpoint-{step}"
    (folder / "optimizer_0").mkdir(parents=True)
    (folder / weights).write_bytes(b"w" * 1000)
    (folder / "optimizer_0" / "optimizer.pt").write_bytes(b"o" * 500)
    log = {"log_history": rows(losses, step), "max_steps": 100, "num_train_epochs": 2}
    (folder / "trainer_state.json").write_text(json.dumps(log))
    return folder


def quieten(root: Path) -> None:
    for place in [root, *root.rglob("*")]:
        os.utime(place, (LONG_AGO, LONG_AGO), follow_symlinks=False)


def steps(root: Path) -> list[int]:
    return sorted(int(c.name.split("-")[1]) for c in root.glob("checkpoint-*"))


@pytest.fixture
def output(tmp_path: Path) -> Path:
    root = tmp_path / "out"
    for step in range(20, 101, 20):
        checkpoint(root, step)
    quieten(root)
    return root


def test_dry_run_touches_nothing_and_says_what_would_go(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(output.rglob("*"))
    for lang in ("en", "zh"):
        assert main(["--lang", lang, "prune", str(output)]) == 0
        out = capsys.readouterr().out
        assert f"doneness prune {output} --yes" in out
        assert len([line for line in out.splitlines() if line.startswith("checkpoint-")]) == 5
    assert sorted(output.rglob("*")) == before


def test_sweet_spot_and_last_stay_the_rest_goes(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planned = plan_prune(output)
    assert {c.step: c.keep for c in planned.candidates} == {
        20: None,
        40: "recommended",
        60: None,
        80: None,
        100: "last",
    }
    expected = sum(f.stat().st_size for c in planned.doomed for f in c.path.rglob("*") if f.is_file())
    assert planned.freed == expected
    assert main(["prune", str(output), "--yes"]) == 0
    assert size(expected) in capsys.readouterr().out
    assert steps(output) == [40, 100]
    assert [p.name for p in output.iterdir() if p.name.startswith(".")] == []
    (run,) = read(output)
    assert run.last_step == 100 and run.evals is not None and len(run.evals) == 10
    quieten(output)
    assert main(["prune", str(output), "--yes"]) == 0
    assert steps(output) == [40, 100]


def test_not_last_lets_the_last_go_but_keeps_its_log(output: Path) -> None:
    assert main(["prune", str(output), "--yes", "--not-last"]) == 0
    assert steps(output) == [40]
    (run,) = read(output)
    assert run.last_step == 100, "the newest log lay in the checkpoint that went"


def test_what_is_no_checkpoint_of_the_run_is_left_alone(output: Path, tmp_path: Path) -> None:
    elsewhere = checkpoint(tmp_path / "elsewhere", 30)
    (output / "checkpoint-30").symlink_to(elsewhere)
    inside = output / "checkpoint-60" / "reference"
    inside.symlink_to(elsewhere)
    (output / "checkpoint-70").mkdir()
    (output / "checkpoint-70" / "notes.txt").write_text("mine")
    checkpoint(output / "checkpoint-80" / "again", 10)
    nested = checkpoint(output, 90)
    checkpoint(nested, 5)
    (output / "checkpoint-final").mkdir()
    quieten(output)
    planned = plan_prune(output)
    assert {c.step for c in planned.candidates if c.keep == "foreign"} == {30, 70, 80, 90}
    prune(planned)
    assert (elsewhere / "model.safetensors").is_file()
    assert steps_with_links(output) == [30, 40, 70, 80, 90, 100]
    assert (output / "checkpoint-final").is_dir()


def steps_with_links(root: Path) -> list[int]:
    return sorted(int(c.name.split("-")[1]) for c in root.glob("checkpoint-[0-9]*"))


def test_a_folder_swapped_for_a_link_after_the_plan_is_not_followed(output: Path, tmp_path: Path) -> None:
    planned = plan_prune(output)
    precious = checkpoint(tmp_path / "precious", 20)
    (output / "checkpoint-20").rename(tmp_path / "moved")
    (output / "checkpoint-20").symlink_to(precious)
    prune(planned)
    assert (precious / "model.safetensors").is_file() and (output / "checkpoint-20").is_symlink()


def test_what_an_interrupted_prune_left_goes_next_time(output: Path) -> None:
    (output / "checkpoint-20").rename(output / ".checkpoint-20.pruned")
    quieten(output)
    assert [p.name for p in plan_prune(output).leftovers] == [".checkpoint-20.pruned"]
    prune(plan_prune(output))
    assert not (output / ".checkpoint-20.pruned").exists()


def test_a_run_still_written_is_refused(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = output / "checkpoint-100" / "trainer_state.json"
    state.write_text(json.dumps({"log_history": rows(DIP, 100), "max_steps": 200}))
    for lang in ("en", "zh"):
        assert main(["--lang", lang, "prune", str(output), "--yes"]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert steps(output) == [20, 40, 60, 80, 100]


def test_without_a_sweet_spot_nothing_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "out"
    for step in (20, 40):
        folder = checkpoint(root, step)
        log = {"log_history": [r for r in rows(DIP, step) if "loss" in r], "max_steps": 40}
        (folder / "trainer_state.json").write_text(json.dumps(log))
    quieten(root)
    assert main(["prune", str(root), "--yes"]) == 2
    assert "no best checkpoint is known" in capsys.readouterr().err
    assert steps(root) == [20, 40]


def test_never_are_all_deleted(tmp_path: Path) -> None:
    """The best was rotated away; with --not-last only a worse one is left, and that one stays."""
    root = tmp_path / "out"
    checkpoint(root, 90)
    checkpoint(root, 100)
    quieten(root)
    planned = plan_prune(root, not_last=True)
    assert [c.step for c in planned.candidates if c.keep] == [90]
    for folder in root.iterdir():
        (folder / "model.safetensors").unlink()
    quieten(root)
    with pytest.raises(DonenessError, match="nothing"):
        plan_prune(root, not_last=True)


def test_our_own_run_says_afterwards_what_is_gone(tmp_path: Path) -> None:
    root = tmp_path / "run"
    journal = Journal(root / "journal.jsonl")
    journal.write("start", 0, meta={"planned_steps": 200})
    for s in range(1, 101):
        journal.write("train", s, loss=3.0 - 0.01 * s, epoch=s / 50)
        if s % 10 == 0:
            journal.write("eval", s, loss=DIP[s // 10 - 1], epoch=s / 50)
        if s % 20 == 0:
            checkpoint(root, s)
            journal.write("checkpoint", s, path=f"checkpoint-{s}")
    with pytest.raises(DonenessError, match="still be going"):
        plan_prune(root)
    journal.write("end", 100, reason="finished")
    journal.close()
    prune(plan_prune(root))  # written a moment ago, but its journal says that it ended
    (run,) = read(root)
    assert {c.step: c.exists for c in run.checkpoints} == {20: False, 40: True, 60: False, 80: False, 100: True}


def test_sizes_are_short() -> None:
    assert [size(n) for n in (0, 999, 1000, 99_400, 99_600, 1_500_000, 2_499_000_000)] == [
        "0 B", "999 B", "1.0 kB", "99.4 kB", "100 kB", "1.5 MB", "2.5 GB",
    ]  # fmt: skip


def short(root: Path, **last: object) -> None:
    """A run of 200 planned steps that stands at 100, with further fields in its last state."""
    history = rows(DIP, 100) + ([last.pop("row")] if "row" in last else [])
    state = {"log_history": history, "max_steps": 200} | last
    (root / "checkpoint-100" / "trainer_state.json").write_text(json.dumps(state))


def test_short_of_its_plan_it_may_still_be_going(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short(output)
    quieten(output)
    for lang in ("en", "zh"):
        assert main(["--lang", lang, "prune", str(output), "--yes"]) == 2
        err = capsys.readouterr().err
        assert "--unfinished" in err and len(err.splitlines()) == 1
    assert steps(output) == [20, 40, 60, 80, 100]
    assert main(["prune", str(output), "--unfinished"]) == 0
    assert f"{output} --unfinished --yes" in capsys.readouterr().out
    assert main(["prune", str(output), "--unfinished", "--yes"]) == 0
    assert steps(output) == [40, 100]


def test_what_has_ended_need_not_be_quiet(output: Path) -> None:
    os.utime(output / "checkpoint-100")
    assert plan_prune(output).doomed, "at its last planned step"
    short(output)
    with pytest.raises(DonenessError, match="minutes ago"):
        plan_prune(output, unfinished=True)
    short(output, row={"step": 100, "train_runtime": 60.0, "train_loss": 2.5})
    assert plan_prune(output).doomed, "stopped early and summed up"


@pytest.mark.parametrize("path", ["/mnt/out/checkpoint-60", "D:\\\\out\\\\checkpoint-60"])
def test_the_best_of_older_trainers_is_named_by_its_path(output: Path, path: str) -> None:
    short(output, max_steps=100, best_model_checkpoint=path)
    assert {c.step: c.keep for c in plan_prune(output).candidates}[60] == "best"


def test_what_something_kept_links_to_stays(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (output / "checkpoint-40" / "model.safetensors").unlink()
    (output / "checkpoint-40" / "model.safetensors").symlink_to("../checkpoint-80/model.safetensors")
    (output / "best").symlink_to("checkpoint-20")
    found = {c.step: (c.keep, c.name) for c in plan_prune(output).candidates}
    assert found[80] == ("linked", "checkpoint-40/model.safetensors") and found[20] == ("linked", "best")
    assert found[60] == (None, "")
    for lang in ("en", "zh"):
        assert main(["--lang", lang, "prune", str(output)]) == 0
        assert "checkpoint-40/model.safetensors" in capsys.readouterr().out
    assert main(["prune", str(output), "--yes"]) == 0
    assert steps(output) == [20, 40, 80, 100]
    assert (output / "checkpoint-40" / "model.safetensors").read_bytes() == b"w" * 1000


def test_links_are_followed_link_by_link(output: Path) -> None:
    """A kept checkpoint reaches 20 by way of a link that lies in 60, which 80 reaches in vain: 80 goes itself."""
    (output / "checkpoint-60" / "config.json").symlink_to(output / "checkpoint-20" / "model.safetensors")
    (output / "checkpoint-100" / "config.json").symlink_to("../checkpoint-60/config.json")
    (output / "checkpoint-80" / "config.json").symlink_to("../checkpoint-20/model.safetensors")
    assert [c.step for c in plan_prune(output).doomed] == [80]
    (output / "checkpoint-100" / "config.json").unlink()
    assert [c.step for c in plan_prune(output).doomed] == [20, 60, 80]
    (output / "round").symlink_to("round")
    assert [c.step for c in plan_prune(output).doomed] == [20, 60, 80]


def test_a_link_made_after_the_plan_still_counts(output: Path) -> None:
    planned = plan_prune(output)
    (output / "latest").symlink_to("checkpoint-80")
    prune(planned)
    assert steps(output) == [40, 80, 100]


def test_weights_that_a_link_misses_are_no_weights(output: Path) -> None:
    for step in (40, 100):
        (output / f"checkpoint-{step}" / "model.safetensors").unlink()
        (output / f"checkpoint-{step}" / "model.safetensors").symlink_to("../gone/model.safetensors")
    found = {c.step: c.keep for c in plan_prune(output).candidates}
    assert found[40] == found[100] == "foreign" and found[80] == "last"


@pytest.mark.parametrize("own", ["notes.txt", "merged/model.safetensors", "optimizer_0/mine.csv"])
def test_what_somebody_put_into_a_checkpoint_keeps_it(
    own: str, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = output / "checkpoint-60" / own
    place.parent.mkdir(exist_ok=True)
    place.write_text("mine")
    assert main(["prune", str(output), "--yes"]) == 0
    assert own.partition("/")[0] in capsys.readouterr().out
    assert steps(output) == [40, 60, 100] and place.read_text() == "mine"


def own_log(root: Path, history: list[dict[str, float]]) -> Path:
    file = root / "trainer_state.json"
    file.write_text(json.dumps({"log_history": history, "max_steps": 100}))
    quieten(root)
    return file


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_stale_log_beside_the_checkpoints_makes_none_expendable(
    lang: str, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest rows lie in checkpoint-100 alone: its log takes the place of the older one, which it begins with."""
    stale = own_log(output, rows(DIP, 50))
    before = stale.read_bytes()
    command = ["--lang", lang, "prune", str(output), "--not-last"]
    assert main(command) == 0
    (told,) = [line for line in capsys.readouterr().out.splitlines() if "checkpoint-100" in line]
    assert "trainer_state.json" in told and stale.read_bytes() == before
    newest = (output / "checkpoint-100" / "trainer_state.json").read_bytes()
    assert main([*command, "--yes"]) == 0
    assert steps(output) == [40] and stale.read_bytes() == newest
    assert stale.stat().st_mtime == pytest.approx(LONG_AGO), "a copy is no news of the run"
    (run,) = read(output)
    assert run.last_step == 100 and run.evals is not None and len(run.evals) == 10


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_where_either_log_holds_rows_of_its_own_the_checkpoint_stays(
    lang: str, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A first training that was summed up at 60, and one that went on: neither file holds the other's rows."""
    stale = own_log(output, [*rows(DIP, 60), {"step": 60, "train_runtime": 60.0, "train_loss": 2.5}])
    before = stale.read_bytes()
    assert {c.step: c.keep for c in plan_prune(output, not_last=True).candidates}[100] == "log"
    assert main(["--lang", lang, "prune", str(output), "--not-last", "--yes"]) == 0
    assert ("nowhere else" if lang == "en" else "别处没有") in capsys.readouterr().out
    assert steps(output) == [40, 100] and stale.read_bytes() == before


def test_a_damaged_log_beside_the_checkpoints_keeps_what_can_be_read_of_it(output: Path) -> None:
    file = own_log(output, rows(DIP, 50))
    file.write_bytes(file.read_bytes()[:-40])
    quieten(output)
    planned = plan_prune(output, not_last=True)
    assert planned.logs.copied == output / "checkpoint-100" and planned.logs.replaces
    file.write_bytes(file.read_bytes().replace(b'"step": 30,', b'"step": 30, "train_runtime": 9.0,'))
    quieten(output)
    assert plan_prune(output, not_last=True).logs.kept == {output / "checkpoint-100"}


def test_a_log_that_went_stale_after_the_plan_is_seen(output: Path) -> None:
    file = own_log(output, rows(DIP, 100))
    planned = plan_prune(output, not_last=True)
    assert planned.logs.copied is None and 100 in {c.step for c in planned.doomed}
    file.unlink()
    prune(planned)
    (run,) = read(output)
    assert run.last_step == 100


def saved_between(root: Path) -> None:
    """Evaluated every 20 steps, best at 40, saved every 30: none of the tied ones is on disk."""
    losses = (2.0, 1.3, 1.6, 1.9, 2.2)
    history: list[dict[str, float]] = [{"step": s, "epoch": s / 50, "loss": 3.0 - 0.01 * s} for s in range(1, 101)]
    history += [{"step": 20 * i, "epoch": 0.4 * i, "eval_loss": v} for i, v in enumerate(losses, 1)]
    history.sort(key=lambda row: row["step"])
    for step in (10, 30, 60, 90, 100):
        checkpoint(root, step)
        (root / f"checkpoint-{step}" / "trainer_state.json").unlink()
    (root / "trainer_state.json").write_text(json.dumps({"log_history": history, "max_steps": 100}))
    quieten(root)


def test_where_the_best_step_was_not_saved_those_beside_it_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "out"
    saved_between(root)
    found = {c.step: c.keep for c in plan_prune(root).candidates}
    assert "near" in (found[30], found[60]) and found[10] is found[90] is None
    assert {found[30], found[60]} <= {"near", "recommended"}
    for lang in ("en", "zh"):
        assert main(["--lang", lang, "prune", str(root)]) == 0
        near = [f"checkpoint-{step} " for step in (30, 60) if found[step] == "near"]
        told = [line for line in capsys.readouterr().out.splitlines() if line.startswith(tuple(near))]
        assert len(told) == len(near) and all(" 40" in line for line in told)
    assert main(["prune", str(root), "--yes", "--not-last"]) == 0
    assert {30, 60} <= set(steps(root)) and not {10, 90} & set(steps(root))
    (checkpoint(root, 40) / "trainer_state.json").unlink()
    quieten(root)
    assert "near" not in {c.keep for c in plan_prune(root).candidates}, "the best one is on disk"


def test_what_lies_beyond_the_log_is_another_runs(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for step in (150, 200):
        checkpoint(output, step)
        (output / f"checkpoint-{step}" / "trainer_state.json").unlink()
    quieten(output)
    found = {c.step: c.keep for c in plan_prune(output).candidates}
    assert found == {20: None, 40: "recommended", 60: None, 80: None, 100: "last", 150: "beyond", 200: "beyond"}
    assert main(["prune", str(output), "--yes"]) == 0
    assert "not of this run, whose log ends at step 100" in capsys.readouterr().out
    assert steps(output) == [40, 100, 150, 200]


def test_runs_beneath_the_output_folder_are_neither_in_the_way_nor_touched(output: Path) -> None:
    checkpoint(output / "again", 100, tuple(2.0 * loss for loss in DIP))
    (output / "other.csv").write_text("step,loss\n1,2\n2,1\n")
    quieten(output)
    assert len(read(output)) == 3
    assert {c.step for c in plan_prune(output).candidates} == {20, 40, 60, 80, 100}
    prune(plan_prune(output))
    assert steps(output / "again") == [100]
