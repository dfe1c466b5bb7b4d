"""A second process that makes rows ahead: the same to the last byte, whatever becomes of it."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.audit.test_audit_checks import clean

from doneness.audit import AuditParams
from doneness.core import DataError
from doneness.workflows import audit_ahead, audit_stream
from doneness.workflows.audit import More, audit_files
from doneness.workflows.audit_stream import Files, streamed, work_folder
from doneness.workflows.audit_suites import questions

_ODD = (
    "高血压的症状是什么？应当少吃盐。", "separated\u2029here", "AKIAIOSFODNN7EXAMPLE", "CafÃ© <p>&amp;</p>",
    "Der Arzt und die Frau ist nicht das mit auf von", "Σίσυφος İstanbul ﬁ ½", "you are an idiot", "\ud800 lone",
)  # fmt: skip


def _row(k: int, chance: random.Random, question: str, answer: str) -> str:
    odd = chance.choice(_ODD)
    turn = {"role": "assistant", "content": answer, "reasoning_content": "Hm."}
    said = [{"role": "system", "content": "Be short."}, {"role": "user", "content": question}, turn]
    rows: list[Any] = [
        {"question": question, "answer": answer},
        {"question": question, "answer": f"{answer} {odd}", "label": chance.choice("ab"), "source": odd[:3]},
        {"messages": [*said, {"role": "user", "content": odd}, turn], "id": f"row {k}"},
        {"question": question, "answer": ""},
        {"prompt": odd, "completion": "是的，可以。" * chance.randint(1, 9)},
        [k],
        {"unknown": odd},
    ]
    row = chance.choices(rows, (9, 9, 9, 1, 5, 1, 1))[0]
    return json.dumps(row, ensure_ascii="\\ud800" in str(row)) if chance.random() > 0.02 else '{"cut'


def _written(path: Path, count: int, seed: int) -> None:
    chance = random.Random(seed)
    rows = [_row(k, chance, each.prompt, each.answer) for k, each in enumerate(clean(count, seed))]
    rows[0], rows[count // 2] = json.dumps({"question": "What is first?", "answer": "This row."}), ""
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Two files and one of another kind to train on, two held out; batches and pipe so small that there are many."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(audit_stream, "_LOOK", 16)
    monkeypatch.setattr(audit_ahead, "_PIPE", 4096)
    monkeypatch.setattr(audit_ahead, "_processors", lambda: 2)
    for place, (name, count) in enumerate((("train/a", 300), ("train/b", 200), ("held/a", 60), ("held/b", 40))):
        _written(tmp_path / f"{name}.jsonl", count, 1000 * place)
    rows = [{"question": each.prompt, "answer": each.answer} for each in clean(20, 9)]
    (tmp_path / "train" / "c.json").write_text(json.dumps(rows), encoding="utf-8")
    return Files(str(tmp_path / "train"), str(tmp_path / "held"), AuditParams(), questions([]))


class Seen:
    """The children that were started, and how often this process made rows itself."""

    def __init__(self) -> None:
        self.children: list[subprocess.Popen[bytes]] = []
        self.alone = 0


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    found, start, made = Seen(), subprocess.Popen, audit_ahead._made

    def started(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        found.children.append(start(*args, **kwargs))
        return found.children[-1]

    def counted(*args: Any) -> Iterator[Any]:
        found.alone += 1
        return made(*args)

    monkeypatch.setattr(subprocess, "Popen", started)
    monkeypatch.setattr(audit_ahead, "_made", counted)
    yield found
    assert all(child.returncode is not None for child in found.children)


def _silent(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


def _left(files: Files, name: str, told: Callable[[str, int, int], None] = _silent) -> dict[str, bytes]:
    """All that a pass over the rows leaves on disk."""
    folder = work_folder(files, Path(files.train).with_name(name))
    streamed(files, folder, None, told)
    found = {file.name: file.read_bytes() for file in sorted(folder.iterdir())}
    return {name: content for name, content in found.items() if content}


def _alone(files: Files, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    with monkeypatch.context() as patch:
        patch.setattr(audit_ahead, "_processors", lambda: 1)
        return _left(files, "alone")


def _many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_ahead, "_MANY", 1)
    monkeypatch.setattr(audit_ahead, "_LARGE", 1)


def test_two_processes_leave_what_one_leaves(data: Files, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    _many(monkeypatch)
    one = _alone(data, monkeypatch)
    assert (len(seen.children), seen.alone) == (0, 2)
    assert len(one["train.line"]) // 4 > 400
    assert len(one["train-turns.line"]) > 100
    assert _left(data, "two") == one
    assert (len(seen.children), seen.alone) == (2, 2)


def test_findings_are_the_same(data: Files, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [audit_files(data.train, data.held_out).findings]
    assert not seen.children
    _many(monkeypatch)
    found.append(audit_files(data.train, data.held_out).findings)
    assert len(seen.children) == 2
    assert [each.to_dict() for each in found[0]] == [each.to_dict() for each in found[1]]
    assert {each.code for each in found[0] if each.status.value in ("warn", "fail")} >= {"AU12", "AU18", "AU25"}


@pytest.mark.parametrize("stop", [2, 20, 36])
def test_interrupted_and_taken_up(data: Files, seen: Seen, stop: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one = _alone(data, monkeypatch)
    _many(monkeypatch)
    told: list[tuple[str, int]] = []

    def interrupt(what: str, done: int, total: int) -> None:
        told.append((what, done))
        if len(told) == stop:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        _left(data, "two", interrupt)
    assert len(told) == stop
    again: list[tuple[str, int]] = []
    assert _left(data, "two", lambda what, done, total: again.append((what, done))) == one
    side, done = told[-1]
    assert again[0][0] == side
    assert done < again[0][1] <= done + 16


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_that_dies_is_not_missed(data: Files, seen: Seen, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one = _alone(data, monkeypatch)
    _many(monkeypatch)
    calls: list[int] = []

    def end(what: str, done: int, total: int) -> None:
        calls.append(done)
        if len(calls) == 3:
            seen.children[0].send_signal(number)

    before = seen.alone
    assert _left(data, "two", end) == one
    assert (len(seen.children), seen.alone) == (2, before + 1)


def test_a_child_does_not_hear_an_interrupt(data: Files, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    _many(monkeypatch)
    before, calls = seen.alone, []

    def interrupt(what: str, done: int, total: int) -> None:
        calls.append(done)
        if len(calls) == 3:
            seen.children[0].send_signal(signal.SIGINT)

    assert _left(data, "two", interrupt)
    assert seen.alone == before


def test_a_fault_of_a_file_is_told_by_the_parent(data: Files, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gzip.compress(b"\n".join(json.dumps({"question": f"Q {k}?", "answer": "A."}).encode() for k in range(900)))
    (Path(data.train) / "d.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    told = []
    for processors in (1, 2):
        monkeypatch.setattr(audit_ahead, "_processors", lambda count=processors: count)
        _many(monkeypatch)
        with pytest.raises(DataError, match=r"d\.jsonl\.gz") as raised:
            _left(data, f"with {processors}")
        told.append(str(raised.value))
    assert told[0] == told[1]
    assert len(seen.children) == 1


def test_reasons_are_told_in_the_language_of_the_reader(
    data: Files, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    _many(monkeypatch)
    monkeypatch.setenv("DONENESS_LANG", "zh")
    found = {each.code: each for each in audit_files(data.train, data.held_out, more=More(builtin=False)).findings}
    assert len(seen.children) == 2
    assert any("行" in each["reason"] for each in found["AU18"].evidence["examples"] if "reason" in each)


@pytest.mark.parametrize("why", ["few", "one processor", "pool", "no program"])
def test_nothing_is_started_where_it_would_not_help(
    data: Files, seen: Seen, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why != "few":
        _many(monkeypatch)
    if why == "one processor":
        monkeypatch.setattr(audit_ahead, "_processors", lambda: 1)
    if why == "pool":
        import multiprocessing

        monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)  # type: ignore[attr-defined]
    if why == "no program":
        monkeypatch.setattr(sys, "executable", "")
    assert _left(data, "one")
    assert seen.alone == 2
    assert not seen.children


def test_a_child_that_cannot_be_started_is_done_without(data: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    one = _alone(data, monkeypatch)
    _many(monkeypatch)
    for program in (str(Path(data.train) / "nowhere"), "/bin/false" if Path("/bin/false").exists() else "false"):
        monkeypatch.setattr(sys, "executable", program)
        assert _left(data, f"by {Path(program).name}") == one


_KILLED = """
import os, signal, subprocess, sys
from doneness.audit import AuditParams
from doneness.workflows import audit_ahead, audit_stream
audit_ahead._MANY, audit_ahead._PIPE, audit_stream._LOOK, audit_ahead._processors = 1, 4096, 16, lambda: 2
start, children = subprocess.Popen, []
subprocess.Popen = lambda *args, **kwargs: children.append(start(*args, **kwargs)) or children[-1]
def told(*args):
    print(children[0].pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
files = audit_stream.Files(sys.argv[1], None, AuditParams())
audit_stream.streamed(files, audit_stream.work_folder(files, sys.argv[2]), None, told)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_no_child_is_left_by_a_parent_that_is_killed(data: Files, tmp_path: Path) -> None:
    path = str(Path(data.train) / "a.jsonl")
    done = subprocess.run([sys.executable, "-c", _KILLED, path, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    stat = Path("/proc", done.stdout.strip(), "stat")
    until = time.monotonic() + 60
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < until
        time.sleep(0.05)
