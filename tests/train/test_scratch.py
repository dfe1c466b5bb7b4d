"""Random weights: the same seed gives the same, they learn, and a run goes on bit for bit."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from doneness.cli.main import main
from doneness.config import Recipe, build_recipe, dump_recipe
from doneness.core import DonenessError, RecipeError
from doneness.workflows.base import load_base
from doneness.workflows.train import train_run
from tests.train.conftest import Quiet
from tests.train.test_stages import texts, written

Make = Callable[..., Recipe]


@pytest.fixture
def scratch(tmp_path: Path) -> Make:
    rows = texts()
    parts = ([row for i, row in enumerate(rows) if bool(i % 4) is kept] for kept in (True, False))
    train, held_out = (written(tmp_path / f"{n}.jsonl", part) for n, part in zip("ab", parts, strict=True))

    def make(name: str = "run", *overrides: str) -> Recipe:
        raw: dict[str, Any] = {
            "run": {"folder": str(tmp_path / name), "stage": "pretrain", "threads": 1, "preflight": False},
            "model": {"device": "cpu"},
            "scratch": {"enabled": True, "vocabulary": 330, "width": 32, "depth": 2, "heads": 4, "kv_heads": 2},
            "data": {"train": str(train), "eval": str(held_out), "max_length": 64},
            "optimizer": {"batch_size": 8, "micro_batch": 4, "learning_rate": 3e-3},
            "schedule": {"max_steps": 12},
            "stopping": {"on_stop": "note"},
        }
        return build_recipe(raw, overrides)

    return make


@pytest.mark.model
def test_it_learns_and_goes_on_bit_for_bit(scratch: Make) -> None:
    told: list[Any] = []
    recipe = scratch("whole", "run.preflight=true")
    whole, home = train_run(recipe, Quiet(), told.append).run, Path(recipe.run.folder)
    assert whole.evals is not None and whole.train is not None
    assert whole.evals.value[0] == pytest.approx(math.log(whole.meta["vocab_size"]), abs=0.3)
    assert whole.evals.value[-1] < 0.9 * whole.evals.value[0]
    keys = [line.key for line in told]
    assert {"workflows.scratch.tokens", "preflight.done"} <= set(keys)
    assert "about 20" in next(line.text("en") for line in told if line.key == "workflows.scratch.tokens")
    assert whole.meta["total_parameters"] == whole.meta["trainable_parameters"]

    # Killed after its first half: what is left is what the kill would have left.
    cut = scratch("cut")
    shutil.copytree(home, cut.run.folder)
    folder = Path(cut.run.folder)
    (folder / "recipe.toml").write_text(dump_recipe(cut), encoding="utf-8")
    lines = (folder / "journal.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    last = max(i for i, line in enumerate(lines) if '"checkpoint-6"' in line)
    (folder / "journal.jsonl").write_text("".join(lines[: last + 1]), encoding="utf-8")
    again = train_run(cut, Quiet()).run
    weights = [(place / "checkpoint-12" / "model.safetensors").read_bytes() for place in (home, folder)]
    assert weights[0] == weights[1]
    assert again.train is not None and again.train.value.tolist() == whole.train.value.tolist()


@pytest.mark.model
def test_the_same_seed_gives_the_same_model(scratch: Make, tmp_path: Path) -> None:
    import torch

    def weights(*overrides: str) -> dict[str, Any]:
        loaded = load_base(scratch("x", *overrides))
        return {**loaded.model.state_dict(), "words": torch.tensor(loaded.tokenizer("red blue")["input_ids"])}

    one, same, other = weights(), weights(), weights("run.seed=18")
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["model.layers.0.mlp.up_proj.weight"], other["model.layers.0.mlp.up_proj.weight"])
    assert torch.equal(one["words"], other["words"])


@pytest.mark.model
def test_rows_are_shown_with_the_tokenizer_that_will_be_made(scratch: Make, tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(dump_recipe(scratch()), encoding="utf-8")
    assert main(["preview", str(file), "--rows", "1"]) == 0
    assert "tokens" in capsys.readouterr().out


@pytest.mark.model
def test_a_folder_with_a_config_and_a_tokenizer(scratch: Make, tmp_path: Path, tiny_model: Path) -> None:
    import torch

    bare = tmp_path / "bare"
    shutil.copytree(tiny_model, bare, ignore=shutil.ignore_patterns("*.safetensors"))
    recipe = scratch("bare")
    plain = replace(recipe, scratch=replace(build_recipe({}).scratch, enabled=True))
    loaded = load_base(replace(plain, model=replace(recipe.model, path=str(bare))))
    assert loaded.model.config.hidden_size == 32
    # Weights that lie there are not read.
    again = load_base(replace(plain, model=replace(recipe.model, path=str(tiny_model))))
    assert all(torch.equal(a, b) for a, b in zip(loaded.model.parameters(), again.model.parameters(), strict=True))
    (bare / "config.json").unlink()
    with pytest.raises(DonenessError, match=r"no config\.json there"):
        load_base(replace(plain, model=replace(recipe.model, path=str(bare))))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["method.kind=lora"], "trains adapters"),
        (["run.stage=dpo"], "can make nothing of"),
        (["model.path=m"], "model.path has a config.json"),
        (["scratch.heads=3"], "even multiple"),
        (["scratch.heads=8", "scratch.kv_heads=3"], "multiple of scratch.kv_heads"),
        (["scratch.context=32"], "shorter than data.max_length"),
        (["scratch.enabled=false"], "counts only with scratch.enabled"),
    ],
)
def test_what_does_not_go_together_is_named(scratch: Make, overrides: list[str], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        scratch("x", *overrides)


def test_what_is_usual_for_random_weights(scratch: Make) -> None:
    recipe = build_recipe({"run": {"stage": "pretrain"}, "scratch": {"enabled": True}})
    assert (recipe.method.kind, recipe.optimizer.learning_rate, recipe.schedule.epochs) == ("full", 1e-3, 1.0)
    assert scratch().optimizer.learning_rate == 3e-3


@pytest.mark.model
def test_a_type_that_does_nothing_on_a_cpu_is_said(scratch: Make) -> None:
    for dtype, said in (("bfloat16", True), ("float32", False), ("auto", False)):
        told: list[Any] = []
        loaded = load_base(scratch("typed", f"model.dtype={dtype}"), told.append)
        assert ("models.scratch.float32" in [line.key for line in told]) == said
        assert str(next(loaded.model.parameters()).dtype) == "torch.float32"
