"""GRPO before its first step: two short answers to one question, and a step by them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from doneness.config import Recipe, RewardsSection
from doneness.core import DonenessError
from doneness.models import LoadedModel
from doneness.train.health import ROWS
from doneness.train.preflight.found import Found
from doneness.train.preflight.gradients import look_at_gradients
from doneness.train.preflight.step import there_and_back, trial
from doneness.train.stages import stage_of
from doneness.train.stages.rewards import Answers, mute, scorers_of

_ANSWERS, _TOKENS = 2, 8  # of a trial: answers take a step each token, and what a token takes is not known yet


def look_at_answers(recipe: Recipe, rows: Any, loaded: LoadedModel, found: Found) -> None:
    """Answer the longest question, and look at the gradients of a step that prefers one answer to the other.

    The gradients are of a reward that always differs; the recipe's own are called on the same answers, loaded apart
    from those of the run, as a function in a file may remember that it was called. How much memory whole answers take
    is not told by short ones.

    Args:
        recipe: of the run.
        rows: `TrainingRows` of questions.
        loaded: with the method applied.
        found: what is found is added to it.
    """
    import torch

    longest = max(rows.train.rows, key=lambda row: len(row.ids))
    few = replace(rows, train=replace(rows.train, rows=(longest,)), eval=None)
    tokens = min(_TOKENS, recipe.grpo.max_new_tokens)
    short = replace(
        recipe,
        grpo=replace(recipe.grpo, generations=_ANSWERS, max_new_tokens=tokens),
        rewards=RewardsSection(),
        optimizer=replace(recipe.optimizer, batch_size=_ANSWERS, micro_batch=_ANSWERS),
    )
    stage = stage_of(short, few, loaded.tokenizer.pad_token_id, loaded.tokenizer)
    items = [{**row, ROWS: 0} for row in stage.dataset()] * _ANSWERS
    try:
        with trial(short, stage, loaded, items, reward_funcs=[_the_second]) as trainer:
            trainer.model.train()
            inputs = trainer._prepare_inputs(items)
            inputs.pop(ROWS)
            told = inputs["completion_ids"]
            said = [ids[kept > 0].tolist() for ids, kept in zip(told, inputs["completion_mask"], strict=True)]
            loss = there_and_back(trainer, inputs, recipe.optimizer.gradient_checkpointing)
    except torch.OutOfMemoryError:
        found.fault("out_of_memory_answers", tokens=tokens, question=len(longest.ids))
        return
    _ask_the_rewards(recipe, rows.train.rows, longest, (loaded.tokenizer, said), found)
    if not math.isfinite(loss):
        found.fault("step_not_finite", loss=loss, names=longest.id)
    elif all(torch.equal(told[0], each) for each in told[1:]):
        found.doubt("same_answers", tokens=tokens)  # neither is preferred: there is no gradient to look at
    else:
        look_at_gradients(recipe, loaded.model, found)
        found.measure("answers", count=_ANSWERS, tokens=tokens)


def _ask_the_rewards(
    recipe: Recipe, rows: Sequence[Any], asked: Any, said: tuple[Any, list[list[int]]], found: Found
) -> None:
    """Whether the recipe's rewards have a number for such answers.

    Args:
        recipe: of the run.
        rows: training rows.
        asked: the question.
        said: the tokenizer, and the answers as token ids.
        found: what is found is added to it.
    """
    tokenizer, ids = said
    texts = [tokenizer.decode(each, skip_special_tokens=True) for each in ids]
    try:
        scorers = scorers_of(recipe.rewards)
        silent = mute(scorers, Answers([asked] * len(ids), texts, ids), rows)
    except DonenessError as error:
        found.faults.append(str(error))
        return
    if silent:
        found.fault("rewards_mute", names=", ".join(each.name for each in scorers), count=len(ids))


def _the_second(completions: Sequence[Any], **more: Any) -> list[float]:
    """A reward that is never the same for both, so that there is something to learn."""
    return [float(i % _ANSWERS) for i in range(len(completions))]
