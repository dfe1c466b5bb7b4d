"""MedicalGPT's command lines, as recipes."""

from __future__ import annotations

import re
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
    "line",
    [
        "training/ppo_training.py --sft_model_path M --reward_model_path R",
        "--sft_model_path M --reward_model_path R --do_train",
    ],
)
def test_ppo_is_refused_with_what_to_write(line: str) -> None:
    with pytest.raises(RecipeError, match=r'ppo_training.py is not.*PPO needs a value model.*"grpo".*dpo') as caught:
        ask(line)
    assert len(caught.value.faults) == 1


def shipped() -> list[str]:
    text = (Path(__file__).parent / "medicalgpt_commands.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("line", shipped())
def test_every_command_that_it_ships_is_taken_or_refused_with_one_reason(line: str) -> None:
    words = shlex.split(line)
    if "ppo_training" in line or "orpo_training" in line:
        # Its ORPO command asks for fp16 by default and for bf16 beside it, which transformers refuses, too.
        with pytest.raises(RecipeError, match=r"PPO needs a value model|bf16 excludes fp16") as caught:
            translate(words, lambda: True)
        assert len(caught.value.faults) == 1
        return
    if "--validation_file_dir" in words:
        with pytest.raises(RecipeError, match="judged by the rows it has learnt") as caught:
            translate(words, lambda: True)
        assert len(caught.value.faults) == 1
        at = words.index("--validation_file_dir")
        del words[at : at + 2]
    stages = {"pretraining": "pretrain", "supervised_finetuning": "sft", "dpo_training": "dpo",
              "reward_modeling": "reward", "grpo_training": "grpo", "opd_training": "distill"}  # fmt: skip
    made = translate(words, lambda: True).recipe
    assert made.run.stage == stages[Path(words[0]).stem]
    assert made.model.dtype == ("bfloat16" if "--bf16" in words else "float16")
    assert made.method.targets in ("all-linear", "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj")


def test_its_script_of_grpo_runs_unchanged() -> None:
    line = next(line for line in shipped() if "grpo_training" in line)
    found = ask(line)
    made = found.recipe
    assert (made.grpo.generations, made.grpo.max_new_tokens, made.grpo.beta) == (4, 512, 0.001)
    assert (made.grpo.loss, made.grpo.scale, made.grpo.temperature, made.grpo.top_p) == ("dapo", "group", 1.0, 1.0)
    assert (made.method.kind, made.method.rank, made.method.alpha, made.method.dropout) == ("lora", 16, 32, 0.1)
    assert (made.optimizer.learning_rate, made.optimizer.batch_size) == (5e-7, 4)
    assert (made.schedule.kind, made.schedule.warmup_share, made.schedule.epochs) == ("cosine", 0.03, 1.0)
    assert (made.data.hold_out_share, made.data.train_rows) == (0.1, 0)
    assert made.data.system.startswith("A conversation between User and Assistant.")
    assert made.rewards.use == ("exact", "format")
    form = re.compile(made.rewards.pattern, re.DOTALL)
    assert form.fullmatch("<think>a</think><answer>b</answer>")
    assert form.fullmatch("<think>a</think><answer>b</answer>\n")
    assert not form.fullmatch("<think>a\nb</think><answer>c</answer>")
    assert not form.fullmatch("<think>a</think> <answer>b</answer>")
    assert {"foreign.note.rewards", "foreign.note.no_gpu"} <= {note.key for note in found.lines}


def test_its_script_of_on_policy_distillation() -> None:
    line = next(line for line in shipped() if "opd_training" in line).replace("--validation_file_dir ./data/sft", "")
    found = ask(line)
    asked, made = found.recipe.distill, found.recipe
    assert (asked.teacher, asked.kind, asked.bits) == ("Qwen/Qwen3.5-7B-Instruct", "logits", 4)
    assert (asked.on_policy, asked.beta, asked.own_temperature, asked.temperature) == (0.5, 0.5, 0.9, 1.0)
    assert (asked.max_new_tokens, made.data.max_length, made.data.tool_format) == (512, 1536, "default")
    assert (made.method.dropout, made.optimizer.batch_size) == (0.0, 16)
    assert {"foreign.note.dropout", "foreign.note.teacher_bits"} <= {note.key for note in found.lines}
    kept = ask(f"opd_training.py {LEAST} --disable_dropout False").recipe
    assert (kept.method.dropout, kept.distill.teacher, kept.distill.bits) == (0.05, "M", 0)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        (f"{LEAST} --template_name deepseekcoder", "leaves out the question"),
        (f"{LEAST} --tool_format qwen3", "use one of default, glm4, llama3, mistral, qwen"),
        ("grpo_training.py --model_name_or_path M --train_file_dir d --num_generations 3", "no multiple of"),
        ("grpo_training.py --model_name_or_path M --train_file_dir d --use_vllm True", "use_vllm = true"),
        ("grpo_training.py --model_name_or_path M --train_file_dir d --loss_type sapo", "loss_type = sapo"),
        ("grpo_training.py --model_name_or_path M --train_file_dir d --epsilon 0.3", "epsilon = 0.3"),
        ("grpo_training.py --model_name_or_path M --train_file_dir d --top_k 50", "by temperature and top_p"),
        ("grpo_training.py --model_name_or_path M", "train_file_dir is not given"),
        ("grpo_training.py --model_name_or_path M --train_file_dir d --use_peft", "lora_target_modules is not given"),
        (f"opd_training.py {LEAST} --seq_kd True", 'distill.kind = "text"'),
        (f"opd_training.py {LEAST} --packing True", "packing"),
        (f"opd_training.py {LEAST} --loss_type dft", "loss_type = dft"),
    ],
)
def test_of_answers_and_formats_what_is_not_had_is_refused(line: str, part: str) -> None:
    with pytest.raises(RecipeError) as caught:
        ask(line)
    assert part in str(caught.value)


def test_formats_of_conversations_and_tools_are_its_own() -> None:
    made = ask(f"{LEAST} --template_name vicuna --tool_format glm4").recipe
    assert (made.model.template, made.data.tool_format) == ("medicalgpt-vicuna", "glm4")
    assert ask(LEAST).recipe.data.tool_format == "template"


def test_rows_of_grpo_are_drawn_before_a_tenth_is_held_out() -> None:
    made = ask("grpo_training.py --model_name_or_path M --train_file_dir d --train_samples 25 --use_peft False").recipe
    assert (made.data.train_rows, made.data.eval_rows, made.method.kind) == (22, 3, "full")
