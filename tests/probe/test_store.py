from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doneness.core import StorageError
from doneness.probe.store import Part, Store

TEXTS = st.text(max_size=30)


def part(key: str, text: str = "Yes.", step: int = 4) -> Part:
    value = {"text": text, "tokens": 2, "confidence": 0.123456789, "capped": False, "ids": (3, 4)}
    return Part(key, step, f"q{key}", "answer", value)


def test_what_was_put_is_there_again_and_reads_the_same(tmp_path: Path) -> None:
    first = Store(tmp_path)
    assert first.put([part("a"), part("b"), part("a", "again")]) == 2
    again = Store(tmp_path)
    for key in ("a", "b"):
        assert first.get(key) == again.get(key)
    assert first.get("a") == {"text": "Yes.", "tokens": 2, "confidence": 0.123457, "capped": False, "ids": [3, 4]}
    assert again.get("c") is None and "c" not in again and len(again) == 2
    lines = [json.loads(line) for line in (tmp_path / "probes" / "store.jsonl").read_text().splitlines()]
    assert [(line["key"], line["step"], line["id"], line["ask"]) for line in lines] == [
        ("a", 4, "qa", "answer"),
        ("b", 4, "qb", "answer"),
    ]


def test_without_a_folder_it_is_kept_in_memory() -> None:
    store = Store(None)
    assert (store.put([part("a")]), store.put([part("a")]), len(store)) == (1, 0, 1)


@settings(max_examples=25, deadline=None)
@given(text=TEXTS, cut=st.integers(0, 400))
def test_a_torn_last_line_costs_that_line_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, text: str, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("store")
    Store(folder).put([part("a", text), part("b", text)])
    path = folder / "probes" / "store.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[: max(0, len(whole) - cut)])
    torn = Store(folder)
    known = {key for key in ("a", "b") if key in torn}
    torn.put([part("c", text)])
    after = Store(folder)
    # Where the line's end alone was cut off, ending it makes it whole.
    ended = {"b"} if cut == 1 else set()
    assert {key for key in ("a", "b", "c") if key in after} == known | {"c"} | ended
    assert after.damaged <= 1
    after.put([part("a", text), part("b", text)])
    assert len(Store(folder)) == 3


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{}",
        '{"key": 3, "ask": "answer"}',
        '{"key": "x", "ask": "dance"}',
        '{"key": "x", "ask": "answer", "text": "a", "tokens": true, "confidence": 0.5, "capped": false, "ids": []}',
        '{"key": "x", "ask": "answer", "text": "a", "tokens": 1, "confidence": 0.5, "capped": false}',
        '{"key": "x", "ask": "kl", "kl": "much"}',
        "\xff\xfe",
    ],
)
def test_a_line_that_is_no_answer_is_passed_over_and_counted(tmp_path: Path, line: str) -> None:
    Store(tmp_path).put([part("a")])
    with (tmp_path / "probes" / "store.jsonl").open("a", encoding="latin-1") as handle:
        handle.write(line + "\n")
    found = Store(tmp_path)
    assert (len(found), found.damaged, "x" in found) == (1, 1, False)


def test_two_stores_of_one_folder_see_each_others_answers(tmp_path: Path) -> None:
    one, other = Store(tmp_path), Store(tmp_path)
    one.put([part("a")])
    assert "a" not in other
    assert other.put([part("a", "twice"), part("b")]) == 1  # it looks before it writes
    assert other.get("a") == one.get("a")
    one.refresh()
    assert "b" in one
    assert len((tmp_path / "probes" / "store.jsonl").read_text().splitlines()) == 2


def test_a_folder_that_refuses_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "probes").write_text("a file where the folder should be")
    with pytest.raises(StorageError):
        Store(tmp_path).put([part("a")])


WRITER = """
    import sys
    from pathlib import Path
    from doneness.probe.store import Part, Store

    store, name = Store(Path(sys.argv[1])), sys.argv[2]
    print("ready", flush=True)
    for i in range(int(sys.argv[3])):
        value = {"text": "x" * 3000, "tokens": 2, "confidence": 0.5, "capped": False, "ids": [i]}
        parts = [Part(f"shared-{i}", 1, "s", "answer", value), Part(f"{name}-{i}", 1, "o", "answer", value)]
        store.put(parts)
"""


def writer(folder: Path, name: str, count: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(folder), name, str(count)], stdout=subprocess.PIPE
    )


def test_two_processes_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    both = [writer(tmp_path, name, 40) for name in ("one", "two")]
    assert [each.wait(60) for each in both] == [0, 0]
    for each in both:
        assert each.stdout is not None
        each.stdout.close()
    lines = [json.loads(line)["key"] for line in (tmp_path / "probes" / "store.jsonl").read_text().splitlines()]
    assert len(lines) == len(set(lines)) == 120
    found = Store(tmp_path)
    assert (len(found), found.damaged) == (120, 0)


def test_a_writer_that_is_killed_leaves_whole_lines_for_the_next(tmp_path: Path) -> None:
    dying = writer(tmp_path, "dying", 100_000)
    assert dying.stdout is not None
    path = tmp_path / "probes" / "store.jsonl"
    deadline = time.monotonic() + 60
    while (not path.exists() or path.stat().st_size < 50_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(dying.pid, signal.SIGKILL)
    dying.wait(60)
    dying.stdout.close()
    before = Store(tmp_path)
    assert len(before) > 2
    before.put([part("after")])
    after = Store(tmp_path)
    assert "after" in after and len(after) == len(before)
