"""Reads lines of text that name a step and a loss: nanoGPT, nanochat, torchtune, litgpt, MLX, home-made loops."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from doneness.core import say
from doneness.runs.readers import console, files
from doneness.runs.readers.generic import Source, runs_of
from doneness.runs.readers.rows import Loss, lost_notes
from doneness.runs.readers.strays import TextRow, without_strays
from doneness.runs.readers.table import Table
from doneness.runs.readers.words import Words
from doneness.runs.run import Run

_N = console.NUMBER
_STEP = re.compile(
    r"\b(?:global[_ ]?step|steps?|iter(?:ation)?s?|it)\b\s*[:=#]?\s*\[?\s*(\d{1,18})(?![\\\dA-Za-z_]|\.\d)"
    r"(?![^\w\s.,:;/|()=-]{1,9}\d)"  # "18]7" was "187" once
    r"(?:\s*/\s*(\d{1,12})(?![\\\dA-Za-z_]))?",
    re.I,
)
_NAMED = re.compile(
    r"(?:(?<![a-z_])|(?<=\d[a-z_]))(global[_ ]?step|steps?|iter(?:ation)?s?)\b\s*[:=#]?\s*\[?\s*(\d{1,12})", re.I
)
_EPOCH = re.compile(r"\bepochs?\b\s*[:=#]?\s*[\[(]?\s*(\d{1,9}(?:\.\d+)?)(?:\s*/\s*(\d{1,9}))?", re.I)
_LOSS = re.compile(
    r"(?<![\w-])(?:(train(?:ing)?|val(?:id(?:ation)?)?|eval(?:uation)?|dev|test|lm)[ _/.-]?)?loss\b"
    rf"(?:[ _](train|val(?:idation)?))?\s*[:=]?\s*({_N})(?![\w.])"
    r"(?!(?<=\.)(?:\W{1,2}\d|\s*$))",  # "1. 25" was "1.125" once, and a line that ends in "1." is cut
    re.I,
)
_PAIRS = (
    ("learning_rate", re.compile(rf"\b(?:lr|learning[ _]?rate)\b\s*[:=]?\s*({_N})", re.I)),
    ("grad_norm", re.compile(rf"\b(?:grad(?:ient)?[ _]?norm|gnorm|norm)\b\s*[:=]?\s*({_N})", re.I)),
    ("eval_bpb", re.compile(rf"\bvalidation bpb\b\s*[:=]?\s*({_N})", re.I)),
    ("train_accuracy", re.compile(rf"(?<!val )(?<!val_)(?<!test )\bacc(?:uracy)?\b\s*[:=]?\s*({_N})", re.I)),
    ("eval_accuracy", re.compile(rf"\bval(?:idation)?[ _]acc(?:uracy)?\b\s*[:=]?\s*({_N})", re.I)),
)  # fmt: skip
# torchtune's bar: epoch|step|Loss: value
_TORCHTUNE = re.compile(rf"(?<![\d|])(\d{{1,6}})\|(\d{{1,12}})\|Loss:\s*({_N})", re.I)
# litgpt: "loss train: 2.1, val: n/a"
_LITGPT = re.compile(rf"\bloss train:\s*({_N})(?:,\s*val:\s*({_N}))?", re.I)
# Megatron: "validation loss at iteration 100 | lm loss value: 2.31E+00 | lm loss PPL: …", "… on test set | …"
_MEGATRON = re.compile(
    r"\b(?:validation|test) loss at (?:iteration\s+(\d{1,12})|the end of training)([^|]{0,60})\|"
    rf".{{0,80}}?\bloss value:\s*({_N})",
    re.I,
)
# "train 2.25 | valid loss 2.4": whose loss the bare word means, the other one says.
_BARE_TRAIN = re.compile(
    r"(?<![\w-])train(?:ing)?\s*[:=]?\s*(\d{1,6}\.\d{1,12}(?:e[-+]?\d{1,3})?)(?=\s*(?:[|,;/)\]]|$|val|eval|dev))", re.I
)
_COUNTERS = re.compile(r"\b(?:skipped|nan) iterations\b\s*:\s*\d{1,12}", re.I)
_SPEAKS_OF_VALIDATION = re.compile(r"\bval(?:idation)?[ _]loss\b(?!\W{0,3}(?:n/?a|none)\b)(?=.*?\d)", re.I)
_ITER_TIME = re.compile(r"\btotal time:\s*([\d.]{1,20})m\b", re.I)


# A longer line is no progress report, and patterns take their time on it.
_LONGEST = 2000
_SHOWN = 80  # characters of a line that is quoted


@dataclass
class _Missed:
    """Lines that speak of a validation loss which could not be read off them."""

    count: int = 0
    first: str = ""

    def see(self, line: str, row: TextRow | None) -> None:
        """Take note of a line and of what was read off it."""
        told = row is not None and any(name.startswith(("val_", "test_", "eval_")) for name in row.values)
        if not told and _SPEAKS_OF_VALIDATION.search(line[:_LONGEST]):
            self.first = self.first or line.strip()[:_SHOWN]
            self.count += 1

    def notes(self) -> list[str]:
        """What to say about them."""
        return [str(say("runs.note.missed_validation", count=self.count, first=self.first))] if self.count else []


def detect(path: Path) -> Path | None:
    """`path` where a line names a step or an epoch, and a loss."""
    if not path.is_file() or not console.is_text(path):
        return None
    return path if next(_rows(path), None) is not None else None


def read(path: Path) -> list[Run]:
    """The trainings in the log.

    Raises:
        UnreadableError: no line names a loss.
    """
    words, missed = Words(), _Missed()
    rows = list(_rows(path, words, missed))
    if not rows:
        raise files.refuse("nothing_logged", path)
    rows, strays = without_strays(rows)
    own = any("loss" in row.values for row in rows)
    cut = files.ends_in_zeros(path)
    loss = Loss(words.damaged() + strays + cut, cut)
    notes = lost_notes(loss, len(rows)) + missed.notes()
    stepped = sum(row.step is not None for row in rows) >= 0.5 * len(rows)
    if not stepped:
        notes.append(str(say("runs.note.epoch_steps")))
    restart = stepped and _restarts_each_epoch(rows)
    table = Table()
    batch = []
    for row in rows:
        step = (row.step if stepped else row.epoch) or 0
        if restart and row.epoch is not None and row.of:
            step += round((max(row.epoch, 1) - 1) * row.of)
        values = dict(row.values)
        if own and "train_loss" in values:
            # nanoGPT estimates the training loss beside each evaluation; the curve is that of the steps.
            values["train/estimate"] = values.pop("train_loss")
        batch.append({"step": step, **values} | ({} if row.epoch is None else {"epoch": row.epoch}))
    table.extend(batch)
    runs = runs_of(table, Source(path, path.stem, "text"), notes, loss=loss)
    total = next((row.of for row in reversed(rows) if row.of), None)
    if total is not None and stepped and not restart:
        runs = [_planned(run, total) for run in runs]
    return runs


def _planned(run: Run, total: int) -> Run:
    return replace(run, meta=dict(run.meta) | {"planned_steps": total}) if total >= run.last_step else run


def _rows(path: Path, words: Words | None = None, missed: _Missed | None = None) -> Iterator[TextRow]:
    last: TextRow | None = None
    for line in console.lines(path):
        told = "oss" in line or "OSS" in line or "bpb" in line
        if len(line) > _LONGEST:
            if words is not None and told:
                words.see(line[:_SHOWN] + line[-_SHOWN:], False)  # a row with junk in it looks like one at its ends
            continue
        glued = told and _glued(line)
        row = _row(line, last) if told and not glued and "\0" not in line else None
        if words is not None:
            words.lost += glued
            words.see(line, row is not None)
        if missed is not None and told:
            missed.see(line, row)
        if row is None:
            continue
        if last is not None and row == last:
            continue  # a bar drawn again for the same step
        last = row
        yield row


def _glued(line: str) -> int:
    """How many rows stand in one line whose breaks were lost, 0 for a line as it should be: whose loss is whose?"""
    named = _NAMED.findall(line)
    if len(named) < 2 or len({word.lower() for word, _ in named}) > 1 or len({step for _, step in named}) < 2:
        return 0  # "iter 10 step 3" names two counters, "step 3 … step 4" one of them twice
    return len(named) if len(_LOSS.findall(line)) > 1 else 0


def _megatron(line: str, last: TextRow | None) -> TextRow | None:
    """Megatron's row of an evaluation; the one at the end of training belongs to the last step told."""
    match = _MEGATRON.search(line)
    if match is None:
        return None
    step = int(match[1]) if match[1] else None if last is None else last.step
    if step is None:
        return None
    name = "test_loss" if re.search(r"\btest\b", match[2], re.I) else "val_loss"
    return TextRow({name: console.to_float(match[3])}, step, None, None, None)


def _row(line: str, last: TextRow | None = None) -> TextRow | None:
    """What a line tells, or None; `last` is the row before it."""
    evaluated = _megatron(line, last)
    if evaluated is not None:
        return evaluated
    if "iterations" in line:
        line = _COUNTERS.sub("", line)  # Megatron's counts of trouble are no steps
    bar = _TORCHTUNE.search(line)
    if bar:
        return TextRow({"loss": console.to_float(bar[3])}, int(bar[2]), None, None, None)
    epoch = _EPOCH.search(line)
    # "iter 10 step 3": the last one named counts optimizer steps.
    named = list(_STEP.finditer(line))
    step = named[-1] if named else None
    if step is None and epoch is None:
        return None
    values = _losses(line)
    for name, pattern in _PAIRS:
        match = pattern.search(line)
        if match and (values or name == "eval_bpb"):
            values[name] = console.to_float(match[1])
    if not values:
        return None
    spent = _ITER_TIME.search(line)
    if spent:
        values["elapsed"] = 60.0 * console.to_float(spent[1])
    return TextRow(
        values,
        None if step is None else int(step[1]),
        None if step is None or not step[2] else int(step[2]),
        None if epoch is None else float(epoch[1]),
        None if epoch is None or not epoch[2] else int(epoch[2]),
    )


def _losses(line: str) -> dict[str, float]:
    litgpt = _LITGPT.search(line)
    if litgpt:
        found = {"loss": console.to_float(litgpt[1])}
        return found | ({"val_loss": console.to_float(litgpt[2])} if litgpt[2] else {})
    values: dict[str, float] = {}
    for before, after, number in _LOSS.findall(line):
        kind = (before or after).lower()
        if kind in ("", "lm"):
            name = "loss"
        elif kind.startswith("train"):
            name = "train_loss"
        else:
            name = "test_loss" if kind == "test" else "val_loss"
        values.setdefault(name, console.to_float(number))
    if values.keys() == {"val_loss"}:
        bare = _BARE_TRAIN.search(line)
        if bare:
            values["train_loss"] = console.to_float(bare[1])
    return values


def _restarts_each_epoch(rows: list[TextRow]) -> bool:
    """Whether steps count from the start of each epoch ("Epoch [2/10], Step [100/600]")."""
    both = [r for r in rows if r.step is not None and r.of and r.epoch is not None]
    back = [b for a, b in itertools.pairwise(both) if (b.step or 0) < (a.step or 0) and b.epoch != a.epoch]
    return bool(back) and len({r.of for r in both}) == 1
