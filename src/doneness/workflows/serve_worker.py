"""The process beside `doneness serve` that reads and judges: one job after the other, over its standard streams.

It is started by the server and by nobody else, and ends when the server does, in whatever way that ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import Any, BinaryIO

from doneness.core import DonenessError, MissingExtraError
from doneness.web.wire import packed, receive

_NICE = 5
_LARGE = 400 << 20  # bytes in memory after which a process is replaced


def main() -> int:
    """Do jobs until there are none."""
    # Ctrl-C in a terminal reaches all processes; this one ends when its server closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, sink = sys.stdin.buffer, _own_output()
    if "behind" in sys.argv[1:]:
        with contextlib.suppress(OSError, AttributeError):
            os.nice(_NICE)
    from doneness.workflows.serve_jobs import JOBS

    while True:
        try:
            message = receive(source)
        except EOFError:
            return 0
        if message is None:
            return 0
        name, arguments = message
        told, result = _done(JOBS[name], arguments)
        again = _resident() < _LARGE
        try:
            sink.write(packed((told, result, again)))
            sink.flush()
        except BrokenPipeError:
            return 0
        if not again:
            return 0


def _done(job: Any, arguments: dict[str, Any]) -> tuple[str, Any]:
    try:
        return "done", job(**arguments)
    except MissingExtraError:
        raise
    except DonenessError as error:
        return "fault", str(error)
    except Exception as error:
        # A log that breaks a reader is a defect of ours, and no reason to lose sight of the other runs.
        return "fault", f"{type(error).__name__}: {error}"


def _own_output() -> BinaryIO:
    """The pipe to the server; whatever a library prints goes nowhere."""
    own = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    return os.fdopen(own, "wb")


def _resident() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as handle:  # noqa: PTH123
            return int(handle.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


if __name__ == "__main__":
    sys.exit(main())
