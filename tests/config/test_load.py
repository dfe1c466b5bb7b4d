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
from doneness.config.gain import Gain, parse_gain
from doneness.core import RecipeError, speaking
from doneness.stopping import EvidenceRule
from doneness.workflows.rules import params_of, rule_of

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
    folder = Path(__file__).parents[2] / "src/doneness/config"
    source = "\n".join((folder / name).read_text(encoding="utf-8") for name in ("schema.py", "sections.py"))
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


def test_kto_wants_more_than_one_row_in_a_micro_batch() -> None:
    asked = ["run.stage=kto", "optimizer.batch_size=8"]
    with pytest.raises(RecipeError, match="a step stays 8 rows"):
        build_recipe({}, [*asked, "optimizer.micro_batch=1"])
    assert build_recipe({}, [*asked, "optimizer.micro_batch=2"]).optimizer.micro_batch == 2


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


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("label, explanation", ("label", "explanation")),
        ("label", ("label",)),
        ('["label", "dose=/a,b/"]', ("label", "dose=/a,b/")),
        (r"dose=/\d{1,3} mg/,side=json:finding.side", (r"dose=/\d{1,3} mg/", "side=json:finding.side")),
        ("[]", ()),
        ('""', ()),
        (",label,", ("label",)),
    ],
)
def test_a_list_of_texts_may_be_one_text_with_commas(written: str, read: tuple[str, ...]) -> None:
    recipe = build_recipe({}, [f"evaluation.spans={written}"])
    assert recipe.evaluation.spans == read
    assert build_recipe(tomllib.loads(dump_recipe(recipe))) == recipe


@pytest.mark.parametrize("value", [3, True, ["label", 3], {"label": 1}, 1.5])
def test_a_list_of_something_else_is_refused(value: object) -> None:
    with pytest.raises(RecipeError, match=r"evaluation\.spans = .* must be a text, or a list of texts"):
        build_recipe({"evaluation": {"spans": value}})
    with pytest.raises(RecipeError, match="NUL"):
        build_recipe({"evaluation": {"spans": ["a\0"]}})


@pytest.mark.parametrize(
    ("text", "gain"),
    [
        ("0.5%", Gain(0.005, 0.0, False)),
        (" 1 % ", Gain(0.01, 0.0, False)),
        ("0.01 nats", Gain(0.0, 0.01, False)),
        ("1e-3nat", Gain(0.0, 0.001, False)),
        ("0.1%/hour", Gain(0.001, 0.0, True)),
        ("0.1% per hour", Gain(0.001, 0.0, True)),
        ("0.02 nats an hour", Gain(0.0, 0.02, True)),
        ("0.1% per GPU-hour", Gain(0.001, 0.0, True, True)),
        ("0.1 % per gpu hour", Gain(0.001, 0.0, True, True)),
        ("0.1%/GPU-h", Gain(0.001, 0.0, True, True)),
        ("0.02 nats a GPU-hour", Gain(0.0, 0.02, True, True)),
        ("0.1% per GPU", None),
        ("0.1% GPU-hour", None),
        ("0.5", None),
        ("0%", None),
        ("100%", None),
        ("-1%", None),
        ("1 %/day", None),
        ("%", None),
        ("1.2.3%", None),
    ],
)
def test_a_gain_is_read_from_a_text(text: str, gain: Gain | None) -> None:
    found = parse_gain(text)
    assert (found is None) == (gain is None)
    if found is not None and gain is not None:
        assert found.share == pytest.approx(gain.share)
        assert (found.nats, found.hourly, found.by_device) == (gain.nats, gain.hourly, gain.by_device)


@pytest.mark.parametrize(
    ("overrides", "part"),
    [
        (["stopping.stop_when_gain_below=a lot"], "is no gain"),
        (["stopping.stop_when_gain_below=1%", "stopping.gain_share=0.01"], "one or the other"),
        (["stopping.stop_when_gain_below=1%", "stopping.gain_nats=0.01"], "one or the other"),
        (["stopping.goal=target"], "needs stopping.target_loss"),
        (["stopping.target_loss=0.5"], "only with stopping.goal = target"),
        (["stopping.max_cost=10"], "needs stopping.cost_per_hour"),
        (["stopping.goal=speed"], "one of behaviour, fidelity, target"),
        (["checkpoints.keep_gb=-1"], "at least 0"),
    ],
)
def test_what_contradicts_itself_in_stopping_is_refused(overrides: list[str], part: str) -> None:
    with pytest.raises(RecipeError, match=part):
        build_recipe({}, overrides)


def test_what_stopping_asks_for_reaches_the_rule() -> None:
    asked = ["stopping.stop_when_gain_below=0.1%/hour", "stopping.prefer=best", "stopping.max_hours=2"]
    recipe = build_recipe({}, [*asked, "stopping.goal=target", "stopping.target_loss=0.4"])
    assert build_recipe(tomllib.loads(dump_recipe(recipe))) == recipe
    rule = rule_of(recipe.stopping)
    assert isinstance(rule, EvidenceRule)
    assert (rule.goal, rule.target, rule.budget.hours) == ("target", 0.4, 2.0)
    params = rule.params
    assert (params.hourly_share, params.gain_share, params.prefer) == (0.001, 0.005, "best")
    assert not params.hourly_by_device
    by_device = params_of(build_recipe({}, ["stopping.stop_when_gain_below=0.1% per GPU-hour"]).stopping)
    assert (by_device.hourly_share, by_device.hourly_by_device) == (0.001, True)
    in_all = params_of(build_recipe({}, ["stopping.stop_when_gain_below=1%"]).stopping)
    assert (in_all.gain_share, in_all.gain_nats, in_all.epsilon(2.0)) == (0.01, 0.0, 0.02)
    nats = params_of(build_recipe({}, ["stopping.stop_when_gain_below=0.02 nats"]).stopping)
    assert nats.epsilon(0.1) == nats.epsilon(2.0) == 0.02
    usual = rule_of(build_recipe({}).stopping)
    assert usual == EvidenceRule()
    assert rule_of(build_recipe({}, ["stopping.enabled=false"]).stopping) is None
