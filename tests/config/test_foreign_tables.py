"""The tables of other tools' arguments: complete, without contradiction, and spoken for in both languages."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import tomllib
from pathlib import Path
from typing import Any

import pytest

from doneness.config import Recipe
from doneness.config.foreign import Fate, kinds, llamafactory, medicalgpt, table, training
from doneness.config.foreign.table import read
from doneness.core.catalogue import entries

TABLES = Path(__file__).parents[2] / "src" / "doneness" / "config" / "foreign" / "tables"
TOOLS = {"llamafactory": llamafactory, "medicalgpt": medicalgpt}


@pytest.mark.parametrize("tool", TOOLS)
def test_every_argument_is_in_exactly_one_class(tool: str) -> None:
    files = [tomllib.loads((TABLES / f"{name}.toml").read_text(encoding="utf-8")) for name in ("trainer", tool)]
    names = [name for content in files for fate in Fate for name in content[fate]]
    assert len(names) == len(set(names)) == sum(map(len, kinds(tool).values()))
    assert set(names) == set(table(tool).arguments)


@pytest.mark.parametrize("tool", TOOLS)
def test_what_is_mapped_leads_to_keys_that_there_are(tool: str) -> None:
    recipe = Recipe()
    for argument in table(tool).arguments.values():
        for key in argument.keys:
            section, _, name = key.partition(".")
            known = {f.name for f in dataclasses.fields(getattr(recipe, section))}
            assert name in known, f"{argument.name} leads to {key}"
        if argument.fate is Fate.MAPPED:
            assert argument.keys or argument.conversion
            there = (getattr(module, argument.conversion, None) for module in (TOOLS[tool], training))
            assert not argument.conversion or any(map(callable, there)), argument.name


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("tool", TOOLS)
def test_what_is_refused_or_remarked_is_said_in_both_languages(tool: str, lang: str) -> None:
    for argument in table(tool).arguments.values():
        if argument.fate is Fate.REFUSED:
            assert f"foreign.instead.{argument.remark}" in entries(lang), argument.name
        elif argument.remark:
            assert f"foreign.note.{argument.remark}" in entries(lang), argument.name
        assert f"foreign.kind.{argument.kind}" in entries(lang)


def test_every_argument_of_the_installed_trainer_is_known() -> None:
    """With its default, so that a command means here what it means there."""
    spec = importlib.util.find_spec("transformers")
    if spec is None or spec.origin is None:
        pytest.skip("transformers is not installed")
    folder, known = Path(spec.origin).parent, table("llamafactory").arguments
    fields = {
        **_fields(folder / "training_args.py", "TrainingArguments"),
        **_fields(folder / "training_args_seq2seq.py", "Seq2SeqTrainingArguments"),
    }
    assert len(fields) > 100
    assert sorted(set(fields) - set(known)) == []
    ours = {name: known[name].usual for name, usual in fields.items() if isinstance(usual, (int, float, str))}
    theirs = {name: read(known[name].kind, fields[name]) for name in ours}
    assert {n: (ours[n], theirs[n]) for n in ours if ours[n] != theirs[n]} == {}


def _fields(file: Path, name: str) -> dict[str, Any]:
    """Names of a dataclass' fields with the defaults that are plain values; read, not imported, which takes torch."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    cls = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    found: dict[str, Any] = {}
    for node in cls.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            value: ast.expr = node.value
            if isinstance(value, ast.Call):
                value = next((k.value for k in value.keywords if k.arg == "default"), ast.Constant(None))
            if "ClassVar" not in ast.unparse(node.annotation) and not node.target.id.startswith("_"):
                found[node.target.id] = value.value if isinstance(value, ast.Constant) else None
    return found


@pytest.mark.parametrize(
    ("kind", "value", "meant"),
    [
        ("bool", (), True),
        ("bool", ("False",), False),
        ("bool", "yes", True),
        ("bool", 0, False),
        ("int", ("8",), 8),
        ("int", 8.0, 8),
        ("int", "1e3", 1000),
        ("int", "null", None),
        ("float", "1e-5", 1e-5),
        ("float", ("5e-05",), 5e-5),
        ("text", False, "no"),
        ("text", ["a", "b"], "a,b"),
        ("text", 3, "3"),
        ("texts", ("wandb", "mlflow"), ("wandb", "mlflow")),
        ("texts", "none", ()),
        ("any", '{"a": 1}', {"a": 1}),
        ("any", None, None),
    ],
)
def test_a_value_is_read_as_transformers_reads_it(kind: str, value: Any, meant: Any) -> None:
    found = read(kind, value)
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bool", "maybe"),
        ("bool", ("True", "False")),
        ("int", "8.5"),
        ("int", ()),
        ("float", "fast"),
        ("float", "nan"),
        ("float", True),
        ("float", ("1", "2")),
        ("text", {"a": 1}),
        ("any", "{broken"),
    ],
)
def test_what_is_nothing_of_its_kind_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(ValueError):  # each reader has words of its own, which nobody sees
        read(kind, value)
