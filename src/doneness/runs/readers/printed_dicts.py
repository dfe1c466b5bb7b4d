"""Reads console logs of the Hugging Face Trainer, which prints each row as a Python dict.

The dict has no step: it is read off the progress bar drawn before it, and counted where there is none.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from doneness.core import say
from doneness.runs.readers import console, files, trainer_state
from doneness.runs.readers.rows import Loss, lost_notes
from doneness.runs.readers.table import Table, is_blank
from doneness.runs.run import Damage, Run

_DICT = re.compile(r"\{'[^{}]{1,20000}\}")
_PAIR = re.compile(r"'([^'\s]{1,200})':\s*(?:'|np\.float\d{2}\()?([^,'})\s]{1,40})'?")
_LOSS = "loss"
_LOSSES = (_LOSS, "eval_loss")
_OWN = re.compile(r"(?<![\w/.-])loss':")
_LENGTHS = 100
# What is left of a printed row that was damaged: keys that only such rows have, quoted as in a dict.
_REST = re.compile(r"'(?:eval_)?loss'?:|'(?:epoch|grad_norm|learning_rate)': ?'?[\d.]")


@dataclass
class _Row:
    """One printed row: the bar drawn last before it, and for each length of bar where that one stood."""

    values: dict[str, float]
    bar: tuple[int, int] | None
    seen: dict[int, int]
    summary: bool


def detect(path: Path) -> Path | None:
    """`path` where a line holds a printed row."""
    if not path.is_file() or not console.is_text(path) or not files.holds(path, b"loss'"):
        return None
    return path if next(_rows(path), None) is not None else None


def read(path: Path) -> list[Run]:
    """The trainings in the log; a row of "train_runtime" ends one.

    Raises:
        UnreadableError: no row holds a loss.
    """
    found = []
    loss = Loss()
    everything = list(_rows(path, loss))
    trainings = [rows for rows in _trainings(everything) if rows]
    stuck = sum(map(_stuck, trainings))
    everyone = loss.rows + len(everything)
    loss.rows += stuck
    said = lost_notes(loss, len(everything) - stuck)
    damage = Damage(loss.rows, everyone)
    for index, rows in enumerate(trainings, start=1):
        run = _run(path, rows)
        if run.train is None and run.evals is None:
            continue
        run = replace(run, notes=(*said, *run.notes), damage=damage)
        if len(trainings) > 1:
            note = str(say("runs.note.other_trainings", count=len(trainings), index=index))
            run = replace(run, name=f"{run.name} #{index}", notes=(*run.notes, note))
        found.append(run)
    if not found:
        raise files.refuse("nothing_logged", path)
    return found


def _rows(path: Path, loss: Loss | None = None) -> Iterator[_Row]:
    loss = loss or Loss()
    bar: tuple[int, int] | None = None
    seen: dict[int, int] = {}
    for line in console.lines(path):
        position = 0
        for match in [*(_DICT.finditer(line) if "{'" in line else ()), None]:
            # A dict is written over the bar that stood there: what is left of it comes before.
            between = line[position : match.start() if match else len(line)]
            loss.rows += _REST.search(between) is not None
            for done, total in console.bars(between):
                bar = (done, total)
                if len(seen) < _LENGTHS or total in seen:
                    seen[total] = done
            if match is None:
                break
            position = match.end()
            pairs = _PAIR.findall(match[0])
            if len(_OWN.findall(match[0])) > 1:
                loss.rows += 1  # two rows run into one: whose loss is whose?
                continue
            values = {k: console.to_float(v) for k, v in pairs if _numeric(v)}
            unread = any(k in _LOSSES and k not in values and not is_blank(v) for k, v in pairs)
            summary = "train_runtime" in values
            evaluation = any(k.startswith("eval_") for k in values)
            if summary or ("epoch" in values and (_LOSS in values or evaluation)):
                loss.rows += unread
                yield _Row(values, bar, dict(seen), summary)
            elif _REST.search(match[0]) and (_LOSS in match[0] or "epoch" in values):
                loss.rows += 1


_WHOLE = re.compile(console.NUMBER, re.IGNORECASE)


def _numeric(text: str) -> bool:
    return _WHOLE.fullmatch(text) is not None


def _trainings(rows: list[_Row]) -> list[list[_Row]]:
    found: list[list[_Row]] = [[]]
    ended = False
    for row in rows:
        if found[-1] and _says_again(row, found[-1]):
            continue
        # The evaluation after training still belongs to it; the next training begins with a loss or a summary.
        if ended and (row.summary or _LOSS in row.values):
            found.append([])
            ended = False
        found[-1].append(row)
        ended |= row.summary
    return found


def _says_again(row: _Row, said: list[_Row]) -> bool:
    """Whether a script printed the metrics that the Trainer had printed already, with more digits or further keys."""
    if _LOSS in row.values:
        return False
    for earlier in said[-3:]:
        shared = row.values.keys() & earlier.values.keys()
        clock = [k for k in shared if k.endswith("_runtime")]
        if clock and all(math.isclose(row.values[k], earlier.values[k], rel_tol=1e-2, abs_tol=1e-4) for k in shared):
            return True
    return False


def _run(path: Path, rows: list[_Row]) -> Run:
    total = _total(rows)
    count, last = 0, 0
    table = Table()
    batch = []
    for row in rows:
        count += _LOSS in row.values
        # An evaluation draws a bar of its own; its row belongs to where the bar of training stood.
        step = max(count, 1) if total is None else row.seen.get(total, last)
        last = step
        batch.append({**row.values, "step": step})
    table.extend(batch)
    note = say("runs.note.bars") if total is not None else say("runs.note.no_step")
    run = trainer_state.run_of(table, path.stem, [str(note)])
    meta = dict(run.meta)
    if total is not None:
        meta["planned_steps"] = total
    return replace(run, path=path, kind="hf_console", meta=meta)


def _stuck(rows: list[_Row]) -> int:
    """How many rows of the training stand at the same step as the one before them: the bar between was lost."""
    total = _total(rows)
    if total is None:
        return 0
    steps = [row.seen.get(total) for row in rows if _LOSS in row.values]
    return sum(a == b for a, b in itertools.pairwise(steps))


def _total(rows: list[_Row]) -> int | None:
    """The length of the bar that counts training steps; None where no bar moves with the losses."""
    trained = [row for row in rows if _LOSS in row.values]
    votes = Counter(row.bar[1] for row in trained if row.bar is not None)
    if not votes:
        return None
    total = votes.most_common(1)[0][0]
    steps = [row.bar[0] for row in trained if row.bar is not None and row.bar[1] == total]
    forward = sum(b > a for a, b in itertools.pairwise(steps))
    moves = len(steps) >= 0.9 * len(trained) and forward >= 0.9 * (len(steps) - 1)
    return total if moves and steps[-1] > 0 else None
