"""doneness plan [RECIPE]: will it fit, what does it take, and how should it be set."""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from doneness.cli.console import console, print_json
from doneness.cli.foreign import read_recipe, show
from doneness.cli.plan_view import as_dict, plan_view, whole_view
from doneness.core import DonenessError, say, tr
from doneness.plan.setup import METHODS, OFFLOADS, SPREADS

if TYPE_CHECKING:
    from doneness.workflows.plan import Ask, Planned
    from doneness.workflows.plan_more import More

__all__ = ["add_arguments", "as_dict", "plan_view", "run"]

_FLAGS = ("model", "method", "rank", "seq", "rows", "tokens", "batch", "micro", "epochs", "eval_rows")
_LEAST = {"rank": 1, "seq": 8, "rows": 0, "tokens": 1, "batch": 1, "micro": 1, "eval_rows": 0, "gpus": 1, "price": 0}
_GOALS = ("facts", "chat", "reasoning")
_DATA = (".jsonl", ".csv", ".parquet", ".tsv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("recipe", nargs="?", help=tr("cli.plan.recipe"))
    parser.add_argument("overrides", nargs="*", metavar="section.key=value", help=tr("cli.overrides"))
    flags = parser.add_argument_group(tr("cli.plan.flags"))
    flags.add_argument("--model", metavar="8b", help=tr("cli.plan.model"))
    flags.add_argument("--method", choices=(*METHODS, "dora"), help=tr("cli.plan.method"))
    for name, kind in (("rank", int), ("seq", int), ("rows", int), ("tokens", int), ("batch", int), ("micro", int),
                       ("epochs", float), ("eval-rows", int)):  # fmt: skip
        flags.add_argument(f"--{name}", type=kind, metavar="N", help=tr(f"cli.plan.flag_{name.replace('-', '_')}"))
    parser.add_argument("--goal", choices=_GOALS, default="chat", help=tr("cli.plan.goal"))
    cards = parser.add_argument_group(tr("cli.plan.cards"))
    cards.add_argument("--gpu", metavar="80GB", default="", help=tr("cli.plan.gpu"))
    cards.add_argument("--gpus", type=int, default=1, metavar="N", help=tr("cli.plan.gpus"))
    cards.add_argument("--parallel", choices=SPREADS, default="ddp", help=tr("cli.plan.parallel"))
    cards.add_argument("--offload", choices=OFFLOADS, default="none", help=tr("cli.plan.offload"))
    cards.add_argument("--link", choices=("nvlink", "pcie"), default="nvlink", help=tr("cli.plan.link"))
    cards.add_argument("--price", type=float, default=0.0, metavar="2.5", help=tr("cli.plan.price"))
    parser.add_argument("--simulate", action="store_true", help=tr("cli.plan.simulate"))
    parser.add_argument("--measure", action="store_true", help=tr("cli.plan.measure"))
    parser.add_argument("--why", action="store_true", help=tr("cli.plan.why"))
    parser.add_argument("--write", metavar="FILE", help=tr("cli.plan.write"))
    parser.add_argument("--json", action="store_true", help=tr("cli.audit.json"))


def run(options: argparse.Namespace) -> int:
    """Plan and show."""
    from doneness.workflows.plan_more import more_of

    planned = _planned(options)
    more = more_of(planned, options.price)
    if options.write:
        _write(planned, more, Path(options.write), options.recipe is None)
    if options.json:
        print_json(json.dumps(as_dict(planned, more), ensure_ascii=False, indent=2) + "\n")
    else:
        console().print(whole_view(planned, more, options.why))
    return 0


def _planned(options: argparse.Namespace) -> Planned:
    from doneness.workflows.plan import plan_recipe
    from doneness.workflows.plan_flags import Flags, plan_flags

    _in_range(options)
    given = {name: getattr(options, name) for name in _FLAGS if getattr(options, name) is not None}
    ask = _ask(options)
    if options.recipe is not None and "=" in options.recipe and not Path(options.recipe).exists() and given:
        options.overrides, options.recipe = [options.recipe, *options.overrides], None
    if options.recipe is None:
        if not given:
            raise DonenessError(tr("cli.plan.nothing"))
        if options.measure:
            raise DonenessError(tr("cli.plan.measure_recipe"))
        planned = plan_flags(Flags(**given, goal=options.goal, overrides=tuple(options.overrides)), ask)
        assumed = () if options.gpu else (say("cli.plan.assumed_card", card=ask.place.card),)
        return replace(planned, lines=(*planned.lines, *assumed))
    if Path(options.recipe).suffix in _DATA:
        raise DonenessError(tr("cli.plan.data", path=options.recipe))
    if given:
        raise DonenessError(tr("cli.plan.both", flags=", ".join(f"--{name}" for name in given)))
    recipe, lines = read_recipe([options.recipe, *options.overrides])
    show(lines)
    return plan_recipe(recipe, ask=ask)


def _in_range(options: argparse.Namespace) -> None:
    """Refuse numbers that mean nothing, each by its flag."""
    for name, least in _LEAST.items():
        value = getattr(options, name)
        if value is not None and (not math.isfinite(value) or value < least):
            raise DonenessError(tr("plan.out_of_range", name=name.replace("_", "-"), value=value, least=least))
    epochs = options.epochs
    if epochs is not None and not (math.isfinite(epochs) and epochs > 0):
        raise DonenessError(tr("plan.above_zero", name="epochs", value=epochs))


def _ask(options: argparse.Namespace) -> Ask:
    from doneness.plan import Spread
    from doneness.plan.cards import card_bytes
    from doneness.workflows.plan import Ask
    from doneness.workflows.plan_setup import Place

    if options.gpu:
        card_bytes(options.gpu)
    # Without a recipe nothing says where it will run: on a card, then.
    card = options.gpu or ("80GB" if options.recipe is None else "")
    spread = Spread(options.parallel, options.gpus, options.offload)
    return Ask(options.measure, options.simulate, Place(card, spread, options.link), options.goal)


def _write(planned: Planned, more: More, place: Path, flags: bool) -> None:
    """The recipe with advised values in the place of those that were warned of."""
    from doneness.config import dump_recipe
    from doneness.core import disk_faults
    from doneness.runs.atomic import write_text
    from doneness.workflows.plan_advised import advised, to_fill_in

    if place.exists():
        raise DonenessError(tr("cli.plan.exists", path=str(place)))
    with disk_faults(place):
        write_text(place, dump_recipe(advised(planned)))
    print(tr("cli.plan.written", path=str(place)), file=sys.stderr)
    for line in to_fill_in(planned, more, flags):
        print(line.text(), file=sys.stderr)
