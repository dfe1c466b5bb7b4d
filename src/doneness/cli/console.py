"""The terminal: one console for what is meant for people, plain where it is piped."""

from __future__ import annotations

import os
import sys

from rich.console import Console


def console() -> Console:
    """Standard output for people; without colour and of a fixed width where nobody watches."""
    width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "100"))
    return Console(width=width, highlight=False, soft_wrap=False)
