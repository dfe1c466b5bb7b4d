"""Conversions of MedicalGPT's scripts in which the model answers itself: grpo_training.py and opd_training.py.

They take TRL's configurations, GRPOConfig and GKDConfig.
"""

from __future__ import annotations

from typing import Any

from doneness.config.foreign import training
from doneness.config.foreign.asked import Asked
from doneness.core import launched

_LOSSES = ("dapo", "grpo", "bnpo", "dr_grpo")
_SCALES: dict[str, Any] = {"true": "group", "false": "none"}
# What that script puts before every question, and what its format_reward looks for: no line break in either part.
_SYSTEM = (
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The assistant "
    "first thinks about the reasoning process in the mind and then provides the user with the answer. The reasoning "
    "process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, i.e., "
    "<think> reasoning process here </think><answer> answer here </answer>"
)
_FORM = r"(?-s:<think>.*?</think><answer>.*?</answer>)\n?"


def precision(asked: Asked) -> None:
    """The weights' type; TRL's own configurations train in bfloat16 where nobody says otherwise."""
    if asked.stage not in ("grpo", "distill") or asked["fp16"] or asked.given("bf16"):
        training.precision(asked)
    elif asked["use_cpu"] or asked["no_cuda"] or not asked.gpu():
        if asked["use_cpu"] or asked["no_cuda"]:
            asked.put("model.device", "cpu")
        said = [
            name for name in ("dtype", "torch_dtype") if asked.given(name) and asked[name] in ("bfloat16", "float16")
        ]
        if said:
            asked.note("no_gpu", names=", ".join(said))
        asked.put("model.dtype", "float32")
    else:
        asked.put("model.dtype", "bfloat16")


def checkpointing(asked: Asked) -> None:
    """The script of GRPO has none with adapters, whatever is said."""
    training.checkpointing(asked)
    if asked.stage == "grpo" and asked["use_peft"]:
        asked.put("optimizer.gradient_checkpointing", False)


def policy(asked: Asked) -> None:
    """GRPO: the answers that are sampled, and what they are worth."""
    if asked.stage != "grpo":
        if asked.given("loss_type") and asked["loss_type"] != "nll":
            asked.fault("loss_type", value=asked["loss_type"], known="nll")
        return
    asked.put("grpo.generations", asked["num_generations"])
    asked.put("grpo.max_new_tokens", asked["max_completion_length"])
    asked.put("grpo.beta", asked["beta"])
    asked.put("grpo.temperature", asked["temperature"])
    asked.put("grpo.top_p", asked["top_p"])
    if asked["loss_type"] not in _LOSSES:
        asked.fault("loss_type", value=asked["loss_type"], known=", ".join(_LOSSES))
    asked.put("grpo.loss", asked["loss_type"])
    asked.put("grpo.scale", _SCALES.get(str(asked["scale_rewards"]).lower(), asked["scale_rewards"]))
    asked.put("rewards.use", ["exact", "format"])
    asked.put("rewards.pattern", _FORM)
    asked.put("data.system", _SYSTEM)
    asked.note("rewards")
    rows = asked["per_device_train_batch_size"] * asked["gradient_accumulation_steps"] * launched.processes()
    if rows % asked["num_generations"]:
        asked.fault("generations", rows=rows, generations=asked["num_generations"])


def teacher(asked: Asked) -> None:
    """On-policy distillation: the teacher, and how often the student answers itself."""
    if asked.stage != "distill":
        return
    asked.put("distill.teacher", asked["teacher_model_name_or_path"] or asked["model_name_or_path"])
    if asked["teacher_load_in_4bit"] and asked["teacher_load_in_8bit"]:
        asked.fault("two_bits")
    bits = 4 if asked["teacher_load_in_4bit"] else 8 if asked["teacher_load_in_8bit"] else 0
    asked.put("distill.bits", bits)
    if bits == 4:
        asked.note("teacher_bits")
    asked.put("distill.on_policy", asked["opd_lambda"])
    asked.put("distill.beta", asked["opd_beta"])
    asked.put("distill.max_new_tokens", asked["max_new_tokens"])
    asked.put("distill.own_temperature", asked["temperature"])
    asked.note("conversations")
