"""Two hundred requests and more that are refused, each with its code and one sentence; and what is never obeyed."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from doneness.runs.control import waiting
from tests.web.hostile import CASES, Case
from tests.web.served import Answered, Served, hold, served, write_probed, write_run

TOKEN = "kFz3vJ0m-YkQ9rN5tW1xB7cD"
SAFE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
# Refused below us, before there is anything to look at.
UNREAD = "Invalid HTTP request received."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile")
    hold(write_run(root / "mine", end=False))
    write_probed(root / "probed")
    (root / "foreign.csv").write_text("step,loss\n" + "\n".join(f"{s},{2 / s}" for s in range(1, 50)))
    return root


@pytest.fixture(scope="module")
def servers(folder: Path) -> Iterator[dict[str, Served]]:
    with served(folder) as plain, served(folder, token=TOKEN) as asking, served(folder, readonly=True) as showing:
        yield {"open": plain, "token": asking, "readonly": showing}


@pytest.fixture(scope="module")
def names(servers: dict[str, Served]) -> dict[str, str]:
    server = servers["open"]
    rows = server.rows()
    names = {"RUN": rows["mine"]["id"], "PROBED": rows["probed"]["id"], "FOREIGN": rows["foreign.csv"]["id"]}
    shown = server.post(f"/api/run/{names['PROBED']}/review/next", {"reviewer": "Ann"})
    cookie = hmac.new(TOKEN.encode(), b"doneness session", hashlib.sha256).hexdigest()
    return {**names, "SHOWN": shown.data["token"], "TOKEN": TOKEN, "COOKIECUT": cookie[:-1], "COOKIE": cookie}


def test_there_are_enough_and_none_is_there_twice() -> None:
    assert len(CASES) >= 200
    assert len({case.name for case in CASES}) == len(CASES)


# In one test: what is counted (wrong tokens) depends on what came before.
def test_each_is_refused_with_its_code_and_one_sentence(
    folder: Path, servers: dict[str, Served], names: dict[str, str]
) -> None:
    before, refused, wrong = waiting(folder / "mine"), 0, []
    for case in CASES:
        server = servers[case.server]
        told = filled(case, server, names)
        found = server.raw(told.raw) if told.raw else server.get(told.target, told.headers, told.method, told.body)
        fault = fault_of(case, found)
        if fault:
            wrong.append(f"{case.name}: {fault}")
        refused += not fault
    assert not wrong, "\n".join(wrong)
    assert refused == len(CASES) >= 200
    # Nothing came of any of it, and who asks properly is answered.
    assert waiting(folder / "mine") == before
    assert servers["open"].get("/api/runs").status == 200
    assert servers["token"].get("/api/runs", {"Cookie": f"doneness={names['COOKIE']}"}).status == 200


def filled(case: Case, server: Served, names: dict[str, str]) -> Case:
    csrf = server.csrf
    words = {"CSRFCUT": csrf[:-1], "CSRF": csrf, "PORT": str(server.port), **names}
    pattern = re.compile("|".join(sorted(words, key=len, reverse=True)))

    def fill(text: str) -> str:
        return pattern.sub(lambda m: words[m[0]], text)

    headers = {k: fill(v) for k, v in case.headers.items()}
    headers = {k: v.encode("latin-1", "replace").decode("latin-1") for k, v in headers.items()}
    body = fill(case.body.decode("latin-1")).encode("latin-1")
    raw = fill(case.raw.decode("latin-1")).encode("latin-1")
    return Case(case.name, case.status, fill(case.target), case.method, headers, body, raw, case.server)


def fault_of(case: Case, found: Answered) -> str:
    """What is wrong with a refusal; "" for nothing."""
    if found.status != case.status:
        return f"{found.status} instead of {case.status}: {found.body[:200]!r}"
    if found.body == UNREAD.encode():
        return ""
    if any(found.headers.get(name) != value for name, value in SAFE.items()):
        return "a header is missing"
    policy = found.headers.get("content-security-policy", "")
    if (
        "default-src 'none'" not in policy
        or "script-src 'self';" not in policy
        or "frame-ancestors 'none'" not in policy
    ):
        return "no policy"
    if case.method == "HEAD":
        return ""
    if case.target.startswith("/api/") and not case.raw:
        if found.headers["content-type"] != "application/json" or set(found.data) != {"error"}:
            return "no JSON"
        sentence = found.data["error"]
        return "" if 10 < len(sentence) < 300 and "\n" not in sentence and "web.refused" not in sentence else sentence
    return "" if b"Traceback" not in found.body and b"web.refused" not in found.body else "a page without a sentence"


def test_a_token_lets_in_by_a_cookie_that_no_script_reads(servers: dict[str, Served], folder: Path) -> None:
    with served(folder, token=TOKEN) as server:
        assert server.get("/").status == 303 and server.get("/").headers["location"] == "/login?next=/"
        assert server.get("/?lang=zh").headers["location"] == "/login?next=/&lang=zh"
        assert server.get("/?lang=%0d%0ax").headers["location"] == "/login?next=/"
        assert server.get("/login").status == 200 and TOKEN not in server.get("/login").text
        form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://127.0.0.1:{server.port}"}
        body = f"token={TOKEN}&csrf={server.csrf}&next=//evil.example/".encode()
        found = server.get("/login", form, "POST", body)
        assert found.status == 303 and found.headers["location"] == "/"
        cookie = found.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and TOKEN not in cookie
        mine = {"Cookie": cookie.partition(";")[0]}
        assert server.get("/api/runs", mine).status == 200
        assert server.get("/api/runs", {"Authorization": f"Bearer {TOKEN}"}).status == 200
        gone = server.get("/logout", {**form, **mine}, "POST", f"csrf={server.csrf}".encode())
        assert gone.status == 303 and "Max-Age=0" in gone.headers["set-cookie"]
        # Five wrong ones, and then nobody is asked for a minute, the right one neither; who is in stays in.
        for number in range(6):
            wrong = f"token=wrong{number}&csrf={server.csrf}".encode()
            assert server.get("/login", form, "POST", wrong).status == (403 if number < 5 else 429)
        assert server.get("/login", form, "POST", body).status == 429
        assert server.get("/api/runs", mine).status == 200


def test_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    secret = write_run(tmp_path / "outside" / "secret", name="secret")
    root = tmp_path / "runs"
    write_run(root / "mine")
    (root / "linked").symlink_to(secret)
    (root / "file.csv").symlink_to(tmp_path / "outside" / "secret" / "journal.jsonl")
    half = root / "half"
    half.mkdir()
    (half / "journal.jsonl").symlink_to(secret / "journal.jsonl")
    below = write_run(root / "below")
    (below / "more").symlink_to(secret)
    inside = write_run(root / "inside")
    (inside / "best").symlink_to(inside / "checkpoint-20")
    with served(root) as server:
        listed = server.listed()
        assert {row["place"] for row in listed["runs"]} == {"mine", "inside"}
        assert [lost["place"] for lost in listed["unreadable"]] == ["below", "half"]
        assert all("a link leads out" in lost["error"] for lost in listed["unreadable"])
        assert "secret" not in server.get("/api/runs").text


def test_names_and_answers_are_text_and_nothing_else(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\"'\r\nSet-Cookie: a=b"
    write_run(tmp_path / "run", name=evil)
    strange = "a\r\nX-Evil: 1\r\n\r\n<b>"
    write_run(tmp_path / strange)
    write_probed(tmp_path / "probed", text=lambda step, q: f"{evil} {step} {q}")
    with served(tmp_path) as server:
        rows = server.rows()
        for row in rows.values():
            assert "\n" not in row["name"] and "\r" not in row["place"]
            for target in (f"/run/{row['id']}", f"/api/run/{row['id']}"):
                found = server.get(target)
                assert found.status == 200 and "x-evil" not in found.headers and "set-cookie" not in found.headers
        probed = rows["probed"]["id"]
        answers = server.get(f"/api/run/{probed}/answers")
        assert answers.headers["content-type"] == "application/json" and evil[:20] in answers.data["items"][0][
            "prompt"
        ] + str(answers.data["items"][0]["answers"])
        for target in ("/", f"/run/{probed}", f"/run/{probed}/answers", f"/run/{rows['run']['id']}"):
            assert "<script>alert" not in server.get(target).text
        export = server.get(f"/api/run/{probed}/review/export")
        assert export.status == 409
        assert server.get("/?lang=en%0d%0aSet-Cookie:a=b").headers.get("set-cookie") is None
