"""Looks through the folder that is served: which logs there are, and which of them changed.

No link is followed. A run that a link leads out of is named and not read: its files would be somebody else's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from doneness.runs.journal import FILE as JOURNAL
from doneness.runs.readers.checkpoints import step_of
from doneness.runs.readers.tree import closed, may_be_log

_STATES = ("trainer_state.json", "trainer_log.jsonl", "logging.jsonl", "meta.yaml")
_IGNORED = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".distcp", ".html", ".lock")
_LOOSE = ("trainer_state.json", "trainer_log.jsonl", "logging.jsonl")  # of _STATES, those that may be put anywhere
_OUTPUTS = ("runs", "wandb", "logs", "meta.yaml", "all_results.json", "adapter_config.json", "config.json")
_VOTES = "votes.sqlite"
_DEEPEST = 24
MOST = 200_000  # entries of the tree that are looked at


@dataclass(frozen=True, slots=True)
class Unit:
    """A log, or a folder that is a run with everything in it: what is read at once.

    Attributes:
        place: seen from the root, with slashes; "" is the root.
        print: changes when anything in it did that a verdict may rest on.
        changed: unix seconds of the newest change.
        folder: whether it is one.
        leads_out: the first link in it that leads out of the root; "" for none.
        journal: where its journal lies, seen from the root; "" where it has none of ours.
    """

    place: str
    print: str
    changed: float
    folder: bool
    leads_out: str = ""
    journal: str = ""


def scan(root: Path) -> list[Unit]:
    """The units under `root`, which holds no links itself; those that changed last come first."""
    walk = _Walk(str(root))
    found = list(walk.units(str(root), 0))
    return sorted(found, key=lambda unit: -unit.changed)


def leads_out(root: Path, path: Path) -> str:
    """The first link at or in `path` that leads out of the root, seen from there; "" for none."""
    walk = _Walk(str(root))
    real = os.path.realpath(path)
    if path != root and real != str(path):
        return walk._place(str(path))
    if not os.path.isdir(real):  # noqa: PTH112
        return ""
    return walk._marks(real, walk._inside(real), [], 0)


class _Walk:
    def __init__(self, root: str) -> None:
        self.root = root
        self.left = MOST

    def units(self, folder: str, depth: int) -> Iterator[Unit]:
        entries = self._inside(folder)
        names = {entry.name for entry in entries}
        if _is_run(names, entries) and not self._collects(names, entries):
            yield self._run(folder, entries, names)
            return
        for entry in entries:
            if entry.is_symlink() or self.left <= 0:
                continue
            if entry.is_dir(follow_symlinks=False):
                if not closed(entry.name) and depth < _DEEPEST:
                    yield from self.units(entry.path, depth + 1)
            elif entry.is_file(follow_symlinks=False) and may_be_log(entry.name) and not entry.name.startswith("."):
                stat = entry.stat(follow_symlinks=False)
                mark = _mark((entry.name, stat.st_size, stat.st_mtime_ns))
                yield Unit(self._place(entry.path), mark, stat.st_mtime, folder=False)

    def _collects(self, names: set[str], entries: list[os.DirEntry[str]]) -> bool:
        """Whether a Trainer's log merely lies here beside the folders of other runs, with no output of its own."""
        if not names.intersection(_LOOSE) or names.intersection((JOURNAL, *_OUTPUTS)):
            return False
        folders = [e for e in entries if e.is_dir(follow_symlinks=False) and not closed(e.name)]
        if any(step_of(Path(each.name)) >= 0 or each.name == "doneness" for each in folders):
            return False
        for each in folders:
            inside = self._inside(each.path)
            if _is_run({entry.name for entry in inside}, inside):
                return True
        return False

    def _run(self, folder: str, entries: list[os.DirEntry[str]], names: set[str]) -> Unit:
        marks: list[tuple[str, int, int]] = []
        out = self._marks(folder, entries, marks, 0)
        newest = max((mark[2] for mark in marks), default=0) / 1e9
        inner = next((name for name in (JOURNAL, f"doneness/{JOURNAL}") if _there(folder, name)), "")
        journal = self._place(f"{folder}/{inner}") if inner else ""
        return Unit(self._place(folder), _mark(*sorted(marks)), newest, True, out, journal)

    def _marks(
        self, folder: str, entries: list[os.DirEntry[str]], marks: list[tuple[str, int, int]], depth: int
    ) -> str:
        out = ""
        for entry in entries:
            if self.left <= 0:
                break
            if entry.is_symlink():
                real = os.path.realpath(entry.path)
                out = out or ("" if real == self.root or real.startswith(self.root + os.sep) else entry.path)
                # One that is put there later is a change, whatever its name.
                marks.append((entry.path, -1, 0))
            elif entry.is_dir(follow_symlinks=False):
                if not closed(entry.name) and depth < _DEEPEST:
                    marks.append((entry.path, 0, 0))
                    out = out or self._marks(entry.path, self._inside(entry.path), marks, depth + 1)
            elif not entry.name.startswith((".", _VOTES)) and not entry.name.endswith(_IGNORED):
                try:
                    stat = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                marks.append((entry.path, stat.st_size, stat.st_mtime_ns))
        return self._place(out) if out.startswith(self.root) else out

    def _inside(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as inside:
                entries = sorted(inside, key=lambda entry: entry.name)
        except OSError:
            return []
        self.left -= len(entries)
        return entries

    def _place(self, path: str) -> str:
        return path[len(self.root) :].strip(os.sep).replace(os.sep, "/")


def _is_run(names: set[str], entries: list[os.DirEntry[str]]) -> bool:
    """Whether a folder looks like one run by what lies in it, so that all of it is read together."""
    if JOURNAL in names or names.intersection(_STATES):
        return True
    if any("tfevents" in name or name.endswith(".wandb") for name in names):
        return True
    steps = [entry for entry in entries if step_of(Path(entry.name)) >= 0]
    return any(_there(entry.path, _STATES[0]) for entry in steps)


def _there(folder: str, name: str) -> bool:
    path = f"{folder}/{name}"
    return os.path.isfile(path) and not os.path.islink(path)  # noqa: PTH113, PTH114  # twice as fast, for thousands


def _mark(*marks: tuple[str, int, int]) -> str:
    return blake2b(repr(marks).encode(errors="surrogatepass"), digest_size=12).hexdigest()
