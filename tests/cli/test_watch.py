from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from typing import IO

import pytest

from doneness.cli.main import main
from doneness.cli.watch_panel import line
from doneness.core import Verdict, speaking, tr
from doneness.runs import Journal
from doneness.workflows import watch as module
from doneness.workflows.watch import LogWatcher, Look, fingerprint

DIP = (2.0, 1.6, 1.4, 1.3, 1.35, 1.45, 1.6, 1.8, 2.0, 2.2, 2.4, 2.6)

# Writes a log as a trainer would, each evaluation in two halves with a pause between, the next when told to.
WRITER = """
import json, sys, time
file = open(sys.argv[1], "w")
for i, loss in enumerate(json.loads(sys.argv[2])):
    sys.stdin.readline()
    for step in range(10 * i + 1, 10 * i + 11):
        file.write(json.dumps({"step": step, "epoch": step / 50, "loss": 3 - 0.01 * step}) + "\\n")
    text = json.dumps({"step": 10 * i + 10, "epoch": (10 * i + 10) / 50, "eval_loss": loss}) + "\\n"
    for half in (text[:30], text[30:]):
        file.write(half)
        file.flush()
        time.sleep(0.15)
"""
SLEEPER = "import signal, sys, time; signal.signal(2, lambda *_: sys.exit(7)); print('up', flush=True); time.sleep(600)"


def rows(count: int) -> str:
    out = ""
    for i, loss in enumerate(DIP[:count]):
        out += "".join(
            json.dumps({"step": s, "epoch": s / 50, "loss": 3 - 0.01 * s}) + "\n"
            for s in range(10 * i + 1, 10 * i + 11)
        )
        out += json.dumps({"step": 10 * i + 10, "epoch": (10 * i + 10) / 50, "eval_loss": loss}) + "\n"
    return out


def table(count: int, last: str = "") -> str:
    lines = [f"{10 * (i + 1)},{2.5 - 0.01 * i},{loss}\n" for i, loss in enumerate(DIP[:count])]
    return "step,loss,eval_loss\n" + "".join(lines) + last


@pytest.fixture
def server() -> Iterator[tuple[str, list[dict[str, object]]]]:
    taken: list[dict[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/full":
                self.send_error(503)
                taken.append({"refused": True})
                return
            taken.append(json.loads(body) | {"type": self.headers["Content-Type"]})
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}", taken
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def watch(log: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "doneness", "watch", str(log), "--interval", "0.1", *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def write_in_step(log: Path, out: IO[str]) -> list[str]:
    """Let the writer write its evaluations, each once the one before was seen; what the watch said."""
    writing = subprocess.Popen([sys.executable, "-c", WRITER, str(log), json.dumps(DIP)], stdin=subprocess.PIPE)
    assert writing.stdin is not None
    lines = []
    for step in range(10, 10 * len(DIP) + 1, 10):
        writing.stdin.write(b"\n")
        writing.stdin.flush()
        lines.append(out.readline())
        while f"(step {step})" not in lines[-1]:
            assert lines[-1], "the watch ended before its time"
            lines.append(out.readline())
    writing.stdin.close()
    assert writing.wait(10) == 0
    return lines


def test_a_growing_log_is_followed_and_a_process_stopped_at_its_time(
    tmp_path: Path, server: tuple[str, list[dict[str, object]]]
) -> None:
    """The whole way: the log does not exist yet, a real process writes it, a real process gets SIGINT."""
    log, told = tmp_path / "log.jsonl", tmp_path / "told"
    url, taken = server
    trainer = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE)
    assert trainer.stdout is not None and trainer.stdout.readline() == b"up\n"
    names = " ".join(f"$DONENESS_{name}" for name in ("RUN", "VERDICT", "STEP", "ACTION", "KEEP"))
    stop = f'echo "{names}" >> {told}; kill -INT {trainer.pid}'
    watching = watch(log, "--webhook", url, "--on-stop", stop)
    assert watching.stdout is not None
    guard = threading.Timer(400, watching.kill)
    guard.start()
    assert watching.stdout.readline() == f"{log}: not there yet; waiting.\n"
    lines = write_in_step(log, watching.stdout)
    assert trainer.wait(120) == 7, "the trainer was interrupted, not killed"
    trainer.stdout.close()
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=120)
    guard.cancel()
    assert watching.returncode == 130 and len(err.splitlines()) == 1
    assert not any(word in "".join(lines) for word in ("damage", "Traceback", "cut"))
    ((run, verdict, step, action, keep),) = [line.split() for line in told.read_text().splitlines()]
    assert (run, verdict, action, keep) == (str(log), "overfitting", "stop", "40")
    assert 70 < int(step) < 120
    posted = [(post["verdict"], post["step"]) for post in taken]
    assert posted[-1][0] == "overfitting"
    assert set(taken[-1]) == {"run", "verdict", "headline", "step", "action", "type"}
    assert all(a[0] != b[0] for a, b in pairwise(posted)), "each change once"


def test_ctrl_c_leaves_with_one_line_and_130(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(rows(3))
    watching = watch(log)
    assert watching.stdout is not None and "step 30" in watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert len(err.splitlines()) == 1 and "Traceback" not in err


def test_a_webhook_that_fails_is_tried_twice_and_warned_of(
    tmp_path: Path, server: tuple[str, list[dict[str, object]]], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    url, taken = server
    log = tmp_path / "log.jsonl"
    log.write_text(rows(4))
    grown = [rows(8)]
    monkeypatch.setattr("time.sleep", lambda _: grown and log.write_text(grown.pop()))
    options = ["--silent-after", "2s", "--webhook", f"{url}/full", "--on-change", "exit 4", "--bell"]
    assert main(["watch", str(log), "--interval", "0.1", *options]) == 0
    got = capsys.readouterr()
    assert taken == [{"refused": True}] * 2
    assert [line.split(" ")[0] for line in got.err.splitlines()] == ["127.0.0.1", "command"]
    assert "HTTP 503" in got.err and "code 4" in got.err


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_once_looks_once(lang: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(rows(12))
    assert main(["--lang", lang, "watch", str(log), "--once", "--fail-on", "overfitting"]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 1
    log.write_text("")
    assert main(["--lang", lang, "watch", str(log), "--once"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_until_done_ends_at_the_planned_end_or_with_the_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = [json.loads(line) for line in rows(10).splitlines()]
    file = tmp_path / "trainer_state.json"
    file.write_text(json.dumps({"log_history": history, "max_steps": 100}))
    assert main(["watch", str(file), "--until-done"]) == 0
    assert "at its end, step 100" in capsys.readouterr().out
    journal = Journal(tmp_path / "run" / "journal.jsonl")
    journal.write("start", 0, meta={"planned_steps": 100})
    journal.write("train", 1, loss=2.0)
    journal.write("end", 1, reason="requested")
    journal.close()
    assert main(["watch", str(tmp_path / "run"), "--until-done"]) == 0


def test_a_log_that_never_was_is_not_silent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, slept = tmp_path / "late.jsonl", [0]

    def sleep(_: float) -> None:
        slept[0] += 1
        real(0.05)
        if slept[0] == 10:
            log.write_text(rows(3))

    real = time.sleep
    monkeypatch.setattr("time.sleep", sleep)
    assert main(["watch", str(log), "--interval", "0.1", "--silent-after", "0.1s"]) == 0
    out = capsys.readouterr().out
    assert "not there yet; waiting" in out and "step 30" in out and slept[0] >= 10


def test_the_verdict_is_said_once(tmp_path: Path) -> None:
    seen = Seen(tmp_path / "log.jsonl")
    looks = [look for n in range(1, 13) if (look := seen.after(rows(n))) is not None]
    assert any(look.changed for look in looks)
    for lang in ("en", "zh"):
        with speaking(lang):
            for look in looks:
                assert line(look).count(tr(f"report.verdict.{look.diagnosis.verdict.value}")) == 1


def test_a_pipe_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert main(["watch", str(tmp_path / "pipe")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


class Seen:
    """Drives a LogWatcher: write, then look."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.watcher = LogWatcher(log)
        self.turn = 0

    def after(self, text: str) -> Look | None:
        self.log.write_text(text)
        self.turn += 1
        os.utime(self.log, ns=(self.turn * 10**9, self.turn * 10**9))
        return self.watcher.look()


def test_nothing_is_read_again_where_nothing_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[object] = []
    real: Callable[..., object] = module.read
    monkeypatch.setattr(module, "read", lambda *a: reads.append(a) or real(*a))
    seen = Seen(tmp_path / "log.jsonl")
    assert seen.after(rows(3)) is not None
    assert [seen.watcher.look() for _ in range(5)] == [None] * 5
    assert len(reads) == 1
    assert seen.after(rows(4)) is not None and len(reads) == 2


def test_a_number_cut_short_at_the_end_is_not_read(tmp_path: Path) -> None:
    seen = Seen(tmp_path / "log.csv")
    look = seen.after(table(4, last="50,2.4,0"))  # of 0.9: read as it stands, it would be a loss of nothing
    assert look is not None and look.evaluation == (40, 1.3) and look.run.name == "log" and look.run.path == seen.log
    look = seen.after(table(4, last="50,2.4,0.9\n"))
    assert look is not None and look.evaluation == (50, 0.9)


def test_a_log_cut_for_the_moment_does_not_flicker(tmp_path: Path) -> None:
    seen = Seen(tmp_path / "trainer_state.json")
    whole = json.dumps({"log_history": [json.loads(line) for line in rows(6).splitlines()]})
    longer = json.dumps({"log_history": [json.loads(line) for line in rows(7).splitlines()]})
    first = seen.after(whole)
    assert first is not None
    for cut in ("", longer[:40], longer[: len(longer) // 2]):
        assert seen.after(cut) is None
        assert seen.watcher.last is first and seen.watcher.fault is None
    look = seen.after(longer)
    assert look is not None and look.run.last_step == 70


def test_a_new_beginning_is_taken_once_it_stands_still(tmp_path: Path) -> None:
    seen = Seen(tmp_path / "log.jsonl")
    assert seen.after(rows(6)) is not None
    assert seen.after(rows(2)) is None
    again = seen.watcher.look()
    assert again is not None and again.run.last_step == 20
    grows = [seen.after(rows(1) + f'{{"step": {s}, "loss": 1.0}}\n') for s in (11, 12, 13)]
    assert [look is not None for look in grows] == [False, False, True]


def test_stop_fires_once_and_only_when_held_over_a_new_evaluation(tmp_path: Path) -> None:
    seen = Seen(tmp_path / "log.jsonl")
    looks = [seen.after(rows(n)) for n in range(1, 13)]
    verdicts = [look.diagnosis.verdict for look in looks if look]
    assert len(verdicts) == 12
    first = verdicts.index(Verdict.OVERFITTING)
    assert [i for i, look in enumerate(looks) if look and look.stop] == [first + 1]
    assert not looks[0].changed and looks[first].changed  # type: ignore[union-attr]
    late = Seen(tmp_path / "late.jsonl")
    text = rows(first + 1)
    assert late.after(text) is not None
    same = [late.after(text + f'{{"step": {10 * first + 10 + s}, "loss": 2.0}}\n') for s in (1, 2, 3)]
    assert [look is not None and look.stop for look in same] == [False] * 3, "no new evaluation, no second opinion"
    final = late.after(rows(first + 2))
    assert final is not None and final.stop


def test_a_folder_is_watched_by_all_of_its_logs(tmp_path: Path) -> None:
    assert fingerprint(tmp_path / "out") == ()
    (tmp_path / "out" / "checkpoint-1").mkdir(parents=True)
    before = fingerprint(tmp_path / "out")
    (tmp_path / "out" / "checkpoint-1" / "model.safetensors").write_bytes(b"w")
    assert fingerprint(tmp_path / "out") == before
    (tmp_path / "out" / "checkpoint-1" / "trainer_state.json").write_text("{")
    assert fingerprint(tmp_path / "out") != before
    (tmp_path / "two").mkdir()
    for age, name in ((100, "a.jsonl"), (50, "b.jsonl")):
        (tmp_path / "two" / name).write_text(rows(3))
        os.utime(tmp_path / "two" / name, (time.time() - age, time.time() - age))
    look = LogWatcher(tmp_path / "two").look()
    assert look is not None and look.run.name == "b" and look.others == 1


def test_silence_counts_from_the_last_change_even_before_we_came(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(rows(3))
    os.utime(log, (time.time() - 500, time.time() - 500))
    watcher = LogWatcher(log)
    watcher.look()
    assert 499 < watcher.silent_for() < 520
    log.write_text(rows(4))
    watcher.look()
    assert watcher.silent_for() < 20


def test_a_wrong_map_is_told_while_waiting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.csv"
    log.write_text(table(6))
    arguments = ["watch", str(log), "--map", "loss=lost", "--silent-after", "1s", "--interval", "0.1"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "'lost'" in out and "step, loss, eval_loss" in out
    assert len(out.splitlines()) == 2, "said once, then the end"
    assert main([*arguments, "--once"]) == 2
