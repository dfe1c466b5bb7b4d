"""The cheapest cure of each suspected cause, tried for a few steps from the same start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from doneness.config import MethodSection, Recipe
from doneness.models import Encoded, LoadedModel
from doneness.sanity import Measured, Trial
from doneness.sanity.bits import BITS_PER_PARAMETER, bits_held
from doneness.sanity.checks.masked import FAIL
from doneness.sanity.frozen import mostly_frozen
from doneness.sanity.rates import WORTH
from doneness.train.method import apply_method
from doneness.train.short import Short, restored, trial
from doneness.train.targets import linear_layers

_STEPS = 10  # of a look at a rate
_LONG = 60  # of an adapter or of fewer rows, whose use shows later
_HIGHEST, _LOWEST = 0.1, 1e-7  # rates that are looked at, of AdamW
_LARGEST_RANK = 256

Make = Callable[[], LoadedModel]


def tried(recipe: Recipe, make: Make, rows: Sequence[Encoded], measured: Measured) -> tuple[Trial, ...]:
    """What was tried, cause by cause.

    Args:
        recipe: of the sanity run.
        make: makes the model anew, with its method applied.
        rows: training rows.
        measured: so far.
    """
    if measured.tokens.highest >= measured.tokens.vocabulary:
        return ()
    loaded = make()
    short = Short(recipe.optimizer, recipe.run.seed, loaded.tokenizer.pad_token_id)
    found: list[Trial] = []
    if not measured.gradient.moving:
        return (_unfrozen(short, loaded.model, rows),)
    targets = measured.targets
    if targets.answers and targets.targets < FAIL * targets.answers:
        with restored(loaded.model):
            found.append(trial(short, loaded.model, [_whole(row) for row in rows], _STEPS, "unmasked", 1.0))
    found += _rates(short, loaded.model, rows, measured)
    need = targets.bits
    steps = min(_LONG, measured.trace.planned) if measured.trace is not None else _LONG
    if need > bits_held(measured.gradient.total):
        fit = max(1, int(len(rows) * bits_held(measured.gradient.total) / need / 2.0))
        with restored(loaded.model):
            found.append(trial(short, loaded.model, list(rows)[:fit], steps, "rows", float(fit)))
    elif need > bits_held(measured.gradient.trained) and measured.setting.method != "full":
        found.append(_adapter(short, recipe, make, rows, measured, steps))
    if mostly_frozen(measured):
        # Last: it leaves the linear layers open.
        found.append(_unfrozen(short, loaded.model, rows))
    return tuple(found)


def _rates(short: Short, model: Any, rows: Sequence[Encoded], measured: Measured) -> Iterator[Trial]:
    """The recipe's own rate, and ten times more and less until one does much better."""

    def look(factor: float) -> Trial:
        with restored(model):
            return trial(short, model, rows, _STEPS, "rate", factor)

    here = look(1.0)
    yield here
    least = max(2.0 * max(here.fall, 0.0), WORTH * (measured.levels.base - measured.levels.floor.loss))
    for step in (10.0, 0.1):
        factor, best = step, here.fall
        while factor == step or _in_reach(short.optimizer.learning_rate * factor, up=step > 1.0):
            one = look(factor)
            yield one
            # Done where it does much better, and where it does worse again.
            if one.fall >= least or (best > 0.0 and one.fall < 0.5 * best):
                break
            factor, best = factor * step, max(best, one.fall)


def _in_reach(rate: float, up: bool) -> bool:
    return rate <= _HIGHEST if up else rate >= _LOWEST


def _unfrozen(short: Short, model: Any, rows: Sequence[Encoded]) -> Trial:
    """With the gradients of all linear layers on."""
    with restored(model):
        kept = linear_layers(model)
        before = [p.detach().clone() for module in kept.values() for p in module.parameters(recurse=False)]
        for module in kept.values():
            for p in module.parameters(recurse=False):
                if p.is_floating_point():
                    p.requires_grad_(True)
        found = trial(short, model, rows, _STEPS, "unfrozen", 1.0)
        flat = [p for module in kept.values() for p in module.parameters(recurse=False)]
        for p, old in zip(flat, before, strict=True):
            p.data.copy_(old)
    return found


def _whole(row: Encoded) -> Encoded:
    """The row with loss on every token but the first."""
    return replace(row, start=1, several=(), spans={}, lost=0)


def _adapter(
    short: Short, recipe: Recipe, make: Make, rows: Sequence[Encoded], measured: Measured, steps: int
) -> Trial:
    """Adapters on all linear layers, of a rank that holds what the targets say."""
    loaded = make()
    base = loaded.model.unload() if hasattr(loaded.model, "unload") else loaded.model
    layers = linear_layers(base).values()
    each = sum(sum(module.weight.shape) for module in layers)
    need = measured.targets.bits / BITS_PER_PARAMETER / max(each, 1)
    rank = min(_LARGEST_RANK, max(2 * recipe.method.rank, 8, 1 << int(need).bit_length()))
    method = MethodSection(kind="lora", rank=rank, alpha=2 * rank, targets="all-linear")
    model = apply_method(base, method, recipe.run.seed)
    return trial(short, model, rows, steps, "adapter", float(rank))
