"""LLaMA-Factory's own example files, as they are in its repository, and what becomes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from doneness.config import Recipe
from doneness.config.foreign import translate
from doneness.core import RecipeError, speaking

pytest.importorskip("yaml")

# The parts that its example files share, word for word.
FILE = """\
### model
{model}trust_remote_code: true

### method
{method}
### dataset
{data}preprocessing_num_workers: 16
dataloader_num_workers: 4

### output
output_dir: {folder}
logging_steps: 10
save_steps: 500
plot_loss: true
overwrite_output_dir: true
save_only_model: false
report_to: none  # choices: [none, wandb, tensorboard, swanlab, mlflow]

### train
per_device_train_batch_size: 1
gradient_accumulation_steps: {passes}
learning_rate: {rate}
num_train_epochs: 3.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
{precision}: true
ddp_timeout: 180000000

### eval
# val_size: 0.1
# per_device_eval_batch_size: 1
# eval_strategy: steps
# eval_steps: 500
"""
QWEN = "model_name_or_path: Qwen/Qwen3-4B-Instruct-2507\n"
LLAMA = "model_name_or_path: meta-llama/Meta-Llama-3-8B-Instruct\n"
LORA = "do_train: true\nfinetuning_type: lora\nlora_rank: 8\nlora_target: all\n"
LONG = "cutoff_len: 2048\nmax_samples: 1000\n"
CHAT = "dataset: identity,alpaca_en_demo\ntemplate: {}\n" + LONG


def example(method: str, data: str, model: str = QWEN, rate: str = "1.0e-4", passes: int = 8, **more: str) -> str:
    usual = {"folder": "saves/qwen3-4b/lora/sft", "precision": "bf16"}
    return FILE.format(model=model, method=method, data=data, rate=rate, passes=passes, **usual | more)


TAKEN = {
    "train_lora/qwen3_lora_sft": example("stage: sft\n" + LORA, CHAT.format("qwen3_nothink")),
    "train_lora/qwen3_lora_pretrain": example("stage: pt\n" + LORA, "dataset: c4_demo\n" + LONG),
    "train_lora/qwen3_lora_dpo": example(
        "stage: dpo\n" + LORA + "pref_beta: 0.1\npref_loss: sigmoid  # choices: [sigmoid (dpo), orpo, simpo]\n",
        "dataset: dpo_en_demo\ntemplate: qwen3_nothink\n" + LONG,
        rate="5.0e-6",
    ),
    "train_lora/qwen3_lora_kto": example(
        "stage: kto\n" + LORA + "pref_beta: 0.1\n",
        "dataset: kto_en_demo\ntemplate: qwen3_nothink\n" + LONG,
        rate="5.0e-6",
    ),
    "train_lora/qwen3_lora_reward": example(
        "stage: rm\n" + LORA, "dataset: dpo_en_demo\ntemplate: qwen3_nothink\n" + LONG
    ),
    "train_qlora/qwen3_lora_sft_otfq": example(
        "stage: sft\n" + LORA,
        CHAT.format("qwen3_nothink"),
        QWEN
        + "quantization_bit: 4  # choices: [8 (bnb/hqq/eetq), 4 (bnb/hqq), 3 (hqq), 2 (hqq)]\n"
        + "quantization_method: bnb  # choices: [bnb, hqq, eetq]\n",
    ),
}
REFUSED = {
    "extras/galore/llama3_full_sft": (
        example(
            "stage: sft\ndo_train: true\nfinetuning_type: full\nuse_galore: true\n"
            "galore_layerwise: true  # choices: [true, false], use false for DDP training\n"
            "galore_target: all\ngalore_rank: 128\ngalore_scale: 2.0\n",
            CHAT.format("llama3") + "overwrite_cache: true\n",
            LLAMA,
            "1.0e-5",
            1,
            precision="pure_bf16",
        ),
        ("use_galore = true is not supported",),
    ),
    "extras/oft/llama3_oft_sft": (
        example(
            "stage: sft\ndo_train: true\nfinetuning_type: oft\noft_block_size: 32\noft_target: all\n",
            CHAT.format("llama3") + "overwrite_cache: true\n",
            LLAMA,
        ),
        ("finetuning_type = oft is not supported", "lora, full, freeze"),
    ),
}


def taken(name: str, folder: Path) -> Recipe:
    file = folder / "example.yaml"
    file.write_text(TAKEN[name], encoding="utf-8")
    return translate([str(file)], lambda: True).recipe


@pytest.mark.parametrize(
    ("name", "stage", "kind", "rate"),
    [
        ("train_lora/qwen3_lora_sft", "sft", "lora", 1e-4),
        ("train_lora/qwen3_lora_pretrain", "pretrain", "lora", 1e-4),
        ("train_lora/qwen3_lora_dpo", "dpo", "lora", 5e-6),
        ("train_lora/qwen3_lora_kto", "kto", "lora", 5e-6),
        ("train_lora/qwen3_lora_reward", "reward", "lora", 1e-4),
        ("train_qlora/qwen3_lora_sft_otfq", "sft", "qlora", 1e-4),
    ],
)
def test_an_example_is_taken_as_it_is(name: str, stage: str, kind: str, rate: float, tmp_path: Path) -> None:
    made = taken(name, tmp_path)
    assert (made.run.stage, made.method.kind, made.optimizer.learning_rate) == (stage, kind, rate)
    # What they all say.
    assert (made.optimizer.batch_size, made.method.rank) == (8, 8)
    # KTO learns nothing from a row by itself.
    assert made.optimizer.micro_batch == (2 if stage == "kto" else 1)
    assert (made.schedule.kind, made.schedule.epochs, made.schedule.warmup_share) == ("cosine", 3.0, 0.1)
    assert (made.data.max_length, made.data.first_rows, made.data.hold_out) == (2048, 1000, "none")
    assert (made.model.dtype, made.checkpoints.every, made.report.trackers) == ("bfloat16", 500, ())
    assert made.optimizer.gradient_checkpointing


@pytest.mark.parametrize("name", REFUSED)
def test_an_example_is_refused_by_name(name: str, tmp_path: Path) -> None:
    text, parts = REFUSED[name]
    file = tmp_path / "example.yaml"
    file.write_text(text, encoding="utf-8")
    with speaking("en"), pytest.raises(RecipeError) as refused:
        translate([str(file)], lambda: True)
    assert len(refused.value.faults) == 1
    assert all(part in refused.value.faults[0] for part in parts)
