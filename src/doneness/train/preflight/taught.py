"""Whether a teacher has anything to teach: one that is the student itself has not."""

from __future__ import annotations

from typing import Any

from doneness.config import Recipe
from doneness.train.preflight.found import Found

_ALIKE = 1e-6  # of a probability: what rounding leaves of the same weights in float32


def look_at_the_teacher(recipe: Recipe, model: Any, stage: Any, row: Any, found: Found) -> bool:
    """Hold the student's probabilities against the teacher's; whether they are the same, and nothing else is learnt.

    Args:
        recipe: of the run.
        model: the student, with its method applied; left in its mode.
        stage: of the recipe; one without a teacher's probabilities is passed over.
        row: an encoded one.
        found: what is found is added to it.
    """
    asked = recipe.distill
    if recipe.run.stage != "distill" or asked.kind != "logits" or asked.answer_weight > 0.0:
        return False
    import torch

    ids, mode = torch.tensor([row.ids], device=next(model.parameters()).device), model.training
    model.eval()
    with torch.inference_mode():
        ours, theirs = (each(input_ids=ids, use_cache=False).logits[0].float() for each in (model, stage.teacher))
    model.train(mode)
    size = min(ours.shape[-1], theirs.shape[-1])
    apart = float((ours[:, :size].softmax(-1) - theirs[:, :size].softmax(-1)).abs().max())
    if apart > _ALIKE:
        return False
    found.fault("teacher_alike", path=asked.teacher, apart=apart)
    return True
