"""Reads our own run folder: journal.jsonl, evals/*.npz and the checkpoints beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from doneness.core import UnreadableError, say
from doneness.runs import examples
from doneness.runs.journal import FILE, number, read_journal
from doneness.runs.readers import checkpoints
from doneness.runs.records import is_whole
from doneness.runs.run import HEALTH, SPAN_LOSS, Checkpoint, Damage, Event, ExampleLosses, Run, Series

_COLUMNS = {
    "train/loss": ("train", "loss"),
    "train/learning_rate": ("train", "learning_rate"),
    "train/grad_norm": ("train", "grad_norm"),
    "eval/loss": ("eval", "loss"),
}
_MAIN = "eval"
_RECIPE = "recipe.toml"
_BEFORE = ("start", "resume", "error")  # what is recorded before anything is measured
_PLACE = frozenset(("v", "kind", "step", "at", "epoch", "tokens", "targets", "time"))


def detect(path: Path) -> Path | None:
    """The journal at `path`, or None."""
    if path.is_dir():
        if (path / FILE).is_file():
            return path / FILE
        # In a Trainer's output folder our callback's journal tells more than the Trainer's own states.
        inside = path / "doneness" / FILE
        return inside if inside.is_file() and checkpoints.states(path, "trainer_state.json") else None
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
    # Of a run of ours that failed at once the recipe is there; any other empty file may be anything.
    if not found.records and (found.lost or not (path.parent / _RECIPE).is_file()):
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
    if all(r["kind"] in _BEFORE for r in records):
        notes.append(str(say("runs.note.no_step_done")))
    meta: dict[str, Any] = {}
    for record in records:
        if record["kind"] == "start":
            meta.update(record.get("meta", {}))
    meta.update(_cooled(records, meta))
    main = main_set(records)
    judged = [r for r in records if r["kind"] != "eval" or str(r.get("name", main)) == main]
    counted = [n for r in judged if r["kind"] == "eval" and is_whole(n := r.get("examples")) and n > 0]
    if counted:
        meta.setdefault("eval_rows", counted[-1])
    series = {name: s for name, (kind, key) in _COLUMNS.items() if (s := _series(judged, kind, key))}
    return Run(
        # A run inside another tool's output folder has a name of its own.
        name=str(meta.get("name") or folder.name),
        path=folder,
        kind="journal",
        meta=meta,
        series=_further(records, main) | _health(records) | series,
        events=tuple(_events(records)),
        checkpoints=tuple(_checkpoints(records, folder)),
        example_steps=steps,
        example_source=partial(_examples, folder),
        notes=tuple(notes),
    )


def _cooled(records: list[dict[str, Any]], meta: Mapping[str, Any]) -> dict[str, Any]:
    """The plan as a cooldown changed it, and as it was before; `Run.until` needs both."""
    last = next((r for r in reversed(records) if r["kind"] == "cooldown"), None)
    if last is None:
        return {}
    return {
        "planned_steps": last["end"],
        "planned_before": meta.get("planned_steps"),
        "cooldown_step": last["step"],
    }


def _examples(folder: Path, step: int) -> ExampleLosses:
    return examples.load_examples(examples.path_of(folder, step))


def main_set(records: Sequence[Mapping[str, Any]]) -> str:
    """The evaluation set that is judged: "eval" where there is one of that name or none at all, else the first."""
    names = [str(r.get("name", _MAIN)) for r in records if r["kind"] == "eval"]
    return _MAIN if _MAIN in names or not names else names[0]


def _series(records: list[dict[str, Any]], kind: str, key: str) -> Series | None:
    return _column({r["step"]: (r, r[key]) for r in records if r["kind"] == kind and key in r})


def _further(records: list[dict[str, Any]], main: str) -> dict[str, Series]:
    """What is logged beside the main losses.

    Metrics: train/<key>, eval/<key>; losses of spans: eval/span/<name>; all of another set: eval:<set>/<key>.
    """
    found: dict[str, dict[int, tuple[dict[str, Any], Any]]] = {}
    for record in records:
        if record["kind"] not in ("train", "eval"):
            continue
        name = str(record.get("name", main))
        aside = record["kind"] == "eval" and name != main
        prefix = f"eval:{name}" if aside else record["kind"]
        told = record.get("metrics")
        for key, value in (told if isinstance(told, Mapping) else {}).items():
            found.setdefault(f"{prefix}/{key}", {})[record["step"]] = (record, value)
        for key, value in _spans(record) if record["kind"] == "eval" and not aside else ():
            found.setdefault(SPAN_LOSS + key, {})[record["step"]] = (record, value)
        if aside and "loss" in record:
            found.setdefault(f"{prefix}/loss", {})[record["step"]] = (record, record["loss"])
    return {name: column for name, rows in found.items() if (column := _column(rows))}


def _health(records: list[dict[str, Any]]) -> dict[str, Series]:
    """What was measured of the training itself: health/<key>, and health/<group>/<key> for what has several parts."""
    found: dict[str, dict[int, tuple[dict[str, Any], Any]]] = {}
    for record in records:
        if record["kind"] != "health":
            continue
        for key, told in record.items():
            if key in _PLACE or isinstance(told, (str, bool)):
                continue
            parts = (
                {f"{key}/{name}": value for name, value in told.items()} if isinstance(told, Mapping) else {key: told}
            )
            for name, value in parts.items():
                found.setdefault(HEALTH + name, {})[record["step"]] = (record, value)
    return {name: column for name, rows in found.items() if (column := _column(rows))}


def _spans(record: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Loss by span of one evaluation; what is damaged is passed over."""
    told = record.get("spans")
    rows = told.items() if isinstance(told, Mapping) else ()
    return [(name, each["loss"]) for name, each in rows if isinstance(each, Mapping) and "loss" in each]


def _column(rows: Mapping[int, tuple[dict[str, Any], Any]]) -> Series | None:
    if not rows:
        return None
    steps = sorted(rows)
    context = {name: [number(rows[s][0].get(name)) for s in steps] for name in ("epoch", "tokens", "targets", "time")}
    return Series.of(steps, [number(rows[s][1]) for s in steps], **context)


def _events(records: list[dict[str, Any]]) -> list[Event]:
    quiet = {"train", "eval", "health", "checkpoint", "checkpoint_gone"}
    head = {"v", "kind", "step", "at"}
    return [
        Event(r["kind"], r["step"], {k: v for k, v in r.items() if k not in head}, r.get("at", ""))
        for r in records
        if r["kind"] not in quiet
    ]


def _checkpoints(records: list[dict[str, Any]], folder: Path) -> list[Checkpoint]:
    found = {r["step"]: folder / r["path"] for r in records if r["kind"] == "checkpoint"}
    # Of a checkpoint that was written, deleted and written again the last record counts.
    last = {r["step"]: r["kind"] for r in records if r["kind"] in ("checkpoint", "checkpoint_gone")}
    there = {step: last[step] == "checkpoint" and path.exists() for step, path in found.items()}
    return [Checkpoint(step, path, there[step]) for step, path in sorted(found.items())]
