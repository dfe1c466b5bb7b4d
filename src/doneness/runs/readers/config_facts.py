"""Facts about a run that its configuration tells, whichever tool wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doneness.runs.readers.table import as_number

STAGES = {"sft": "sft", "pt": "pretrain", "dpo": "dpo", "kto": "kto", "rm": "reward", "ppo": "ppo", "orpo": "orpo"}
_LARGEST = 1e12
# Of several keys the first that holds a usable value counts: trainers of Hugging Face, LLaMA-Factory, axolotl,
# ms-swift, nanoGPT.
_COUNTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("planned_steps", ("max_steps", "max_iters", "num_iterations", "num_training_steps", "total_steps", "train_steps")),
    ("warmup_steps", ("warmup_steps", "num_warmup_steps", "warmup_iters")),
    ("batch_size", ("per_device_train_batch_size", "micro_batch_size", "batch_size")),
    ("accumulation", ("gradient_accumulation_steps",)),
    ("lora_rank", ("lora_rank", "lora_r")),
    ("seed", ("seed",)),
    ("vocab_size", ("vocab_size",)),
)
_MODEL = ("model_name_or_path", "base_model", "model_name", "_name_or_path", "model")
_METHOD = ("rlhf_type", "rl", "stage")


def from_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Facts by our names; what the configuration does not tell, or not plainly, is absent.

    Args:
        config: keys with numbers, or with texts as a tracker stores them.
    """
    meta: dict[str, Any] = {}
    for ours, theirs in _COUNTS:
        count = next((n for key in theirs if (n := _count(config.get(key))) is not None), None)
        if count is not None and (count > 0 or ours in ("seed", "warmup_steps")):
            meta[ours] = count
    model = next((v for key in _MODEL if isinstance(v := config.get(key), str) and v), None)
    if model is not None:
        meta["model"] = model
    method = next((STAGES.get(v, v) for key in _METHOD if isinstance(v := config.get(key), str) and _named(v)), None)
    if method is not None:
        meta["method"] = method
    return meta


def _count(value: Any) -> int | None:
    number = as_number(value)
    if number is None or not 0 <= number < _LARGEST or number != int(number):
        return None
    return int(number)


def _named(value: str) -> bool:
    return value in STAGES or value in ("simpo", "ipo", "cpo", "grpo", "rloo")
