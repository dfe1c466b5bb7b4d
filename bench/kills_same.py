"""Whether two run folders hold the same run: one left alone, one killed and resumed.

Compared are the names of all files; their contents, apart from what holds times or the folder's own path; and what the
journals say, line by line and apart from times. `num_tokens` in a Trainer's state is TRL's own count, which begins
anew with each life; the order of a set in an adapter's configuration differs from process to process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from doneness.runs import read
from doneness.runs.journal import read_records

_KINDS = ("train", "eval", "decision", "cooldown", "checkpoint", "checkpoint_gone", "spike", "request", "end")
_TIMED = ("at", "time")
_SIZES = ("files", "size")  # of checkpoints: their states have TRL's count in them
_APART = ("journal.jsonl", "journal.lock", "training_args.bin")  # hold times; the last process; paths


def compared(whole: Path, broken: Path) -> dict[str, Any]:
    """What is the same in both folders, and how much there was to compare."""
    a, b = read(whole)[0], read(broken)[0]
    decisions = [[(e.step, _timeless(e.data)) for e in run.events if e.kind == "decision"] for run in (a, b)]
    losses = [{e.step: e for e in run.examples} for run in (a, b)]
    names = [_names(folder) for folder in (whole, broken)]
    others = [n for n in sorted(names[0] & names[1]) if _content(whole, n) != _content(broken, n)]
    told = [list(_told(folder)) for folder in (whole, broken)]
    records = read_records(whole / "journal.jsonl")[0]
    return {
        "same decisions": decisions[0] == decisions[1],
        "same train losses": a.train is not None and b.train is not None and _equal(a.train.value, b.train.value),
        "same losses by example": losses[0].keys() == losses[1].keys()
        and all(_equal(losses[0][s].nll, losses[1][s].nll) for s in losses[0]),
        "same last step": a.last_step == b.last_step,
        "same journals, apart from times": told[0] == told[1],
        "same names of files": names[0] == names[1],
        "same contents of files": not others,
        "only in one": sorted(names[0] ^ names[1])[:20],
        "with other contents": others[:20],
        "lines only in one": list(_differ(told[0], told[1]))[:20],
        "decisions compared": len(decisions[0]),
        "actions": sorted({data["action"] for _, data in decisions[0]}),
        "train losses compared": 0 if a.train is None else len(a.train),
        "evaluations compared": len(losses[0]),
        "lines compared": len(told[0]),
        "files compared": len(names[0] & names[1]),
        "checkpoints kept": len(list(whole.glob("checkpoint-*"))),
        "checkpoints written": len({r["step"] for r in records if r["kind"] == "checkpoint"}),
        "last step": a.last_step,
    }


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def _content(folder: Path, name: str) -> object:
    path = folder / name
    if not path.is_file() or path.name in _APART:
        return path.is_file()
    if path.name == "recipe.toml":
        return path.read_text(encoding="utf-8").replace(str(folder), "")
    if path.name == "adapter_config.json":
        found = json.loads(path.read_bytes())
        return {key: sorted(value) if isinstance(value, list) else value for key, value in found.items()}
    if path.name == "trainer_state.json":
        found = json.loads(path.read_bytes())
        for line in found["log_history"]:
            line.pop("num_tokens", None)
        return found
    return path.read_bytes()


def _told(folder: Path) -> Iterator[str]:
    """The records in force that tell of the run, not of its lives."""
    for record in read_records(folder / "journal.jsonl")[0]:
        if record["kind"] in _KINDS:
            yield _plain({key: value for key, value in record.items() if key not in (*_TIMED, *_SIZES)})


def _differ(one: list[str], other: list[str]) -> Iterator[str]:
    yield from (line[:200] for line in one if line not in set(other))
    yield from (line[:200] for line in other if line not in set(one))


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _timeless(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in _TIMED}


def _equal(a: Any, b: Any) -> bool:
    return bool(np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True))
