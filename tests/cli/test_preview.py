"""Rows as the model sees them, in the terminal."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from doneness.cli.foreign import set_apart
from doneness.cli.main import main
from doneness.cli.preview import print_preview
from doneness.config import build_recipe
from doneness.workflows.preview import Preview, Shown, preview_recipe

pytestmark = pytest.mark.model

TALK = [
    {"role": "user", "content": "Gout?"},
    {"role": "assistant", "content": "It hurts."},
    {"role": "user", "content": "Long?"},
    {"role": "assistant", "content": "Days."},
]


@pytest.fixture
def talks(tmp_path: Path) -> Path:
    path = tmp_path / "talks.jsonl"
    path.write_text((json.dumps({"messages": TALK}) + "\n") * 5, encoding="utf-8")
    return path


def recipe(train: Path, model: Path, *overrides: str) -> Any:
    return build_recipe({"data": {"train": str(train)}, "model": {"path": str(model)}}, overrides)


def test_every_token_is_shown_and_what_carries_loss_told_apart(talks: Path, tiny_model: Path) -> None:
    found = preview_recipe(recipe(talks, tiny_model), 2)
    assert [row.id for row in found.rows] == ["1", "2"]
    row = found.rows[0]
    assert [text for text, learnt in row.parts if learnt] == ["It hurts.<|im_end|>", "Days.<|im_end|>"]
    assert row.parts[0][0] == "<|im_start|>user\nGout?<|im_end|>\n<|im_start|>assistant\n"
    assert (row.targets, row.cut, row.lost) == (10 + 6, 0, 0)
    assert row.tokens == sum(len(text) for text, _ in row.parts) - 4 * 11 - 4 * 9
    assert found.lines == ()


def test_what_is_cut_is_counted(talks: Path, tiny_model: Path) -> None:
    found = preview_recipe(recipe(talks, tiny_model, "data.max_length=40"), 1)
    row = found.rows[0]
    assert row.tokens + row.cut == preview_recipe(recipe(talks, tiny_model), 1).rows[0].tokens
    assert [text for text, learnt in row.parts if learnt] == ["It hurts.<|im_end|>"]
    assert row.lost == 6
    assert [line.key for line in found.lines] == ["workflows.preview.of", "workflows.rows.cut_answer"]


def test_plain_output_marks_what_carries_no_loss(
    talks: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["preview", str(talks), "--model", str(tiny_model), "--rows", "1", "data.answers=last"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("What stands between ⟦ and ⟧ carries no loss.\n\nRow 1: ")
    assert "⟧Days.<|im_end|>" in out
    assert out.count("⟦") == out.count("⟧") == 2
    assert main(["--lang", "zh", "preview", str(talks), "--model", str(tiny_model), "--rows", "1"]) == 0
    assert "不计入损失" in capsys.readouterr().out


def test_a_terminal_dims_it() -> None:
    out = Console(file=io.StringIO(), force_terminal=True, width=80, color_system="standard")
    print_preview(out, Preview((Shown("a", "", (("asked", False), ("said", True)), 2, 1, 0, 0),), ()))
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[2masked\x1b[0msaid" in text
    assert "⟦" not in text.split("\n", 1)[1]


def test_nothing_in_a_row_steers_the_terminal_and_long_texts_show_both_ends() -> None:
    out = Console(file=io.StringIO(), width=80)
    print_preview(
        out, Preview((Shown("a", "", (("x\x1b[31m\x9by", True), ("b" * 4000 + "c", False)), 2, 1, 0, 0),), ())
    )
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert "x�[31m�y" in text
    assert "1,001 characters" in text
    assert "bc⟧" in text


def test_both_sides_of_a_pair_and_every_text(tmp_path: Path, tiny_model: Path) -> None:
    pairs, texts, marks = (tmp_path / name for name in ("pairs.jsonl", "texts.txt", "marks.jsonl"))
    pairs.write_text(json.dumps({"prompt": "Gout?", "chosen": "Hurts.", "rejected": "No."}) + "\n", encoding="utf-8")
    texts.write_text("Gout hurts.\n", encoding="utf-8")
    marks.write_text(
        "".join(json.dumps({"prompt": "Gout?", "completion": "x", "label": i % 2 == 0}) + "\n" for i in range(9))
    )
    found = preview_recipe(recipe(pairs, tiny_model, "run.stage=dpo")).rows
    assert [(row.side, row.parts[-1]) for row in found] == [
        ("chosen", ("Hurts.<|im_end|>", True)), ("rejected", ("No.<|im_end|>", True))
    ]  # fmt: skip
    text = preview_recipe(recipe(texts, tiny_model, "run.stage=pretrain")).rows[0]
    assert "".join(part for part, _ in text.parts).startswith("Gout hurts.")
    # In the order that they are learnt in.
    sides = [row.side for row in preview_recipe(recipe(marks, tiny_model, "run.stage=kto")).rows]
    assert sorted(sides) == ["bad", "good", "good"]


def test_only_the_first_rows_are_read(talks: Path, tiny_model: Path) -> None:
    with talks.open("a", encoding="utf-8") as handle:
        handle.write((json.dumps({"messages": TALK}) + "\n") * 100 + "not JSON\n")
    assert len(preview_recipe(recipe(talks, tiny_model)).rows) == 3


def test_a_dry_run_shows_them_beside_the_recipe(
    talks: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(
        f'[model]\npath = "{tiny_model}"\n[data]\ntrain = "talks.jsonl"\nhold_out = "none"\n', encoding="utf-8"
    )
    assert main(["train", str(file), "--dry-run", "data.max_length=200"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("[run]")
    assert "It hurts.<|im_end|>⟦" in told.err
    assert main(["train", str(file), "--dry-run", f"model.path={tmp_path}/none"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("[run]")
    assert "The first rows cannot be shown: " in told.err
    assert main(["preview", str(file), "--model", str(tmp_path / "none")]) == 2
    # What training would be refused for is refused here, with or without the model at hand.
    for fault, said in (("model.template=lama3", "llama3"), ("data.train=tolks.jsonl", "tolks.jsonl")):
        for model in (tiny_model, tmp_path / "none"):
            assert main(["train", str(file), "--dry-run", fault, f"model.path={model}"]) == 2
            assert said in capsys.readouterr().err


def test_faults_are_one_line(talks: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", str(talks)]) == 2
    assert "no model named" in capsys.readouterr().err
    assert main(["preview", str(talks), "--model", str(tiny_model), "--rows", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err


def test_settings_may_follow_options() -> None:
    words = ["preview", "a.jsonl", "--model", "M", "data.max_length=9"]
    assert set_apart(words) == ["preview", "--model", "M", "a.jsonl", "data.max_length=9"]
    assert set_apart(words[:4]) == words[:4]


def test_a_json_file_of_rows_is_no_recipe(tmp_path: Path, tiny_model: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"messages": TALK}]), encoding="utf-8")
    assert main(["preview", str(path), "--model", str(tiny_model)]) == 0


def test_rows_of_a_table_are_counted_without_its_head(tmp_path: Path, tiny_model: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("prompt,completion\n" + "Gout?,It hurts.\n" * 4, encoding="utf-8")
    assert [row.id for row in preview_recipe(recipe(path, tiny_model)).rows] == ["1", "2", "3"]
