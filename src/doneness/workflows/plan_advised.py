"""The recipe that a plan advises: the user's own, with what was warned of set right."""

from __future__ import annotations

from dataclasses import replace

from doneness.config import Recipe
from doneness.core import Status
from doneness.workflows.plan import Planned


def advised(planned: Planned) -> Recipe:
    """The planned recipe with the advised learning rate, warm-up, schedule and batch, where they were warned of."""
    warned = {f.code: f.advice.args for f in planned.advice if f.status is not Status.PASS and f.advice is not None}
    recipe = planned.recipe
    if "PL01" in warned:
        rate = float(f"{warned['PL01']['to_set']:.2g}")
        recipe = replace(recipe, optimizer=replace(recipe.optimizer, learning_rate=rate))
    if "PL05" in warned:
        batch = int(warned["PL05"]["most"]) // recipe.optimizer.micro_batch * recipe.optimizer.micro_batch
        recipe = replace(recipe, optimizer=replace(recipe.optimizer, batch_size=batch or recipe.optimizer.micro_batch))
    if "PL06" in warned:
        schedule = replace(recipe.schedule, warmup_steps=int(warned["PL06"]["wanted"]), warmup_share=0.0)
        recipe = replace(recipe, schedule=schedule)
    if "PL07" in warned:
        recipe = replace(recipe, schedule=replace(recipe.schedule, kind="wsd"))
    if "PL09" in warned:
        every = int(warned["PL09"]["every"])
        recipe = replace(recipe, evaluation=replace(recipe.evaluation, every=every))
    return recipe
