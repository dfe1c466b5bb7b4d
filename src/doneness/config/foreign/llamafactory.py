"""Conversions of what LLaMA-Factory adds to the trainer's arguments."""

from __future__ import annotations

from pathlib import Path

from doneness.config.foreign.asked import Asked

_STAGES = {"pt": "pretrain", "sft": "sft", "rm": "reward", "dpo": "dpo", "kto": "kto"}
_ATTENTION = {"auto": "auto", "disabled": "eager", "sdpa": "sdpa", "fa2": "flash_attention_2"}
_LOSSES = ("sigmoid", "hinge", "ipo")
_REGISTRY = "dataset_info.json"


def stage(asked: Asked) -> None:
    """What is trained; ORPO is a loss of the stage dpo there."""
    name = asked["stage"]
    if name not in _STAGES:
        asked.fault("ppo" if name == "ppo" else "stage", stage=name, known=", ".join(_STAGES))
        return
    asked.stage = _STAGES[name]
    if asked.stage == "dpo" and asked["pref_loss"] == "orpo":
        asked.stage = "orpo"
    asked.put("run.stage", asked.stage)


def preference(asked: Asked) -> None:
    """The preference stages' loss and its weights; what the stage does not look at is not needed."""
    if asked.stage not in ("dpo", "orpo", "kto"):
        return
    asked.put("preference.beta", asked["pref_beta"])
    if asked.stage == "kto":
        asked.put("preference.desirable_weight", asked["kto_chosen_weight"])
        asked.put("preference.undesirable_weight", asked["kto_rejected_weight"])
    if asked.stage == "dpo":
        if asked["pref_loss"] not in _LOSSES:
            asked.fault("pref_loss", loss=asked["pref_loss"], known=", ".join((*_LOSSES, "orpo")))
            return
        asked.put("preference.loss", asked["pref_loss"])
        asked.put("preference.label_smoothing", asked["dpo_label_smoothing"])
        asked.put("preference.sft_weight", asked["pref_ftx"])
    elif asked["pref_ftx"]:
        asked.fault("pref_ftx", stage=asked.stage)


def attention(asked: Asked) -> None:
    """The implementation of attention, by transformers' name."""
    name = asked["flash_attn"]
    if name not in _ATTENTION:
        asked.fault("attention", value=name, known=", ".join(_ATTENTION))
    elif name == "fa2" and not asked.gpu():
        asked.note("no_flash", name="fa2")
    else:
        asked.put("model.attention", _ATTENTION[name])


def method(asked: Asked) -> None:
    """Which weights move."""
    kind = asked["finetuning_type"]
    if kind not in ("lora", "full", "freeze"):
        asked.fault("finetuning_type", value=kind, known="lora, full, freeze")
    elif kind == "lora":
        _adapters(asked)
    else:
        asked.put("method.kind", "full")
        wrong = [n for n in ("quantization_bit", "use_dora", "use_rslora", "adapter_name_or_path") if asked[n]]
        if wrong:
            asked.fault("adapters_only", names=", ".join(wrong), kind=kind)
        if kind == "freeze":
            _some_layers(asked)


def _some_layers(asked: Asked) -> None:
    """The last or the first so many layers, and modules outside of layers; there a name counts wherever it occurs."""
    layers, extra = asked["freeze_trainable_layers"], asked["freeze_extra_modules"] or ""
    if layers == 0:
        # No layer there; here 0 means all of them.
        asked.fault("no_layers")
    names = [name.strip() for name in extra.split(",") if name.strip()]
    everywhere = [name for name in names if "norm" in name or "ln" in name]
    if everywhere:
        asked.fault("norms", names=", ".join(everywhere))
    asked.put("method.layers", layers)
    asked.put("method.save_modules", names or None)


def _adapters(asked: Asked) -> None:
    bits = asked["quantization_bit"]
    if bits not in (None, 4, 8):
        asked.fault("bits", bits=bits)
    asked.put("method.kind", "dora" if asked["use_dora"] else "qlora" if bits else "lora")
    asked.put("method.bits", bits)
    if bits == 4:
        asked.put("method.quant_type", asked["quantization_type"])
        asked.put("method.double_quant", asked["double_quantization"])
    asked.put("method.rank", asked["lora_rank"])
    asked.put("method.alpha", asked["lora_alpha"] or 2 * asked["lora_rank"])
    asked.put("method.dropout", asked["lora_dropout"])
    asked.put("method.targets", "all-linear" if asked["lora_target"] == "all" else asked["lora_target"])
    asked.put("method.rslora", asked["use_rslora"])
    asked.put("method.save_modules", asked["additional_target"])


def adapter(asked: Asked) -> None:
    """The adapter to go on with; several, or a new one over it, are to be merged first."""
    path = asked["adapter_name_or_path"]
    if path and "," in path:
        asked.fault("adapters", path=path)
    elif path and asked["create_new_adapter"]:
        asked.fault("new_adapter", path=path)
    else:
        asked.put("method.adapter", path)


def datasets(asked: Asked) -> None:
    """Data sets by their names in the registry of dataset_dir."""
    folder = asked["dataset_dir"]
    if folder == "ONLINE" or folder.startswith("REMOTE:"):
        asked.fault("online", folder=folder)
        return
    if not asked["dataset"]:
        asked.fault("no_dataset")
        return
    for name, key in (("dataset", "data.train"), ("eval_dataset", "data.eval")):
        if asked[name]:
            names = ",".join(part.strip() for part in asked[name].split(",") if part.strip())
            asked.put(key, f"{Path(folder, _REGISTRY)}#{names}")
    # Rows without an answer are dropped there, too; here they are counted.
    asked.put("data.on_empty", "skip")


def hold_out(asked: Asked) -> None:
    """Rows to judge by: val_size of them, those of eval_dataset, or none, as there."""
    size = asked["val_size"]
    if asked["eval_dataset"]:
        if size:
            asked.fault("two_evaluations", size=size)
    elif not size:
        asked.put("data.hold_out", "none")
        asked.note("no_evaluation")
    elif 0 < size < 1:
        asked.put("data.hold_out_share", size)
        asked.note("held_out")
    elif size > 1 and size == int(size):
        asked.put("data.hold_out_rows", int(size))
        asked.note("held_out")
    else:
        asked.fault("val_size", size=size)


def length(asked: Asked) -> None:
    """The longest row, where it is cut, and which answers are learnt. Rows are never filled up with others."""
    asked.put("data.max_length", asked["cutoff_len"])
    asked.put("data.cut", "balanced")
    asked.put("data.answers", "last" if asked["mask_history"] else "all")
    if asked.stage == "pretrain":
        asked.note("texts", name="cutoff_len")
    elif asked.stage == "sft" and (asked["packing"] or asked["neat_packing"]):
        asked.fault("packing", name="packing" if asked["packing"] else "neat_packing", tokens=asked["cutoff_len"])


def stopping(asked: Asked) -> None:
    """The rule watches and notes what it would do; early stopping counts evaluations, as it does there."""
    patience = asked["early_stopping_steps"]
    asked.put("stopping.on_stop", "stop" if patience else "note")
    if patience and not (asked["val_size"] or asked["eval_dataset"]):
        asked.fault("patience_alone", patience=patience)
    elif patience:
        asked.put("stopping.patience", patience)
        asked.note("early_stopping", patience=patience)
    else:
        asked.note("watching")
