"""Reads our own run folder: journal.jsonl, evals/*.npz and the checkpoints beside it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from doneness.core import UnreadableError, say
from doneness.runs import examples
from doneness.runs.journal import FILE, number, read_journal
from doneness.runs.run import Checkpoint, Damage, Event, ExampleLosses, Run, Series

_COLUMNS = {
    "train/loss": ("train", "loss"),
    "train/learning_rate": ("train", "learning_rate"),
    "train/grad_norm": ("train", "grad_norm"),
    "eval/loss": ("eval", "loss"),
}


def detect(path: Path) -> Path | None:
    """The journal at `path`, or None."""
    if path.is_dir():
        return path / FILE if (path / FILE).is_file() else None
    if path.name == FILE:
        return path
    if path.suffix != ".jsonl":
        return None
    with path.open("rb") as handle:
        head = handle.readline(4096)
    return path if head.startswith(b'{"v":') and b'"kind":' in head else None


def read(path: Path) -> list[Run]:
    """The run in the journal at `path` (the file)."""
    found = read_journal(path)
    if not found.records:
        raise UnreadableError(str(say("runs.error.no_record", path=str(path))))
    return [replace(run_of(found.records, path.parent, found.notes), damage=Damage(found.lost, found.seen))]


def run_of(records: list[dict[str, Any]], folder: Path, notes: list[str] | None = None) -> Run:
    """The run that records in force describe; evaluations whose file is missing are noted."""
    notes = list(notes or [])
    losses = {r["step"]: folder / r["file"] for r in records if r["kind"] == "eval" and r.get("file")}
    steps = tuple(sorted(s for s, file in losses.items() if file.is_file()))
    lost = [s for s in losses if s not in steps]
    if lost:
        notes.append(str(say("runs.note.examples_gone", count=len(lost), step=min(lost))))
    meta: dict[str, Any] = {}
    for record in records:
        if record["kind"] == "start":
            meta.update(record.get("meta", {}))
    return Run(
        name=folder.name,
        path=folder,
        kind="journal",
        meta=meta,
        series={name: s for name, (kind, key) in _COLUMNS.items() if (s := _series(records, kind, key))},
        events=tuple(_events(records)),
        checkpoints=tuple(_checkpoints(records, folder)),
        example_steps=steps,
        example_source=partial(_examples, folder),
        notes=tuple(notes),
    )


def _examples(folder: Path, step: int) -> ExampleLosses:
    return examples.load_examples(examples.path_of(folder, step))


def _series(records: list[dict[str, Any]], kind: str, key: str) -> Series | None:
    rows = {r["step"]: r for r in records if r["kind"] == kind and key in r}
    if not rows:
        return None
    steps = sorted(rows)
    column = {name: [number(rows[s].get(name)) for s in steps] for name in ("epoch", "tokens", "targets", "time")}
    return Series.of(steps, [number(rows[s][key]) for s in steps], **column)


def _events(records: list[dict[str, Any]]) -> list[Event]:
    quiet = {"train", "eval", "checkpoint"}
    head = {"v", "kind", "step", "at"}
    return [
        Event(r["kind"], r["step"], {k: v for k, v in r.items() if k not in head}, r.get("at", ""))
        for r in records
        if r["kind"] not in quiet
    ]


def _checkpoints(records: list[dict[str, Any]], folder: Path) -> list[Checkpoint]:
    found = {r["step"]: folder / r["path"] for r in records if r["kind"] == "checkpoint"}
    return [Checkpoint(step, path, path.is_dir()) for step, path in sorted(found.items())]
