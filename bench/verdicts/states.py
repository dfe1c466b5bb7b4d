"""What every rule says at every evaluation of every run: two processes, and a file that remembers.

What our rules said is kept under a name that changes with the package's code: a second look costs nothing.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from rich.progress import track

from bench.verdicts import memory
from bench.verdicts.collection import Log, distinct
from bench.verdicts.ours import FACTORIES, Said, decide
from bench.verdicts.rivals import RIVALS
from bench.verdicts.rules import PLAIN, Cut

LEAST = 5  # evaluations of a run that is looked at
_STRETCH = 16  # cuts a task

Key = tuple[str, str]


def rule_names(wanted: Sequence[str], plain: Iterable[str] = PLAIN) -> list[str]:
    """Ours and the plain rules; `wanted` narrows them down to names that begin so."""
    names = [*FACTORIES, *plain]
    chosen = [n for n in names if any(n.startswith(w) for w in wanted)] if wanted else names
    if not chosen and not any(rival.startswith(w) for rival in RIVALS for w in wanted):
        raise SystemExit(f"no rule begins with {' or '.join(wanted)}; there are: {', '.join(names)}")
    return chosen


def states(names: Sequence[str], logs: Sequence[Log], jobs: int) -> dict[Key, list[bool]]:
    """(rule, file) → whether it says stop at each evaluation."""
    found: dict[Key, list[bool]] = {}
    for name in names:
        if name in PLAIN:
            rule = PLAIN[name]
            found |= {(name, log.name): [rule(Cut(log, n)) for n in range(1, log.loss.size + 1)] for log in logs}
    ours = {name for name in names if name not in PLAIN}
    said = decisions(sorted(ours), logs, jobs)
    for name in names:
        if name in FACTORIES:
            found |= {(name, log.name): [s.stop for s in said[name, log.name]] for log in logs}
    return found


def decisions(names: Sequence[str], logs: Sequence[Log], jobs: int) -> dict[Key, list[Said]]:
    """(rule of ours, file) → its decision at each evaluation."""
    known = _remembered()
    place = {log.name: i for i, log in enumerate(distinct(LEAST))}
    tasks = [
        (name, place[log.name], start)
        for name in names
        for log in logs
        if (name, log.name) not in known
        for start in range(1, log.loss.size + 1, _STRETCH)
    ]
    if tasks:
        fresh: dict[Key, dict[int, list[Said]]] = {}
        every = distinct(LEAST)
        with ProcessPoolExecutor(jobs) as pool:
            answers = pool.map(_stretch, tasks)
            for (name, at, start), part in track(
                zip(tasks, answers, strict=True), "our rules on real runs", total=len(tasks), transient=True
            ):
                fresh.setdefault((name, every[at].name), {})[start] = part
        known |= {key: [s for start in sorted(parts) for s in parts[start]] for key, parts in fresh.items()}
        part_file = _file().with_suffix(f".{os.getpid()}")
        part_file.write_bytes(pickle.dumps(known))
        part_file.replace(_file())
    return {(name, log.name): known[name, log.name] for name in names for log in logs}


def _stretch(task: tuple[str, int, int]) -> list[Said]:
    name, place, start = task
    log = distinct(LEAST)[place]
    return [decide(name, Cut(log, n)) for n in range(start, min(start + _STRETCH, log.loss.size + 1))]


def _remembered() -> dict[Key, list[Said]]:
    # Written by this program for itself, in a file that carries the user's number.
    found: Any = pickle.loads(_file().read_bytes()) if _file().is_file() else {}
    return dict(found)


@lru_cache(maxsize=1)
def _file() -> Path:
    digest = hashlib.sha256(memory.code().encode())
    for name in ("states.py", "ours.py", "rules.py", "collection.py"):
        digest.update((Path(__file__).parent / name).read_bytes())
    return Path(tempfile.gettempdir()) / f"doneness-bench-said-{os.getuid()}-{digest.hexdigest()[:16]}.pickle"
