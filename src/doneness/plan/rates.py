"""A learning rate to start from."""

from __future__ import annotations

import math

from doneness.plan.shape import ModelShape

# Of the LoRA sweep over 35 models (batch 128, 780 steps): 3e-4 is best or next to it for all from 8 billion parameters;
# smaller ones bear more, in proportion, up to 1e-3. Found without one owner's models and tried on those, the mean loss
# forgone is 0.0010 nats, of 3e-4 for all 0.0018; the 8 billion were picked with all in view, and chosen without that
# owner, too, the mean is 0.0090 (`python -m bench advice`).
_RATE, _SIZE, _MOST = 3e-4, 8e9, 1e-3
_SWEEP_BATCH = 128
_LEAST_FACTOR = 0.5  # no sweep at hand reaches batches where the root would say less
_FULL = 10.0  # LoRA without regret: adapters want ten times the rate, over short runs fifteen
_MANY_EPOCHS = 3
# Preference and reinforcement runs: as the stages' own defaults, which follow LLaMA-Factory and TRL.
_STAGES = {"dpo": 5e-6, "orpo": 5e-6, "kto": 5e-6, "grpo": 1e-5, "reward": 1e-4, "pretrain": 1e-4}
SWEEP = "Tinker cookbook, SFT sweep over 35 models"


def recommended_rate(
    shape: ModelShape, method: str = "lora", stage: str = "sft", epochs: float = 1.0, batch: int = _SWEEP_BATCH
) -> float:
    """A learning rate to start from, for alpha = 32.

    3e-4 · max(1, 8e9 / parameters), 1e-3 at most, at 128 rows a step; with the root of the batch, by half at most. A
    tenth for full fine-tuning, half beyond 3 epochs. Other stages have rates of their own.
    """
    if stage in _STAGES:
        return _STAGES[stage] / (_FULL if method == "full" else 1.0)
    rate = min(_MOST, _RATE * max(1.0, _SIZE / max(shape.parameters, 1)))
    rate *= min(1.0, max(_LEAST_FACTOR, math.sqrt(batch / _SWEEP_BATCH)))
    return rate / (_FULL if method == "full" else 1.0) / (2.0 if epochs > _MANY_EPOCHS else 1.0)
