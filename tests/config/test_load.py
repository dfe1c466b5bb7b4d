from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doneness.config import Recipe, build_recipe, dump_recipe, load_recipe
from doneness.config.aliases import ALIASES
from doneness.core import RecipeError, speaking

RECIPES = Path(__file__).parents[2] / "src" / "doneness" / "config" / "recipes"


def test_a_recipe_survives_writing_and_reading() -> None:
    recipe = build_recipe({"run": {"folder": "x"}, "optimizer": {"learning_rate": 1e-3}}, ["schedule.epochs=2"])
    assert recipe.schedule.epochs == 2.0
    assert build_recipe(tomllib.loads(dump_recipe(recipe))) == recipe


def test_every_shipped_recipe_is_valid() -> None:
    files = sorted(RECIPES.rglob("*.toml"))
    assert files
    for file in files:
        assert isinstance(load_recipe(file), Recipe)


def test_every_key_says_what_it_is() -> None:
    source = (Path(__file__).parents[2] / "src/doneness/config/schema.py").read_text(encoding="utf-8")
    for section in dataclasses.fields(Recipe):
        for key in dataclasses.fields(getattr(Recipe(), section.name)):
            after = source.split(f"    {key.name}: ", 1)[1].split("\n", 1)[1].lstrip()
            assert after.startswith('"""'), f"{section.name}.{key.name} has no docstring"


def test_all_faults_come_at_once_with_the_nearest_name() -> None:
    raw = {"model": {"pat": "x"}, "optimiser": {}, "optimizer": {"batch_size": 7, "learning_rate": -1.0}}
    with pytest.raises(RecipeError) as caught:
        build_recipe(raw, ["schedule.epoch=3", "nonsense"])
    text = str(caught.value)
    assert len(caught.value.faults) == 6
    for part in ("model.path?", "optimizer?", "above 0", "schedule.epochs?", "nonsense", "multiple of"):
        assert part in text


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("method.rank=0", "at least 1"),
        ("method.rank=true", "whole number"),
        ("method.dropout=2.0", "at most 0.95"),
        ("schedule.kind=cosin", "one of"),
        ("optimizer.learning_rate=nan", "not a number"),
        ("optimizer.learning_rate=inf", "not a finite number"),
        ("stopping.gain_nats=1" + "0" * 400, "not a finite number"),
        ("schedule.max_steps=1" + "0" * 30, "at most 1000000000000"),
        ("run.seed=1" + "0" * 5000, "whole number"),
        ("run.seed=4294967296", "at most 4294967295"),
        ("run.seed=" + "[" * 5000, "whole number"),
        ('run.folder="a\\u0000b"', "NUL"),
        ("data.rank=3", "method.rank?"),
        ("run.seed=1.5", "whole number"),
        ("stopping.enabled=1", "true or false"),
    ],
)
def test_a_wrong_value_is_named(override: str, part: str) -> None:
    with pytest.raises(RecipeError) as caught:
        build_recipe({}, [override])
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("override", "name"),
    [
        ("optimizer.lr=1e-4", "optimizer.learning_rate"),
        ("lr=1e-4", "optimizer.learning_rate=1e-4"),
        ("train.lr=1e-4", "optimizer.learning_rate"),
        ("data.bs=4", "optimizer.batch_size"),
        ("method.r=4", "method.rank"),
        ("optimizer.lora-rank=4", "method.rank"),
        ("schedule.num_train_epochs=4", "schedule.epochs"),
        ("model.max_seq_length=4", "data.max_length"),
        ("evalution.every=3", "evaluation"),
        ("data.epochs=3", "schedule.epochs"),
    ],
)
def test_what_other_tools_call_it_leads_to_our_name(override: str, name: str) -> None:
    with pytest.raises(RecipeError, match=rf"did you mean {re.escape(name)}\?"):
        build_recipe({}, [override])


def test_every_alias_leads_to_a_key_of_ours() -> None:
    for alias, name in ALIASES.items():
        section, key = name.split(".")
        assert key in {f.name for f in dataclasses.fields(getattr(Recipe(), section))}
        assert alias not in {f.name for f in dataclasses.fields(getattr(Recipe(), section))}


def test_faults_are_said_in_chinese_too() -> None:
    with speaking("zh"), pytest.raises(RecipeError) as caught:
        build_recipe({"optimiser": {}, "model": 3}, ["optimizer.lr=3", "run.seed=x", "method.rank=0", "data.eval=a"])
    text = str(caught.value)
    assert "5 处错误" in text and "是否想写 optimizer.learning_rate" in text
    assert not re.search(r"unknown|must|mean", text)


def test_one_file_for_training_and_evaluation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="training file"):
        build_recipe({"data": {"train": str(tmp_path / "a"), "eval": str(tmp_path / "b" / ".." / "a")}})


def test_paths_count_from_the_recipes_folder(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}")
    (tmp_path / "recipe.toml").write_text('[data]\ntrain = "rows.jsonl"\neval = "elsewhere.jsonl"\n')
    recipe = load_recipe(tmp_path / "recipe.toml")
    assert recipe.data.train == str(tmp_path / "rows.jsonl")
    assert recipe.data.eval == "elsewhere.jsonl"


@pytest.mark.parametrize("content", [b"[run", b"\xff\xfe", b"run = 3", b"a = " + b"[" * 9999, b"a = " + b"9" * 9999])
def test_a_damaged_recipe_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r.toml").write_bytes(content)
    with pytest.raises(RecipeError) as caught:
        load_recipe(tmp_path / "r.toml")
    assert "\n" not in str(caught.value)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no such file"):
        load_recipe(tmp_path / "none.toml")
    with pytest.raises(RecipeError, match="a folder"):
        load_recipe(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RecipeError, match="cannot be opened"):
        load_recipe(tmp_path / "file" / "r.toml")


@given(st.dictionaries(st.text(max_size=8), st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=5))))
def test_no_table_crashes_the_loader(raw: dict[str, dict[str, object]]) -> None:
    try:
        build_recipe(raw)
    except RecipeError as error:
        assert error.faults
