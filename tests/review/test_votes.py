from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from doneness.core import DonenessError, UnreadableError
from doneness.review import FILE, Showing, new_token, now, open_book, read_book
from doneness.review.votes import Book

# Casts votes one after another and says so of each once it is acknowledged.
WRITER = """
import sys
from pathlib import Path
from doneness.review import Showing, new_token, now, open_book
run, name, begin, end = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with open_book(run) as book:
    who = book.reviewer(name, seed=1)
    tokens = [new_token() for n in range(end)]
    with book.writing():
        for n in range(begin, end):
            shown = Showing(tokens[n], who.id, f"q{n}", f"question {n}", 0, 20, f"left {n}", f"right {n}", None, now())
            book.show(shown)
    for n in range(begin, end):
        book.vote(tokens[n], "12"[n % 2], {1 + n % 2: ["invented"]}, f"rewrite {n}" if n % 10 == 0 else "")
        print(n, flush=True)
"""


def shown(book: Book, reviewer: str = "Ann", question: str = "q1", left: str = "a", right: str = "b") -> Showing:
    who = book.reviewer(reviewer, seed=1)
    found = Showing(new_token(), who.id, question, "What?", 0, 20, left, right, None, now())
    book.show(found)
    return found


def writer(run: Path, name: str, begin: int, end: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(run), name, str(begin), str(end)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_vote_is_read_back_whole(tmp_path: Path) -> None:
    with open_book(tmp_path) as book:
        seen = shown(book, left="héllo\n 世界", right="b  b")
        book.vote(seen.token, "2", {1: ["invented", "unsafe", "invented"], 2: ["too_long"]}, "  better ")
    with read_book(tmp_path) as book:
        assert book is not None
        (vote,) = book.votes()
    assert (vote.showing, vote.verdict, vote.reviewer.name) == (seen, "2", "Ann")
    assert vote.tags == (("invented", "unsafe"), ("too_long",))
    assert vote.rewrite == "better" and vote.counts and vote.points == 0.0


def test_the_newest_vote_counts_and_nothing_is_deleted(tmp_path: Path) -> None:
    with open_book(tmp_path) as book:
        first, second = shown(book), shown(book, question="q2")
        book.vote(first.token, "1", {})
        book.vote(first.token, "tie", {})
        book.vote(second.token, "bad", {})
        assert [v.verdict for v in book.votes()] == ["tie", "bad"]
        assert book.undo(first.reviewer) == second
        assert book.pending(first.reviewer) == (second,)
        assert book.undo(first.reviewer) == first
        assert book.undo(first.reviewer) is None
        # What was taken back last comes first.
        assert book.pending(first.reviewer) == (first, second)
        assert book.votes() == ()
        assert [v.verdict for v in book.history()] == ["1", "tie", "bad", "undone", "undone"]
        assert not any(v.counts for v in book.history())
        book.vote(first.token, "2", {})
        assert [v.verdict for v in book.votes()] == ["2"]


def test_undo_takes_back_ones_own_vote(tmp_path: Path) -> None:
    with open_book(tmp_path) as book:
        mine, theirs = shown(book, "Ann"), shown(book, "Bob", "q2")
        book.vote(mine.token, "1", {})
        book.vote(theirs.token, "1", {})
        assert book.undo(mine.reviewer) == mine
        assert [v.showing for v in book.votes()] == [theirs]


@pytest.mark.parametrize(
    ("token", "verdict", "tags", "rewrite"),
    [
        ("0" * 32, "1", {}, ""),
        ("", "1", {}, ""),
        ("' OR 1=1 --", "1", {}, ""),
        (None, "3", {}, ""),
        (None, "undone", {}, ""),
        (None, "1", {1: ["nice"]}, ""),
        (None, "1", {3: ["invented"]}, ""),
        (None, "1", {}, "x" * 100_001),
    ],
)
def test_what_is_no_vote_is_refused(tmp_path: Path, token: str, verdict: str, tags: dict, rewrite: str) -> None:
    with open_book(tmp_path) as book:
        seen = shown(book)
        with pytest.raises(DonenessError):
            book.vote(seen.token if token is None else token, verdict, tags, rewrite)
        assert book.history() == ()


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\x1b[31m"])
def test_a_reviewer_has_a_name(tmp_path: Path, name: str) -> None:
    with open_book(tmp_path) as book, pytest.raises(DonenessError):
        book.reviewer(name)


def test_a_reviewer_stays_of_a_kind(tmp_path: Path) -> None:
    with open_book(tmp_path) as book:
        first = book.reviewer("  Ann   Lee ", seed=5)
        assert book.reviewer("Ann Lee", seed=6) == first and first.seed == 5
        with pytest.raises(DonenessError):
            book.reviewer("Ann Lee", "judge")


def test_several_at_once_lose_nothing(tmp_path: Path) -> None:
    """Two processes and two threads, ninety votes in all."""
    processes = [writer(tmp_path, name, 0, 25) for name in ("p1", "p2")]

    def cast(name: str) -> None:
        for n in range(20):
            with open_book(tmp_path) as book:
                book.vote(shown(book, name, f"q{n}").token, "tie", {})

    threads = [threading.Thread(target=cast, args=(name,)) for name in ("t1", "t2")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [each.wait(60) for each in processes] == [0, 0]
    for each in processes:
        assert each.stdout is not None
        each.stdout.close()
    with read_book(tmp_path) as book:
        assert book is not None
        votes = book.votes()
    by = {name: sum(v.reviewer.name == name for v in votes) for name in ("p1", "p2", "t1", "t2")}
    assert by == {"p1": 25, "p2": 25, "t1": 20, "t2": 20}
    assert len({v.id for v in votes}) == 90


def test_a_writer_killed_in_the_middle_of_a_thousand_votes_loses_none(tmp_path: Path) -> None:
    """kill -9 at random moments; whatever was acknowledged is there, and nothing is half there."""
    rng, begin, acknowledged = random.Random(4), 0, []
    while begin < 1000:
        process = writer(tmp_path, "Ann", begin, 1000)
        assert process.stdout is not None
        last = min(1000, begin + rng.randint(300, 450))
        for line in process.stdout:
            acknowledged.append(int(line))
            if acknowledged[-1] + 1 >= last < 1000:
                break
        process.send_signal(signal.SIGKILL)
        # What it acknowledged while it was being killed counts too.
        acknowledged += [int(line) for line in process.stdout.read().split()]
        process.stdout.close()
        process.wait(30)
        begin = acknowledged[-1] + 1
    with read_book(tmp_path) as book:
        assert book is not None
        votes = book.votes()
    found = {vote.showing.question: vote for vote in votes}
    assert set(acknowledged) == set(range(1000))
    for n in acknowledged:
        vote = found[f"q{n}"]
        assert vote.verdict == "12"[n % 2]
        assert vote.tags[n % 2] == ("invented",)
        assert vote.rewrite == (f"rewrite {n}" if n % 10 == 0 else "")
    with sqlite3.connect(tmp_path / FILE) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_reading_writes_nothing_and_takes_in_the_log(tmp_path: Path) -> None:
    with open_book(tmp_path) as book:
        book.vote(shown(book).token, "1", {})
        # The writer is still there, and its votes in the log beside the file.
        before = {p.name: p.read_bytes() for p in tmp_path.iterdir() if not p.name.endswith("-shm")}
        with read_book(tmp_path) as again:
            assert again is not None and len(again.votes()) == 1
            with pytest.raises(sqlite3.OperationalError):
                again.reviewer("Bob")
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if not p.name.endswith("-shm")} == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_is_read(tmp_path: Path) -> None:
    with open_book(tmp_path) as book:
        book.vote(shown(book).token, "1", {})
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with read_book(tmp_path) as book:
            assert book is not None and len(book.votes()) == 1
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_nobody_voted(tmp_path: Path) -> None:
    with read_book(tmp_path) as book:
        assert book is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"no database at all, but long enough" * 4, b"SQLite format 3\0" + b"\xff" * 200])
def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(DonenessError, match=FILE), open_book(tmp_path) as book:
        book.reviewer("Ann")
    with pytest.raises(DonenessError, match=FILE), read_book(tmp_path) as read:
        assert read is not None
        read.votes()
    assert (tmp_path / FILE).read_bytes() == content


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE vote SET verdict = 'yes'",
        "UPDATE vote SET token = 'gone'",
        "UPDATE vote SET rewrite = x'00ff'",
        "UPDATE showing SET left_step = 'x'",
        "UPDATE reviewer SET seed = 1.5",
    ],
)
def test_a_file_that_somebody_changed_is_named(tmp_path: Path, change: str) -> None:
    with open_book(tmp_path) as book:
        book.vote(shown(book).token, "1", {1: ["unsafe"]})
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("INSERT INTO tag VALUES (1, 7, 'unsafe'), (1, 1, '\x1b[31m')")
    connection.close()
    with read_book(tmp_path) as read:
        assert read is not None and read.votes()[0].tags == (("unsafe",), ())
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute(change)
    connection.close()
    with pytest.raises(UnreadableError, match=FILE), read_book(tmp_path) as read:
        assert read is not None
        read.votes()


def test_votes_of_a_newer_version_are_refused(tmp_path: Path) -> None:
    with open_book(tmp_path):
        pass
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("PRAGMA user_version=9")
    connection.close()
    with pytest.raises(UnreadableError, match="newer"), open_book(tmp_path):
        pass
    with pytest.raises(UnreadableError, match="newer"), read_book(tmp_path):
        pass
