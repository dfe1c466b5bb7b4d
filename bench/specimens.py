"""Small logs of every format for the fuzzer, and how many of their rows a mutant damaged."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.large import framed, losses, records, widths

ROWS = 300
_LARGEST = 4096  # bytes; a larger record of an event file is a picture or a graph


@dataclass(frozen=True)
class Specimen:
    """A log to damage: its file name, what its rows are told apart by, and its content."""

    name: str
    form: str  # lines, table, object, events or text
    data: bytes


def generated(rows: int = 240) -> list[Specimen]:
    """One log of each format; its loss falls and settles, so that a verdict of health is at stake."""
    loss, norm = losses(rows)
    step = np.arange(1, rows + 1)
    loss = 1.2 + 2.0 * np.exp(-step / 20) + 0.02 * (loss - loss.mean())
    log: list[dict[str, float]] = []
    for s in step.tolist():
        shared = {"epoch": round(s / rows, 4), "step": s}
        told = {"loss": round(float(loss[s - 1]), 4), "grad_norm": float(norm[s - 1])}
        log.append({**told, "learning_rate": 1e-4 / s, **shared})
        if s % 10 == 0:
            log.append({"eval_loss": round(1.3 + 2.0 * float(np.exp(-s / 20)), 6), "eval_runtime": 1.5, **shared})
    state = {"epoch": 1.0, "global_step": rows, "log_history": log, "max_steps": rows, "num_train_epochs": 1}
    factory = [
        {"current_steps": r["step"], "total_steps": rows} | {k: v for k, v in r.items() if k != "step"} for r in log
    ]
    table = ["step,epoch,loss,val_loss"]
    table += [f"{r['step']},{r['epoch']},{r.get('loss', '')},{r.get('eval_loss', '')}" for r in log]
    text = [
        f"step {r['step']}/{rows}: train loss {r['loss']:.4f}, lr {r['learning_rate']:.3e}, norm {r['grad_norm']:.3f}"
        if "loss" in r
        else f"step {r['step']}/{rows}: val loss {r['eval_loss']:.4f}"
        for r in log
    ]
    printed = []
    for r in log:
        printed += [
            f"{r['step'] / rows:4.0%}|# | {r['step']}/{rows} [00:01<00:09, 1.1it/s]",
            str({k: v for k, v in r.items() if k != "step"}),
        ]
    history = {"loss": loss.round(4).tolist(), "val_loss": (loss + 0.1).round(4).tolist()}
    return [
        Specimen("trainer_state.json", "object", json.dumps(state, indent=2).encode()),
        Specimen("array.json", "object", json.dumps(log).encode()),
        Specimen("rows.jsonl", "lines", _lines(json.dumps(r) for r in log)),
        Specimen("trainer_log.jsonl", "lines", _lines(json.dumps(r) for r in factory)),
        Specimen("log.csv", "table", _lines(table)),
        Specimen("steps.log", "text", _lines(text)),
        Specimen("printed.log", "text", _lines(printed)),
        Specimen("history.json", "other", json.dumps(history).encode()),
        Specimen("events.out.tfevents.1.host", "events", _events(step, loss, norm)),
        Specimen("journal.jsonl", "lines", _lines(_journal(log))),
    ]


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(line + "\n" for line in lines).encode()


def _journal(log: list[dict[str, float]]) -> Iterable[str]:
    yield json.dumps({"v": 1, "kind": "start", "step": 0, "meta": {"planned_steps": 240}})
    for r in log:
        kind, value = ("train", r["loss"]) if "loss" in r else ("eval", r["eval_loss"])
        yield json.dumps({"v": 1, "kind": kind, "step": r["step"], "loss": value, "epoch": r["epoch"]})


def _events(step: np.ndarray, loss: np.ndarray, norm: np.ndarray) -> bytes:
    out = framed(np.frombuffer(b"\x09" + struct.pack("<d", 1e9) + b"\x1a\x0dbrain.Event:2", np.uint8)[None])
    for i in range(step.size):
        at, width = step[i : i + 1], int(widths(step[i : i + 1])[0])
        out += framed(records(at, {"train/loss": loss[i : i + 1], "train/grad_norm": norm[i : i + 1]}, width))
        if step[i] % 10 == 0:
            out += framed(records(at, {"eval/loss": 1.3 + 2.0 * np.exp(-at / 20)}, width))
    return out


def real(folder: Path) -> list[Specimen]:
    """The logs of a collection, each cut to its first rows; none where there is no collection."""
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.glob("*/*")):
        data = path.read_bytes()
        start = data[:200].lstrip()
        if "tfevents" in path.name:
            ends = _frame_ends(data)[:ROWS]
            found.append(Specimen(path.name, "events", data[: ends[-1]] if ends else data[:50_000]))
        elif path.suffix == ".json" and b'"log_history"' in data:
            state = json.loads(data)
            state["log_history"] = state["log_history"][:ROWS]
            name = "trainer_state.json"
            found.append(Specimen(name, "object", json.dumps(state, indent=2).encode()))
        else:
            form = "lines" if start.startswith(b"{") else "table" if path.suffix == ".csv" else "text"
            name = "trainer_log.jsonl" if b'"current_steps"' in start else path.name[-60:]
            found.append(Specimen(name, form, b"".join(data.splitlines(keepends=True)[:ROWS])[:200_000]))
    return found


def damaged(specimen: Specimen, mutant: bytes) -> tuple[int, int]:
    """Rows of which a piece is left that no strict parser accepts, and the rows of the specimen.

    Rows that are gone without a trace, or that read well but say something else, are not among them:
    nobody could tell. Where an object is cut, the rows behind the cut count: its end is missing.
    """
    return _COUNTERS[specimen.form](specimen.data, mutant)


def _by_line(
    good: Callable[[str], bool], aside: Callable[[str], bool] = lambda line: False
) -> Callable[[bytes, bytes], tuple[int, int]]:
    """Counts bad lines; those that are `aside` were no rows."""

    def count(data: bytes, mutant: bytes) -> tuple[int, int]:
        content = _text(mutant)
        rows = Counter(line.strip() for line in data.decode("utf-8", "replace").split("\n") if good(line))
        # What breaks lines for Python's splitlines breaks them for every reader here.
        after = Counter(line.strip() for line in content.splitlines() if line.strip())
        known = Counter(line.strip() for line in data.decode("utf-8", "replace").splitlines())
        missing = sum((rows - after).values())
        bad, before = 0, False
        opening = Counter(row[:1] for row in rows).most_common(1)[0][0] if rows else ""
        for line in map(str.strip, content.splitlines()):
            wrong = line not in known and not good(line) and bool(re.search(r"\d", line)) and len(line) > 5
            wrong = wrong and not aside(line)
            # A break inside a damaged row makes two pieces of it, not two rows.
            bad += wrong and not (before and line[:1] != opening)
            before = wrong
        return min(missing, bad), sum(rows.values())

    return count


def _text(mutant: bytes) -> str:
    """The mutant as text, in whatever Unicode it was turned into."""
    if mutant.count(0) > 0.25 * len(mutant):
        mutant = mutant.replace(b"\0", b"")  # ASCII in UTF-16 or UTF-32
    return re.sub(r"\x1b\[[0-9;]*m", "", mutant.decode("utf-8-sig", "replace"))  # colours are no damage


def _json_row(line: str) -> bool:
    """Whether a line holds one object, or several whole ones whose line breaks were lost."""
    position, line = 0, line.strip()
    while position < len(line):
        try:
            value, position = _DECODER.raw_decode(line, position)
        except (ValueError, RecursionError):
            return False
        if not isinstance(value, dict):
            return False
    return bool(line)


def _table(data: bytes, mutant: bytes) -> tuple[int, int]:
    lines = data.decode("utf-8", "replace").splitlines()
    width = Counter(len(_cells(line)) for line in lines).most_common(1)[0][0]
    header = [line.strip() for line in lines[:1]]
    return _by_line(lambda line: len(_cells(line)) == width and line.strip() not in header)(data, mutant)


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(line)), [])
    except csv.Error:
        return []


_DECODER = json.JSONDecoder()


def _object(data: bytes, mutant: bytes) -> tuple[int, int]:
    before, text = data.decode("utf-8", "replace"), _text(mutant)
    rows = Counter(form for form, _ in _objects(before))
    found = list(_objects(text))
    whole = Counter(form for form, _ in found)
    missing = sum((rows - whole).values())
    changed = sum((whole - rows).values())
    keys = text.count('loss"') - sum(raw.count('loss"') for _, raw in found)
    lost = max(min(missing - changed, keys), 0)
    end = text.rstrip()[-1:]
    return (missing if end not in "}]" and before.rstrip()[-1:] in "}]" else lost), sum(rows.values())


def _objects(text: str) -> Iterator[tuple[str, str]]:
    """The objects with a step that hold no others: in one canonical form, and as they stand."""
    position = text.find("{")
    while position >= 0:
        try:
            value, end = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError):
            value, end = None, position + 1
        if isinstance(value, dict) and any(inside for inside in value.values() if isinstance(inside, (list, dict))):
            end = position + 1
        elif isinstance(value, dict) and "step" in value:
            yield json.dumps(value, sort_keys=True), text[position:end]
        position = text.find("{", end)


def _frame_ends(data: bytes) -> list[int]:
    ends, position = [], 0
    while position + 16 <= len(data):
        position += struct.unpack_from("<Q", data, position)[0] + 16
        if position > len(data):
            break
        ends.append(position)
    return ends


def _frames(data: bytes, mutant: bytes) -> tuple[int, int]:
    ends = [0, *_frame_ends(data)]
    frames = [data[a:b] for a, b in itertools.pairwise(ends)]
    frames = [frame for frame in frames if len(frame) < _LARGEST]
    gone = [frame for frame in frames if frame not in mutant]
    lost = sum(frame[: len(frame) // 2] in mutant or frame[len(frame) // 2 :] in mutant for frame in gone)
    return lost, len(frames)


_VALUE = r"(?:[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?|[-+]?nan|[-+]?inf(?:inity)?)"
# Step and loss are what a row is lost without; rates and norms may say what they like.
_LOG_LINE = re.compile(
    rf"step (?P<step>\d+)/(?:[^:]*:|\d+) (?:[\w\ufffd]+ )?(?:[a-z]+_)?loss {_VALUE}(?![\w.])"
    r"(?:(?!step (?!(?P=step)/)\d+/).)*"
    # A progress bar may have lost its line break; it is no part of the row.
    rf"|[^'{{}}]*\{{'(?P<key>[\w\ufffd]*)': {_VALUE},(?:(?!'(?P=key)').)*'epoch': {_VALUE}\}}[^'{{}}]*",
    re.IGNORECASE,
)
_BAR = re.compile(r"[^']*(?:it/s|%\||\|#)[^']*")
_COUNTERS: dict[str, Callable[[bytes, bytes], tuple[int, int]]] = {
    "lines": _by_line(_json_row),
    "table": _table,
    "object": _object,
    "events": _frames,
    "text": _by_line(
        lambda line: _LOG_LINE.fullmatch(line.strip()) is not None, lambda line: _BAR.fullmatch(line) is not None
    ),
    "other": lambda data, mutant: (0, 1),
}
