"""Rows out of files of every kind, folders, and columns of other names."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from doneness.core import DataError
from doneness.data import Reading, read_rows, read_texts

PAIRS = [("What is gout?", 'It hurts, "they say".\nA lot, too'), ("痛风？", "关节病，\t很痛")]


def table(path: Path, rows: list[dict[str, Any]], mark: str = ",") -> Path:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=mark)
    writer.writeheader()
    writer.writerows(rows)
    body = out.getvalue().encode("utf-8-sig")
    path.write_bytes(gzip.compress(body) if path.suffix == ".gz" else body)
    return path


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    arrow, table_files = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    sink = arrow.BufferOutputStream()
    table_files.write_table(arrow.Table.from_pylist(rows), sink)
    body = sink.getvalue().to_pybytes()
    path.write_bytes(gzip.compress(body) if path.suffix == ".gz" else body)
    return path


ROWS = [{"prompt": a, "completion": b} for a, b in PAIRS]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.tsv", "A.TSV.gz", "a.parquet", "a.parquet.gz"])
def test_tables_hold_what_was_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if "parquet" in name:
        parquet(path, ROWS)
    else:
        table(path, ROWS, "\t" if "tsv" in name.lower() else ",")
    rows = read_rows(path)
    assert [(row.prompt, row.answer) for row in rows] == PAIRS


def test_lines_of_a_table_are_those_of_the_file(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", [*ROWS, {"prompt": "x", "completion": ""}])
    with pytest.raises(DataError, match="row 5: no answer"):
        read_rows(path)
    assert [row.line for row in read_rows(path, "skip")] == [2, 4]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('prompt,completion\na,b,c\n', "row 2: 3 cells where the first line names 2 columns"),
        ('prompt,completion\na,"b\n', "line 2: no table (unexpected end of data)"),
        ("prompt,completion\n", "no rows"),
        ("a,b\n1,2\n", "shape not known (keys: a, b)"),
    ],
)  # fmt: skip
def test_broken_tables_say_where(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as fault:
        read_rows(path)
    assert said in str(fault.value)


def test_a_table_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("prompt,completion\na,b\n痛,风\n".encode("gb18030"))
    with pytest.raises(DataError, match=r"line 3: not UTF-8.*GB18030"):
        read_rows(path)
    path.write_bytes("prompt,completion\na,b\nné en été,déjà vu\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"line 3: not UTF-8.*WINDOWS-1252"):
        read_rows(path)


def test_a_line_that_breaks_off_is_told_by_its_own_number(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "a", "completion": "b"}\n{"prompt": "a", "completion": \n', encoding="utf-8")
    with pytest.raises(DataError, match="line 2: not JSON"):
        read_rows(path)


def test_no_parquet_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 but not really")
    with pytest.raises(DataError, match="cannot be read"):
        read_rows(path)


def test_nested_columns_are_messages(tmp_path: Path) -> None:
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert read_rows(parquet(tmp_path / "a.parquet", [{"messages": talk}])).rows[0].answer == "b"
    assert read_rows(table(tmp_path / "a.csv", [{"messages": json.dumps(talk)}])).rows[0].answer == "b"
    split = {"prompt": json.dumps(talk[:1]), "completion": "[1, 2]", "history": ""}
    row = read_rows(table(tmp_path / "b.csv", [split])).rows[0]
    assert (row.prompt, row.answer) == ("a", "[1, 2]")


def test_every_line_of_a_text_is_a_document(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text('One.\u2028Still one.\n\n   \nTwo.\r\n{"three": 3}\n', encoding="utf-8")
    rows = read_texts(path)
    assert [row.text for row in rows.rows] == ["One.\u2028Still one.", "Two.", '{"three": 3}']
    assert [row.line for row in rows.rows] == [1, 4, 5]
    with pytest.raises(DataError, match=r'run\.stage = "pretrain"'):
        read_rows(path)
    packed = tmp_path / "b.txt.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert [row.text for row in read_texts(packed).rows] == [row.text for row in rows.rows]


def test_texts_in_a_column(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "One."}\n{"text": " "}\n', encoding="utf-8")
    with pytest.raises(DataError, match="row 2: no answer"):
        read_texts(path)
    assert len(read_texts(path, Reading("skip"))) == 1
    path.write_text('{"body": "One."}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r'data\.columns = "text=…"'):
        read_texts(path)
    assert read_texts(path, Reading(columns=("text=body",))).rows[0].text == "One."


def test_a_folder_is_all_its_data_files_by_name(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / ".hidden").mkdir()
    table(tmp_path / "b.csv", ROWS[:1])
    for name in ("deep/a.jsonl", "c.json", ".hidden/x.jsonl", ".y.jsonl", "dataset_info.json", "notes.md"):
        (tmp_path / name).write_text(json.dumps(ROWS[1]) + "\n", encoding="utf-8")
    rows = read_rows(tmp_path)
    assert [(row.id, row.source, row.line) for row in rows] == [
        ("b:2", "b", 2), ("c:1", "c", 1), ("deep/a:1", "deep/a", 1)
    ]  # fmt: skip


def test_ids_are_unique_over_all_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({**ROWS[0], "id": "x"}) + "\n", encoding="utf-8")
    rows = read_rows(tmp_path)
    assert [row.id for row in rows] == ["x", "x#b:1"]
    assert rows.renamed == (2,)


def test_the_first_rows_of_each_source(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text((json.dumps(ROWS[0]) + "\n") * 5, encoding="utf-8")
    assert [row.id for row in read_rows(tmp_path, reading=Reading(first=2))] == ["a:1", "a:2", "b:1", "b:2"]
    # What comes after them is not even read.
    with (tmp_path / "a.jsonl").open("a", encoding="utf-8") as handle:
        handle.write("not JSON\n")
    assert len(read_rows(tmp_path / "a.jsonl", reading=Reading(first=5))) == 5


def test_columns_of_other_names(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    item = {"问": "痛风？", "答": "关节病", "科室": "内科", "messages": "not a list"}
    path.write_text(json.dumps(item, ensure_ascii=False) + "\n", encoding="utf-8")
    row = read_rows(path, reading=Reading(columns=("prompt=问", "completion = 答", "label=科室"))).rows[0]
    assert (row.prompt, row.answer, row.label) == ("痛风？", "关节病", "内科")
    # A mark alone changes nothing of what a row means.
    plain = tmp_path / "b.jsonl"
    plain.write_text(json.dumps({**ROWS[0], "科室": "内科"}) + "\n", encoding="utf-8")
    assert read_rows(plain, reading=Reading(columns=("label=科室",))).rows[0].label == "内科"


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (("prompt",), "is no pair"),
        (("promt=a", "completion=b"), "known: prompt"),
        (("prompt=a", "prompt=b"), "prompt is given twice"),
        (("prompt=nowhere", "completion=neither"), "none of the columns nowhere, neither"),
        (("prompt=prompt", "completion=neither"), '"prompt" is there and "completion" is not'),
    ],
)
def test_columns_that_are_not_there_are_named(tmp_path: Path, columns: tuple[str, ...], said: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n", encoding="utf-8")
    with pytest.raises(DataError) as fault:
        read_rows(path, reading=Reading(columns=columns))
    assert said in str(fault.value)


@pytest.mark.parametrize(
    "item",
    [
        {**ROWS[0], "images": ["a.png"]},
        {"messages": [{"role": "user", "content": [{"type": "image", "image": "a.png"}, {"type": "text", "text": "?"}]},
                      {"role": "assistant", "content": "b"}]},
    ],
)  # fmt: skip
def test_rows_with_images_are_refused(tmp_path: Path, item: object) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(item) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="only text is trained"):
        read_rows(path)
    path.write_text(json.dumps({**ROWS[0], "images": []}) + "\n", encoding="utf-8")
    assert len(read_rows(path)) == 1
