"""The collection of real logs: loaded once, kept in a file, each distinct run once."""

from __future__ import annotations

import csv
import hashlib
import os
import pickle
import tempfile
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import doneness.core
import doneness.runs
from doneness.core import UnreadableError
from doneness.runs import Run, read

HOME = Path(os.environ.get("DONENESS_CURVES", Path(__file__).resolve().parents[3] / "shared" / "curves"))
_SAME = 1e-5  # event files hold float32: the same loss differs by that much between two formats


@dataclass(frozen=True)
class Log:
    """One run of the collection.

    Attributes:
        repo: the repository it comes from; rates weigh every repository the same.
        file: its path in the collection.
        kind: the index's name for the format.
        run: what `doneness.read` made of it.
    """

    repo: str
    file: str
    kind: str
    run: Run

    @property
    def name(self) -> str:
        return self.file

    @cached_property
    def step(self) -> NDArray[np.int64]:
        """Steps of the evaluations with a finite loss; shape (k,)."""
        return self._usable[0]

    @cached_property
    def loss(self) -> NDArray[np.float64]:
        """Their losses; shape (k,)."""
        return self._usable[1]

    @property
    def planned(self) -> int | None:
        """The planned last step, None where the log does not say."""
        told = self.run.number("planned_steps")
        return None if told is None else round(told)

    @cached_property
    def _usable(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        evals = self.run.evals
        if evals is None:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        keep = np.isfinite(evals.value)
        return evals.step[keep], evals.value[keep]


def index() -> list[dict[str, str]]:
    """The rows of index.csv; empty where the collection is not on this machine."""
    path = HOME / "index.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


@lru_cache(maxsize=1)
def everything() -> tuple[Log, ...]:
    """Every run of every file that reads, in the order of the index."""
    cache = Path(tempfile.gettempdir()) / f"doneness-bench-{os.getuid()}-{_stamp()}.pickle"
    if cache.is_file():
        return tuple(_unpickled(cache))
    logs = []
    for row in index():
        try:
            runs = read(HOME / row["file"])
        except UnreadableError:
            continue
        logs += [Log(row["repo"], row["file"], row["kind"], run) for run in runs]
    part = cache.with_suffix(f".{os.getpid()}")
    part.write_bytes(pickle.dumps(tuple(logs)))
    part.replace(cache)
    return tuple(logs)


@lru_cache
def distinct(evals: int) -> list[Log]:
    """The runs with at least `evals` usable evaluations, those seen twice once, the longest of them.

    Two logs of one repository are the same run where every evaluation of one is found in the other:
    an earlier checkpoint, an event file, what a console still shows of it. Of two of the same length
    the trainer's own state is kept: it knows the planned end.
    """
    longest: list[Log] = []
    order = sorted(everything(), key=lambda log: (-log.loss.size, log.kind != "hf_trainer"))
    for log in order:
        if log.loss.size >= evals and not any(_holds(head, log) for head in longest):
            longest.append(log)
    place = {id(log): i for i, log in enumerate(everything())}
    return sorted(longest, key=lambda log: place[id(log)])


def _holds(whole: Log, part: Log) -> bool:
    if whole.repo != part.repo or not np.isin(part.step, whole.step).all():
        return False
    rows = np.searchsorted(whole.step, part.step)
    return bool(np.allclose(whole.loss[rows], part.loss, rtol=_SAME, atol=0.0))


def _stamp() -> str:
    """A name that changes with the files and with the code that reads them."""
    digest = hashlib.sha256()
    for package in (doneness.core, doneness.runs):
        for file in sorted(Path(str(package.__file__)).parent.rglob("*.py")):
            digest.update(file.read_bytes())
    digest.update(Path(__file__).read_bytes())
    for row in index():
        file = HOME / row["file"]
        stat = file.stat()
        digest.update(f"{file}{stat.st_size}{stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _unpickled(cache: Path) -> Any:
    # Written by this program for itself, in a file that carries the user's number.
    return pickle.loads(cache.read_bytes())


def sampled(logs: list[Log], per_repo: int | None) -> list[Log]:
    """At most `per_repo` runs of each repository, spread over those it has; all of them for None."""
    if per_repo is None:
        return logs
    kept = []
    for repo in dict.fromkeys(log.repo for log in logs):
        mine = [log for log in logs if log.repo == repo]
        count = min(per_repo, len(mine))
        kept += [mine[round(i)] for i in np.linspace(0, len(mine) - 1, count)]
    return kept
