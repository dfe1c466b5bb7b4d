"""Somebody's regular expression over answers that a model wrote, with a limit to how long one may take.

A pattern that looks harmless may need longer than the universe is old for one odd answer, and nothing in Python stops
it. It is therefore matched by a process of its own, which is ended where it takes too long.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
import weakref
from typing import Any

_LIMIT = 10.0  # seconds for one answer; milliseconds are usual
# Started without site-packages: it needs the standard library alone. Ctrl-C in a terminal and SIGTERM from a batch
# system reach it, too, and are not for it: the step at hand is finished first. It ends with its input.
_CHILD = """
import json, re, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pattern = re.compile(json.loads(sys.stdin.readline()), re.DOTALL)
for line in sys.stdin:
    print(int(pattern.fullmatch(json.loads(line)) is not None), flush=True)
"""


class Matcher:
    """Whether whole texts match a pattern; dots match line breaks.

    Attributes:
        overtime: texts that took too long, which count as no match.
    """

    def __init__(self, pattern: str, limit: float = _LIMIT) -> None:
        self._pattern, self._limit = pattern, limit
        self._child: subprocess.Popen[str] | None = None
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._closing: Any = None
        self.overtime = 0

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        child = self._started()
        assert child.stdin is not None
        try:
            child.stdin.write(json.dumps(text) + "\n")
            child.stdin.flush()
            return self._said.get(timeout=self._limit).strip() == "1"
        except (queue.Empty, OSError):
            self.overtime += 1
            self.close()
            return False

    def close(self) -> None:
        """End the process; the next text starts another."""
        if self._closing is not None:
            self._closing()
        self._child = None

    def _started(self) -> subprocess.Popen[str]:
        if self._child is None:
            command = [sys.executable, "-I", "-S", "-c", _CHILD]
            pipe = subprocess.PIPE
            # A session of its own: what a terminal tells everybody does not reach it while it begins.
            self._child = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, text=True, encoding="utf-8", start_new_session=True
            )
            assert self._child.stdin is not None
            self._child.stdin.write(json.dumps(self._pattern) + "\n")
            self._said = queue.SimpleQueue()
            reader = threading.Thread(target=_read, args=(self._child, self._said), daemon=True)
            reader.start()
            self._closing = weakref.finalize(self, _end, self._child, reader)
        return self._child


def _read(child: subprocess.Popen[str], said: queue.SimpleQueue[str]) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        said.put(line)


def _end(child: subprocess.Popen[str], reader: threading.Thread) -> None:
    child.kill()
    child.wait()
    reader.join()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # what was left to be written has no reader any more
                pipe.close()
