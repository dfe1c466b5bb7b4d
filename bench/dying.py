"""`doneness train` that is killed at a moment of its own, or that only tells its moments.

    python -m bench.dying '{"recipe": …, "folder": …, "tell": …, "step": …, "number": …}'

A moment is whenever a file in the run folder is opened (losses that are read apart), moved or removed, and before and
after every line of the journal. Moments are counted from the train record of a step on, before the first one of a
life as those of step 0. At the moment asked for, or the first one after it, the process kills itself; at the latest
before it writes how the run ended, so that no life ends well. Without a step it lives. What happened is written to
the file `tell`: every moment as [step, what], or the one that was the last.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

_AUDITED = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod"}


class Moments:
    """Counts them, and ends the process at one."""

    def __init__(self, folder: Path, at: tuple[int, int] | None, tell: int) -> None:
        self.folder, self.at, self.tell = f"{folder}{os.sep}", at, tell
        self.step, self.number = 0, 0
        self.seen: list[tuple[int, str]] = []

    def audit(self, event: str, args: tuple[Any, ...]) -> None:
        """An audit hook; told before the thing is done."""
        if event not in _AUDITED or not isinstance(args[0], str):
            return
        path = args[0]
        if event == "open" and path.endswith(".npz") and not args[2] & (os.O_WRONLY | os.O_RDWR):
            return
        if event in ("os.remove", "os.rmdir") and args[1] >= 0:  # relative to an open folder
            path = str(Path(f"/proc/self/fd/{args[1]}").readlink() / path)
        if path.startswith(self.folder):
            self.passed(f"{event} {path[len(self.folder) :]}")

    def passed(self, what: str, last: bool = False) -> None:
        """One more; `last` where the process would live if it went on."""
        self.number += 1
        if self.at is None:
            self.seen.append((self.step, what))
        elif last or (self.step, self.number) >= self.at:
            self.kill(what)

    def kill(self, what: str) -> None:
        """End here."""
        os.write(self.tell, json.dumps([self.step, what]).encode())
        os.kill(os.getpid(), signal.SIGKILL)


def main(asked: dict[str, Any]) -> None:
    """Train the recipe as the command line does."""
    from doneness.cli.main import entry
    from doneness.runs.journal import Journal

    at = None if asked.get("step") is None else (int(asked["step"]), int(asked["number"]))
    tell = os.open(asked["tell"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    moments = Moments(Path(asked["folder"]), at, tell)
    write = Journal.write

    def written(self: Journal, kind: str, step: int, **data: Any) -> None:
        moments.passed(f"before {kind}", last=kind == "end")
        write(self, kind, step, **data)
        if kind == "train":
            moments.step, moments.number = step, 0
        if kind != "end":
            moments.passed(f"after {kind}")

    Journal.write = written  # type: ignore[method-assign]
    sys.addaudithook(moments.audit)
    sys.argv = ["doneness", "train", asked["recipe"]]
    try:
        entry()
    finally:
        os.write(tell, json.dumps(moments.seen).encode())


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
