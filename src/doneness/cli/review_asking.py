"""Blind votes in the terminal: one question, two answers, one key.

In a terminal a key is enough; where input is piped, a line holds one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from doneness.core import tr
from doneness.core.text import printable
from doneness.review import TAGS
from doneness.workflows import review

_VOTES = {"1": "1", "2": "2", "t": "tie", "b": "bad"}
_LETTERS = dict(zip("ioeluw", TAGS, strict=True))
_BESIDE = 100  # columns, from which on the answers stand side by side


@dataclass
class _Said:
    """What goes with the next vote."""

    tags: dict[int, list[str]] = field(default_factory=dict)
    rewrite: str = ""


def ask(out: Console, folder: Path, name: str, margin: float) -> None:
    """Show pair after pair until the reviewer leaves or has seen all; each vote is kept at once."""
    voted, told = 0, review.status(folder, margin).settled.done
    shown = review.next_pair(folder, name)
    while shown is not None:
        voted = shown.voted
        _show(out, shown)
        key, said = _key(out)
        if key == "q":
            break
        if key == "u":
            before = review.undo(folder, name)
            out.print(Text(tr("cli.review.undone" if before else "cli.review.nothing_undone")))
        else:
            review.record_vote(folder, shown.token, _VOTES[key], said.tags, said.rewrite, name)
            voted += 1
            if not told and review.status(folder, margin).settled.done:
                told = True
                out.print(Text(tr("cli.review.enough", path=str(folder)), style="bold"), soft_wrap=True)
        shown = review.next_pair(folder, name)
    if shown is None:
        out.print(Text(tr("cli.review.all_seen" if review.deck_of(folder).pairs else "review.all_same")))
    out.print(Text(tr("cli.review.ended", votes=voted, path=str(folder))), soft_wrap=True)


def _show(out: Console, shown: review.Shown) -> None:
    out.print(Rule(Text(tr("cli.review.question", number=shown.voted + 1))))
    out.print(Text(printable(shown.prompt), style="bold"))
    if shown.reference.strip():
        out.print(Text(tr("cli.review.reference", text=printable(shown.reference)), style="dim"))
    panels = [
        Panel(Text(printable(text)), title=Text(tr(f"cli.review.{side}")), title_align="left")
        for side, text in (("left", shown.left), ("right", shown.right))
    ]
    if out.width >= _BESIDE:
        beside = Table.grid(expand=True, padding=(0, 1))
        beside.add_column(ratio=1)
        beside.add_column(ratio=1)
        beside.add_row(*panels)
        out.print(beside)
    else:
        for panel in panels:
            out.print(panel)
    out.print(Text(tr("cli.review.keys"), style="dim"))


def _key(out: Console) -> tuple[str, _Said]:
    """A key that ends the showing, and what goes with it."""
    said = _Said()
    while True:
        out.print(Text(tr("cli.review.ask")), end="")
        key = _read()
        if key is None or key in ("q", "\x03", "\x04"):
            return "q", said
        if key in _VOTES or key == "u":
            return key, said
        if key == "x":
            _tags(out, said)
        elif key == "r":
            _rewrite(out, said)
        elif key.strip():
            out.print(Text(tr("cli.review.no_key", text=printable(key))))


def _tags(out: Console, said: _Said) -> None:
    named = ", ".join(f"{letter} {tr(f'review.tag.{tag}')}" for letter, tag in _LETTERS.items())
    out.print(Text(tr("cli.review.ask_tags", letters=named)), end="")
    line = _line() or ""
    found: dict[int, list[str]] = {}
    for word in line.lower().replace(",", " ").split():
        side, letters = word[:1], word[1:].lstrip(":")
        if side not in ("1", "2") or not letters or not {*letters} <= {*_LETTERS}:
            out.print(Text(tr("cli.review.no_tags", text=printable(word))))
            return
        found.setdefault(int(side), []).extend(_LETTERS[letter] for letter in letters)
    said.tags = found
    shown = "; ".join(f"{side}: {', '.join(tr(f'review.tag.{t}') for t in tags)}" for side, tags in found.items())
    out.print(Text(tr("cli.review.tags", tags=shown or "-")))


def _rewrite(out: Console, said: _Said) -> None:
    out.print(Text(tr("cli.review.ask_rewrite")))
    lines = []
    while (line := _line()) is not None and line.strip():
        lines.append(line)
    said.rewrite = "\n".join(lines)
    out.print(Text(tr("cli.review.rewrite", length=len(said.rewrite))))


def _line() -> str | None:
    """A line of input, or None at its end."""
    line = sys.stdin.readline()
    return line.rstrip("\n") if line else None


def _read() -> str | None:
    """One key from a terminal, one line from anything else; None at the end of input."""
    if not sys.stdin.isatty() or os.name == "nt":
        line = _line()
        print()  # what was typed is not on the screen
        return None if line is None else line.strip().lower()
    with _raw():
        key = sys.stdin.read(1)
    if key:
        sys.stdout.write(f"{printable(key)}\n")
        sys.stdout.flush()
    return key.lower() or None


@contextmanager
def _raw() -> Iterator[None]:
    """A terminal that hands over each key as it is pressed; Ctrl-C stays Ctrl-C."""
    import termios
    import tty

    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    try:
        tty.setcbreak(handle)
        yield
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)
