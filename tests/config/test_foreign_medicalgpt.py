"""MedicalGPT's command lines, as recipes."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from doneness.config.foreign import Translated, translate
from doneness.core import RecipeError

# Its own command for supervised fine-tuning, word for word but for the folder of evaluation rows.
SFT = (
    "training/supervised_finetuning.py --model_name_or_path Qwen/Qwen3.5-0.8B --train_file_dir ./data/sft "
    "--validation_file_dir {judged} --per_device_train_batch_size 2 --per_device_eval_batch_size 1 "
    "--do_train --do_eval --use_peft True --max_train_samples 1000 --max_eval_samples 10 --model_max_length 512 "
    "--num_train_epochs 1 "
    "--learning_rate 2e-5 --warmup_steps 5 --weight_decay 0.05 --logging_strategy steps --logging_steps 10 "
    "--eval_steps 50 --eval_strategy steps --save_steps 500 --save_strategy steps --save_total_limit 13 "
    "--gradient_accumulation_steps 8 --preprocessing_num_workers 4 --output_dir outputs-sft --ddp_timeout 30000 "
    "--logging_first_step True --target_modules all --lora_rank 8 --lora_alpha 16 --lora_dropout 0.05 "
    "--torch_dtype bfloat16 --bf16 --report_to tensorboard --ddp_find_unused_parameters False "
    "--gradient_checkpointing True --cache_dir ./cache --flash_attn True"
)
LEAST = "--do_train --model_name_or_path M --train_file_dir rows"


def ask(line: str) -> Translated:
    return translate(shlex.split(line))


def test_its_script_runs_unchanged_but_for_the_evaluation_rows() -> None:
    found = ask(SFT.format(judged="./data/held"))
    made = found.recipe
    assert (made.run.stage, made.run.folder, made.model.path) == ("sft", "outputs-sft", "Qwen/Qwen3.5-0.8B")
    assert (made.data.train, made.data.eval) == ("./data/sft", "./data/held")
    assert (made.data.train_rows, made.data.eval_rows, made.data.max_length) == (1000, 10, 512)
    assert (made.optimizer.batch_size, made.optimizer.micro_batch, made.schedule.warmup_steps) == (16, 2, 5)
    assert (made.method.rank, made.method.alpha, made.method.dropout) == (8, 16, 0.05)
    assert (made.evaluation.every, made.checkpoints.every) == (50, 500)
    assert made.stopping.on_stop == "note"
    notes = [line.key.rpartition(".")[2] for line in found.lines]
    assert {"no_gpu", "no_flash", "kept", "watching"} <= set(notes)
    assert found.lines[0].args["tool"] == "MedicalGPT"


@pytest.mark.parametrize("judged", ["./data/sft", "data/sft", "data/../data/sft/"])
def test_the_same_folder_for_both_is_refused_with_the_reason(judged: str) -> None:
    with pytest.raises(RecipeError, match="judged by the rows it has learnt") as caught:
        ask(SFT.format(judged=judged))
    assert len(caught.value.faults) == 1


def test_its_defaults_count_where_nothing_was_given() -> None:
    made = ask(LEAST).recipe
    assert (made.method.kind, made.method.alpha, made.method.dropout) == ("lora", 32, 0.05)
    assert (made.data.max_length, made.data.hold_out_share, made.data.eval) == (512, 0.01, "")
    assert (made.optimizer.learning_rate, made.optimizer.batch_size) == (5e-5, 8)
    assert not made.optimizer.gradient_checkpointing
    # float16 unless something else is said; without a GPU float32, which nobody asked for need not be told.
    assert made.model.dtype == "float32"
    assert "foreign.note.no_gpu" not in [line.key for line in ask(LEAST).lines]


def test_a_script_brings_its_own_defaults() -> None:
    made = ask(f"dpo_training.py {LEAST} --target_modules all").recipe
    assert (made.run.stage, made.schedule.max_steps, made.schedule.kind) == ("dpo", 200, "cosine")
    assert (made.optimizer.learning_rate, made.optimizer.batch_size, made.method.alpha) == (5e-4, 16, 16)
    assert made.data.max_length == 2048 + 512
    pairs = ask(f"{LEAST} --orpo_beta 0.3 --max_source_length 100").recipe
    assert (pairs.run.stage, pairs.preference.beta, pairs.data.max_length) == ("orpo", 0.3, 612)
    reward = ask(f"training/reward_modeling.py {LEAST}").recipe
    assert (reward.run.stage, reward.method.alpha, reward.schedule.max_steps) == ("reward", 32, 0)


def test_texts_are_parted_by_the_block() -> None:
    found = ask(f"{LEAST} --block_size 256")
    assert (found.recipe.run.stage, found.recipe.data.max_length) == ("pretrain", 256)
    assert "foreign.note.texts" in [line.key for line in found.lines]


@pytest.mark.parametrize(
    ("more", "kind", "bits", "quant"),
    [
        ("--qlora True --load_in_4bit True", "qlora", 4, "nf4"),
        ("--load_in_4bit True", "qlora", 4, "fp4"),
        ("--load_in_8bit True", "qlora", 8, "nf4"),
        ("--use_peft False", "full", 0, "nf4"),
    ],
)
def test_adapters_and_their_bits(more: str, kind: str, bits: int, quant: str) -> None:
    method = ask(f"{LEAST} {more}").recipe.method
    assert (method.kind, method.bits, method.quant_type) == (kind, bits, quant)


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ("--max_source_length 100", "which script of MedicalGPT"),
        # fp16 is that script's own default: nobody who wrote bf16 alone can leave one of them.
        ("--orpo_beta 0.1 --bf16 True", "add fp16 = False"),
        ("--orpo_beta 0.1 --bf16 True --fp16 True", "leave one"),
        ("--template_name vicuna", "template_name = vicuna"),
        ("--dataset_name shibing624/medical", "download the data set"),
        ("--qlora True", "quantises nothing"),
        ("--use_peft False --qlora True", "adapters"),
        ("--load_in_4bit True --load_in_8bit True", "exclude each other"),
        ("--train_on_inputs True", "loss is on the answers"),
        ("--neft_alpha 5", "no noise"),
        ("--lora_alpha 16.5", "lora_alpha = 16.5 must be whole"),
        ("--model_max_len 512", "abbreviation"),
        ("--finetuning_type lora", "finetuning_type is no argument of MedicalGPT"),
    ],
)
def test_what_would_change_the_result_is_refused_by_name(more: str, part: str) -> None:
    with pytest.raises(RecipeError) as caught:
        ask(f"{LEAST} {more}")
    assert part in str(caught.value)


def test_dpo_leaves_the_layers_to_peft_and_we_do_not() -> None:
    with pytest.raises(RecipeError, match="target_modules is not given"):
        ask(f"dpo_training.py {LEAST}")
    with pytest.raises(RecipeError, match="train_file_dir is not given"):
        ask("supervised_finetuning.py --do_train --model_name_or_path M")


def test_a_folder_is_told_from_a_namesake(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(RecipeError, match="are both"):
        ask(f"--do_train --model_name_or_path M --train_file_dir {tmp_path}/a --validation_file_dir {tmp_path}/b")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("training/ppo_training.py --sft_model_path M --reward_model_path R", 'ppo_training.py is not.*"grpo".*dpo'),
        ("--sft_model_path M --reward_model_path R --do_train", "PPO needs a value model"),
        ("training/grpo_training.py --num_generations 4", 'run.stage = "grpo", grpo.generations'),
        ("training/opd_training.py --opd_lambda 0.5", 'run.stage = "distill".*distill.on_policy'),
    ],
)
def test_scripts_that_are_not_read_say_what_to_write(line: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said) as caught:
        ask(line)
    assert len(caught.value.faults) == 1
