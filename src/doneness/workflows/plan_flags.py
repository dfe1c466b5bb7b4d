"""A plan without a recipe: from a model's name or size, a method and a card, as far as those say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from doneness.config import Recipe, build_recipe
from doneness.core import DataError, tr
from doneness.plan import budget
from doneness.plan.advice import Goal, epochs_to_plan
from doneness.plan.cards import usable_bytes
from doneness.plan.fit import fits
from doneness.plan.memory import estimate_memory
from doneness.plan.rates import recommended_rate
from doneness.plan.shapes import named_shape
from doneness.workflows.plan import Ask, Planned, _planned
from doneness.workflows.plan_setup import Lengths, Model, model_of, setup_of

_BATCH, _WARMUP = 16, 0.04
_MICRO = 8
_EVAL_ROWS, _EVAL_SHARE = 800, 0.1
_VARIATION = 0.3
_OF_SETTINGS = ("PL01", "PL05", "PL07")  # advice that no rows are needed for


@dataclass(frozen=True)
class Flags:
    """What was said on the command line; what was not is chosen here.

    Attributes:
        model: a shipped model, a size word, or a folder with a config.json.
        method: full, lora or qlora.
        rank: of adapters.
        seq: longest row, tokens.
        rows: in the file, those held out among them; 0 where nothing is said of them.
        eval_rows: of those, held out; None takes a tenth, 800 at most.
        tokens: mean tokens a row; 0 takes seq, the most that they can be.
        batch: rows a step.
        micro: rows a forward pass; 0 takes as many as fit, 8 at most.
        epochs: passes over the rows; None takes as many as make 1,000 steps, and what the goal bears at most.
        goal: what the run is to teach.
        overrides: `section.key=value`, as after a recipe.
    """

    model: str = "8b"
    method: str = "lora"
    rank: int = 16
    seq: int = 2048
    rows: int = 0
    tokens: int = 0
    batch: int = _BATCH
    micro: int = 0
    epochs: float | None = None
    eval_rows: int | None = None
    goal: Goal = "chat"
    overrides: tuple[str, ...] = ()

    @property
    def held(self) -> int:
        """Rows held out of those in the file."""
        return min(_EVAL_ROWS, math.floor(_EVAL_SHARE * self.rows)) if self.eval_rows is None else self.eval_rows

    @property
    def passes(self) -> float:
        """The epochs asked for, else those that steps ask for; the goal's where nothing is known of the rows."""
        if self.epochs is not None:
            return self.epochs
        return float(epochs_to_plan(max(self.rows - self.held, 1) if self.rows else 1, self.batch, self.goal))


def plan_flags(flags: Flags, ask: Ask) -> Planned:
    """The plan of what the flags say; tokens are reckoned and not counted, since there are no rows.

    Raises:
        DataError: the model's sizes are not known, or a size is none.
        RecipeError: a value that no recipe takes.
    """
    recipe, model = recipe_of(flags, ask)
    held = flags.held
    rows = flags.rows - held if flags.rows else 1000
    each = min(flags.tokens or flags.seq, flags.seq)
    from doneness.train import total_steps

    steps = total_steps(recipe, rows)
    per_epoch = math.ceil(rows / recipe.optimizer.batch_size)
    found = _reckoned(rows, each, recipe, steps, per_epoch)
    # The longest may come together; how much they differ is not known where a mean alone is told.
    lengths = Lengths(flags.seq, flags.seq, each, 1.0, _VARIATION if flags.tokens else 0.0)
    made = _planned(recipe, found, (held, held * each), model, lengths, ask)
    if flags.rows:
        return replace(made, told="reckoned")
    advice = tuple(f for f in made.advice if f.code in _OF_SETTINGS)
    return replace(made, told="nothing", advice=advice, duration=None)


def _reckoned(rows: int, each: int, recipe: Recipe, steps: int, per_epoch: int) -> Any:
    """Rows of one length; a few stand for all, so that millions cost nothing."""
    optimizer = recipe.optimizer
    one = budget([each], [each], optimizer.batch_size, optimizer.micro_batch, max_steps=1)
    whole, rest = divmod(steps, per_epoch)
    total = (whole * rows + min(rest * optimizer.batch_size, rows)) * each
    return replace(
        one, rows=rows, steps_per_epoch=per_epoch, steps=steps, epochs=steps / per_epoch, tokens=rows * each,
        target_tokens=rows * each, total_tokens=total, total_target_tokens=total, padding_share=0.0,
    )  # fmt: skip


def recipe_of(flags: Flags, ask: Ask) -> tuple[Recipe, Model]:
    """The recipe that the flags mean, with advised values where they say nothing."""
    if flags.seq < 8 or flags.rows < 0 or flags.batch < 1:
        raise DataError(tr("plan.bad_size", seq=flags.seq, rows=flags.rows, batch=flags.batch))
    if flags.held and not 0 <= flags.held < flags.rows:
        raise DataError(tr("plan.bad_eval", held=flags.held, rows=flags.rows))
    if flags.micro and flags.batch % flags.micro:
        raise DataError(tr("plan.bad_micro", micro=flags.micro, batch=flags.batch))
    cards = ask.place.spread.devices
    if flags.batch % cards:
        wanted = math.ceil(flags.batch / cards) * cards
        raise DataError(tr("plan.bad_cards", batch=flags.batch, cards=cards, next=wanted))
    first = build_recipe({}, [*_words(flags, max(1, flags.micro)), *flags.overrides])
    model = model_of(first)
    if model is None:
        named_shape(flags.model)  # says which there are
        raise AssertionError
    micro = flags.micro or _micro(first, model, flags, ask)
    said = {word.partition("=")[0] for word in flags.overrides}
    advised = [] if "optimizer.learning_rate" in said else [f"optimizer.learning_rate={_rate(flags, model):.2g}"]
    return build_recipe({}, [*_words(flags, micro), *advised, *flags.overrides]), model


def _words(flags: Flags, micro: int) -> Sequence[str]:
    return [
        "run.folder=runs/run", f"model.path={flags.model}", "data.train=train.jsonl", f"method.kind={flags.method}",
        f"method.rank={flags.rank}", f"method.alpha={2 * flags.rank}", f"data.max_length={flags.seq}",
        f"optimizer.batch_size={flags.batch}", f"optimizer.micro_batch={micro}",
        "optimizer.gradient_checkpointing=true",
        f"schedule.epochs={flags.passes}", f"schedule.warmup_share={_WARMUP}", f"data.hold_out_rows={flags.held}",
        "schedule.kind=wsd",
    ]  # fmt: skip


def _rate(flags: Flags, model: Model) -> float:
    # At alpha = 2 · rank; the rule is for alpha 32.
    scale = 32.0 / (2 * flags.rank) if flags.method != "full" else 1.0
    return recommended_rate(model.shape, flags.method, "sft", flags.passes, flags.batch) * scale


def _micro(recipe: Recipe, model: Model, flags: Flags, ask: Ask) -> int:
    """As many rows as fit the card of those that divide the batch, 8 and a card's share of the batch at most."""
    if not ask.place.card:
        return 1
    card = usable_bytes(ask.place.card)
    setup = setup_of(recipe, model.shape, Lengths(flags.seq, flags.seq, flags.seq), ask.place)
    best = 1
    for rows in range(1, _MICRO + 1):
        if flags.batch % (rows * ask.place.spread.devices):
            continue
        if fits(estimate_memory(model.shape, replace(setup, micro_batch=rows, packed=rows > 1)), card):
            best = rows
    return best
