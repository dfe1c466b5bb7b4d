"""Where an audit may write, which numbers it takes, and how rows are named: refused before anything is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.audit.test_audit_checks import clean

from doneness.audit import AuditParams
from doneness.audit.checks.cut_answers import ending
from doneness.cli.main import main
from doneness.core import DonenessError, Status
from doneness.report.audit_view import AuditView, mended_too
from doneness.report.html_audit import render_audit
from doneness.workflows.audit import More, audit_files
from doneness.workflows.audit_fix import fix, fixable, review
from doneness.workflows.outputs import refuse_outputs


def lines(count: int, seed: int = 0) -> list[str]:
    return [json.dumps({"question": r.prompt, "answer": r.answer}) for r in clean(count, seed)]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "d.jsonl").write_text("\n".join(lines(30)) + "\n", encoding="utf-8")
    (folder / "dataset_info.json").write_text(json.dumps({"demo": {"file_name": "d.jsonl", "columns": {
        "prompt": "question", "response": "answer"}}}), encoding="utf-8")  # fmt: skip
    return folder


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{home}/dataset_info.json#demo", "--fix", "{home}/d.jsonl"], "d.jsonl"),
        (["{home}/dataset_info.json#demo", "--html", "{home}/dataset_info.json"], "dataset_info.json"),
        (["{home}/d.jsonl", "--suite", "{home}/s.jsonl", "--review", "{home}/s.jsonl"], "s.jsonl"),
        (["{home}/d.jsonl", "--fix", "{home}/c", "--html", "{home}/c"], "two outputs"),
        (["{home}/d.jsonl", "--fix", "{home}/c.jsonl", "--review", "{home}/c.removed.jsonl"], "two outputs"),
        (["{home}", "--fix", "{home}/new.jsonl"], "lies in"),
        (["{home}/d.jsonl", "--html", "{home}/d.jsonl/page.html"], "page.html"),
        (["{home}/d.jsonl", "--epochs", "-3"], "--epochs -3"),
        (["{home}/d.jsonl", "--epochs", "nan"], "--epochs nan"),
        (["{home}/d.jsonl", "--max-tokens", "-3"], "--max-tokens -3: at least 1"),
        (["{home}/d.jsonl", "--judge-rows", "0"], "--judge-rows 0"),
        (["{home}/gone.jsonl"], "no such file or folder"),
        (["{home}/wrapped.json"], "one JSON object (keys: data)"),
    ],
)
def test_refused_before_the_audit(
    arguments: list[str], said: str, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.parent / "w.json").write_text(json.dumps({"data": [{"question": "a", "answer": "b"}]}), encoding="utf-8")
    if "wrapped" in arguments[0]:
        arguments = [str(home.parent / "w.json")]
    else:
        monkeypatch.setattr("doneness.workflows.audit.streamed", lambda *given: pytest.fail("rows were read"))
    if "--suite" in arguments:
        (home / "s.jsonl").write_text(lines(1, 7)[0] + "\n", encoding="utf-8")
    before = {path: path.read_bytes() for path in home.iterdir()}
    assert main(["--lang", "en", "audit", *(each.format(home=home) for each in arguments)]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert {path: path.read_bytes() for path in home.iterdir()} == before


def test_another_name_of_an_input_is_the_input(home: Path, tmp_path: Path) -> None:
    (tmp_path / "soft.jsonl").symlink_to(home / "d.jsonl")
    (tmp_path / "hard.jsonl").hardlink_to(home / "d.jsonl")
    for name in ("soft.jsonl", "hard.jsonl"):
        with pytest.raises(DonenessError):
            refuse_outputs([tmp_path / name], [home / "d.jsonl"])
    refuse_outputs([tmp_path / "new.jsonl", tmp_path / "deep" / "new.jsonl"], [home / "d.jsonl"])
    assert not (tmp_path / "new.jsonl").exists()
    assert list((tmp_path / "deep").iterdir()) == []


def test_what_was_seen_is_kept_until_the_outputs_are_written(home: Path, tmp_path: Path) -> None:
    found = audit_files(home / "d.jsonl", more=More(builtin=False, outputs=(tmp_path / "c.jsonl",)))
    assert found.folder is not None
    assert (found.folder / "state.msgpack").is_file()
    found.done()
    assert not found.folder.exists()


@pytest.fixture
def several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files; the second row of the second is another model's, the third of the first has no answer."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "data"
    folder.mkdir()
    first, second = lines(30), lines(30, 5)
    first[2] = json.dumps({"question": "Nothing?", "answer": ""})
    second[1] = json.dumps({"question": "Who are you?", "answer": "As an AI language model, I am nobody."})
    (folder / "a.jsonl").write_text("\n".join(first) + "\n", encoding="utf-8")
    (folder / "b.jsonl").write_text("\n".join(second) + "\n", encoding="utf-8")
    return folder


def test_rows_of_several_files_are_told_apart(several: Path, tmp_path: Path) -> None:
    found = audit_files(several, more=More(builtin=False))
    by_code = {f.code: f for f in found.findings}
    assert by_code["AU24"].evidence["train_rows"] == ["b:2"]
    assert by_code["AU24"].evidence["examples"][0]["train_row"] == "b:2"
    assert by_code["AU07"].evidence["examples"][0]["row"] == "a:3"
    done = fix(found, tmp_path / "c.jsonl")
    told = [json.loads(line) for line in done.listed.read_text(encoding="utf-8").split("\n") if line]
    assert [(each["source"], each["row"]) for each in told] == [("a", 3), ("b", 2)]
    review(found, tmp_path / "r.jsonl")
    seen = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text(encoding="utf-8").split("\n") if line]
    assert ("b", 2) in {(each["source"], each["row"]) for each in seen}
    page = render_audit(AuditView("data", "", found.train, 0, "sft", found.findings), "en")
    assert "training rows b:2" in page


def test_evaluation_rows_are_called_so(home: Path) -> None:
    held = home.parent / "e.jsonl"
    held.write_text("\n".join([*lines(9, 500), lines(30)[4]]) + "\n", encoding="utf-8")
    found = audit_files(home / "d.jsonl", held, more=More(builtin=False))
    leak = next(f for f in found.findings if f.code == "AU01")
    assert leak.evidence["train_rows"] == [5]
    page = render_audit(AuditView("d", "e", found.train, found.eval, "sft", found.findings), "en")
    assert "training rows 5; evaluation rows 10" in page


def test_what_is_mended_although_the_check_passed_is_named(home: Path) -> None:
    rows = [*lines(1200), json.dumps({"question": "Why does it loop?", "answer": "it goes on like that and on. " * 12})]
    (home / "d.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    found = audit_files(home / "d.jsonl", params=AuditParams(joined=False), more=More(builtin=False))
    assert next(f for f in found.findings if f.code == "AU29").status is Status.PASS
    view = AuditView("d", "", found.train, 0, "sft", found.findings, mended=fixable(found))
    assert "AU29 1" in mended_too(view)
    assert "AU29 1" in render_audit(view, "en")


@pytest.mark.parametrize(
    ("answer", "how"),
    [
        ("Treatment helps most people. It may be drops or ointment.    NIH: Some Eye Institute", "ended"),
        ("Treatment helps most people. It may be drops or ointment. Source: Institute of Health", "ended"),
        ("Treatment helps most people. It may be drops or ointment.\nCenters for Disease Control", "ended"),
        ("It depends on the cause. The relationship is not well understood by anyone.2", "ended"),
        ("Treatment helps most people. It may be drops or the kind of ointment that one", "unended"),
        ("Treatment helps most people. It may be drops:  either ointment or the other thing", "unended"),
        ("Treatment helps most people. It was described by Doctor John Smith", "unended"),
    ],
)
def test_a_source_or_a_heading_at_the_end_is_no_cut(answer: str, how: str) -> None:
    assert ending(answer) == how
