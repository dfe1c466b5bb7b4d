"""Requests from outside: appended by anybody, given out once."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from doneness.core import DonenessError, StorageError
from doneness.runs import Recorder
from doneness.runs.control import FILE, Inbox, Request, ask, taken, waiting


def actions(found: list[Request]) -> list[str]:
    return [each.action for each in found]


def test_what_is_asked_is_given_out_once_with_who_and_when(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    assert inbox.news() == []
    number = ask(tmp_path, "stop", "  Ann\nB ")
    (told,) = inbox.news()
    assert (told.action, told.id, told.who, told.step) == ("stop", number, "Ann B", None)
    assert told.at[:2] == "20" and told.noted()["asked"] == told.at
    assert inbox.news() == []
    ask(tmp_path, "keep", "Bo", 400)
    assert [(each.action, each.step, each.who) for each in inbox.news()] == [("keep", 400, "Bo")]


def test_lines_that_are_no_requests_are_passed_over(tmp_path: Path) -> None:
    rubbish = [
        "rubbish", "[]", "3", '{"request": 3}', '{"request": "dance"}', '{"request": "keep"}',
        '{"request": "keep", "step": true}', '{"request": "keep", "step": -1}', "[" * 100_000, "", "\x00",
        '{"request": "keep", "step": 1e3}',
    ]  # fmt: skip
    lines = [*rubbish, '{"request": "stop"}', '{"request": "stop"}', '{"request": "cooldown", "who": null}']
    (tmp_path / FILE).write_text("\n".join(lines) + "\n")
    found = Inbox(tmp_path).news()
    # The same line twice is one request.
    assert [(each.action, each.who) for each in found] == [("stop", "?"), ("cooldown", "?")]
    assert actions(waiting(tmp_path)) == ["stop", "stop", "cooldown"]


def test_a_line_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    inbox, path = Inbox(tmp_path), tmp_path / FILE
    path.write_text('{"request": "st')
    assert inbox.news() == []
    with path.open("a") as handle:
        handle.write('op", "id": "1"}')
    # Whole, though its line break is not there yet; that one is no news.
    assert actions(inbox.news()) == ["stop"]
    with path.open("a") as handle:
        handle.write("\n")
    assert inbox.news() == []
    # What a crash left of a line does not swallow the next request.
    with path.open("a") as handle:
        handle.write('{"request": "keep", "ste')
    assert inbox.news() == []
    ask(tmp_path, "cooldown", "me")
    assert actions(inbox.news()) == ["cooldown"]


def test_a_file_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    ask(tmp_path, "keep", "me", 1)
    assert len(inbox.news()) == 1
    (tmp_path / FILE).unlink()
    ask(tmp_path, "keep", "me", 2)
    assert [each.step for each in inbox.news()] == [2]


def test_two_who_ask_at_once_do_not_write_into_each_other(tmp_path: Path) -> None:
    def many(who: str) -> None:
        for step in range(100):
            ask(tmp_path, "keep", who, step)

    threads = [threading.Thread(target=many, args=(name,)) for name in ("a" * 70, "b" * 70)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = Inbox(tmp_path).news()
    assert len(found) == 200 and len({each.id for each in found}) == 200


def test_what_was_taken_is_not_taken_again(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    first, second = ask(tmp_path, "keep", "me", 1), ask(tmp_path, "cooldown", "me")
    for request in Inbox(tmp_path).news():
        recorder.write("request", 5, **request.noted())
    recorder.write("resume", 5)
    assert Inbox(tmp_path).news() == []
    # Gone back behind the step at which they were taken: they are still to be carried out.
    recorder.write("resume", 4)
    assert [each.id for each in Inbox(tmp_path).news()] == [first, second]
    recorder.close()


def test_a_run_that_had_ended_does_not_obey_an_old_stop(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    ask(tmp_path, "stop", "me")
    for request in Inbox(tmp_path).news():
        recorder.write("request", 7, **request.noted())
    recorder.write("end", 7, reason="requested")
    # Pressed when it was too late.
    ask(tmp_path, "stop", "somebody else")
    kept = ask(tmp_path, "keep", "me", 3)
    recorder.write("resume", 4)
    recorder.close()
    inbox = Inbox(tmp_path)
    assert [each.id for each in inbox.news()] == [kept]
    ask(tmp_path, "stop", "me, again")
    assert [each.who for each in inbox.news()] == ["me, again"]


def test_what_was_taken_is_told_by_the_order_of_records() -> None:
    asked = {"kind": "request", "request": "stop", "id": "a", "step": 9}
    assert taken([asked]) == {"a"}
    assert taken([asked, {"kind": "resume", "step": 8}]) == set()
    assert taken([asked, {"kind": "end", "step": 9}, {"kind": "resume", "step": 0}]) == {"a"}
    assert taken([{"kind": "request", "step": 1}, {"kind": "resume", "step": "x"}]) == set()


@pytest.mark.parametrize(("action", "step"), [("dance", None), ("keep", None), ("keep", -1), ("keep", True)])
def test_nothing_else_can_be_asked(tmp_path: Path, action: str, step: int | None) -> None:
    with pytest.raises(DonenessError, match="a run can be asked to stop"):
        ask(tmp_path, action, "me", step)
    assert not (tmp_path / FILE).exists()


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "run" / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError):
        ask(tmp_path / "run", "stop", "me")
    assert (tmp_path / "elsewhere").read_text() == "mine"


def test_a_name_is_one_short_line(tmp_path: Path) -> None:
    ask(tmp_path, "stop", "x\r\n\x1b[31m" + "y" * 500)
    (line,) = (tmp_path / FILE).read_text().splitlines()
    who = json.loads(line)["who"]
    assert len(who) == 80 and who.startswith("x ␛[31my")
