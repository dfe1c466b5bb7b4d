"""The list, a run, its columns, and what is told as it happens: through a real server."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from doneness.runs import Recorder
from doneness.runs.control import Inbox
from tests.web.served import Served, hold, served, write_probed, write_run

CSV = "step,loss,eval_loss\n" + "\n".join(
    f"{s},{2 / s**0.5},{2.1 / s**0.5 if s % 5 == 0 else ''}" for s in range(1, 101)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    write_run(root / "mine")
    write_run(root / "deep" / "er" / "other", steps=60)
    write_probed(root / "probed")
    (root / "foreign.csv").write_text(CSV)
    (root / "notes.txt").write_text("nothing of interest\n")
    (root / "bad").mkdir()
    (root / "bad" / "trainer_state.json").write_text('{"log_history": [')
    hold(write_run(root / "going", end=False))
    return root


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Served]:
    with served(folder) as found:
        yield found


def test_all_runs_are_listed_and_one_that_is_damaged_hides_none(server: Served) -> None:
    listed = server.listed()
    rows = {row["place"]: row for row in listed["runs"]}
    assert set(rows) == {"mine", "deep/er/other", "probed", "foreign.csv", "going"}
    assert [lost["place"] for lost in listed["unreadable"]] == ["bad"]
    assert "trainer_state.json" in listed["unreadable"][0]["error"]
    mine = rows["mine"]
    assert (mine["state"], mine["step"], mine["total"], mine["tool"]) == ("ended", 40, 80, "doneness")
    assert mine["verdict"] and mine["word"] and mine["headline"] and len(mine["id"]) == 12
    assert 2 <= len(mine["spark"]) <= 60 and mine["fields"] == {"optimizer.learning_rate": "0.004"}
    # Half a second a step, and forty are left.
    assert rows["going"]["state"] == "live" and rows["going"]["seconds_left"] == pytest.approx(20.0, rel=0.2)
    assert rows["foreign.csv"]["tool"] == "CSV"
    # Nothing of the machine's own paths.
    assert str(server.settings.root) not in server.get("/api/runs").text


def test_everything_is_said_in_the_readers_language(server: Served) -> None:
    english, chinese = server.rows("en")["mine"], server.rows("zh")["mine"]
    assert english["word"] != chinese["word"] and any(c >= "\u4e00" for c in chinese["headline"])
    assert english["id"] == chinese["id"]
    page = server.get("/api/runs", {"Accept-Language": "fr, zh-CN;q=0.8, en;q=0.1"}).data
    assert next(row for row in page["runs"] if row["place"] == "mine")["word"] == chinese["word"]
    (lost,) = server.get("/api/runs?lang=zh").data["unreadable"]
    assert any(c >= "\u4e00" for c in lost["error"])
    refused = server.get("/api/run/nothing?lang=zh")
    assert refused.status == 404 and any(c >= "\u4e00" for c in refused.data["error"])


def test_a_run_is_told_as_its_report_tells_it(server: Served) -> None:
    told = server.get(f"/api/run/{server.id_of('mine')}?lang=en").data
    assert told["row"]["place"] == "mine" and len(told["numbers"]) == 3
    assert told["axes"] == ["step", "tokens", "targets", "epoch", "time"]
    assert set(told["series"]) == {"train", "eval", "rate", "grad"}
    assert [c["step"] for c in told["checkpoints"] if c["state"] == "kept"] == [20]
    assert told["can"] == {"stop": False, "cooldown": False, "keep": False}
    going = server.get(f"/api/run/{server.id_of('going')}").data
    assert going["can"] == {"stop": True, "cooldown": True, "keep": True}


def test_columns_come_by_axis_and_window(server: Served) -> None:
    run = f"/api/run/{server.id_of('mine')}/series"
    whole = server.get(f"{run}?name=train&name=eval&name=nothing").data
    assert set(whole["series"]) == {"train", "eval"} and whole["of"] == {"train": 40, "eval": 10}
    assert whole["series"]["train"]["x"] == list(range(1, 41))
    tokens = server.get(f"{run}?name=train&axis=tokens").data["series"]["train"]
    assert tokens["x"][:3] == [100, 200, 300]
    # The window's neighbours are there, so that a line goes on to its edge.
    part = server.get(f"{run}?name=train&axis=tokens&from=1000&to=1200").data
    assert part["series"]["train"]["x"] == [900, 1000, 1100, 1200, 1300]
    assert server.get(f"{run}?axis=time&name=eval").data["series"]["eval"]["x"][0] == 2.0


def test_runs_are_compared(server: Served) -> None:
    ids = [server.id_of("mine"), server.id_of("deep/er/other")]
    told = server.get(f"/api/compare?run={ids[0]}&run={ids[1]}&axis=tokens").data
    assert [each["row"]["id"] for each in told["runs"]] == ids
    assert told["runs"][1]["drawn"]["series"]["train"]["x"][-1] == 6000
    assert server.get(f"/compare?run={ids[0]}&run={ids[1]}").status == 200


def test_answers_are_found_and_paged(server: Served) -> None:
    run = f"/api/run/{server.id_of('probed')}/answers"
    told = server.get(f"{run}?step=0&step=40").data
    assert told["steps"] == [0, 40] and told["all_steps"] == [0, 20, 40] and told["of"] == 12 and told["pages"] == 1
    item = told["items"][0]
    assert item["answers"]["0"]["text"] == "answer 0 of 0" and item["reference"] == "reference 0"
    assert ["0", "removed"] in item["answers"]["40"]["parts"] and ["40", "added"] in item["answers"]["40"]["parts"]
    assert server.get(f"{run}?find=NUMBER+7").data["of"] == 1
    assert server.get(f"{run}?behaviour=invented").data["of"] == 6
    assert server.get(f"{run}?changed=1&step=20").data["of"] == 0
    assert server.get(f"{run}?page=5").data["items"] == []


def test_pages_are_there_and_paint_from_their_html(server: Served) -> None:
    run = server.id_of("probed")
    for target in ("/", f"/run/{run}", f"/run/{run}/answers", f"/run/{run}/review", "/compare"):
        found = server.get(target)
        assert found.status == 200 and found.headers["content-type"] == "text/html; charset=utf-8", target
        assert "<script>" not in found.text and "<main" in found.text
    assert "probed" in server.get("/").text
    assert server.get("/run/000000000000").status == 404


def test_a_request_is_written_for_the_trainer_to_find(folder: Path, server: Served) -> None:
    run, inbox = server.id_of("going"), Inbox(folder / "going")
    inbox.news()
    found = server.post(f"/api/run/{run}/control", {"action": "keep", "step": 20, "who": "Ann"})
    assert found.status == 202
    (told,) = inbox.news()
    assert (told.action, told.step, told.who, told.id) == ("keep", 20, "Ann", found.data["id"])
    # There is no such checkpoint; nobody listens there.
    assert server.post(f"/api/run/{run}/control", {"action": "keep", "step": 21, "who": "Ann"}).status == 409
    other = server.id_of("mine")
    assert server.post(f"/api/run/{other}/control", {"action": "stop", "who": "Ann"}).status == 409
    foreign = server.id_of("foreign.csv")
    assert server.post(f"/api/run/{foreign}/control", {"action": "stop", "who": "Ann"}).status == 409


def test_what_is_logged_is_told_to_all_who_look(tmp_path: Path) -> None:
    hold(write_run(tmp_path / "going", end=False))
    with served(tmp_path) as server:
        run = server.id_of("going")
        with server.events(f"/api/run/{run}/events") as one, server.events(f"/api/run/{run}/events?lang=zh") as two:
            # What lies at the end already comes first: it may have been written between page and stream.
            for each in (one, two):
                assert next(e for e in each if e[0] == "tail")[1]["step"] == 40
            recorder = Recorder(tmp_path / "going")
            recorder.write("train", 41, loss=1.25, learning_rate=1e-4)
            recorder.write("train", 42, loss=math.nan)
            recorder.write("request", 42, request="stop", who="Ann\n<b>", id="x")
            recorder.close()
            # Looks at the log fall where they fall: the two rows may come in one tail or in two.
            rows: dict[int, object] = {}
            asked: dict[str, object] = {}
            for name, data, number in two:
                assert number
                if name == "tail":
                    rows |= dict(zip(data["series"]["train"]["x"], data["series"]["train"]["y"], strict=True))
                elif name == "control":
                    asked = data
                if 42 in rows and asked:
                    break
            assert rows == {41: 1.25, 42: None}
            assert asked["state"] == "done" and asked["who"] == "Ann <b>"
            # The other one, in its own language, and sooner or later the verdict on what came.
            names: set[str] = set()
            while not {"tail", "control"} <= names:
                names.add(next(one)[0])
            assert names <= {"tail", "control", "verdict"}
        grown = server.get(f"/api/run/{run}/series?name=train").data["series"]["train"]
        assert grown["x"][-2:] == [41, 42] and grown["y"][-1] is None


def test_who_comes_back_is_told_what_was_missed(tmp_path: Path) -> None:
    write_run(tmp_path / "one")
    with served(tmp_path) as server:
        server.listed()
        with server.events("/api/events?lang=en") as events:
            write_run(tmp_path / "two")
            first = next(events)
        write_run(tmp_path / "three")
        server.rows()
        until = time.monotonic() + 30
        while "three" not in server.rows():
            assert time.monotonic() < until
        with server.events("/api/events?lang=en", last=first[2]) as events:
            missed = {data["place"] for name, data, _ in (next(events), next(events)) if name == "run"}
        assert missed & {"two", "three"}
        for strange in ("0000-5", "x", first[2] + "999"):
            with server.events("/api/events?lang=en", last=strange) as events:
                assert next(events)[0] == "reset"


def test_a_run_that_goes_away_is_told(tmp_path: Path) -> None:
    import shutil

    write_run(tmp_path / "one")
    with served(tmp_path) as server:
        run = server.id_of("one")
        with server.events("/api/events") as events:
            shutil.rmtree(tmp_path / "one")
            assert next(e for e in events if e[0] == "gone")[1] == {"id": run}
        assert server.get(f"/run/{run}").status == 404


def test_another_tools_log_is_followed_too(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(CSV + "\n")
    over = threading.Event()

    def write() -> None:
        step = 100
        while not over.wait(0.3):
            step += 1
            with path.open("a") as handle:
                handle.write(f"{step},{50 / step},\n")

    with served(tmp_path) as server:
        run = server.id_of("log.csv")
        writer = threading.Thread(target=write)
        with server.events(f"/api/run/{run}/events") as events:
            writer.start()
            try:
                tails = (data["series"]["train"] for name, data, _ in events if name == "tail")
                first, second = next(tails), next(tails)
            finally:
                over.set()
                writer.join()
        steps = [*first["x"], *second["x"]]
        assert steps[0] > 100 and steps == list(range(steps[0], steps[-1] + 1))
        assert first["y"][0] == pytest.approx(50 / steps[0], rel=1e-4)


def test_a_second_start_knows_what_the_first_one_read(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one")
    (tmp_path / "runs" / "two.csv").write_text(CSV)
    cache = tmp_path / "cache"
    with served(tmp_path / "runs", cache=cache) as server:
        before = server.rows()
    with served(tmp_path / "runs", cache=cache) as server:
        first = server.get("/api/runs").data
        assert {row["place"]: row["verdict"] for row in first["runs"]} == {p: r["verdict"] for p, r in before.items()}
    # A cache that is damaged is a cache that is empty.
    for file in cache.iterdir():
        file.write_bytes(b"\0" * 2000)
    with served(tmp_path / "runs", cache=cache) as server:
        assert server.rows().keys() == before.keys()
    assert not [p for p in (tmp_path / "runs").rglob("*") if "cache" in p.name]


def test_votes_are_exported_under_a_name_of_ours(folder: Path, server: Served) -> None:
    run = f"/api/run/{server.id_of('probed')}/review"
    shown = server.post(f"{run}/next", {"reviewer": "Ann"}).data
    assert shown["left"] != shown["right"] and "0" not in json.dumps({k: shown[k] for k in ("token",)})[:0]
    voted = server.post(f"{run}/vote", {"token": shown["token"], "vote": "1", "reviewer": "Ann",
                                         "tags": {"2": ["invented"]}}).data  # fmt: skip
    assert voted["voted"] == 1 and voted["token"] != shown["token"]
    assert server.get(f"{run}/status").data["votes"] == 1
    found = server.get(f"{run}/export?as=csv")
    assert found.headers["content-disposition"] == 'attachment; filename="votes.csv"'
    assert found.text.count("\n") >= 2 and "invented" in found.text
    again = server.post(f"{run}/undo", {"reviewer": "Ann"}).data
    assert again["token"] == shown["token"]
    assert server.post(f"{run}/undo", {"reviewer": "Nobody"}).data == {"none": True}
