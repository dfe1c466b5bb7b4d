"""A judge behind a real server on this machine: right, wrong, silent, talking rubbish."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from doneness.core import DonenessError
from doneness.probe.agreement import Pair, agreement, verdicts
from doneness.probe.behaviours import MEASURES
from doneness.probe.endpoint import KEY, MODEL, URL, Endpoint, Unanswered, from_environment
from doneness.probe.judge import Judge, grade_in, judge_from_environment, verdict_in, with_judge
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer

# (status, body) of the n-th request, given its messages' text
Reply = Callable[[int, str], tuple[int, str]]


class Served:
    """What a server was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[dict[str, Any]] = []
        self.heads: list[dict[str, str]] = []


@contextmanager
def serving(reply: Reply, hang: threading.Event | None = None) -> Iterator[Served]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            served.asked.append(body)
            served.heads.append(dict(self.headers))
            status, text = reply(len(served.asked), body["messages"][0]["content"])
            if status == 0:
                assert hang is not None
                hang.wait(5)
                return
            self.send_response(status)
            if status == 302:
                self.send_header("Location", served.url + "/elsewhere")
            if status == 429:
                self.send_header("Retry-After", "7")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Served(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        if hang is not None:
            hang.set()
        server.shutdown()
        server.server_close()
        thread.join()


def said(text: str) -> str:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]})


def endpoint(served: Served, waits: list[float] | None = None, **more: Any) -> Endpoint:
    sleep = (waits if waits is not None else []).append
    return Endpoint(served.url, "judge-1", "secret-key", sleep=sleep, **more)


def test_a_grade_is_asked_once_and_kept_on_disk(tmp_path: Path) -> None:
    with serving(lambda n, text: (200, said("Right and short. Grade: 8"))) as served:
        judge = Judge(endpoint(served, cache=tmp_path))
        assert judge.grade("Q?", "R", "A") == 8
        assert judge.grade("Q?", "R", "A") == 8
        assert Judge(endpoint(served, cache=tmp_path)).grade("Q?", "R", "A") == 8
        assert len(served.asked) == 1
        assert Judge(endpoint(served, cache=tmp_path)).grade("Q?", "R", "other") == 8
        assert len(served.asked) == 2
    assert served.heads[0]["Authorization"] == "Bearer secret-key"
    assert served.asked[0]["model"] == "judge-1" and served.asked[0]["temperature"] == 0
    assert "[Reference]\nR" in served.asked[0]["messages"][0]["content"]
    assert "secret-key" not in "".join(f.read_text() for f in tmp_path.iterdir())
    assert "secret-key" not in repr(endpoint(served))


def test_a_damaged_reply_on_disk_is_asked_for_again(tmp_path: Path) -> None:
    with serving(lambda n, text: (200, said("Grade: 3"))) as served:
        Judge(endpoint(served, cache=tmp_path)).grade("Q?", "", "A")
        (file,) = tmp_path.iterdir()
        file.write_text("{")
        assert Judge(endpoint(served, cache=tmp_path)).grade("Q?", "", "A") == 3
        assert len(served.asked) == 2


def prefers_the_longer(n: int, text: str) -> tuple[int, str]:
    first, second = text.split("[Answer A]\n")[1].split("\n\nEnd with")[0].split("\n\n[Answer B]\n")
    return 200, said(f"Verdict: {'A' if len(first) > len(second) else 'B'}")


def test_a_verdict_counts_where_both_orders_agree() -> None:
    with serving(prefers_the_longer) as served:
        judge = Judge(endpoint(served))
        assert judge.prefers("Q?", "a long answer", "short") == 1.0
        assert judge.prefers("Q?", "short", "a long answer") == 0.0
        assert (judge.swapped, judge.split) == (2, 0)
        assert len(served.asked) == 4
    with serving(lambda n, text: (200, said("Verdict: A"))) as served:
        judge = Judge(endpoint(served))
        assert judge.prefers("Q?", "one", "other") == 0.5
        assert (judge.swapped, judge.split) == (1, 1)
        assert "1 of 1" in judge.told()[0].text("en")
    with serving(lambda n, text: (200, said("Verdict: tie"))) as served:
        judge = Judge(endpoint(served))
        assert judge.prefers("Q?", "one", "other") == 0.5
        assert judge.split == 0


def test_what_passes_is_tried_again_with_growing_waits() -> None:
    waits: list[float] = []
    codes = [500, 429, 503, 200]
    with serving(lambda n, text: (codes[n - 1], said("Grade: 5") if codes[n - 1] == 200 else "busy")) as served:
        assert Judge(endpoint(served, waits)).grade("Q?", "", "A") == 5
    assert waits == [1.0, 7.0, 4.0]  # after the 429 as long as it asked for


def test_rubbish_is_asked_for_again_and_left_out_in_the_end() -> None:
    replies = ["I like it.", "Grade: 77", "Grade: 4"]
    with serving(lambda n, text: (200, said(replies[n - 1]))) as served:
        assert Judge(endpoint(served)).grade("Q?", "", "A") == 4
        assert served.asked[1]["temperature"] > 0
    for body in ("no json", "{}", '{"choices": []}', said(""), '{"choices": [{"message": {"content": 3}}]}'):
        with serving(lambda n, text, body=body: (200, body)) as served:  # type: ignore[misc]
            judge = Judge(endpoint(served, tries=2))
            assert judge.grade("Q?", "", "A") is None
            assert judge.prefers("Q?", "A", "B") is None
            assert len(served.asked) == 4  # of a pair the first order alone, twice
            assert "2 of 2" in judge.told()[0].text("en") and "2" in judge.told()[0].text("zh")


def test_silence_and_broken_connections_are_given_up() -> None:
    hang = threading.Event()
    with serving(lambda n, text: (0, ""), hang) as served:
        judge = Judge(endpoint(served, tries=2, timeout=0.1))
        assert judge.grade("Q?", "", "A") is None
        assert len(served.asked) == 2
    gone = Endpoint(served.url, "m", tries=2, sleep=lambda seconds: None)
    with pytest.raises(Unanswered, match="2 tries"):
        gone.reply([{"role": "user", "content": "?"}])


def test_what_will_not_pass_is_said_at_once() -> None:
    with serving(lambda n, text: (401, "bad key")) as served:
        with pytest.raises(DonenessError, match="HTTP 401: bad key"):
            Judge(endpoint(served)).grade("Q?", "", "A")
        assert len(served.asked) == 1
    with pytest.raises(DonenessError, match="begins with http"):
        Endpoint("file:///etc/passwd", "m")


def test_the_key_follows_no_redirect() -> None:
    with serving(lambda n, text: (302, "elsewhere")) as served:
        with pytest.raises(DonenessError, match="HTTP 302"):
            Judge(endpoint(served)).grade("Q?", "", "A")
        assert len(served.asked) == 1


def test_the_judge_beside_people() -> None:
    pairs = [Pair(f"q{i}", "Q?", "a long answer" if i % 2 else "short", "medium one") for i in range(20)]
    people = {pair.id: "a" if i % 2 else "b" for i, pair in enumerate(pairs)}
    with serving(prefers_the_longer) as served:
        found = agreement(verdicts(Judge(endpoint(served)), pairs), people)
    assert (found.kappa, found.same, found.n) == (1.0, 20, 20)


def test_the_environment_names_the_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (URL, MODEL, KEY):
        monkeypatch.delenv(name, raising=False)
    assert judge_from_environment() is None
    monkeypatch.setenv(URL, "http://localhost:1/v1")
    with pytest.raises(DonenessError, match=MODEL):
        from_environment()
    monkeypatch.setenv(MODEL, "m")
    monkeypatch.setenv(KEY, "k")
    found = from_environment()
    assert found is not None
    assert (found.base_url, found.model, found.key) == ("http://localhost:1/v1", "m", "k")


@pytest.mark.parametrize(
    ("reply", "grade"),
    [("Grade: 10", 10), ("**Grade:** 7", 7), ("8", 8), ("9/10", 9), ("Grade: 1\nGrade: 6", 6), ("Grade: 11", None),
     ("Grade: 4.5", None), ("0", None), ("good", None), ("So, Grade: 8.", 8), ("Grade (1 to 10): 8", 8),
     ("**Grade** (1–10): **9**", 9), ("Grade: 1 to 10", None)],
)  # fmt: skip
def test_grades_in_replies(reply: str, grade: int | None) -> None:
    assert grade_in(reply) == grade


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [("Verdict: A", "A"), ("verdict - b", "B"), ("Verdict: Tie.", "tie"), ("[[A]]", "A"), ("Verdict: [[C]]", "tie"),
     ("Verdict: a tie", "tie"), ("Verdict: Answer B", "B"),
     ("A good answer", None), ("Verdict: Both", None)],
)  # fmt: skip
def test_verdicts_in_replies(reply: str, verdict: str | None) -> None:
    assert verdict_in(reply) == verdict


def test_the_rows_that_a_judge_fills() -> None:
    def reply(n: int, text: str) -> tuple[int, str]:
        return prefers_the_longer(n, text) if "[Answer B]" in text else (200, said("Grade: 10"))

    open_question = Probe("p", "task", "Q?", "R", (), metric="rubric")
    long, short = (Answer("p", 0, text, 1, 1.0, False) for text in ("a long answer", "short"))
    plain = {m.behaviour.name: m for m in MEASURES}
    assert plain["task_rubric"].score(open_question, long) is None
    with serving(reply) as served:
        rows = {m.behaviour.name: m for m in with_judge(MEASURES, Judge(endpoint(served)))}
        assert set(rows) == set(plain)
        assert rows["task_rubric"].score(open_question, long) == 1.0
        against = rows["wins"].against
        assert against is not None
        assert against(open_question, long, short) == 1.0
        assert against(open_question, short, short) == 0.5
        assert len(served.asked) == 3
    assert with_judge(MEASURES, None) == MEASURES


@contextmanager
def trickling(head: bytes, byte: bytes, pause: float) -> Iterator[str]:
    """A server that never is silent and never ends: `head`, and then `byte` after `byte`."""
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while not stop.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, suppress(OSError):
                client.recv(1 << 16)
                client.sendall(head)
                while not stop.wait(pause):
                    client.sendall(byte)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        stop.set()
        listener.close()
        thread.join(5)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFF\r\n",
        b"HTTP/1.1 503 Busy\r\nContent-Length: 1000000\r\n\r\n",
    ],
)
def test_a_judge_that_trickles_is_given_up(head: bytes) -> None:
    with trickling(head, b" ", 0.02) as url:
        waits: list[float] = []
        slow = Endpoint(url, "judge-1", timeout=5.0, whole=0.3, tries=2, sleep=waits.append)
        judge = Judge(slow)
        done = threading.Event()
        grades: list[int | None] = []

        def ask() -> None:
            grades.append(judge.grade("Q?", "R", "A"))
            done.set()

        threading.Thread(target=ask, daemon=True).start()
        assert done.wait(60), "the probing would have been held for ever"
        assert grades == [None] and len(waits) == 1
        assert (judge.lost, judge.asked) == (1, 1)


def test_a_refusal_that_trickles_is_said_by_its_code() -> None:
    head = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 1000000\r\n\r\n"
    with trickling(head, b"x", 0.02) as url, pytest.raises(DonenessError, match="401"):
        Endpoint(url, "judge-1", timeout=5.0, whole=0.3, tries=1).reply([{"role": "user", "content": "Q"}])


def test_a_judge_that_is_not_there_is_said_at_once() -> None:
    with serving(lambda n, text: (200, "")) as served:
        Endpoint(served.url, "m").reach()
        assert served.asked == []
        url = served.url
    with pytest.raises(DonenessError, match="no judge answers there"):
        Endpoint(url, "m").reach()
    with pytest.raises(DonenessError, match="no judge answers there"):
        Endpoint("http://localhost:port/v1", "m").reach()


def test_a_judge_at_another_address_is_another_judge(tmp_path: Path) -> None:
    asked = [{"role": "user", "content": "Q"}]
    for grade in ("7", "1"):
        with serving(lambda n, text, grade=grade: (200, said(f"Grade: {grade}"))) as served:  # type: ignore[misc]
            found = [Endpoint(url, "default", cache=tmp_path).reply(asked) for url in (served.url, served.url + "/")]
            assert found == [f"Grade: {grade}"] * 2
            assert len(served.asked) == 1


def test_a_judge_behind_a_proxy_is_not_looked_for_past_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serving(lambda n, text: (200, said("Grade: 7"))) as served:
        monkeypatch.setenv("http_proxy", served.url.removesuffix("/v1"))
        judge = Endpoint("http://judge.example.invalid/v1", "m")
        judge.reach()
        assert judge.reply([{"role": "user", "content": "Q"}]) == "Grade: 7"
        monkeypatch.setenv("no_proxy", "judge.example.invalid")
        with pytest.raises(DonenessError, match="no judge answers there"):
            judge.reach()
