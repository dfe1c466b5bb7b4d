"""The pre-flight: it changes nothing, and every planted fault is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from doneness.config import Recipe
from doneness.core import RecipeError
from doneness.train.preflight import preflight
from doneness.train.preflight.step import _longest
from doneness.workflows.train import ready, train_run
from tests.train.conftest import Quiet
from tests.train.test_stages import ROWS, written

pytestmark = pytest.mark.model
Make = Callable[..., Recipe]


def flown(recipe: Recipe, rows: Any, loaded: Any) -> tuple[list[str], str]:
    """Keys of what was told, and the faults as text."""
    told: list[Any] = []
    try:
        preflight(recipe, rows, loaded, told.append)
    except RecipeError as error:
        return [line.key for line in told], str(error)
    return [line.key for line in told], ""


@pytest.fixture
def made(make_recipe: Make) -> tuple[Recipe, Any, Any]:
    recipe = make_recipe("flight")
    return (recipe, *ready(recipe, lambda line: None))


def test_a_run_is_the_same_with_and_without(make_recipe: Make, tmp_path: Path) -> None:
    found = {}
    more = ("method.dropout=0.1", "schedule.max_steps=4", "optimizer.gradient_checkpointing=true")
    for asked in ("true", "false"):
        told: list[Any] = []
        recipe = make_recipe(f"with-{asked}", f"run.preflight={asked}", *more)
        left = Path(recipe.run.folder) / ".preflight-1"  # by a kill
        left.mkdir(parents=True)
        run = train_run(recipe, Quiet(), told.append).run
        assert run.train is not None and run.evals is not None
        last = Path(recipe.run.folder) / "checkpoint-4"
        files = [(last / name).read_bytes() for name in ("adapter_model.safetensors", "rng_state.pth")]
        found[asked] = (run.train.value.tolist(), run.evals.value.tolist(), files)
        assert [line.key for line in told if line.key.startswith("preflight")] == ["preflight.done"] * (asked == "true")
        assert not [each for each in Path(recipe.run.folder).iterdir() if each.name.startswith(".")]
    assert found["true"] == found["false"]


@pytest.mark.parametrize("stage", ROWS)
def test_every_stage_flies_and_is_left_as_it_was(make_recipe: Make, tmp_path: Path, stage: str) -> None:
    import torch

    whole = ("method.kind=full", "model.dtype=float32") if stage in ("dpo", "pretrain") else ()
    own = (f"run.stage={stage}", f"data.train={written(tmp_path / 'a.jsonl', ROWS[stage]()[:8])}", "data.hold_out=none")
    recipe = make_recipe(stage, *own, "data.eval=''", "optimizer.learning_rate=1e-3", *whole)
    rows, loaded = ready(recipe, lambda line: None)
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    numbers, forward = torch.get_rng_state(), vars(loaded.model).get("forward")
    told: list[Any] = []
    preflight(recipe, rows, loaded, told.append)
    assert [line.key for line in told] == ["preflight.done"]
    assert all(said in told[0].text("en") for said in ("trained tensors", "written and read back"))
    assert "训练张量" in told[0].text("zh") or "trained tensors" in told[0].text("zh")
    assert ("first loss of a pair 0.6931" in told[0].text("en")) == (stage == "dpo")
    after = loaded.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(numbers, torch.get_rng_state())
    assert vars(loaded.model).get("forward") is forward
    assert all(p.grad is None for p in loaded.model.parameters())
    assert not Path(recipe.run.folder).exists()


def test_what_is_not_reached_or_frozen_is_named(made: tuple[Recipe, Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    recipe, rows, loaded = made
    name, frozen = next((n, p) for n, p in loaded.model.named_parameters() if "layers.1" in n and "lora_B" in n)
    frozen.requires_grad_(False)
    assert name in flown(recipe, rows, loaded)[1] and "1 tensors" in flown(recipe, rows, loaded)[1]
    frozen.requires_grad_(True)
    second = loaded.model.get_base_model().model.layers[1]
    hook = second.register_forward_pre_hook(lambda module, given: (given[0].detach(), *given[1:]))
    _, fault = flown(recipe, rows, loaded)
    hook.remove()
    assert "no gradient reaches 14 of 28" in fault and "layers.0.self_attn.q_proj.lora_A" in fault
    stray = torch.nn.Parameter(torch.zeros(3))
    loaded.model.get_base_model().register_parameter("stray", stray)
    assert "stray" in flown(recipe, rows, loaded)[1]


def test_adapters_that_are_not_zero_are_no_base_model(made: tuple[Recipe, Any, Any]) -> None:
    recipe, rows, loaded = made
    for name, parameter in loaded.model.named_parameters():
        if "lora_B" in name:
            parameter.data.fill_(0.05)
    assert "they should change nothing yet" in flown(recipe, rows, loaded)[1]


def test_a_loss_far_above_chance_and_one_that_is_no_number(made: tuple[Recipe, Any, Any]) -> None:
    import torch

    recipe, rows, loaded = made
    embedding = loaded.model.get_input_embeddings().weight
    embedding.data *= 40  # sure of itself, and wrong: as with the words of another vocabulary
    _, fault = flown(recipe, rows, loaded)
    assert "guessing among all tokens gives 5.77" in fault
    embedding.data[:] = torch.nan
    assert "the loss before the first step is nan" in flown(recipe, rows, loaded)[1]


def test_rows_and_tokenizer(made: tuple[Recipe, Any, Any]) -> None:
    from tokenizers.processors import TemplateProcessing

    recipe, rows, loaded = made
    first = rows.train.rows[0]
    tokenizer, bos = loaded.tokenizer, loaded.tokenizer.bos_token_id

    def changed(**new: Any) -> Any:
        many = tuple(replace(row, **(new if row is first else {})) for row in rows.train.rows)
        return replace(rows, train=replace(rows.train, rows=many))

    from doneness.models.chat import Answer

    end = len(first.ids)
    cases = {
        "have no token that carries loss": changed(several=(Answer(end, end),)),
        "holds token 9,999": changed(ids=(*first.ids[:-1], 9999)),
        "do not end with a token that ends an answer": changed(ids=(*first.ids[:-1], 5)),
    }
    for words, planted in cases.items():
        _, fault = flown(recipe, planted, loaded)
        assert words in fault and first.id in fault
    doubled = tuple(replace(row, ids=(bos, *row.ids), start=row.start + 1) for row in rows.train.rows)
    planted = replace(rows, train=replace(rows.train, rows=doubled))
    assert "begin with <|im_start|> twice" in flown(recipe, planted, loaded)[1]
    template = tokenizer.chat_template
    tokenizer.chat_template = template.split("{% if add_generation_prompt")[0]  # which cannot ask for an answer
    assert flown(recipe, rows, loaded) == (["preflight.doubt.asked_otherwise", "preflight.done"], "")
    tokenizer.chat_template = template
    with_begin = TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", tokenizer.pad_token_id)]
    )
    before, tokenizer.backend_tokenizer.post_processor = tokenizer.backend_tokenizer.post_processor, with_begin
    tokenizer.bos_token = "<|endoftext|>"
    assert flown(recipe, rows, loaded) == (["preflight.doubt.no_bos", "preflight.done"], "")
    tokenizer.backend_tokenizer.post_processor = before
    tokenizer.bos_token = "<|im_start|>"
    tokenizer.eos_token = None
    assert "no end-of-sequence token" in flown(recipe, rows, loaded)[1]
    tokenizer.eos_token = "<|im_end|>"
    loaded.model.generation_config.eos_token_id = tokenizer.pad_token_id
    tokenizer.eos_token = "<|endoftext|>"
    assert "preflight.doubt.other_end" in flown(recipe, rows, loaded)[0]


def test_a_template_without_an_end_learns_to_end_all_the_same(make_recipe: Make, tiny_model: Path) -> None:
    """The end of a sequence is put there: what is learnt ends, and nothing is to be told."""
    recipe = make_recipe("endless")
    from transformers import PreTrainedTokenizerBase

    _, loaded = ready(recipe, lambda line: None)
    tokenizer: PreTrainedTokenizerBase = loaded.tokenizer
    said = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    tokenizer.chat_template = said + "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    from doneness.workflows.rows import encode_recipe_rows, read_recipe_rows

    again = encode_recipe_rows(tokenizer, read_recipe_rows(recipe), recipe.data)
    assert again.train.rows[0].ids[-1] == tokenizer.eos_token_id
    assert flown(recipe, again, loaded) == (["preflight.done"], "")


def test_a_disk_that_lies_and_one_that_is_full(made: tuple[Recipe, Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    from doneness.train.preflight import disk

    recipe, rows, loaded = made
    usage = shutil.disk_usage(Path(recipe.run.folder).parent)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda place: usage._replace(free=10_000))
        assert "one checkpoint takes" in flown(recipe, rows, loaded)[1]
        patched.setattr(shutil, "disk_usage", lambda place: usage._replace(free=200_000))
        assert "preflight.doubt.disk_full" in flown(recipe, rows, loaded)[0]
    assert flown(recipe, rows, loaded) == (["preflight.done"], "")
    with monkeypatch.context() as patched:
        patched.setattr(disk, "_LARGE", 10)
        told: list[Any] = []
        preflight(recipe, rows, loaded, told.append)
        assert "to write by the disk's speed" in told[0].text("en")
    monkeypatch.setattr(disk, "_same", lambda one, other: False)
    assert "are not the same when read back" in flown(recipe, rows, loaded)[1]
    assert not Path(recipe.run.folder).exists()


def test_alone_it_trains_nothing(make_recipe: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from doneness.cli.main import main
    from doneness.config import dump_recipe

    recipe, file = make_recipe("alone"), tmp_path / "alone.toml"
    file.write_text(dump_recipe(recipe), encoding="utf-8")
    assert main(["train", str(file), "--preflight"]) == 0
    assert "Pre-flight passed" in capsys.readouterr().out
    assert not Path(recipe.run.folder).exists()


def test_of_several_processes_rows_and_method_alone(
    made: tuple[Recipe, Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert flown(*made) == (["preflight.doubt.several"], "")


def test_memory_that_does_not_last(made: tuple[Recipe, Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from doneness.train.preflight import memory

    if not memory._reset():
        pytest.skip("this system does not tell how much memory a process has used at most")
    for there, expected in ((10**7, "memory_full"), (None, "")):
        monkeypatch.setattr(memory, "_memory", lambda there=there: there)
        _, fault = flown(*made)
        assert bool(fault) == bool(expected)
        assert ("optimizer.gradient_checkpointing = true" in fault) == bool(expected)


def test_a_preference_that_does_not_begin_even(
    make_recipe: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from doneness.train.preflight import step

    rows = written(tmp_path / "pairs.jsonl", ROWS["dpo"]()[:4])
    recipe = make_recipe("odd", "run.stage=dpo", f"data.train={rows}", "data.eval=''", "data.hold_out=none")
    ready_ = ready(recipe, lambda line: None)
    monkeypatch.setattr(step, "_expected", lambda recipe: 0.2)
    assert "the first loss of dpo is 0.693 where it has to be 0.200" in flown(recipe, *ready_)[1]


def test_kto_is_tried_with_two_rows_however_slow_the_machine(make_recipe: Make) -> None:
    rows = [SimpleNamespace(ids=[1] * length) for length in range(2, 9)]
    counts = {}
    for stage in ("sft", "kto"):
        recipe = make_recipe("slow", f"run.stage={stage}", "model.device=cpu", "optimizer.micro_batch=4")
        counts[stage] = len(_longest(recipe, rows, pace=100.0))
    assert counts == {"sft": 1, "kto": 2}
