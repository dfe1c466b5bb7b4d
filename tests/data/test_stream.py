from __future__ import annotations

import json
from pathlib import Path

import pytest

from doneness.core import DataError
from doneness.data import read_rows
from doneness.data import stream as stream_module
from doneness.data.stream import stream


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def row(question: str, answer: str, **more: str) -> str:
    return json.dumps({"question": question, "answer": answer, **more}, ensure_ascii=False)


def test_every_row_comes_with_its_line_and_no_fault_hides_another(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.jsonl",
        row("What is gout?", "A disease.", source="x"),
        '{"question": "cut off',
        "",
        row("", "no question"),
        '{"ask": "?", "said": "!"}',
        "[1]",
        row("Why?", "Because\u2029of it."),
        '{"question": "Is NaN read?", "answer": "Yes.", "weight": NaN}',
    )
    found = list(stream(file))
    assert [(each.line, each.row is not None, each.blank) for each in found] == [
        (1, True, False), (2, False, False), (4, False, True), (5, False, False), (6, False, False), (7, True, False),
        (8, True, False),
    ]  # fmt: skip
    assert found[0].row is not None
    assert (found[0].row.prompt, found[0].row.answer, found[0].row.source) == ("What is gout?", "A disease.", "x")
    assert "not JSON" in str(found[1].problem)
    assert "keys: ask, said" in str(found[3].problem)
    assert [each.line for each in found if each.separator] == [7]
    assert found[0].shape == "question, answer, source"


def test_it_reads_what_training_reads(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", *(row(f"Q {k}?", f"A {k}.", label="x") for k in range(20)))
    rows = read_rows(file)
    told = [each.row for each in stream(file)]
    assert [(r.turns, r.line, r.label) for r in rows] == [(r.turns, r.line, r.label) for r in told if r is not None]


def test_it_goes_on_after_a_row_and_takes_single_lines(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        write(tmp_path / name, *(row(f"Q {name} {k}?", "A.") for k in range(5)))
    whole = [(each.source, each.line) for each in stream(tmp_path)]
    assert whole == [(s, line) for s in (0, 1) for line in range(1, 6)]
    assert [(e.source, e.line) for e in stream(tmp_path, after=(0, 3))] == whole[3:]
    assert [(e.source, e.line) for e in stream(tmp_path, after=(1, 5))] == []
    assert [(e.source, e.line) for e in stream(tmp_path, only={1: {2, 4}})] == [(1, 2), (1, 4)]


def test_stages_mean_other_things(tmp_path: Path) -> None:
    pair = write(tmp_path / "p.jsonl", json.dumps({"prompt": "Q?", "chosen": "good", "rejected": "bad"}))
    found = next(stream(pair, "dpo"))
    assert found.row is not None
    assert (found.row.answer, found.rejected) == ("good", "bad")
    assert next(stream(pair)).row is None
    text = tmp_path / "t.txt"
    text.write_text("one document\n\nanother\n", encoding="utf-8")
    assert [e.row.answer for e in stream(text, "pretrain") if e.row is not None] == ["one document", "another"]
    asked = write(tmp_path / "q.jsonl", json.dumps({"question": "Q?", "answer": "42"}))
    only = next(stream(asked, "grpo")).row
    assert only is not None
    assert only.answer == "42"


def test_a_long_array_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.json"
    items = [{"question": f"问题 {k} é?", "answer": "答" * (k % 50)} for k in range(200)]
    file.write_text(json.dumps(items, ensure_ascii=False, indent=1), encoding="utf-8")
    whole = [(e.line, e.item) for e in stream(file)]
    monkeypatch.setattr(stream_module, "_LARGE", 10)
    monkeypatch.setattr(stream_module, "_CHUNK", 97)
    assert [(e.line, e.item) for e in stream(file)] == whole
    file.write_text(file.read_text(encoding="utf-8")[:-30], encoding="utf-8")
    with pytest.raises(DataError, match="not JSON"):
        list(stream(file))


def test_a_row_of_a_table_with_other_cells_hides_none(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", "prompt,completion", "a,b", "c,d,e", '"f, g",h', "i", "j,k")
    found = list(stream(table))
    assert [(row.line, row.row is not None) for row in found] == [
        (2, True),
        (3, False),
        (4, True),
        (5, False),
        (6, True),
    ]
    assert found[1].problem is not None and "3 cells" in found[1].problem.text("en")
    assert found[2].row is not None and found[2].row.prompt == "f, g"
    assert [row.line for row in stream(table, after=(0, 3))] == [4, 5, 6]
    # Training refuses the file at that row.
    with pytest.raises(DataError, match="row 3: 3 cells"):
        read_rows(table)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no rows"):
        list(stream(write(tmp_path / "a.jsonl", "")))
    with pytest.raises(DataError, match="no such file"):
        list(stream(tmp_path / "none.jsonl"))
