"""LLaMA-Factory's command lines and files, as recipes."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from doneness.config import Recipe, build_recipe
from doneness.config.foreign import Translated, is_foreign, translate
from doneness.core import DonenessError, RecipeError, speaking

# A command of LLaMA-Factory's board, word for word but for the paths.
BOARD = (
    "--stage sft --do_train True --model_name_or_path M --preprocessing_num_workers 16 --finetuning_type lora "
    "--template llama3 --flash_attn auto --dataset_dir data --dataset D --cutoff_len 4096 --learning_rate 5e-05 "
    "--num_train_epochs 3.0 --max_samples 100000 --per_device_train_batch_size 1 --gradient_accumulation_steps 8 "
    "--gradient_checkpointing true --lr_scheduler_type cosine --max_grad_norm 1.0 --logging_steps 5 --save_steps 100 "
    "--warmup_steps 0 --packing False --report_to all --output_dir O --fp16 True --plot_loss True "
    "--ddp_timeout 180000000 --optim adamw_torch --lora_rank 8 --lora_alpha 16 --lora_dropout 0 --lora_target all"
)
LEAST = "--do_train --model_name_or_path M --dataset D"


def ask(line: str, gpu: bool = False) -> Translated:
    return translate(shlex.split(line), lambda: gpu)


def recipe(more: str = "", gpu: bool = False) -> Recipe:
    return ask(f"{LEAST} {more}", gpu).recipe


def keys(found: Translated) -> list[str]:
    return [line.key.removeprefix("foreign.") for line in found.lines]


def test_the_command_of_the_board_runs_unchanged() -> None:
    found = ask(BOARD)
    made = found.recipe
    assert (made.run.stage, made.run.folder, made.model.path, made.model.template) == ("sft", "O", "M", "llama3")
    assert made.data.train == f"{Path('data', 'dataset_info.json')}#D"
    assert (made.data.max_length, made.data.first_rows, made.data.cut) == (4096, 100000, "balanced")
    assert (made.optimizer.batch_size, made.optimizer.micro_batch) == (8, 1)
    assert (made.optimizer.learning_rate, made.optimizer.name) == (5e-5, "adamw_torch")
    assert (made.schedule.kind, made.schedule.epochs, made.schedule.warmup_steps) == ("cosine", 3.0, 0)
    assert (made.method.kind, made.method.rank, made.method.alpha, made.method.targets) == ("lora", 8, 16, "all-linear")
    assert made.checkpoints.every == 100
    assert made.optimizer.gradient_checkpointing
    # Without a GPU fp16 is float32, and the user is told.
    assert made.model.dtype == "float32"
    assert "note.no_gpu" in keys(found)
    idle = found.lines[-1]
    assert idle.key == "foreign.idle"
    assert idle.args["names"] == "preprocessing_num_workers, logging_steps, plot_loss, ddp_timeout"


def test_on_a_gpu_half_precision_stays() -> None:
    found = ask(BOARD, gpu=True)
    assert found.recipe.model.dtype == "float16"
    assert "note.no_gpu" not in keys(found)
    assert recipe("--bf16", gpu=True).model.dtype == "bfloat16"
    assert recipe("--bf16").model.dtype == "float32"
    assert recipe("--bf16 --use_cpu", gpu=True).model.dtype == "float32"
    assert recipe("--bf16 --use_cpu", gpu=True).model.device == "cpu"
    assert recipe(gpu=True).model.dtype == "auto"


def test_its_defaults_count_where_nothing_was_given() -> None:
    made = recipe()
    assert (made.optimizer.learning_rate, made.schedule.epochs, made.run.seed) == (5e-5, 3.0, 42)
    assert (made.optimizer.batch_size, made.optimizer.micro_batch, made.evaluation.batch_size) == (8, 8, 8)
    assert (made.method.kind, made.method.rank, made.method.alpha, made.method.dropout) == ("lora", 8, 16, 0.0)
    assert (made.method.targets, made.data.max_length) == ("all-linear", 2048)
    assert (made.schedule.kind, made.schedule.warmup_steps, made.optimizer.weight_decay) == ("linear", 0, 0.0)
    assert (made.optimizer.max_grad_norm, made.optimizer.name, made.checkpoints.every) == (1.0, "adamw_torch", 500)
    # Gradient checkpointing is on there unless it is switched off.
    assert made.optimizer.gradient_checkpointing
    assert not recipe("--disable_gradient_checkpointing True").optimizer.gradient_checkpointing
    assert recipe("--lora_rank 32").method.alpha == 64


def test_nothing_is_held_out_and_nothing_stops_unless_asked() -> None:
    found = ask(LEAST)
    assert found.recipe.data.hold_out == "none"
    assert found.recipe.stopping.on_stop == "note"
    assert {"note.no_evaluation", "note.watching"} <= set(keys(found))
    held = ask(f"{LEAST} --val_size 0.1 --early_stopping_steps 5")
    assert (held.recipe.data.hold_out, held.recipe.data.hold_out_share) == ("auto", 0.1)
    assert (held.recipe.stopping.on_stop, held.recipe.stopping.patience) == ("stop", 5)
    assert "note.early_stopping" in keys(held)
    assert not held.recipe.early_looks, "patience counts the evaluations that were asked for"
    assert recipe("--val_size 200").data.hold_out_rows == 200
    judged = recipe("--eval_dataset E,F --dataset_dir d")
    assert judged.data.eval == f"{Path('d', 'dataset_info.json')}#E,F"


@pytest.mark.parametrize(
    ("more", "key", "value"),
    [
        ("--stage pt", "run.stage", "pretrain"),
        ("--stage rm", "run.stage", "reward"),
        ("--stage dpo", "preference.loss", "sigmoid"),
        ("--stage dpo --pref_loss orpo --pref_beta 0.2", "run.stage", "orpo"),
        ("--stage dpo --pref_loss orpo --pref_beta 0.2", "preference.beta", 0.2),
        ("--stage dpo --pref_ftx 0.5", "preference.sft_weight", 0.5),
        ("--stage kto --kto_rejected_weight 2", "preference.undesirable_weight", 2.0),
        ("--finetuning_type full", "method.kind", "full"),
        ("--finetuning_type freeze", "method.layers", 2),
        ("--finetuning_type freeze --freeze_trainable_layers -3", "method.layers", -3),
        ("--finetuning_type freeze --freeze_extra_modules embed_tokens", "method.save_modules", ("embed_tokens",)),
        ("--quantization_bit 4 --quantization_type fp4", "method.quant_type", "fp4"),
        ("--quantization_bit 8", "method.kind", "qlora"),
        ("--use_dora", "method.kind", "dora"),
        ("--use_rslora True", "method.rslora", True),
        ("--additional_target embed_tokens,lm_head", "method.save_modules", ("embed_tokens", "lm_head")),
        ("--adapter_name_or_path A", "method.adapter", "A"),
        ("--lora_target q_proj,v_proj", "method.targets", "q_proj,v_proj"),
        ("--mask_history True", "data.answers", "last"),
        ("--default_system Hello", "data.system", "Hello"),
        ("--max_steps 30", "schedule.max_steps", 30),
        ("--warmup_steps 20 --warmup_ratio 0.5", "schedule.warmup_steps", 20),
        ("--lr_scheduler_type constant --warmup_steps 20", "schedule.warmup_steps", 0),
        ("--eval_strategy steps --eval_steps 50", "evaluation.every", 50),
        ("--evaluation_strategy steps --logging_steps 7", "evaluation.every", 7),
        ("--max_steps 200 --save_steps 0.1", "checkpoints.every", 20),
        ("--save_strategy no", "checkpoints.every", 0),
        ("--report_to tensorboard wandb", "report.trackers", ("tensorboard", "wandb")),
        ("--report_to none", "report.trackers", ()),
        ("--learning-rate=1e-4", "optimizer.learning_rate", 1e-4),
        ("optimizer.weight_decay=0.1", "optimizer.weight_decay", 0.1),
        ("--bf16 stopping.on_stop=stop", "stopping.on_stop", "stop"),
        ("--no_double_quantization --quantization_bit 4", "method.double_quant", False),
        ("--resume_from_checkpoint O/checkpoint-5 --output_dir O", "run.folder", "O"),
    ],
)
def test_an_argument_means_what_it_means_there(more: str, key: str, value: Any) -> None:
    section, _, name = key.partition(".")
    assert getattr(getattr(recipe(more), section), name) == value


@pytest.mark.parametrize(
    ("more", "parts"),
    [
        ("--learning_r 1e-4", ("abbreviation", "learning_rate")),
        ("--lora_r 4", ("abbreviation", "lora_rank")),
        ("--cutof_len 9", ("cutof_len is no argument", "cutoff_len?")),
        ("--bananas 1", ("bananas is no argument of LLaMA-Factory",)),
        ("--stage ppo", ("PPO", "grpo", "dpo", "kto")),
        ("--stage grpo", ("must be one of pt, sft",)),
        ("--use_galore True", ("use_galore = true", "optim")),
        ("--neftune_noise_alpha 5", ("neftune_noise_alpha = 5.0", "embeddings")),
        ("--mp_parameters a", ("mp_parameters = a", "torchrun or accelerate launch")),
        ("--train_on_prompt True", ("train_on_prompt", "answers")),
        ("--streaming True", ("streaming",)),
        ("--rope_scaling yarn", ("rope_scaling = yarn", "config.json")),
        ("--finetuning_type oft", ("finetuning_type = oft", "lora, full, freeze")),
        ("--finetuning_type full --use_dora", ("use_dora", "adapters")),
        ("--finetuning_type freeze --freeze_trainable_layers 0", ("freeze_trainable_layers = 0", "no layer")),
        ("--finetuning_type freeze --freeze_extra_modules norm", ("freeze_extra_modules = norm", "every layer")),
        ("--finetuning_type freeze --freeze_trainable_modules mlp", ("freeze_trainable_modules = mlp",)),
        ("--quantization_bit 3", ("use 4 or 8",)),
        ("--quantization_method hqq", ("quantization_method = hqq", "bitsandbytes")),
        ("--adapter_name_or_path a,b", ("several adapters",)),
        ("--adapter_name_or_path a --create_new_adapter", ("create_new_adapter",)),
        ("--flash_attn fa3", ("flash_attn = fa3", "fa2")),
        ("--val_size 1", ("val_size = 1",)),
        ("--early_stopping_steps 3", ("early_stopping_steps = 3", "val_size")),
        ("--val_size 0.1 --eval_dataset E", ("exclude each other",)),
        ("--dataset_dir ONLINE", ("ONLINE", "download")),
        ("--fp16 --bf16", ("exclude each other",)),
        ("--data_seed 1", ("data_seed = 1", "seed = 42")),
        ("--stage dpo --pref_loss simpo", ("simpo", "orpo")),
        ("--stage kto --pref_ftx 1", ("pref_ftx",)),
        ("--resume_from_checkpoint other/checkpoint-5", ("outside output_dir",)),
        ("--learning_rate fast", ("learning_rate = fast must be a number",)),
        ("--learning_rate 1 2", ("learning_rate = 1 2 must be a number",)),
        ("--learning_rate", ("learning_rate",)),
        ("--warmup_steps 1.5", ("warmup_steps = 1.5",)),
        ("--lr_scheduler_kwargs {}'num':1{}".format("{", "}"), ("lr_scheduler_kwargs",)),
        ("--save_strategy sometimes", ("save_strategy = sometimes", "epoch, best")),
        ("--eval_strategy best", ("eval_strategy = best", "no, steps, epoch")),
        ("--learning_rate -1", ("optimizer.learning_rate", "above 0")),
    ],
)
def test_what_would_change_the_result_is_refused_by_name(more: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe(more)
    for part in parts:
        assert part in str(caught.value)
    with speaking("zh"), pytest.raises(RecipeError):
        recipe(more)


@pytest.mark.parametrize(
    ("more", "key", "value"),
    [
        ("--optim adamw_bnb_8bit", "name", "adamw_8bit"),
        ("--optim paged_adamw_8bit", "name", "paged_adamw_8bit"),
        ("--optim adamw_torch_fused", "name", "adamw_torch"),
    ],
)
def test_optimizers_by_their_other_names(more: str, key: str, value: str) -> None:
    assert getattr(recipe(more).optimizer, key) == value


def test_a_constant_rate_after_warm_up_is_ours() -> None:
    found = recipe("--lr_scheduler_type constant_with_warmup --warmup_steps 10").schedule
    assert (found.kind, found.warmup_steps) == ("constant", 10)
    assert recipe("--lr_scheduler_type constant --warmup_steps 10").schedule.warmup_steps == 0


def test_what_is_off_is_not_refused() -> None:
    found = ask(f"{LEAST} --use_galore False --galore_rank 8 --train_on_prompt False --mix_strategy concat")
    assert found.lines[-1].args["names"] == "use_galore, galore_rank, train_on_prompt, mix_strategy"


def test_saving_the_best_is_told_as_what_it_becomes() -> None:
    assert "note.save_best" in keys(ask(f"{LEAST} --save_strategy best"))


def test_nothing_is_trained_without_do_train_or_data() -> None:
    with pytest.raises(RecipeError, match="do_train is not given"):
        ask("--model_name_or_path M --dataset D")
    with pytest.raises(RecipeError, match="dataset is not given"):
        ask("--do_train --model_name_or_path M")


def test_every_fault_comes_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        ask(f"{LEAST} --learning_r 1 --cutoff_len long --use_galore True")
    assert len(caught.value.faults) == 3


def test_packing_is_refused_where_it_would_change_how_many_rows_a_step_has() -> None:
    for more in ("--packing True", "--neat_packing True"):
        with pytest.raises(RecipeError, match="fills every sequence up to 512 tokens"):
            recipe(f"{more} --cutoff_len 512")
    assert recipe("--packing False").data.max_length == 2048
    texts = ask(f"{LEAST} --stage pt --cutoff_len 512")
    assert texts.recipe.data.max_length == 512
    assert "note.texts" in keys(texts)


YAML = """
### model
model_name_or_path: M
trust_remote_code: true
### method
stage: sft
do_train: true
finetuning_type: lora
lora_rank: 4
lora_target: all
### dataset
dataset: identity,alpaca_en_demo
template: qwen3_nothink
cutoff_len: 2048
max_samples: 1000
overwrite_cache: true
preprocessing_num_workers: 16
### output
output_dir: saves/sft
plot_loss: true
overwrite_output_dir: true
report_to: none  # choices: [none, wandb]
### train
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 1e-4
num_train_epochs: 3.0
lr_scheduler_type: cosine
warmup_steps: 10
bf16: true
ddp_timeout: 180000000
resume_from_checkpoint: null
eval_strategy: no
"""


def test_a_file_means_what_the_command_line_means(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    file = tmp_path / "lf.yaml"
    file.write_text(YAML, encoding="utf-8")
    made = translate([str(file), "learning_rate=1e-5", "--lora_rank", "16", "run.seed=3"]).recipe
    # 1e-4 without a dot is a text to YAML 1.1.
    assert translate([str(file)]).recipe.optimizer.learning_rate == 1e-4
    assert (made.optimizer.learning_rate, made.run.seed, made.method.rank) == (1e-5, 3, 16)
    assert made.data.train.endswith("#identity,alpaca_en_demo")
    assert made.schedule.warmup_steps == 10
    again = tmp_path / "lf.json"
    again.write_text(json.dumps({"do_train": True, "model_name_or_path": "M", "dataset": "D"}), encoding="utf-8")
    assert translate([str(again)]).recipe == recipe()


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("a.yaml", "a: [", "not readable as YAML"),
        ("a.yaml", "- a", "holds no arguments"),
        ("a.yaml", "learning_rate: 1\nlearning_rate: 2", "given twice: learning_rate"),
        ("a.yaml", "model: M\ntrain_dataset: d.yaml", "sections (train_dataset)"),
        ("a.yaml", "model:\n  path: M", "sections (model)"),
        ("a.json", "{", "not readable as JSON"),
        ("a.json", '{"seed": 1, "seed": 2}', "given twice: seed"),
        ("a.json", "[]", "holds no arguments"),
        ("a.yaml", "do_train: true\nlearning_rate: [1, 2]", "learning_rate = [1, 2] must be a number"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, text: str, part: str) -> None:
    pytest.importorskip("yaml")
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        translate([str(file)])
    assert part in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_and_words_that_are_nothing() -> None:
    with pytest.raises(RecipeError, match="no such file"):
        translate(["nowhere.yaml"])
    with pytest.raises(RecipeError, match="sft belongs to no argument"):
        translate(["--do_train=true", "sft"])
    with pytest.raises(RecipeError, match="--bogus is no option of a recipe of ours"):
        translate(["mine.toml", "--bogus"])


@pytest.mark.parametrize(
    ("more", "key", "value"),
    [
        ("--warmup_ratio 0.1", "schedule.warmup_share", 0.1),
        ("--warmup_steps 0.1", "schedule.warmup_share", 0.1),
        ("--adam_beta2 0.95", "optimizer.beta2", 0.95),
        ("--trust_remote_code True", "model.trust_remote_code", True),
        ("--flash_attn sdpa", "model.attention", "sdpa"),
        ("--save_only_model True", "checkpoints.only_model", True),
        ("--group_by_length True", "data.group_by_length", True),
    ],
)
def test_what_transformers_calls_by_its_own_name(more: str, key: str, value: Any) -> None:
    section, _, name = key.partition(".")
    assert getattr(getattr(ask(f"{LEAST} {more}").recipe, section), name) == value


def test_worlds_are_told_apart() -> None:
    assert not is_foreign(["recipe.toml", "run.seed=3"])
    assert not is_foreign(["recipe"])
    for words in (["lf.yaml"], ["lf.yml", "learning_rate=1"], ["a.json"], ["--stage", "sft"], ["train.py", "--x"]):
        assert is_foreign(words)


def test_what_it_makes_is_a_recipe_like_any_other() -> None:
    """Nothing is left out by having been converted: the same keys by hand are the same recipe."""
    made = recipe()
    sections = {
        name: {k: list(v) if isinstance(v, tuple) else v for k, v in vars(section).items()}
        for name, section in vars(made).items()
    }
    assert build_recipe(sections) == made
    with pytest.raises(DonenessError):
        translate(["--do_train", "nonsense.key=1"])
