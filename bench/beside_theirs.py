"""LLaMA-Factory's half of `python -m bench beside`; run by its own Python, it imports nothing of ours.

python beside_theirs.py rows  config.json out.json    # its tokens and labels, row by row
python beside_theirs.py train config.json out.json    # its training, with the evaluation rows scored one by one
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_STAGES = {"dpo": "rm"}  # which data sets its own workflow of a stage asks for


def rows(config: dict[str, Any]) -> dict[str, Any]:
    """Token ids and labels of its processed data sets."""
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    model, data, training, _, _ = get_train_args(config)
    parts = load_tokenizer(model)
    template = get_template_and_fix_tokenizer(parts["tokenizer"], data)
    stage = _STAGES.get(config["stage"], config["stage"])
    found = get_dataset(template, model, data, training, stage=stage, **parts)
    halves = ("chosen_", "rejected_") if stage == "rm" else ("",)
    return {
        name: [[each[f"{half}{key}"] for half in halves for key in ("input_ids", "labels")] for each in found[which]]
        for name, which in (("train", "train_dataset"), ("eval", "eval_dataset"))
    }


def scored(model: Any, batches: Any) -> list[list[float]]:
    """Summed loss in nats and target tokens of every evaluation row; a batch is a row."""
    import torch

    was, found = model.training, []
    model.eval()
    with torch.no_grad():
        for batch in batches:
            tokens = int((batch["labels"][:, 1:] != -100).sum())
            found.append([float(model(**batch).loss) * tokens, tokens])
    model.train(was)
    return found


def train(config: dict[str, Any]) -> dict[str, Any]:
    """Its training; what it logged, and the losses of the evaluation rows."""
    from llamafactory.train.tuner import run_exp
    from transformers import TrainerCallback

    told: dict[str, Any] = {"log": [], "eval": []}

    class Telling(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            told["log"].append({"step": state.global_step, **(logs or {})})

        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
            each = {"step": state.global_step, "metrics": metrics}
            if config["stage"] == "sft":
                each["rows"] = scored(kwargs["model"], kwargs["eval_dataloader"])
            told["eval"].append(each)

    run_exp(config, callbacks=[Telling()])
    return told


def main() -> None:
    what, config, out = sys.argv[1:]
    found = {"rows": rows, "train": train}[what](json.loads(Path(config).read_text(encoding="utf-8")))
    Path(out).write_text(json.dumps(found, default=float), encoding="utf-8")


if __name__ == "__main__":
    main()
