"""The terminal: one console for what is meant for people, plain where it is piped."""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from doneness.core import launched

Counter = Callable[[int, int], None]


def lenient(*streams: TextIO) -> None:
    """Let a terminal that cannot show every character show a question mark in its place, instead of none at all."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper) and not _unicode(stream):
            stream.reconfigure(errors="replace")


def print_json(text: str) -> None:
    """JSON to standard output; what its encoding may lack is escaped, so that no program reads question marks."""
    if not _unicode(sys.stdout):
        text = "".join(c if c < "\x80" else json.dumps(c)[1:-1] for c in text)
    print(text, end="")


def _unicode(stream: TextIO) -> bool:
    try:
        return codecs.lookup(stream.encoding or "utf-8").name.startswith("utf")
    except LookupError:
        return False


def console() -> Console:
    """Standard output for people; without colour and of a fixed width where nobody watches.

    Of several processes that were launched together the first alone writes.
    """
    width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "100"))
    return Console(width=width, highlight=False, soft_wrap=False, quiet=launched.rank() > 0)


@contextmanager
def counting(text: str) -> Iterator[Counter]:
    """A bar that shows how many of how many are done; on standard error, so that output stays clean when piped."""
    out = Console(file=sys.stderr, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, disable=not out.is_terminal, transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
