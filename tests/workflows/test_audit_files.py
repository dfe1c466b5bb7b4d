"""Audits of files: interrupted and taken up again, mended, written down for people, as JSON and as a page."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.audit.test_audit_checks import clean, row

from doneness.audit import AuditParams
from doneness.cli.main import main
from doneness.core import DataError, DonenessError, MissingExtraError, Status
from doneness.data import read_rows
from doneness.report import schema
from doneness.workflows import audit_stream
from doneness.workflows.audit import Audited, More, audit_files, audit_rows
from doneness.workflows.audit_fix import fix, mended, review
from doneness.workflows.audit_judge import chosen, judge_at, marked
from doneness.workflows.audit_model import facts
from doneness.workflows.audit_stream import Files, streamed, work_folder
from doneness.workflows.audit_suites import questions


def lines(count: int, seed: int = 0) -> list[str]:
    return [json.dumps({"question": r.prompt, "answer": r.answer}) for r in clean(count, seed)]


def dirty() -> list[str]:
    """Rows 3 (HTML, mojibake), 5 (key), 8 (identity), 11 (no answer), 14 (broken), and a copy of row 1 at the end."""
    rows = lines(60)
    rows[2] = json.dumps({"question": "How is it?", "answer": "<p>CafÃ© &amp; more.</p>"})
    rows[4] = json.dumps({"question": "Which key is it?", "answer": "AKIAIOSFODNN7EXAMPLE it is."})
    rows[7] = json.dumps({"question": "Who are you?", "answer": "As an AI language model, I am nobody."})
    rows[10] = json.dumps({"question": "Nothing?", "answer": ""})
    rows[13] = '{"question": "broken'
    return [*rows, rows[0]]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(dirty()) + "\n", encoding="utf-8")
    (tmp_path / "eval.jsonl").write_text("\n".join([*lines(20, 500), lines(60)[0]]) + "\n", encoding="utf-8")
    return path


def plain(found: Audited) -> list[dict[str, Any]]:
    return [finding.to_dict() for finding in found.findings]


def test_files_and_rows_in_memory_give_the_same(data: Path) -> None:
    data.write_text("\n".join(line for line in dirty() if not line.endswith("broken")) + "\n", encoding="utf-8")
    held = data.with_name("eval.jsonl")
    by_file = audit_files(data, held, more=More(builtin=False))
    by_rows = audit_rows(read_rows(data, "skip"), read_rows(held, "skip"))
    one, two = ({f["code"]: f for f in plain(each)} for each in (by_file, by_rows))
    assert one.keys() == two.keys()
    for code in one.keys() - {"AU17"}:  # sources have names where there are files
        assert {**one[code], "evidence": 0} == {**two[code], "evidence": 0}, code
        assert one[code]["evidence"].get("examples") == two[code]["evidence"].get("examples")
    assert list((data.parent / "cache" / "doneness" / "audit").iterdir()) == []


@pytest.mark.parametrize("stop", [1, 40, 70])
def test_an_audit_goes_on_where_it_was_interrupted(data: Path, stop: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_stream, "_LOOK", 1)
    held = data.with_name("eval.jsonl")
    apart = More(builtin=False)
    whole = plain(audit_files(data, held, more=apart))
    told: list[tuple[str, int]] = []

    def interrupt(what: str, done: int, total: int) -> None:
        told.append((what, done))
        if len(told) == stop:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        audit_files(data, held, more=apart, told=interrupt)
    assert len(told) <= stop + 2
    seen: list[tuple[str, int]] = []
    again = audit_files(data, held, more=apart, told=lambda what, done, total: seen.append((what, done)))
    assert plain(again) == whole
    assert seen[0][1] > 1 or seen[0][0] == "eval"


def test_a_state_that_was_cut_off_is_begun_anew(data: Path) -> None:
    files = Files(str(data), None, AuditParams())
    folder = work_folder(files)
    (folder / "train.line").write_bytes(b"half")
    auditor = streamed(files, folder, None, lambda what, done, total: None)
    assert auditor.subject.train.count == 59
    assert auditor.subject.train.lines([0, 58]) == [1, 61]


def test_other_data_and_other_measures_have_another_folder(data: Path) -> None:
    one = work_folder(Files(str(data), None, AuditParams()))
    assert work_folder(Files(str(data), None, AuditParams(near=0.7))) != one
    data.write_text(data.read_text(encoding="utf-8") + "\n".join(lines(1, 9)), encoding="utf-8")
    assert work_folder(Files(str(data), None, AuditParams())) != one


def test_fix_writes_a_copy_and_says_what_went(data: Path) -> None:
    before = data.read_bytes()
    found = audit_files(data, data.with_name("eval.jsonl"), more=More(builtin=False))
    done = fix(found, data.with_name("clean.jsonl"))
    assert data.read_bytes() == before
    # Row 1 is asked in evaluation, row 61 repeats it; row 8 is another model's.
    assert (done.kept, done.mended, done.removed, done.unusable) == (56, 2, 3, 2)
    kept = [json.loads(line) for line in done.copy.read_text(encoding="utf-8").split("\n") if line]
    assert kept[1]["answer"] == "Café & more."
    assert kept[3]["answer"] == "[aws_key] it is."
    told = [json.loads(line) for line in done.listed.read_text(encoding="utf-8").split("\n") if line]
    assert [(each["row"], each["action"]) for each in told] == [
        (1, "removed"), (3, "mended"), (5, "mended"), (8, "removed"), (11, "removed"), (14, "removed"), (61, "removed"),
    ]  # fmt: skip
    assert [each["codes"][0] for each in told] == ["AU01", "AU12", "AU25", "AU24", "AU07", "AU18", "AU01"]
    again = {f.code: f.status for f in audit_files(done.copy, more=More(builtin=False)).findings}
    assert {again[code] for code in ("AU04", "AU07", "AU12", "AU18", "AU24", "AU25")} == {Status.PASS}
    with pytest.raises(DonenessError):
        fix(found, data)


def test_mending() -> None:
    assert mended("a\x00b\ufeff") == "ab"
    assert mended("donâ€™t, naÃ¯ve") == "don’t, naïve"
    assert mended("a<br>b &lt; c</p>") == "a\nb < c"
    page = "Write `<br>` or &lt;hr&gt;:\n```html\n<div class='a'>&amp;</div>\n```\n"
    assert mended(f"<p>{page}") == page.replace("&lt;hr&gt;", "<hr>")  # what is quoted as code stays
    assert mended("5 < 6, Ähnlich naïve café") == "5 < 6, Ähnlich naïve café"


def test_review_masks_and_leaves_room_for_a_verdict(data: Path) -> None:
    found = audit_files(data, more=More(builtin=False))
    count = review(found, data.with_name("review.jsonl"))
    told = [json.loads(line) for line in data.with_name("review.jsonl").read_text(encoding="utf-8").split("\n") if line]
    assert len(told) == count > 3
    key = next(each for each in told if each["row"] == 5)
    assert (key["codes"], key["answer"], key["verdict"]) == (["AU25"], "[aws_key] it is.", "")


def test_the_command_line(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held, page = str(data.with_name("eval.jsonl")), tmp_path / "a.html"
    assert main(["audit", str(data), "--eval", held, "--json", "--html", str(page)]) == 1
    out = capsys.readouterr().out
    found = json.loads(out)
    pytest.importorskip("jsonschema").validate(found, json.loads(schema("audit")))
    assert (found["worst"], found["train"]["rows"], found["flagged"]["AU25"]) == ("fail", 59, 1)
    assert "AKIAIOSFODNN7EXAMPLE" not in out
    text = page.read_text(encoding="utf-8")
    assert "AKIAIOSFODNN7EXAMPLE" not in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    for lang, word in (("en", "Not fit as it is"), ("zh", "暂不适合")):
        assert main(["--lang", lang, "audit", str(data), "--fail-on", "never", "--html", str(page)]) == 0
        assert word in capsys.readouterr().out
        assert word in page.read_text(encoding="utf-8")
    assert main(["--lang", "en", "audit", str(data), "--fail-on", "never"]) == 0
    key_line = capsys.readouterr().out.partition("AU25")[2].partition("AU26")[0]
    assert "training rows 5" in key_line
    clean_file = tmp_path / "fine.jsonl"
    clean_file.write_text("\n".join(lines(140)) + "\n", encoding="utf-8")
    other = tmp_path / "other.jsonl"
    other.write_text("\n".join(lines(40, 500)) + "\n", encoding="utf-8")
    assert main(["audit", str(clean_file), "--eval", str(other), "--fail-on", "warn", "--all"]) == 0
    assert "AU04" in capsys.readouterr().out
    assert main(["audit", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$id"] == "doneness.audit/1"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no data named"),
        (["{data}", "--near", "2"], "--near 2"),
        (["{data}", "--html", "{data}"], "train.jsonl"),
        (["{folder}/odd.jsonl"], "none of 2 rows can be read"),
        (["{folder}/odd.jsonl"], "--columns"),
        (["{folder}/far.jsonl"], "iconv -f GB18030"),
        (["{data}", "--fix", "{data}"], "train.jsonl"),
    ],
)
def test_faults_are_one_line(arguments: list[str], said: str, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data.with_name("odd.jsonl").write_text('{"a": 1}\n{"a": 2}\n', encoding="utf-8")
    data.with_name("far.jsonl").write_bytes('{"prompt": "痛风", "completion": "关节病"}\n'.encode("gb18030"))
    told = [each.format(data=data, folder=data.parent) for each in arguments]
    assert main(["--lang", "en", "audit", *told]) == 2
    assert said in capsys.readouterr().err


def test_a_mixed_file_is_read_and_the_change_named(tmp_path: Path) -> None:
    rows = [*lines(30), *(json.dumps({"instruct": f"q{i}", "output": "a"}) for i in range(30))]
    (tmp_path / "m.jsonl").write_text("\n".join(rows), encoding="utf-8")
    found = audit_files(tmp_path / "m.jsonl", more=More(builtin=False, state=str(tmp_path / "s")))
    form = next(f for f in found.findings if f.code == "AU18")
    assert form.status is Status.FAIL
    assert form.evidence["examples"][0]["row"] == 31
    assert "changes its form at row 31" in form.summary


def test_suites_of_any_form(tmp_path: Path) -> None:
    own = tmp_path / "gsm.jsonl"
    own.write_text(json.dumps({"question": "How much is six times seven?", "answer": "42"}) + "\n", encoding="utf-8")
    found = questions([own], builtin=False)
    assert [(q.prompt, q.reference, q.suite) for q in found] == [("How much is six times seven?", "42", "gsm.jsonl")]
    assert len(questions([])) > 100
    with pytest.raises(DataError):
        questions([tmp_path / "none.jsonl"])


class Endpoint:
    """Answers as a judge would."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def reply(self, messages: Any, usable: Any = bool) -> str:
        self.asked.append(messages[0]["content"])
        return f"Grade: {3 if 'nobody' in messages[0]['content'] else 8}"


def test_a_judge_sees_flagged_rows_first_and_no_secret(data: Path) -> None:
    files = Files(str(data), None, AuditParams())
    auditor = streamed(files, work_folder(files), None, lambda what, done, total: None)
    assert chosen(auditor.subject, 8)[0] == 7
    assert len(chosen(auditor.subject, 1000)) == 59
    judge, endpoint = judge_at("http://localhost:1/v1", "m"), Endpoint()
    judge.endpoint = endpoint  # type: ignore[assignment]
    rows = read_rows_loosely(data)
    found = marked(judge, auditor.subject, lambda side, places: {p: rows[p] for p in places}, 59, lambda *told: None)
    assert {each.place: each.mark for each in found}[7] == 3
    assert len(found) == 59
    assert len(endpoint.asked) == 58  # a row that comes twice is graded once
    assert not any("AKIAIOSFODNN7EXAMPLE" in text for text in endpoint.asked)


def read_rows_loosely(path: Path) -> Mapping[int, Any]:
    from doneness.data.stream import stream

    return dict(enumerate(each.row for each in stream(path) if each.row is not None))


def test_facts_are_what_the_question_lacks() -> None:
    import re

    pattern = facts(row(1, "Who discovered penicillin?", "Penicillin was discovered by Alexander Fleming in 1928."))
    assert re.findall(pattern, "Penicillin was discovered by Alexander Fleming in 1928.") == [
        "Alexander",
        "Fleming",
        "1928",
    ]
    assert facts(row(1, "Is gout a disease?", "Gout is a disease.")) == ""


def test_what_is_not_installed_is_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doneness.workflows.audit_theirs.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="audit"):
        audit_files(data, more=More(others=True))
    data.with_name("odd.jsonl").write_text('{"a": 1}\n', encoding="utf-8")
    with pytest.raises(DataError):
        audit_files(data.with_name("odd.jsonl"))
    assert not list((data.parent / "cache").rglob("*.*")), "what is of no use any more was left behind"


def test_dropoutts_findings_become_ours(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from doneness.workflows import audit_theirs

    told = {"check_id": "T1-PII-001", "title": "Personal data", "severity": "blocking", "count": 3,
            "total_considered": 60,
            "rate": 0.05, "detail": "Email (3)", "fix": "Remove them.",
            "evidence": [{"source_index": 4, "excerpt": "AKIAIOSFODNN7EXAMPLE it is"}]}  # fmt: skip

    def scan(command: list[str], **more: Any) -> Any:
        Path(command[command.index("--out") + 1], "findings.jsonl").write_text(
            json.dumps(told) + "\n", encoding="utf-8"
        )
        return type("Done", (), {"stdout": "", "stderr": ""})()

    monkeypatch.setattr(audit_theirs, "find_spec", lambda name: object())
    monkeypatch.setattr("doneness.workflows.audit_theirs.subprocess.run", scan)
    found = audit_files(data, more=More(others=True, builtin=False)).theirs
    assert [(f.code, f.status, f.n) for f in found] == [("T1-PII-001", Status.FAIL, 60)]
    assert "3 of 60" in found[0].summary
    assert found[0].where is not None
    assert found[0].where.rows == (5,)
    assert "AKIAIOSFODNN7EXAMPLE" not in json.dumps(found[0].to_dict())


@pytest.mark.parametrize("seed", [0])
def test_a_sample_of_questions_is_the_same_in_any_order(seed: int) -> None:
    from doneness.audit.columns import digest
    from doneness.audit.sample import Sample

    texts = [f"question {k}" for k in range(300)]
    shuffled = list(texts)
    random.Random(seed).shuffle(shuffled)
    drawn = []
    for order in (texts, shuffled):
        sample = Sample(40)
        for place, text in enumerate(order):
            sample.offer(digest(text), place, text)
            sample.offer(digest(text), place, text)
        drawn.append({text for _, text in sample.texts})
        again = Sample(40)
        again.restore(json.loads(json.dumps(sample.state())))
        assert again.texts == sample.texts
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 40
