"""Facts about a run that its columns and the small files beside its log tell."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from doneness.runs.readers import config_facts, files, yaml_lines

_MOST_ROWS = 10**12
_TASKS = {
    "ForCausalLM": "causal-lm", "LMHeadModel": "causal-lm", "ForConditionalGeneration": "seq2seq",
    "ForSequenceClassification": "classification", "ForTokenClassification": "classification",
    "ForMaskedLM": "masked-lm", "ForCTC": "asr", "ForImageClassification": "classification",
}  # fmt: skip


def from_columns(names: Iterable[str]) -> dict[str, Any]:
    """The training method that the columns betray, as {"method": …}; empty where they do not."""
    low = {name.split("/", 1)[1].lower() for name in names if name.startswith("train/")}
    if "odds_ratio_loss" in low or "log_odds_ratio" in low:
        return {"method": "orpo"}
    if {"rewards/chosen", "rewards/rejected"} <= low:
        return {"method": "kto" if "kl" in low and "rewards/accuracies" not in low else "dpo"}
    if "reward" in low and any(n.startswith(("completion", "frac_reward", "rewards/")) for n in low):
        return {"method": "grpo"}
    if "objective/kl" in low or "ppo/loss/policy" in low or "loss/policy_avg" in low:
        return {"method": "rloo" if "objective/rlhf_reward" in low and "loss/value_avg" not in low else "ppo"}
    return {}


def beside(folder: Path) -> dict[str, Any]:
    """Facts from config.json, adapter_config.json, all_results.json and the trainers' arguments in `folder`.

    Pickles (training_args.bin, optimizer.pt) stay closed: reading one runs what its author wrote.
    """
    meta: dict[str, Any] = {}
    config, adapter = _json(folder / "config.json"), _json(folder / "adapter_config.json")
    architectures = config.get("architectures")
    if isinstance(architectures, list) and architectures and isinstance(architectures[0], str):
        task = next((t for ending, t in _TASKS.items() if architectures[0].endswith(ending)), None)
        if task:
            meta["task"] = task
        if task == "causal-lm" and isinstance(config.get("vocab_size"), int):
            meta["vocab_size"] = config["vocab_size"]
        labels = config.get("id2label")
        if task == "classification" and isinstance(labels, dict) and len(labels) > 1:
            meta["classes"] = len(labels)
    if adapter.get("task_type") == "CAUSAL_LM":
        meta["task"] = "causal-lm"
    for ours, value in (("model", adapter.get("base_model_name_or_path")), ("lora_rank", adapter.get("r"))):
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            meta[ours] = value
    meta |= arguments(folder / "training_args.yaml") | _configured(folder)
    results = _json(folder / "all_results.json")
    final = results.get("eval_loss")
    if isinstance(final, (int, float)) and not isinstance(final, bool):
        meta["final_eval_loss"] = float(final)
    for ours, theirs in (("train_rows", "train_samples"), ("eval_rows", "eval_samples")):
        rows = results.get(theirs)
        if isinstance(rows, int) and not isinstance(rows, bool) and 0 < rows < _MOST_ROWS:
            meta[ours] = rows
    return meta


def _configured(folder: Path) -> dict[str, Any]:
    """What axolotl's and ms-swift's configuration tells; how many steps were planned the log knows better."""
    meta: dict[str, Any] = {}
    for name in ("axolotl_config.yaml", "axolotl_config.yml"):
        meta |= config_facts.from_config(yaml_lines.flat(files.small_text(folder / name)))
    arguments = {k: v for k, v in _json(folder / "args.json").items() if isinstance(v, (str, int, float))}
    if "model_type" in arguments:  # a common name: only ms-swift's own tells a run
        meta |= config_facts.from_config(arguments)
    meta.pop("planned_steps", None)
    return meta


def arguments(path: Path) -> dict[str, Any]:
    """Facts from LLaMA-Factory's training_args.yaml; its flat `key: value` lines need no YAML library."""
    told = yaml_lines.flat(files.small_text(path))
    meta: dict[str, Any] = {}
    if told.get("stage") in config_facts.STAGES:
        meta["method"] = config_facts.STAGES[told["stage"]]
    if told.get("model_name_or_path"):
        meta["model"] = told["model_name_or_path"]
    for ours, theirs in (("train_data", "dataset"), ("eval_data", "eval_dataset")):
        if told.get(theirs) and told[theirs] != "null":
            meta[ours] = told[theirs]
    for ours, theirs in (
        ("batch_size", "per_device_train_batch_size"),
        ("accumulation", "gradient_accumulation_steps"),
        ("lora_rank", "lora_rank"),
        ("warmup_steps", "warmup_steps"),
        ("seed", "seed"),
    ):
        if told.get(theirs, "").isdecimal() and len(told[theirs]) < 12:
            meta[ours] = int(told[theirs])
    return meta


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(files.small_text(path))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
