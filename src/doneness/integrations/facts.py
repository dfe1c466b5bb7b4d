"""What the arguments, the model and the data loader of a Trainer tell of a run."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from doneness.integrations.scoring import length_of

# Configurations of TRL whose name is not the method's.
_ALIASES = {"onlinedpo": "dpo", "xpo": "dpo", "nashmd": "dpo", "bco": "kto", "asyncgrpo": "grpo"}
_PREFERENCE = frozenset(["dpo", "orpo", "kto", "simpo", "cpo", "ipo", "reward", "grpo", "rloo", "ppo"])
_TOLD_BY = ("rewards/", "logps/", "reward_")
_PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate")


def facts_of(args: Any, state: Any, model: Any, loader: Any) -> dict[str, Any]:
    """The facts of a start record; what cannot be told is left out."""
    found: dict[str, Any] = {
        "name": Path(args.output_dir).name or None,
        "planned_steps": int(state.max_steps) if state.max_steps and state.max_steps > 0 else None,
        "warmup_steps": int(args.get_warmup_steps(max(int(state.max_steps), 1))),
        "steps_per_epoch": steps_per_epoch(args, loader),
        "train_rows": length_of(getattr(loader, "dataset", None)),
        "method": method_of(args, model),
        "seed": args.seed,
        "batch_size": args.per_device_train_batch_size,
        "accumulation": args.gradient_accumulation_steps,
        "processes": args.world_size,
        # One process may drive several devices (DataParallel); n_gpu is 0 on a CPU.
        "devices": args.world_size * max(1, int(getattr(args, "n_gpu", 1))),
        "output_dir": str(args.output_dir),
        "versions": versions(),
        **_of_model(model),
    }
    return {key: value for key, value in found.items() if value is not None}


def method_of(args: Any, model: Any) -> str | None:
    """The training method: by TRL's configuration, else by what the model is for; None where nothing tells."""
    for kind in type(args).__mro__:
        name = kind.__name__.removesuffix("Config").lower()
        if kind.__name__.endswith("Config") and kind.__module__.partition(".")[0] == "trl" and name != "_base":
            return _ALIASES.get(name, name)
    return "sft" if _of_model(model).get("task") == "causal-lm" else None


def is_preference(method: str | None, metrics: Mapping[str, Any]) -> bool:
    """Whether losses are no likelihoods: preference, reward and reinforcement trainers, by name or by what they log."""
    return method in _PREFERENCE or any(mark in name for name in metrics for mark in _TOLD_BY)


def steps_per_epoch(args: Any, loader: Any) -> int | None:
    """Optimizer steps in one pass; None for streams."""
    batches = length_of(loader)
    return None if batches is None else max(1, math.ceil(batches / args.gradient_accumulation_steps))


def _of_model(model: Any) -> dict[str, Any]:
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    config: Any = getattr(base, "config", None)
    name = type(base).__name__
    found: dict[str, Any] = {"model": getattr(config, "_name_or_path", None) or None}
    if name.endswith(("ForCausalLM", "LMHeadModel")):
        text = config.get_text_config() if hasattr(config, "get_text_config") else config
        found |= {"task": "causal-lm", "vocab_size": getattr(text, "vocab_size", None)}
    elif name.endswith("ForSequenceClassification"):
        classes = getattr(config, "num_labels", None)
        found |= {"task": "classification", "classes": classes if classes and classes > 1 else None}
    elif name.endswith("ForConditionalGeneration"):
        found["task"] = "seq2seq"
    return found


def versions() -> dict[str, str]:
    """Of Python and what trains; packages that are not installed are left out."""
    found = {"python": platform.python_version()}
    for package in ("doneness", *_PACKAGES):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
