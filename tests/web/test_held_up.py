"""What happens to files while they are served: links put in, locks held, clocks that disagree, folders back again."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from doneness.config import build_recipe, dump_recipe
from doneness.review import read_book
from doneness.runs import Recorder, Run
from doneness.runs import read as read_runs
from doneness.runs.control import ask, waiting
from doneness.web.entries import CRASHED, LIVE, Entry, state_of
from doneness.web.pages_runs import grouping_fields
from doneness.web.rows import fields_of, raw_of
from doneness.web.scan import scan
from doneness.web.site import Vote
from doneness.workflows.check import judge
from doneness.workflows.review import next_pair, record_vote
from doneness.workflows.serve import Workflows
from tests.web.served import PATIENCE, hold, served, write_probed, write_run


@pytest.mark.parametrize("name", ["votes.sqlite", "probes"])
def test_a_link_put_in_later_leads_nowhere_either(tmp_path: Path, name: str) -> None:
    outside, run = write_probed(tmp_path / "outside"), write_probed(tmp_path / "runs" / "run")
    shown = next_pair(outside, "Somebody")
    assert shown is not None
    record_vote(outside, shown.token, "1", rewrite="a secret")
    # Hours pass between two looks: what is asked for meanwhile must not rest on the first.
    with served(tmp_path / "runs", every=3600.0) as server:
        api = f"/api/run/{server.id_of('run')}/review"
        assert server.post(f"{api}/next", {"reviewer": "Ann"}).status == 200
        for each in run.glob(f"{name}*"):
            each.rename(tmp_path / each.name)
        (run / name).symlink_to(outside / name)
        for answer in (
            server.get(f"{api}/export?as=jsonl"),
            server.get(f"{api}/status"),
            server.post(f"{api}/next", {"reviewer": "Ann"}),
            server.post(f"{api}/vote", {"reviewer": "Ann", "token": shown.token, "vote": "2"}),
            server.post(f"{api}/undo", {"reviewer": "Somebody"}),
        ):
            assert answer.status == 409 and f"run/{name}: a link leads out" in answer.text
            assert "a secret" not in answer.text and str(tmp_path) not in answer.text
    with read_book(outside) as book:
        assert book is not None and len(book.history()) == 1


def test_a_link_changes_the_fingerprint_whatever_its_name(tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs" / "run")
    before = scan(tmp_path / "runs")[0]
    (run / "votes.sqlite").symlink_to(tmp_path / "votes.sqlite")
    after = scan(tmp_path / "runs")[0]
    assert not before.leads_out and after.leads_out == "run/votes.sqlite" and before.print != after.print


def test_pages_do_not_wait_for_votes_that_wait_for_a_lock(tmp_path: Path) -> None:
    run = write_probed(tmp_path / "run")
    with served(tmp_path) as server:
        place = server.id_of("run")
        api = f"/api/run/{place}/review"
        assert server.post(f"{api}/next", {"reviewer": "Ann"}).status == 200
        holder = sqlite3.connect(run / "votes.sqlite", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        told: list[int] = []

        def vote(number: int) -> None:
            told.append(server.post(f"{api}/next", {"reviewer": f"Reviewer {number}"}).status)

        # More than there are threads for all the rest.
        waiting_ = [threading.Thread(target=vote, args=(number,)) for number in range(40)]
        for each in waiting_:
            each.start()
        until = time.monotonic() + PATIENCE
        while server.get("/api/runs").status != 200 or len([t for t in waiting_ if t.is_alive()]) < 40:
            assert time.monotonic() < until
        assert server.get("/").status == 200 and server.get(f"/run/{place}").status == 200
        assert not told, "the pages came after the votes"
        holder.execute("ROLLBACK")
        holder.close()
        for each in waiting_:
            each.join(PATIENCE)
        assert told == [200] * 40


def test_a_pipe_by_the_name_of_the_requests_holds_nobody_up(tmp_path: Path) -> None:
    ask(write_run(tmp_path / "run"), "stop", "Ann")
    assert len(waiting(tmp_path / "run")) == 1
    (tmp_path / "run" / "control.jsonl").unlink()
    os.mkfifo(tmp_path / "run" / "control.jsonl")
    told: list[object] = []
    reader = threading.Thread(target=lambda: told.append(waiting(tmp_path / "run")), daemon=True)
    reader.start()
    reader.join(PATIENCE / 6)
    assert told == [[]]


def test_every_key_of_a_recipe_is_there_to_group_by(tmp_path: Path) -> None:
    import tomllib

    rows = []
    for rate in (1e-4, 2e-4, 1e-4):
        raw = {"model": {"path": "m"}, "data": {"train": "t.jsonl"}, "optimizer": {"learning_rate": rate}}
        recipe = tomllib.loads(dump_recipe(build_recipe(raw)))
        rows.append({"fields": fields_of(Run("run", tmp_path, meta={"recipe": recipe}))})
        assert {"schedule.epochs", "stopping.alpha"} <= rows[-1]["fields"].keys()
    assert grouping_fields(rows) == ["optimizer.learning_rate"]


def test_what_groups_there_are_is_told_as_runs_come(tmp_path: Path) -> None:
    for number, steps in enumerate((20, 20, 24)):
        write_run(tmp_path / f"run{number}", steps)
    with served(tmp_path) as server:
        assert server.listed()["groups"] == ["optimizer.learning_rate"]


@pytest.mark.parametrize("ahead", [-60.0, 86_400.0])
def test_a_dead_run_is_dead_whatever_its_clock_says(tmp_path: Path, ahead: float) -> None:
    run = write_run(tmp_path / "run", end=False)
    now = time.time()
    os.utime(run / "journal.jsonl", (now + ahead, now + ahead))
    (unit,) = scan(tmp_path)
    (read,) = read_runs(run)
    judged = judge(read)
    raw = raw_of(read, judged.diagnosis, judged.kept)
    raw.home, raw.patience = "run", 600.0
    hold(run)
    unit = type(unit)(unit.place, unit.print, now + ahead, True)
    assert state_of(Entry("1", unit, raw), tmp_path, now) == LIVE
    (run / "journal.lock").write_text("4194304\n")
    assert state_of(Entry("1", unit, raw), tmp_path, now) == CRASHED
    # The same number on another machine, whose folder is shared, says nothing of a process here.
    (run / "journal.lock").write_text("4194304 another-machine\n")
    assert state_of(Entry("1", unit, raw), tmp_path, now) == LIVE


def test_at_the_end_of_the_pairs_it_is_said_where_the_votes_stand(tmp_path: Path) -> None:
    run, site = write_probed(tmp_path / "run", questions=2, steps=(0, 20)), Workflows()
    told = dict(site.next_pair(run, " Ann ", "en"))
    for _ in range(2):
        told = dict(site.record_vote(run, Vote(told["token"], "1", " Ann ", {}, ""), "en"))
    assert told["over"] and told["voted"] == told["units"] == told["pairs"] == 2
    assert told["headline"].startswith("Not settled") and told["needed"] is None
    # Nobody is asked for votes that there is nothing left to cast on.
    assert "more votes" not in told["headline"]


@pytest.mark.parametrize("replaced", [True, False])
def test_a_log_that_is_begun_anew_is_told_as_such(tmp_path: Path, replaced: bool) -> None:
    folder, other = write_run(tmp_path / "runs" / "run", end=False), write_run(tmp_path / "other", 8, end=False)
    hold(folder)
    with served(tmp_path / "runs") as server:
        run = server.id_of("run")
        with server.events(f"/api/run/{run}/events") as events:
            assert next(e for e in events if e[0] == "tail")[1]["step"] == 40
            if replaced:
                (other / "journal.jsonl").replace(folder / "journal.jsonl")
            else:
                (folder / "journal.jsonl").write_bytes((other / "journal.jsonl").read_bytes())
            assert next(e for e in events if e[0] == "reset")
            assert next(e for e in events if e[0] == "tail")[1]["step"] == 8
            assert next(e for e in events if e[0] == "verdict")[1]["row"]["step"] == 8


def test_a_run_whose_folder_comes_back_is_followed_again(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs" / "run", end=False)
    hold(folder)
    with served(tmp_path / "runs") as server:
        run = server.id_of("run")
        with server.events(f"/api/run/{run}/events") as events:
            folder.rename(tmp_path / "away")
            assert next(e for e in events if e[0] == "gone")[1] == {"id": run}
            (tmp_path / "away").rename(folder)
            assert next(e for e in events if e[0] == "verdict")
            recorder = Recorder(folder)
            recorder.write("train", 41, loss=1.25)
            recorder.close()
            told = (e for e in events if e[0] == "tail" and e[1]["series"].get("train", {}).get("x", [0])[-1] == 41)
            assert next(told)[1]["series"]["train"]["y"][-1] == 1.25
