"""Ranking, agreement and biases of a review, for the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from doneness.core import tr
from doneness.workflows.review import Status
from doneness.workflows.review_said import checkpoint, headline, lines


def show(out: Console, found: Status) -> None:
    """Print where the votes stand."""
    out.print(Text(headline(found).text(), style="bold"))
    out.print(Text())
    out.print(_table(found))
    out.print(Text())
    for line in lines(found):
        out.print(Text(line))


def _table(found: Status) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    table.add_column(tr("cli.review.head.checkpoint"), no_wrap=True)
    for name in ("share", "interval", "votes"):
        table.add_column(tr(f"cli.review.head.{name}"), justify="right", no_wrap=True)
    table.add_column(tr("cli.review.head.tags"))
    for place in found.places:
        tags = sorted(place.tags.items(), key=lambda item: -item[1])
        named = ", ".join(f"{tr(f'review.tag.{tag}')} {n}" for tag, n in tags)
        interval = f"{100 * place.low:.0f}–{100 * place.high:.0f}"
        style = "bold" if place.step == found.leader else ""
        row = (checkpoint(place.step).text(), f"{100 * place.share:.0f}", interval, f"{place.votes:,}", named)
        table.add_row(*(Text(cell) for cell in row), style=style)
    return table
