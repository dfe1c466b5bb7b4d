from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from doneness.core import DataError, speaking
from doneness.data import read_rows

ROW = {"prompt": "What is gout?", "completion": "A painful swelling of joints."}


def write(path: Path, *rows: object) -> Path:
    path.write_bytes(b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("item", "turns"),
    [
        (ROW, [("user", ROW["prompt"]), ("assistant", ROW["completion"])]),
        (
            {"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}]},
            [("user", "a"), ("assistant", "b")],
        ),
        (
            {"messages": [{"role": r, "content": c} for r, c in (("system", "s"), ("user", "a"), ("assistant", "b"))]},
            [("system", "s"), ("user", "a"), ("assistant", "b")],
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]},
                          {"role": "assistant", "content": [{"type": "text", "value": "b"}]}]},
            [("user", "a"), ("assistant", "b")],
        ),
        (
            {"instruction": "i", "input": "x", "output": "o", "system": "s", "history": [["q", "r"]]},
            [("system", "s"), ("user", "q"), ("assistant", "r"), ("user", "i\nx"), ("assistant", "o")],
        ),
        ({"instruction": "i", "input": "", "output": 7}, [("user", "i"), ("assistant", "7")]),
        (
            {"conversations": [{"from": "human", "value": "a"}, {"from": "function_call", "value": "f"},
                               {"from": "observation", "value": "o"}, {"from": "gpt", "value": "b"}], "system": "s"},
            [("system", "s"), ("user", "a"), ("assistant", "f"), ("user", "o"), ("assistant", "b")],
        ),
        ({"question": "a", "answer": "b"}, [("user", "a"), ("assistant", "b")]),
    ],
)  # fmt: skip
def test_shapes(tmp_path: Path, item: object, turns: list[tuple[str, str]]) -> None:
    row = read_rows(write(tmp_path / "a.jsonl", item)).rows[0]
    assert [(turn.role, turn.content) for turn in row.turns] == turns
    assert row.answer == turns[-1][1]
    assert row.prompt == [content for role, content in turns if role == "user"][-1]


@pytest.mark.parametrize("mark", ["\u2029", "\u2028", "\u0085", "\r", "\x0c", "\x1c"])
def test_only_newline_ends_a_line(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "a.jsonl"
    text = json.dumps({**ROW, "completion": "one" + mark + "two"}, ensure_ascii=False)
    path.write_bytes((text + "\n" + json.dumps(ROW) + "\r\n").encode())
    rows = read_rows(path)
    assert [row.line for row in rows] == [1, 2]
    assert rows.rows[0].answer == f"one{mark}two"


def test_array_gzip_and_bom(tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + json.dumps([ROW, ROW], indent=1).encode()))
    assert [(row.id, row.line) for row in read_rows(path)] == [("1", 1), ("2", 2)]
    lines = tmp_path / "b.jsonl"
    lines.write_bytes(b"\xef\xbb\xbf\n" + json.dumps(ROW).encode())
    assert [row.line for row in read_rows(lines)] == [2]


def test_labels_and_ids(tmp_path: Path) -> None:
    rows = read_rows(
        write(
            tmp_path / "a.jsonl",
            {**ROW, "id": 4, "kind": "fact", "source": "NHS", "topic": ""},
            {**ROW, "id": "x"},
            {**ROW, "id": "x"},
            ROW,
            {**ROW, "id": "x#3"},
        )
    )
    assert (rows.rows[0].kind, rows.rows[0].source, rows.rows[0].topic) == ("fact", "NHS", None)
    assert [row.id for row in rows] == ["4", "x", "x#3'", "4#4", "x#3"]
    assert rows.renamed == (3,)


def test_context_leaves_the_system_turn_out(tmp_path: Path) -> None:
    item = {"instruction": "and then?", "output": "o", "system": "s", "history": [["q", "r"]]}
    assert read_rows(write(tmp_path / "a.jsonl", item)).rows[0].context == "q\nr\nand then?"


def test_no_answer_counts_its_like(tmp_path: Path) -> None:
    empty = {"instruction": "i", "output": " "}
    path = write(
        tmp_path / "a.jsonl", {"instruction": "i", "output": "o"}, empty, empty, {"instruction": "i", "output": None}
    )
    with pytest.raises(DataError) as fault:
        read_rows(path)
    assert str(fault.value) == (
        f'{path}, row 2: no answer ("output" is empty). 2 rows like it; skip them with data.on_empty = "skip", '
        f"or see doneness audit {path}"
    )
    rows = read_rows(path, on_empty="skip")
    assert len(rows) == 1
    assert set(rows.skipped) == {2, 3, 4}
    with speaking("zh"), pytest.raises(DataError, match="第 2 行：没有回答"):
        read_rows(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no rows"),
        (b"\n \n", "no rows"),
        (b"[]", "no rows"),
        (b'{"prompt": "a", "completion": "b"}\n{"prompt": ', "line 2: not JSON"),
        (b'[{"prompt": "a",\n "completion": }]', "line 2: not JSON"),
        ('{"prompt": "a", "completion": "é"}\n'.encode("latin-1"), "line 1: not UTF-8 (byte 0xe9)"),
        (b"[" * 100_000, "not JSON"),
        (b'["text"]', "row 1: not a JSON object but str"),
        (b'{"word": "a"}', "shape not known (keys: word)"),
        (b'{"text": "a"}', 'run.stage = "pretrain"'),
        (b'{"prompt": "a"}', '"prompt" is there and "completion" is not'),
        (b'{"prompt": "a", "chosen": "b", "rejected": "c"}', "supervised fine-tuning"),
        (b'{"prompt": "a", "completion": {"x": 1}}', '"completion" has to be text, not dict'),
        (b'{"messages": "a"}', '"messages" has to be a list of messages, not str'),
        (b'{"messages": [{"role": "critic", "content": "a"}]}', 'role "critic"'),
        (b'{"messages": []}', '"messages" is an empty list'),
        (b'{"messages": [{"role": "user", "content": "a"}]}', "ends with the user's turn"),
        (b'{"prompt": "", "completion": "b"}', 'no question ("prompt" is empty)'),
        (b'{"instruction": "a", "output": "b", "history": ["c"]}', "list of [question, answer] pairs"),
    ],
)
def test_faults_say_what_and_where(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError) as fault:
        read_rows(path)
    assert said in str(fault.value)
    assert str(path) in str(fault.value)
    assert "\n" not in str(fault.value)


def test_missing_folder_and_torn_gzip(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_rows(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="no data file in this folder"):
        read_rows(tmp_path)
    torn = tmp_path / "a.jsonl.gz"
    torn.write_bytes(gzip.compress(json.dumps(ROW).encode() * 1000)[:-20])
    with pytest.raises(DataError):
        read_rows(torn)
    torn.write_bytes(b"plain text")
    with pytest.raises(DataError, match="cannot be read"):
        read_rows(torn)


def test_nothing_left_after_skipping(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"prompt": "a", "completion": ""})
    with pytest.raises(DataError, match="none of 1 rows"):
        read_rows(path, on_empty="skip")


def test_lone_surrogate_becomes_visible_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"prompt": "a", "completion": "b \\ud83d c"}')
    assert read_rows(path).rows[0].answer == "b \ufffd c"


def test_an_answer_marked_as_bad_is_not_learnt_unseen(tmp_path: Path) -> None:
    """Rows for KTO look like rows for supervised training, and half of them are what nobody wants to be learnt."""
    path = tmp_path / "a.jsonl"
    item = {"prompt": "Is salt healthy?", "completion": "Eat as much as you can."}
    for mark in ({"label": False}, {"kto_tag": False}):
        path.write_text(json.dumps({**item, "label": True}) + "\n" + json.dumps({**item, **mark}) + "\n")
        with pytest.raises(DataError, match=r"row 2.* = false marks its answer as a bad one.*kto"):
            read_rows(path)
    path.write_text(json.dumps({**item, "label": "false"}) + "\n" + json.dumps({**item, "label": 0}) + "\n")
    assert len(read_rows(path)) == 2, "labels of classes"
