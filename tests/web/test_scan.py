"""What lies under a folder: found quickly, each log once, changes noticed, links not followed."""

from __future__ import annotations

import os
from pathlib import Path

from doneness.web.scan import leads_out, scan
from tests.web.served import write_run


def places(root: Path) -> dict[str, str]:
    return {unit.place: unit.print for unit in scan(root)}


def test_runs_and_loose_logs_are_found_and_other_files_are_not(tmp_path: Path) -> None:
    write_run(tmp_path / "a" / "run")
    state = tmp_path / "out" / "checkpoint-5"
    state.mkdir(parents=True)
    (state / "trainer_state.json").write_text("{}")
    events = tmp_path / "tb"
    events.mkdir()
    (events / "events.out.tfevents.1.host").write_bytes(b"x")
    for name in ("log.csv", "model.safetensors", "code.py", "tokenizer.json", ".hidden.csv", "notes.md"):
        (tmp_path / name).write_text("x")
    for closed in (".git", "__pycache__", "node_modules"):
        write_run(tmp_path / closed / "run")
    assert set(places(tmp_path)) == {"a/run", "out", "tb", "log.csv"}
    (unit,) = [unit for unit in scan(tmp_path) if unit.place == "a/run"]
    assert unit.journal == "a/run/journal.jsonl" and unit.folder
    assert [unit.place for unit in scan(tmp_path / "a" / "run")] == [""]


def test_only_what_a_verdict_may_rest_on_changes_the_fingerprint(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    before = places(tmp_path)["run"]
    for name in ("votes.sqlite", "votes.sqlite-wal", "report.html", "journal.lock", "adapter_model.safetensors"):
        (run / name).write_text("x")
    assert places(tmp_path)["run"] == before
    with (run / "journal.jsonl").open("a") as handle:
        handle.write("{}\n")
    after = places(tmp_path)["run"]
    (run / "checkpoint-99").mkdir()
    assert len({before, after, places(tmp_path)["run"]}) == 3


def test_links_are_seen_and_not_followed(tmp_path: Path) -> None:
    outside, root = write_run(tmp_path / "outside"), tmp_path / "root"
    inside = write_run(root / "run")
    (root / "away").symlink_to(outside)
    (root / "loop").symlink_to(root)
    (inside / "best").symlink_to(inside / "checkpoint-20")
    assert set(places(root)) == {"run"} and not leads_out(root, inside)
    (inside / "checkpoint-20" / "more").symlink_to(outside / "journal.jsonl")
    (unit,) = scan(root)
    assert unit.leads_out == "run/checkpoint-20/more" == leads_out(root, inside)
    assert leads_out(root, root / "away") == "away"


def test_a_folder_that_cannot_be_opened_hides_no_other(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    (tmp_path / "closed").mkdir(mode=0o000)
    os.mkfifo(tmp_path / "pipe.csv")
    deep = tmp_path.joinpath(*["d"] * 40)
    deep.mkdir(parents=True)
    (deep / "log.csv").write_text("x")
    try:
        assert set(places(tmp_path)) == {"run"}
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_a_log_that_lies_beside_run_folders_is_one_of_many(tmp_path: Path) -> None:
    (tmp_path / "trainer_state.json").write_text("{}")
    (tmp_path / "train.log").write_text("x")
    assert set(places(tmp_path)) == {""}
    write_run(tmp_path / "other")
    assert set(places(tmp_path)) == {"trainer_state.json", "train.log", "other"}
    # A Trainer's own output folder stays one run, whatever else lies beneath it.
    (tmp_path / "checkpoint-5").mkdir()
    assert set(places(tmp_path)) == {""}
