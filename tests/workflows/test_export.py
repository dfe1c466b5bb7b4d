"""A checkpoint exported answers as the run's own model does, and nothing is written by halves or over anything."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.train.conftest import ROWS, Quiet

from doneness.cli.main import main
from doneness.config import build_recipe
from doneness.core import DonenessError
from doneness.models import LoadedModel, Quantization, load_model, prompt_ids
from doneness.runs import read
from doneness.testing.tiny import make_tiny_model, write_rows
from doneness.workflows.export import Export, export_run
from doneness.workflows.train import recipe_of, train_run

pytestmark = pytest.mark.model
QUESTIONS = [prompt for prompt, _ in ROWS[24:27]]
# Largest difference of a logit between the run's own model and the merged one.
SETTINGS: dict[str, tuple[tuple[str, ...], float]] = {
    "lora": (("method.targets=attention",), 1e-4),
    "rslora": (("method.rslora=true", "method.save_modules=lm_head"), 1e-4),
    "dora": (("method.kind=dora",), 1e-4),
    "qlora": (("method.kind=qlora",), 1e-4),
    "fp4": (("method.kind=qlora", "method.quant_type=fp4", "method.double_quant=false"), 1e-4),
    "qdora": (("method.kind=dora", "method.bits=4"), 1e-4),
    # LLM.int8 also rounds what goes into each product, which no merged weight can do.
    "int8": (("method.kind=qlora", "method.bits=8"), 5e-2),
}


def _train(place: Path, model: Path, name: str, changes: Sequence[str]) -> Path:
    raw = {
        "run": {"folder": str(place / name), "threads": 1},
        "model": {"path": str(model), "device": "cpu"},
        "method": {"rank": 4, "alpha": 8},
        "data": {
            "train": str(write_rows(place / "train.jsonl", ROWS[:24])),
            "eval": str(write_rows(place / "eval.jsonl", ROWS[24:36])),
            "max_length": 128,
        },
        "optimizer": {"learning_rate": 2e-2, "batch_size": 8, "micro_batch": 8},
        "schedule": {"max_steps": 4, "kind": "constant"},
        "stopping": {"on_stop": "note"},
        "health": {"every": 0},
    }
    train_run(build_recipe(raw, changes), Quiet())
    return place / name


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    return _train(tmp_path_factory.mktemp("export"), tiny_model, "run", ())


def _logits(loaded: LoadedModel) -> Any:
    import torch

    found = []
    loaded.model.eval()
    for question in QUESTIONS:
        ids = torch.tensor([prompt_ids(loaded.tokenizer, [{"role": "user", "content": question}])])
        with torch.no_grad():
            found.append(loaded.model(input_ids=ids).logits[0])
    return torch.cat(found)


def _greedy(loaded: LoadedModel) -> list[list[int]]:
    import torch

    told = []
    for question in QUESTIONS:
        ids = torch.tensor([prompt_ids(loaded.tokenizer, [{"role": "user", "content": question}])])
        answer = loaded.model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False, pad_token_id=0
        )
        told.append(answer[0, ids.shape[1] :].tolist())
    return told


def _own_model(folder: Path, step: int) -> LoadedModel:
    """The run's model at a step, as training and probing have it."""
    from peft import PeftModel

    recipe = recipe_of(folder)
    assert recipe is not None
    base = load_model(recipe.model.path, device="cpu", quantization=Quantization.of(recipe.method))
    return LoadedModel(PeftModel.from_pretrained(base.model, str(folder / f"checkpoint-{step}")), base.tokenizer, "")


@pytest.mark.parametrize("name", SETTINGS)
def test_a_merged_model_answers_as_the_run_does(tmp_path: Path, tiny_model: Path, name: str) -> None:
    settings, tolerance = SETTINGS[name]
    if name in ("qlora", "fp4", "qdora", "int8"):
        pytest.importorskip("bitsandbytes")
    folder = _train(tmp_path, tiny_model, "run", (*settings, "checkpoints.with_evaluations=false"))
    before = read(folder)
    done = export_run(folder, Export(step=4, merge=True))
    assert (done.folder, done.form) == (folder / "export-4-merged", "merged")
    # An export in its folder changes nothing about the run.
    assert [(each.path, each.notes) for each in read(folder)] == [(each.path, each.notes) for each in before]
    merged, own = load_model(str(done.folder), device="cpu"), _own_model(folder, 4)
    base = load_model(str(tiny_model), device="cpu")
    ours = _logits(own)
    assert float((_logits(merged) - ours).abs().max()) <= tolerance
    assert float((_logits(base) - ours).abs().max()) > 0.3
    if name != "int8":
        assert _greedy(merged) == _greedy(own)
    config = json.loads((done.folder / "config.json").read_text())
    assert "quantization_config" not in config and config["dtype"] == "float32"
    assert config["tie_word_embeddings"] is True
    assert (done.folder / "generation_config.json").is_file()
    card = (done.folder / "README.md").read_text(encoding="utf-8")
    assert ("unpacked" in card) == (name in ("qlora", "fp4", "qdora", "int8"))


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`", "ignore:Setting `save_embedding_layers`")
def test_an_embedding_that_another_tool_adapted_alone_is_untied(tmp_path: Path, tiny_model: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    from doneness.models.merge import merge

    base = load_model(str(tiny_model), device="cpu")
    adapted = get_peft_model(base.model, LoraConfig(r=4, target_modules=["embed_tokens"], task_type="CAUSAL_LM"))
    for name, parameter in adapted.named_parameters():
        if "lora" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    adapted.save_pretrained(tmp_path / "adapter")
    merged = merge(str(tiny_model), tmp_path / "adapter", "cpu")
    assert merged.model.config.tie_word_embeddings is False
    own = LoadedModel(adapted, base.tokenizer, "")
    assert float((_logits(merged) - _logits(own)).abs().max()) <= 1e-4


def test_the_sum_is_rounded_once_to_the_base_models_dtype(tmp_path: Path) -> None:
    import torch

    model = make_tiny_model(tmp_path / "half")
    loaded = load_model(str(model), "bfloat16", "cpu")
    loaded.model.save_pretrained(model)
    folder = _train(tmp_path, model, "run", ("model.dtype=float32",))
    done = export_run(folder, Export(step=4, merge=True))
    from safetensors.torch import load_file

    saved = load_file(done.folder / "model.safetensors")
    assert {tensor.dtype for tensor in saved.values()} == {torch.bfloat16}
    exact = _own_model(folder, 4).model.merge_and_unload()
    for name, weight in exact.named_parameters():
        assert torch.equal(saved[name], weight.detach().bfloat16()), name


def test_an_adapter_is_exported_as_it_is(run: Path, tmp_path: Path) -> None:
    from peft import PeftModel

    out = tmp_path / "new" / "adapter"
    assert main(["export", str(run), "--step", "4", "--out", str(out)]) == 0
    names = {place.name for place in out.iterdir()}
    assert names >= {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "README.md", "doneness.json"}
    assert not names & {"optimizer.pt", "scheduler.pt", "trainer_state.json", "training_args.bin", "rng_state.pth"}
    weights = "adapter_model.safetensors"
    assert (out / weights).read_bytes() == (run / "checkpoint-4" / weights).read_bytes()
    recipe = recipe_of(run)
    assert recipe is not None
    base = load_model(recipe.model.path, device="cpu")
    exported = LoadedModel(PeftModel.from_pretrained(base.model, str(out)), base.tokenizer, "")
    assert _greedy(exported) == _greedy(_own_model(run, 4))


def test_the_folder_says_where_it_comes_from(run: Path, tmp_path: Path) -> None:
    done = export_run(run, Export(step=2, out=tmp_path / "out"))
    facts = json.loads((done.folder / "doneness.json").read_text(encoding="utf-8"))
    recipe = recipe_of(run)
    assert recipe is not None
    assert (facts["run"], facts["step"], facts["base"]) == ("run", 2, recipe.model.path)
    assert (facts["method"], facts["form"], facts["exploratory"]) == ("lora", "adapter", False)
    assert facts["verdict"] in ("learning", "undecided", "converged", "overfitting")
    assert "peft" in facts["versions"]
    card = (done.folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlibrary_name: peft\n")
    assert "Step 2 of the run run (method: lora)" in card
    chosen = facts["recommended_step"]
    wanted = "recommends no checkpoint" if chosen is None else f"recommends step {chosen}, not this one"
    assert wanted in card


def test_the_recommended_checkpoint_is_exported_by_default(run: Path, tmp_path: Path) -> None:
    from doneness.workflows.check import judge

    kept = judge(read(run)[0]).kept
    if kept is None:
        with pytest.raises(DonenessError, match=r"name one with --step, on disk: 1, 2, 3, 4"):
            export_run(run, Export(out=tmp_path / "out"))
    else:
        assert export_run(run, Export(out=tmp_path / "out")).step == kept


def test_a_whole_model_is_exported_as_it_is(tmp_path: Path, tiny_model: Path) -> None:
    folder = _train(tmp_path, tiny_model, "full", ("method.kind=full", "method.layers=1", "schedule.max_steps=1"))
    done = export_run(folder, Export(step=1, merge=True))
    assert (done.folder.name, done.form) == ("export-1-whole", "whole")
    own = load_model(str(folder / "checkpoint-1"), device="cpu")
    assert _greedy(load_model(str(done.folder), device="cpu")) == _greedy(own)
    assert not (done.folder / "optimizer.pt").exists()


def test_an_exploratory_run_needs_leave_and_is_marked(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    explore = ("run.mode=explore", "method.targets=q_proj,v_proj", "optimizer.learning_rate=8e-6")
    folder = _train(tmp_path, tiny_model, "run", (*explore, "schedule.max_steps=1"))
    assert main(["export", str(folder), "--step", "1"]) == 2
    assert "add --yes-exploratory" in capsys.readouterr().err
    assert main(["export", str(folder), "--step", "1", "--merge", "--yes-exploratory"]) == 0
    card = (folder / "export-1-merged" / "README.md").read_text(encoding="utf-8")
    assert card.split("\n---\n")[1].strip().split("\n\n")[1].startswith("**Exploratory run, not for use:")
    assert json.loads((folder / "export-1-merged" / "doneness.json").read_text())["exploratory"] is True


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        (Export(step=7), "no checkpoint of step 7 on disk; there are: 1, 2, 3, 4"),
        (Export(step=4, gguf=True), "no converter to GGUF found"),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Export, part: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DonenessError) as caught:
        export_run(run, asked)
    assert part in str(caught.value)
    assert not list(run.glob("*export*"))


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DonenessError, match=r"no recipe.toml there"):
        export_run(tmp_path, Export(step=1))


def test_nothing_is_written_over(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "there"
    out.mkdir()
    (out / "mine").write_text("kept")
    with pytest.raises(DonenessError, match="exists already"):
        export_run(run, Export(step=4, out=out))
    assert [(each.name, each.read_text()) for each in out.iterdir()] == [("mine", "kept")]


def test_a_merge_that_fails_leaves_nothing(run: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    import shutil

    shutil.copytree(run, broken)
    place = broken / "checkpoint-4" / "adapter_model.safetensors"
    tensors = load_file(place)
    tensors[next(iter(tensors))][:] = float("nan")
    save_file(tensors, place)
    with pytest.raises(DonenessError, match="no finite numbers"):
        export_run(broken, Export(step=4, merge=True, out=tmp_path / "out"))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["broken"]


CONVERTER = """
import pathlib, sys
import gguf
model, _, target, _, kind = sys.argv[1:6]
assert (pathlib.Path(model) / "model.safetensors").is_file() and kind == "f32"
if not (pathlib.Path(model) / "tokenizer.json").is_file():
    sys.exit("no tokenizer")
writer = gguf.GGUFWriter(target, "llama")
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
"""


def test_a_converter_is_called_on_the_merged_model(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "convert_hf_to_gguf.py"
    tool.write_text(CONVERTER)
    monkeypatch.setenv("DONENESS_GGUF_CONVERTER", str(tool))
    alone = export_run(run, Export(step=4, gguf=True, out=tmp_path / "alone"))
    assert alone.form == "gguf"
    assert {each.name for each in alone.folder.iterdir()} == {"run-4.gguf", "README.md", "doneness.json"}
    both = export_run(run, Export(step=4, gguf=True, merge=True, out=tmp_path / "both"))
    assert both.form == "merged"
    assert {"run-4.gguf", "model.safetensors", "tokenizer.json"} <= {each.name for each in both.folder.iterdir()}
    tool.write_text("import sys; sys.exit('unknown architecture')")
    with pytest.raises(DonenessError, match=r"failed \(unknown architecture\)"):
        export_run(run, Export(step=4, gguf=True, out=tmp_path / "failed"))
    assert not (tmp_path / "failed").exists()
    monkeypatch.setenv("DONENESS_GGUF_CONVERTER", str(tmp_path / "gone"))
    with pytest.raises(DonenessError, match="is no program"):
        export_run(run, Export(step=4, gguf=True))


def test_a_converter_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from doneness.workflows.gguf import converter

    tool = tmp_path / "convert-hf-to-gguf"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.delenv("DONENESS_GGUF_CONVERTER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert converter() == [str(tool)]
    script = tmp_path / "convert_hf_to_gguf.py"
    script.write_text("")
    monkeypatch.setenv("DONENESS_GGUF_CONVERTER", str(script))
    assert converter() == [sys.executable, str(script)]
