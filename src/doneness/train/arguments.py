"""The recipe in the words of transformers and TRL."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import Any

from doneness.config import Recipe
from doneness.models import pick_dtype
from doneness.models.imports import require
from doneness.models.together import share

_SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine", "wsd": "warmup_stable_decay"}


def total_steps(recipe: Recipe, rows: int) -> int:
    """Optimizer steps of the whole run; the last, smaller batch of an epoch is a step too."""
    if recipe.schedule.max_steps:
        return recipe.schedule.max_steps
    return math.ceil(recipe.schedule.epochs * steps_per_epoch(recipe, rows))


def steps_per_epoch(recipe: Recipe, rows: int) -> int:
    """Optimizer steps in one pass: batches of micro_batch rows, accumulated to batch_size."""
    if recipe.run.stage == "grpo":
        # Of answers there are several to a row, and a step without all its questions is left out.
        return max(1, rows // (recipe.optimizer.batch_size // recipe.grpo.generations))
    batches = math.ceil(rows / recipe.optimizer.micro_batch)
    return math.ceil(batches / (recipe.optimizer.batch_size // recipe.optimizer.micro_batch))


def warmup_steps(recipe: Recipe, steps: int) -> int:
    """Steps over which the rate rises, told as such or as a share of all `steps`."""
    return recipe.schedule.warmup_steps or math.ceil(recipe.schedule.warmup_share * steps)


def accumulation(recipe: Recipe) -> int:
    """Micro-batches that a process adds up to a step: batch_size counts the rows of all processes."""
    return recipe.optimizer.batch_size // (recipe.optimizer.micro_batch * share()[1])


def common_arguments(recipe: Recipe, folder: Path, steps: int, device: str) -> dict[str, Any]:
    """What every stage's configuration has, so that it trains exactly what the recipe says and nothing else."""
    optimizer, schedule = recipe.optimizer, recipe.schedule
    if optimizer.name.endswith("8bit"):
        require("bitsandbytes", "qlora")
    trackers = recipe.report.trackers if share()[0] == 0 else ()
    dtype = pick_dtype(recipe.model.dtype, device)
    scheduler_kwargs: dict[str, Any] = {}
    if schedule.kind == "wsd":
        decay = max(1, round(schedule.decay_share * steps))
        scheduler_kwargs = {"num_decay_steps": decay, "min_lr_ratio": 0.0, "decay_type": "linear"}
    return {
        "output_dir": str(folder),
        "max_steps": steps,
        "per_device_train_batch_size": optimizer.micro_batch,
        "gradient_accumulation_steps": accumulation(recipe),
        "learning_rate": optimizer.learning_rate,
        "weight_decay": optimizer.weight_decay,
        "adam_beta1": optimizer.beta1,
        "adam_beta2": optimizer.beta2,
        "adam_epsilon": optimizer.epsilon,
        "max_grad_norm": optimizer.max_grad_norm,
        "optim": optimizer.name,
        "lr_scheduler_type": _SCHEDULES[schedule.kind],
        "lr_scheduler_kwargs": scheduler_kwargs,
        "warmup_steps": warmup_steps(recipe, steps),
        "gradient_checkpointing": optimizer.gradient_checkpointing,
        "seed": recipe.run.seed,
        "data_seed": recipe.run.seed,
        "bf16": dtype == "bfloat16" and device.startswith("cuda"),
        "fp16": dtype == "float16",
        "use_cpu": device == "cpu",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # a NaN must be seen as one
        "eval_strategy": "no",  # the callback asks for evaluations and checkpoints, step by step
        "save_strategy": "no",
        "save_only_model": recipe.checkpoints.only_model,
        "report_to": list(trackers) or "none",
        "run_name": _session_name(folder) if trackers else None,
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": device != "cpu",
        "remove_unused_columns": False,
        "train_sampling_strategy": "group_by_length" if recipe.data.group_by_length else "random",
        "restore_callback_states_from_checkpoint": False,
    }


def _session_name(folder: Path) -> str | None:
    """What trackers are to call this session, where the environment does not say.

    Left to themselves they make names up from the generator that the run's seed has set: every run the same. A name
    that Trackio knows goes on with that run, which may be another one in a folder of the same name: hence the time.
    """
    if os.environ.get("WANDB_NAME") or os.environ.get("MLFLOW_RUN_NAME"):
        return None
    return f"{folder.name}-{time.strftime('%Y%m%d-%H%M%S')}"
