"""Conversions of the trainer's arguments: batches, rates, precision, when to evaluate and save."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from doneness.config.foreign.asked import Asked
from doneness.config.schema import ReportSection
from doneness.core import launched

# Ours for what transformers calls otherwise; the others have the same name.
_SCHEDULES = {"warmup_stable_decay": "wsd", "constant_with_warmup": "constant"}
# The same formula computed otherwise, or kept elsewhere on a GPU that is full.
_OPTIMIZERS = {"adamw_torch_fused": "adamw_torch", "adamw_bnb_8bit": "adamw_8bit"}
_WITHOUT_WARMUP = "constant"
# YAML reads a bare no as false.
_WHEN = ("no", "steps", "epoch")
_TRACKERS: tuple[str, ...] = ReportSection.__dataclass_fields__["trackers"].metadata["choices"]
_EITHER = {"tensorboard": ("tensorboard", "tensorboardX")}


def trained(asked: Asked) -> None:
    """Without do_train the other tools train nothing."""
    if not asked["do_train"]:
        asked.fault("no_training")


def batch(asked: Asked) -> None:
    """Rows of a step: there they are told for each device, here for all processes that were started."""
    rows = asked["per_device_train_batch_size"]
    if asked.given("per_gpu_train_batch_size"):
        rows = asked["per_gpu_train_batch_size"]
    passes = asked["gradient_accumulation_steps"]
    asked.put("optimizer.batch_size", rows * passes * launched.processes())
    if asked.stage == "kto" and rows == 1 and passes % 2 == 0:
        # KTO tells by the other rows of a micro-batch how far the model has moved; the step's rows stay the same.
        asked.note("kto_rows", passes=passes // 2, before=passes)
        rows = 2
    asked.put("optimizer.micro_batch", rows)


def longest(asked: Asked) -> None:
    """Steps; -1 there is 0 here."""
    asked.put("schedule.max_steps", max(0, asked["max_steps"]))


def schedule(asked: Asked) -> None:
    """The kind of schedule and its warm-up, in steps or as a share of all steps."""
    kind = asked["lr_scheduler_type"]
    asked.put("schedule.kind", _SCHEDULES.get(kind, kind))
    if kind == _WITHOUT_WARMUP:
        # transformers' "constant" has no warm-up, whatever is asked; ours has.
        return
    steps, share = asked["warmup_steps"], asked["warmup_ratio"]
    if 0 < steps < 1:
        steps, share = 0, steps
    if steps != int(steps):
        asked.fault("warmup", value=steps)
    elif steps:
        asked.put("schedule.warmup_steps", int(steps))
    elif share:
        asked.put("schedule.warmup_share", share)


def optimizer(asked: Asked) -> None:
    """The optimizer; one that nobody named stays ours, which is theirs."""
    name = asked["optim"]
    asked.put("optimizer.name", "adafactor" if asked["adafactor"] else _OPTIMIZERS.get(name, name))


def precision(asked: Asked) -> None:
    """The weights' type. Half precision needs a GPU: on a CPU one trains in float32, and is told so."""
    if asked["use_cpu"] or asked["no_cuda"]:
        asked.put("model.device", "cpu")
    dtype = _dtype(asked)
    if dtype in ("float16", "bfloat16") and not asked.gpu():
        names = ("fp16", "bf16", "pure_bf16", "torch_dtype")
        said = [name for name in names if asked.known(name) and asked.given(name) and asked[name]]
        if said:
            asked.note("no_gpu", names=", ".join(said))
        dtype = "float32"
    asked.put("model.dtype", dtype)


def _dtype(asked: Asked) -> str:
    if asked["fp16"] and asked["bf16"]:
        asked.fault("two_precisions" if asked.given("fp16") else "usual_precision")
    if asked["bf16"] or (asked.known("pure_bf16") and asked["pure_bf16"]):
        return "bfloat16"
    if asked["fp16"]:
        return "float16"
    return str(asked["torch_dtype"] or "auto") if asked.known("torch_dtype") else "auto"


def checkpointing(asked: Asked) -> None:
    """Gradient checkpointing, which LLaMA-Factory has on unless it is switched off. It changes no result."""
    on = bool(asked["gradient_checkpointing"] or asked["activation_checkpointing"])
    if asked.known("disable_gradient_checkpointing"):
        on = on or not asked["disable_gradient_checkpointing"]
    asked.put("optimizer.gradient_checkpointing", on)


def seed(asked: Asked) -> None:
    """One seed; a second one for the order of the rows is not to be had."""
    asked.put("run.seed", asked["seed"])
    if asked.given("data_seed") and asked["data_seed"] != asked["seed"]:
        asked.fault("data_seed", seed=asked["seed"], data_seed=asked["data_seed"])


def evaluations(asked: Asked) -> None:
    """When to evaluate, besides the geometric steps; they change nothing in what is trained."""
    strategy = asked["evaluation_strategy"] if asked.given("evaluation_strategy") else asked["eval_strategy"]
    _known(asked, "evaluation_strategy" if asked.given("evaluation_strategy") else "eval_strategy", strategy, _WHEN)
    every = asked["eval_steps"] if asked["eval_steps"] is not None else asked["logging_steps"]
    if strategy == "steps":
        _every(asked, "evaluation.every", "eval_steps", every)
    elif strategy == "epoch":
        asked.note("by_epoch", name="eval_strategy", ours="evaluation.every")


def checkpoints(asked: Asked) -> None:
    """When to save, besides the checkpoints of evaluations."""
    strategy = asked["save_strategy"]
    _known(asked, "save_strategy", strategy, (*_WHEN, "best"))
    if strategy == "steps":
        _every(asked, "checkpoints.every", "save_steps", asked["save_steps"])
    elif strategy == "epoch":
        asked.note("by_epoch", name="save_strategy", ours="checkpoints.every")
    elif strategy == "best":
        asked.note("save_best")


def _known(asked: Asked, name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        asked.fault("when", name=name, value=value, known=", ".join(known))


def _every(asked: Asked, key: str, name: str, value: float) -> None:
    """Steps; below 1 there it is a share of all steps, whose number only the rows know."""
    if 0 < value < 1:
        total = asked["max_steps"]
        if total < 1:
            asked.note("share_of_steps", name=name, ours=key, share=value)
            return
        value = max(1, round(value * total))
    asked.put(key, int(value))


def trackers(asked: Asked) -> None:
    """Whom to tell of the run: all means those of ours that are installed."""
    names = asked["report_to"]
    if "all" in names:
        names = tuple(name for name in _TRACKERS if any(_installed(p) for p in _EITHER.get(name, (name,))))
        asked.note("all_trackers" if names else "no_tracker", names=", ".join(names))
    others = [name for name in names if name not in _TRACKERS]
    if others:
        asked.note("trackers", names=", ".join(others), known=", ".join(_TRACKERS))
    asked.put("report.trackers", [name for name in names if name in _TRACKERS])


def _installed(package: str) -> bool:
    spec = find_spec(package)
    # A folder without code passes for a package: ./wandb is what W&B leaves where it ran.
    return spec is not None and (spec.origin is not None or spec.submodule_search_locations is None)


def sampling(asked: Asked) -> None:
    """Rows of like length together, or in random order."""
    way: Any = asked["train_sampling_strategy"]
    if way not in ("random", "group_by_length"):
        asked.fault("sampling", value=way)
    asked.put("data.group_by_length", bool(asked["group_by_length"]) or way == "group_by_length")


def resume(asked: Asked) -> None:
    """A run goes on in its own folder by itself, from its last whole checkpoint; nothing is overwritten."""
    folder = asked["output_dir"] or "trainer_output"
    asked.put("run.folder", folder)
    there = str(asked["resume_from_checkpoint"] or "")
    inside = Path(there).absolute().is_relative_to(Path(folder).absolute())
    if there.lower() not in ("", "true", "false") and not inside:
        asked.fault("resume", checkpoint=there, folder=folder)
    if asked["overwrite_output_dir"] and Path(folder, "journal.jsonl").is_file():
        asked.note("not_overwritten", folder=folder)
