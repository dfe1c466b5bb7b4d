"""Kinds of arguments that several commands take, each with its fault in the reader's language."""

from __future__ import annotations

import argparse
import math

from doneness.core import Verdict, tr


def gain(text: str) -> float:
    """A share from "0.5%" or "0.005"."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(tr("cli.check.gain_fault", text=text))
    return share


def step(text: str) -> int:
    """A step: a whole number from 0 on."""
    if not text.strip().isdecimal():
        raise argparse.ArgumentTypeError(tr("cli.check.step_fault", text=text))
    return int(text)


def verdicts(text: str) -> tuple[Verdict, ...]:
    """Verdicts from their names, separated by commas; none at all would switch a gate off unseen."""
    known = {v.value: v for v in Verdict}
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError(tr("cli.check.verdict_none", known=", ".join(known)))
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(tr("cli.check.verdict_fault", name=name, known=", ".join(known)))
    return tuple(known[name] for name in names)


def columns(text: str) -> dict[str, str]:
    """A mapping of columns from "loss=my_loss,step=it"."""
    from doneness.workflows.mapping import parse_map

    try:
        return parse_map(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def seconds(text: str) -> float:
    """A time span above zero: "90", "90s", "15m" or "2h"."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    try:
        value = float(text.rstrip("smh")) * units.get(text[-1:], 1.0)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(tr("cli.watch.seconds_fault", text=text))
    return value


def pixels(text: str) -> int:
    """A figure's width."""
    low, high = 320, 4000
    if not (text.strip().isdecimal() and len(text) < 6 and low <= int(text) <= high):
        raise argparse.ArgumentTypeError(tr("cli.figure.width_fault", text=text, low=low, high=high))
    return int(text)


def add_judging(parser: argparse.ArgumentParser) -> None:
    """What every command that judges foreign logs takes: --map, --gain, --fail-on."""
    parser.add_argument("--map", type=columns, metavar="NAME=COLUMN,…", help=tr("cli.check.map"))
    parser.add_argument("--gain", type=gain, metavar="0.5%", help=tr("cli.check.gain"))
    parser.add_argument("--fail-on", type=verdicts, default=(), metavar="VERDICT,…", help=tr("cli.check.fail_on"))
