"""Model, rows and settings of `python -m bench train`, in the words of each trainer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

RANK, ALPHA, RATE, SEED = 8, 16, 2e-4, 17
# Hidden width, width of the feed-forward part, layers, heads, heads of keys and values: Llama 3's.
_SHAPES = {
    "tiny": (64, 128, 2, 4, 2), "1b": (2048, 8192, 16, 32, 8), "3b": (3072, 8192, 28, 24, 8),
    "8b": (4096, 14336, 32, 32, 8),
}  # fmt: skip
_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face."
_CHATML = "smollm2"  # LLaMA-Factory's name of SmolLM2's own template


@dataclass(frozen=True)
class Setup:
    """What is trained, and how long.

    Attributes:
        same: the first part, rows of one length; else rows of all lengths.
        shape: "" is SmolLM2, else one of random weights.
        method: lora or full.
        cuda: whether there is a GPU.
        steps, warm: turns that count, and those before them.
        length: tokens of a row at most.
        micro_batch, accumulation: rows of a forward pass, and passes of a step.
        eval_rows: rows of an evaluation.
    """

    same: bool
    shape: str
    method: str
    cuda: bool
    steps: int
    warm: int
    length: int
    micro_batch: int
    accumulation: int
    eval_rows: int

    @property
    def total(self) -> int:
        """Steps of the whole training."""
        return self.steps + self.warm

    @property
    def every(self) -> int:
        """Steps between evaluations."""
        return max(2, self.total // 2)


def rows_of(path: Path | None) -> list[tuple[str, str]]:
    """Questions and answers; those of the demo where no file is given."""
    if path is None:
        path = Path(str(resources.files("doneness.data") / "demo" / "en" / "train.jsonl"))
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    lines = content.decode("utf-8").split("\n")
    return [pair for line in lines if line.strip() and (pair := _pair(json.loads(line)))]


def _pair(row: dict[str, Any]) -> tuple[str, str] | None:
    if "messages" in row:
        texts = [turn["content"] for turn in row["messages"] if turn["role"] != "system"]
        return (texts[0], texts[1]) if len(texts) > 1 else None
    for one, other in (("question", "answer"), ("prompt", "completion"), ("instruction", "output")):
        if row.get(one) and row.get(other):
            return str(row[one]).strip(), str(row[other]).strip()
    return None


def prepare(setup: Setup, rows: Sequence[tuple[str, str]], folder: Path, who: Sequence[str] | Any) -> dict[str, Path]:
    """The model and the rows on disk, and a configuration for each trainer."""
    folder.mkdir(parents=True)
    (folder / "stub").mkdir()
    (folder / "stub" / "torchaudio.py").touch()  # LLaMA-Factory imports it, text needs none of it
    model, tokenizer = _model(setup, folder)
    batch = setup.micro_batch * setup.accumulation
    train, held_out = picked(tokenizer, rows, setup, setup.total * batch, setup.eval_rows)
    for name, part in (("train", train), ("eval", held_out)):
        _write(folder, name, part)
    made = {"ours": _ours, "trl": _trl, "llamafactory": _llamafactory}
    configs = {}
    for name in who:
        configs[name] = folder / f"{name}.json"
        configs[name].write_text(json.dumps(made[name](setup, model, folder)), encoding="utf-8")
    return configs


def picked(
    tokenizer: Any, rows: Sequence[tuple[str, str]], setup: Setup, train: int, held_out: int
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Rows by chance; of one length all are longer than the limit, and cut to it."""
    order = np.random.default_rng(SEED).permutation(len(rows))
    found: list[tuple[str, str]] = []
    for number in order:
        prompt, answer = rows[int(number)]
        if setup.same and not _fills(tokenizer, prompt, answer, setup.length):
            continue
        found.append((prompt, answer))
        if len(found) == train + held_out:
            break
    if len(found) < train + held_out:
        # Fewer than asked for: they come again, each question marked so that it is a row of its own.
        found = [(f"({i // len(found) + 1}) {q}", a) for i, (q, a) in _again(found, train + held_out)]
    return found[held_out:], found[:held_out]


def _fills(tokenizer: Any, prompt: str, answer: str, length: int) -> bool:
    """Whether the question leaves most of a row to its answer, and the answer fills it, wherever it is cut."""
    return len(answer) >= 10 * length and len(tokenizer(prompt)["input_ids"]) <= length // 3


def _again(rows: list[tuple[str, str]], count: int) -> list[tuple[int, tuple[str, str]]]:
    if not rows:
        raise SystemExit("no row is long enough; give --rows others, or a smaller --length")
    return [(i, rows[i % len(rows)]) for i in range(count)]


def _model(setup: Setup, folder: Path) -> tuple[str, Any]:
    """The model's folder, and its tokenizer."""
    from transformers import AutoTokenizer

    from doneness.core import DonenessError
    from doneness.models import demo_model
    from doneness.testing.tiny import make_tiny_tokenizer

    if not setup.shape:
        return str(demo_model()), AutoTokenizer.from_pretrained(str(demo_model()))
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(demo_model()))
    except DonenessError:
        tokenizer = make_tiny_tokenizer()
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    width, inner, layers, heads, groups = _SHAPES[setup.shape]
    config = LlamaConfig(
        vocab_size=len(tokenizer) if setup.shape == "tiny" else 128_256, hidden_size=width, intermediate_size=inner,
        num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=groups, max_position_embeddings=8192,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=setup.shape != "8b",
    )  # fmt: skip
    torch.manual_seed(SEED)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if setup.cuda else torch.float32)
    try:
        with torch.device("cuda" if setup.cuda else "cpu"):
            LlamaForCausalLM(config).save_pretrained(folder / "model")
    finally:
        torch.set_default_dtype(before)
    if setup.cuda:
        torch.cuda.empty_cache()
    tokenizer.save_pretrained(folder / "model")
    return str(folder / "model"), tokenizer


def _write(folder: Path, name: str, rows: Sequence[tuple[str, str]]) -> None:
    """The same rows in the words of each trainer."""
    chats = [
        {"prompt": [{"role": "user", "content": q}], "completion": [{"role": "assistant", "content": a}]}
        for q, a in rows
    ]
    ours = [{"prompt": q, "completion": a} for q, a in rows]
    alpaca = [{"instruction": q, "input": "", "output": a} for q, a in rows]
    for ending, part in (("trl.jsonl", chats), ("ours.jsonl", ours)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in part)
        (folder / f"{name}.{ending}").write_text(text, encoding="utf-8")
    (folder / f"{name}.json").write_text(json.dumps(alpaca, ensure_ascii=False), encoding="utf-8")
    known = {each: {"file_name": f"{each}.json"} for each in ("train", "eval")}
    (folder / "dataset_info.json").write_text(json.dumps(known), encoding="utf-8")


def _ours(setup: Setup, model: str, folder: Path) -> dict[str, Any]:
    """The recipe; what is not told is as usual, and everything that watches is on."""
    import tomli_w

    rows = setup.micro_batch * setup.accumulation
    recipe: dict[str, Any] = {
        "run": {"folder": str(folder / "run"), "seed": SEED},
        "model": {"path": model},
        "method": {"kind": setup.method, "rank": RANK, "alpha": ALPHA},
        "data": {"train": str(folder / "train.ours.jsonl"), "eval": str(folder / "eval.ours.jsonl"),
                 "max_length": setup.length},
        "optimizer": {"learning_rate": RATE, "batch_size": rows, "micro_batch": setup.micro_batch},
        "schedule": {"max_steps": setup.total},
        "evaluation": {"every": setup.every, "batch_size": 8, "spans": ["long=/[a-z]{9,}/", "number=/[0-9]+/"]},
        "stopping": {"on_stop": "note"},
        "checkpoints": {"with_evaluations": False},
    }  # fmt: skip
    if setup.same:
        # LLaMA-Factory shortens questions and answers alike; so the same tokens carry loss here and there.
        recipe["data"] |= {"packing": False, "cut": "balanced"}
    path = folder / "recipe.toml"
    path.write_text(tomli_w.dumps(recipe), encoding="utf-8")
    return {"recipe": str(path)}


def _trl(setup: Setup, model: str, folder: Path) -> dict[str, Any]:
    """SFTConfig and LoraConfig; memory is not bought with time, as it is not in ours."""
    arguments = {
        "output_dir": str(folder / "trl"), "max_steps": setup.total, "max_length": setup.length, "seed": SEED,
        "per_device_train_batch_size": setup.micro_batch, "gradient_accumulation_steps": setup.accumulation,
        "learning_rate": RATE, "lr_scheduler_type": "linear", "gradient_checkpointing": False, "logging_steps": 10,
        "eval_strategy": "steps", "eval_steps": setup.every, "per_device_eval_batch_size": 8, "save_strategy": "no",
        "report_to": "none", "bf16": setup.cuda, "use_cpu": not setup.cuda,
        "model_init_kwargs": {"dtype": "bfloat16" if setup.cuda else "float32"},
    }  # fmt: skip
    lora = {"r": RANK, "lora_alpha": ALPHA, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    data = {"train": str(folder / "train.trl.jsonl"), "test": str(folder / "eval.trl.jsonl")}
    return {"model": model, "data": data, "arguments": arguments, "lora": lora if setup.method == "lora" else None}


def _llamafactory(setup: Setup, model: str, folder: Path) -> dict[str, Any]:
    """Its YAML's arguments."""
    return {
        "model_name_or_path": model, "stage": "sft", "do_train": True, "finetuning_type": setup.method,
        "lora_rank": RANK, "lora_alpha": ALPHA, "lora_target": "all", "dataset": "train", "eval_dataset": "eval",
        "dataset_dir": str(folder), "template": _CHATML, "default_system": _SYSTEM, "cutoff_len": setup.length,
        "output_dir": str(folder / "llamafactory"), "max_steps": setup.total, "seed": SEED, "logging_steps": 10,
        "per_device_train_batch_size": setup.micro_batch, "gradient_accumulation_steps": setup.accumulation,
        "learning_rate": RATE, "lr_scheduler_type": "linear", "disable_gradient_checkpointing": True,
        "eval_strategy": "steps", "eval_steps": setup.every, "per_device_eval_batch_size": 8, "save_strategy": "no",
        "report_to": "none", "bf16": setup.cuda, "use_cpu": not setup.cuda, "overwrite_output_dir": True,
    }  # fmt: skip
