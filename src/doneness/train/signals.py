"""Ctrl-C and SIGTERM: the first is heard, and the step at hand is finished; a second one ends at once."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from doneness.core import launched

# A launcher passes a Ctrl-C on that the terminal has already told every process of: that is one and not two.
_ECHO = 10.0


@contextmanager
def listening(heard: Callable[[], None]) -> Iterator[None]:
    """Call `heard` at the first signal; raise KeyboardInterrupt at a second.

    Of several processes each hears the same one more than once, so a second within ten seconds is none.
    """
    at: list[float] = []

    def handle(number: int, frame: object) -> None:
        if at and (launched.processes() == 1 or time.monotonic() - at[0] > _ECHO):
            raise KeyboardInterrupt
        if not at:
            at.append(time.monotonic())
            heard()

    try:
        before = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: whoever called us has the signals
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
