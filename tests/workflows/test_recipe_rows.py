"""Rows of a recipe: where they lie, how many are held out, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from doneness.config import Recipe, build_recipe, dump_recipe, load_recipe
from doneness.core import DataError, RecipeError
from doneness.data import Row, Turn
from doneness.models import encode
from doneness.testing.tiny import make_tiny_tokenizer
from doneness.train.resume import data_hash
from doneness.workflows.rows import RecipeRows, encode_recipe_rows, encoding_lines, read_recipe_rows
from doneness.workflows.train import at_home

THINGS = ["gout", "mumps", "tetanus", "scurvy", "malaria", "rabies", "asthma", "anthrax", "cholera", "measles"]
QUESTIONS = [f"How does one treat {a} after {b}?" for a in THINGS for b in THINGS if a != b]


def registry(folder: Path, count: int = len(QUESTIONS)) -> Path:
    rows = [{"instruction": q, "output": f"Answer {k}."} for k, q in enumerate(QUESTIONS[:count])]
    (folder / "few.json").write_text(json.dumps(rows), encoding="utf-8")
    (folder / "dataset_info.json").write_text(json.dumps({"few": {"file_name": "few.json"}}), encoding="utf-8")
    return folder / "dataset_info.json"


def recipe(train: Path | str, *overrides: str) -> Recipe:
    return build_recipe({"data": {"train": str(train)}}, overrides)


def test_a_registry_beside_the_recipe_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry(tmp_path)
    file = tmp_path / "recipe.toml"
    file.write_text('[data]\ntrain = "dataset_info.json#few"\nhold_out = "none"\ncolumns = []\n', encoding="utf-8")
    found = load_recipe(file)
    assert found.data.train == f"{tmp_path / 'dataset_info.json'}#few"
    assert len(read_recipe_rows(found).train) == len(QUESTIONS)
    monkeypatch.chdir(tmp_path)
    assert at_home(recipe("dataset_info.json#few")).data.train == f"{tmp_path.resolve() / 'dataset_info.json'}#few"
    file.write_text(dump_recipe(found), encoding="utf-8")
    assert load_recipe(file) == found


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_a_share_of_the_rows_is_held_out(tmp_path: Path, share: float) -> None:
    found = read_recipe_rows(recipe(f"{registry(tmp_path)}#few", f"data.hold_out_share={share}"))
    assert found.eval is not None
    assert len(found.eval) / len(QUESTIONS) == pytest.approx(share, abs=0.1)
    assert len(found.eval) + len(found.train) <= len(QUESTIONS)
    with pytest.raises(RecipeError, match="both say how many"):
        recipe("x", "data.hold_out_share=0.1", "data.hold_out_rows=5")


def test_the_first_rows_alone(tmp_path: Path) -> None:
    found = read_recipe_rows(recipe(f"{registry(tmp_path)}#few", "data.first_rows=30", "data.hold_out=none"))
    assert [row.line for row in found.train] == list(range(1, 31))


@pytest.mark.model
@pytest.mark.parametrize("cut", ["answer", "balanced", "prompt"])
def test_what_is_cut_is_said(tmp_path: Path, cut: str) -> None:
    asked = recipe(f"{registry(tmp_path)}#few", "data.max_length=64", f"data.cut={cut}", "data.hold_out=none")
    rows, tokenizer = read_recipe_rows(asked), make_tiny_tokenizer()
    encoded = encode_recipe_rows(tokenizer, rows, asked.data)
    (line,) = encoding_lines(tokenizer, rows, encoded, asked.data)
    assert line.key == f"workflows.rows.cut_{cut}"
    assert line.args["rows"] == encoded.train.truncated > 0
    whole = encode_recipe_rows(tokenizer, rows, recipe("x").data).train.rows
    assert line.args["tokens"] == sum(len(a.ids) - len(b.ids) for a, b in zip(whole, encoded.train.rows, strict=True))
    assert all(said in line.text("en") and "64" in line.text("zh") for said in ("64", str(len(rows.train))))


@pytest.mark.model
def test_a_row_that_cannot_be_learnt_is_named_with_its_file(tmp_path: Path) -> None:
    asked = recipe(f"{registry(tmp_path)}#few", "data.max_length=64", "data.on_long=refuse", "data.hold_out=none")
    with pytest.raises(DataError, match=r"dataset_info\.json#few: row 1 .* has \d+ tokens"):
        encode_recipe_rows(make_tiny_tokenizer(), read_recipe_rows(asked), asked.data)


@pytest.mark.model
def test_rows_without_an_answer_are_counted_once(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    items = [{"prompt": q, "completion": "" if k < 3 else "Yes."} for k, q in enumerate(QUESTIONS)]
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    asked = recipe(path, "data.on_empty=skip", "data.hold_out_rows=10")
    rows, tokenizer = read_recipe_rows(asked), make_tiny_tokenizer()
    assert rows.eval is not None
    lines = encoding_lines(tokenizer, rows, encode_recipe_rows(tokenizer, rows, asked.data), asked.data)
    assert [(line.key, line.args) for line in lines] == [("workflows.rows.blank", {"rows": 3})]


@pytest.mark.model
def test_tools_that_a_template_does_not_write_are_named(tmp_path: Path) -> None:
    row: dict[str, Any] = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({**row, "tools": [{"name": "f"}]}) + "\n" + json.dumps(row) + "\n", encoding="utf-8")
    asked = recipe(path, "data.hold_out=none")
    rows, tokenizer = read_recipe_rows(asked), make_tiny_tokenizer()
    lines = encoding_lines(tokenizer, rows, encode_recipe_rows(tokenizer, rows, asked.data), asked.data)
    assert [(line.key, line.args) for line in lines] == [("workflows.rows.no_tools", {"rows": 1})]
    tokenizer.chat_template += "{# tools #}"
    assert encoding_lines(tokenizer, rows, encode_recipe_rows(tokenizer, rows, asked.data), asked.data) == ()
    assert isinstance(rows, RecipeRows)


@pytest.mark.model
def test_a_run_is_the_same_only_where_the_same_tokens_carry_loss() -> None:
    tokenizer = make_tiny_tokenizer()
    talk = [Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"), Turn("assistant", "d")]
    both, last = (encode(tokenizer, Row("a", tuple(talk), 1), 99, answers=answers) for answers in ("all", "last"))
    assert both.ids == last.ids
    assert data_hash([both], []) != data_hash([last], [])
