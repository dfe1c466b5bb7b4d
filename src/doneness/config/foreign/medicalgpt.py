"""Conversions of what MedicalGPT's scripts add to the trainer's arguments."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

from doneness.config.foreign import training
from doneness.config.foreign.asked import Asked
from doneness.config.foreign.medicalgpt_answers import checkpointing, policy, precision, teacher

__all__ = ["checkpointing", "policy", "precision", "teacher"]  # looked up here by the names in the table

_PAIRS = ("dpo", "orpo", "reward")
# Scripts whose arguments are not read, and what is said of them; names that the script of PPO alone has.
_UNREAD = {"ppo_training": "ppo_script"}
_OF_PPO = {"sft_model_path", "reward_model_path"}
# Names that one script alone has, and the stage that it is.
_OF_ONE = {
    "block_size": "pretrain", "packing": "pretrain", "orpo_beta": "orpo", "num_generations": "grpo", "lora_r": "grpo",
    "max_completion_length": "grpo", "train_samples": "grpo", "opd_lambda": "distill", "opd_beta": "distill",
    "teacher_model_name_or_path": "distill", "max_prompt_length": "distill",
}  # fmt: skip
_TEMPLATES = "medicalgpt-"
_TOOLS = ("default", "glm4", "llama3", "mistral", "qwen")
_ATTENTION = ("eager", "sdpa", "flash_attention_2")
_QUESTION = 8192  # tokens
_HELD_OUT = 0.1  # of the rows, by grpo_training.py


def stage(asked: Asked) -> None:
    """Which script it was: by its name, by a name that it alone has, else supervised fine-tuning."""
    asked.put("run.stage", asked.stage)
    asked.put("stopping.on_stop", "note")
    asked.note("watching")


def unread(script: str, names: set[str]) -> str | None:
    """The catalogue key of why a script is not read, with what to do instead; None for the others."""
    return _UNREAD.get("ppo_training" if names >= _OF_PPO else script)


def stage_of(script: str, names: set[str], stages: dict[str, str]) -> str | None:
    """The script's name, where it or its arguments tell; None where two could be meant."""
    if script in stages:
        return script
    by_stage = {stage: name for name, stage in stages.items()}
    told = next((stage for name, stage in _OF_ONE.items() if name in names), None)
    if told:
        return by_stage[told]
    return None if "max_source_length" in names else by_stage["sft"]


def trained(asked: Asked) -> None:
    """The script of GRPO trains whatever is said."""
    if asked.stage != "grpo":
        training.trained(asked)


def trust(asked: Asked) -> None:
    """Code that comes with a model runs only where somebody asked for it; there it always does."""
    if asked.given("trust_remote_code"):
        asked.put("model.trust_remote_code", asked["trust_remote_code"])


def flash(asked: Asked) -> None:
    """FlashAttention 2 where it is installed and there is a GPU, as there."""
    if not asked["flash_attn"]:
        return
    if asked.gpu() and find_spec("flash_attn") is not None:
        asked.put("model.attention", "flash_attention_2")
    else:
        asked.note("no_flash", name="flash_attn")


def implementation(asked: Asked) -> None:
    """How attention is computed, by transformers' name."""
    name = asked["attn_implementation"]
    if name is None:
        return
    if name not in _ATTENTION:
        asked.fault("implementation", value=name, known=", ".join(_ATTENTION))
    elif name == "flash_attention_2" and not (asked.gpu() and find_spec("flash_attn") is not None):
        asked.note("no_flash", name="attn_implementation")
    else:
        asked.put("model.attention", name)


def template(asked: Asked) -> None:
    """The conversation template of its own by that name."""
    name = asked["template_name"]
    if name == "deepseekcoder":
        asked.fault("no_question", name=name)
    elif name:
        asked.put("model.template", f"{_TEMPLATES}{name}")


def tools(asked: Asked) -> None:
    """How tools are written."""
    name = asked["tool_format"]
    if name and name not in _TOOLS:
        asked.fault("tool_format", value=name, known=", ".join(_TOOLS))
    else:
        asked.put("data.tool_format", name)


def peft(asked: Asked) -> None:
    """Which weights move."""
    bits = 4 if asked["load_in_4bit"] else 8 if asked["load_in_8bit"] else 0
    if not asked["use_peft"]:
        asked.put("method.kind", "full")
        wrong = [name for name in ("load_in_4bit", "load_in_8bit", "qlora", "peft_path") if asked[name]]
        if wrong:
            asked.fault("adapters_only", names=", ".join(wrong), kind="use_peft = False")
        return
    if asked["load_in_4bit"] and asked["load_in_8bit"]:
        asked.fault("two_bits")
    if asked["qlora"] and not bits:
        asked.fault("qlora")
    asked.put("method.kind", "dora" if asked["use_dora"] else "qlora" if bits else "lora")
    if bits:
        asked.put("method.bits", bits)
    if bits == 4:
        # Without qlora the quantisation there is bitsandbytes' own default; but in the script of GRPO.
        fine = bool(asked["qlora"]) or asked.stage == "grpo"
        asked.put("method.quant_type", "nf4" if fine else "fp4")
        asked.put("method.double_quant", fine)
    _adapters(asked, *(_OF_TRL if asked.stage == "grpo" else _OWN))


# Names of the targets, the rank, and the modules that are saved whole: the scripts' own, and those of TRL.
_OWN = ("target_modules", "lora_rank", "modules_to_save")
_OF_TRL = ("lora_target_modules", "lora_r", "lora_modules_to_save")


def _adapters(asked: Asked, targets: str, rank: str, modules: str) -> None:
    told = asked[targets]
    names = told.split(",") if isinstance(told, str) else list(told or ())
    if not names:
        asked.fault("target_modules", name=targets)
    alpha = asked["lora_alpha"]
    if alpha != int(alpha):
        asked.fault("alpha", alpha=alpha)
    asked.put("method.rank", asked[rank])
    asked.put("method.alpha", int(alpha))
    # Switched off in the whole model, adapters included.
    asked.put("method.dropout", 0.0 if asked["disable_dropout"] else asked["lora_dropout"])
    if asked["disable_dropout"] and asked["lora_dropout"]:
        asked.note("dropout", dropout=asked["lora_dropout"])
    asked.put("method.targets", "all-linear" if "all" in names else ",".join(names))
    saved = asked[modules]
    asked.put("method.save_modules", list(saved) if isinstance(saved, tuple) and saved else saved or None)
    asked.put("method.rslora", asked["use_rslora"])
    asked.put("method.adapter", asked["peft_path"])


def folders(asked: Asked) -> None:
    """Folders of training and evaluation rows; the same for both would judge the model by what it has learnt."""
    train, judged = asked["train_file_dir"], asked["validation_file_dir"]
    if not train:
        asked.fault("no_folder")
        return
    asked.put("data.train", train)
    asked.put("data.on_empty", "skip")
    if asked.stage == "grpo":
        asked.put("data.hold_out_share", _HELD_OUT)
        asked.note("held_out")
    elif not judged:
        asked.put("data.hold_out_share", asked["validation_split_percentage"] / 100)
        asked.note("held_out")
    elif Path(train).resolve() == Path(judged).resolve():
        asked.fault("same_folder", folder=train)
    else:
        asked.put("data.eval", judged)


def samples(asked: Asked) -> None:
    """So many rows at most; 0 and less mean all."""
    if asked.stage == "grpo":
        rows = max(0, asked["train_samples"] or 0)
        judged = math.ceil(_HELD_OUT * rows)
        asked.put("data.train_rows", max(rows - judged, min(rows, 1)))
        asked.put("data.eval_rows", judged)
        return
    for name, key in (("max_train_samples", "data.train_rows"), ("max_eval_samples", "data.eval_rows")):
        asked.put(key, max(0, asked[name] or 0))


def lengths(asked: Asked) -> None:
    """The longest row, which every script calls by another name."""
    if asked.stage == "pretrain":
        asked.put("data.max_length", asked["block_size"])
        asked.note("texts", name="block_size")
    elif asked.stage == "grpo":
        # There nothing is cut; a question of more tokens than this is none.
        asked.put("data.max_length", _QUESTION)
    elif asked.stage == "distill":
        asked.put("data.max_length", asked["max_prompt_length"] + asked["max_new_tokens"])
        if asked.given("packing") and asked["packing"]:
            asked.fault("packing", name="packing", tokens=asked["max_length"])
    elif asked.stage in _PAIRS:
        asked.put("data.max_length", asked["max_source_length"] + asked["max_target_length"])
    else:
        asked.put("data.max_length", asked["model_max_length"])
        asked.put("data.cut", "balanced")


def pairs(asked: Asked) -> None:
    """Beta of ORPO; the script of DPO leaves it at TRL's 0.1."""
    if asked.stage == "orpo":
        asked.put("preference.beta", asked["orpo_beta"])
