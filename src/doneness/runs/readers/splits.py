"""Rows that say which data they speak of: a column such as "split" that holds "train" and "val".

Without it the losses of both stand in one column "loss", and the later one of a step would hide the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from doneness.runs.readers import names
from doneness.runs.readers.table import LABELS, Table
from doneness.runs.run import Ints

_MAIN, _TRAIN = "eval", "train"
_TRAINING = re.compile(r"(?:tr|train|training)(?:[-_ /:.].*)?")
_EVALUATION = re.compile(r"(eval|evaluation|val|valid|validate|validation|dev|test|testing)(?:[-_ /:.](.+))?")
# These name data and nothing else; "warmup" in a column "phase" may well be training.
_OF_DATA = ("split", "set", "subset")
_STAYS = frozenset(
    (*names.STEP, *names.EPOCH, *names.TOKENS, *names.TIME, *names.RATE, *names.NORM, *names.EVALUATION, *names.QUIET)
)
_NAMED = re.compile(r"(?:eval|val|valid|validation|dev|test)[_/ :]")


def divide(table: Table, mapping: Mapping[str, str] | None = None) -> tuple[dict[str, str], Ints]:
    """Give the rows of each kind columns of their own, and put rows written kind after kind in the order of steps.

    Args:
        table: the rows; columns are moved in it.
        mapping: column → series name or role, as its author told.

    Returns:
        The mapping, with the new columns in it, and the kind of each row as a number, −1 where it says none;
        shape (rows,).
    """
    told = dict(mapping or {})
    found = next(((n, *label) for n in LABELS if (label := table.label(n)) and _evaluates(label[1])), None)
    if found is None:
        return told, np.full(table.size, -1, dtype=np.int64)
    name, kinds, words = found
    data = name in _OF_DATA and any(_kind(word) == _TRAIN for word in words)
    of = {i: kind for i, word in enumerate(words) if (kind := _kind(word, data)) is not None}
    places = {kind: place for place, kind in enumerate(dict.fromkeys(of.values()))}
    number = np.array([places.get(of.get(i, ""), -1) for i in range(len(words))] or [-1], dtype=np.int64)
    row = np.where(kinds >= 0, number[kinds], -1)
    roles = {k.strip().lower(): v for k, v in told.items()}
    for kind, place in places.items():
        if kind != _TRAIN:
            told |= _moved(table, np.flatnonzero(row == place), kind, roles)
    return told, _sorted(table, row)


def _evaluates(words: list[str]) -> bool:
    """Whether the words of a column tell evaluations apart."""
    return any((_kind(word) or _TRAIN) != _TRAIN for word in words)


def _kind(word: str, other: bool = False) -> str | None:
    """What a word says: "train", "eval", "eval:<set>"; None for one that says neither (`other`: a set of its name)."""
    low = word.strip().lower()
    if _TRAINING.fullmatch(low):
        return _TRAIN
    match = _EVALUATION.fullmatch(low)
    if match is None:
        return f"eval:{word.strip()}" if other and low else None
    test = match[1].startswith("test")
    if match[2]:
        return f"eval:{'test_' if test else ''}{match[2]}"
    return "eval:test" if test else _MAIN


def _moved(table: Table, rows: Ints, kind: str, roles: Mapping[str, str]) -> dict[str, str]:
    """Move what the rows of a kind hold into columns of their own; the series that these are."""
    held = {c.strip().lower(): c for c in table.names}
    loss = next((low for low in names.LOSS if low in held and table.holds(held[low], rows)), None)
    added: dict[str, str] = {}
    for low, column in held.items():
        role = roles.get(low)
        stays = low in _STAYS or _NAMED.match(low) if role is None else not role.startswith("train/")
        if stays or not table.holds(column, rows):
            continue
        inner = role[len("train/") :] if role is not None else "loss" if low == loss else _plain(column)
        series = f"{kind}/{inner}"
        if series in added.values():
            series += "'"
        fresh = f"{column} ({kind})"
        table.move(column, fresh, rows)
        added[fresh] = series
    return added


def _plain(column: str) -> str:
    return re.sub(r"^(?:train|training)[_/ ]", "", column.strip(), flags=re.I)


def _sorted(table: Table, row: Ints) -> Ints:
    """Rows of one kind after those of another would read as a second training: they are put in order of steps."""
    step = next((table.dense(c) for c in table.names if c.strip().lower() in names.STEP), None)
    if step is None or not np.isfinite(step).all() or (np.diff(step) >= 0).all():
        return row
    if any((np.diff(step[row == kind]) < 0).any() for kind in np.unique(row)):
        return row
    order = np.argsort(step, kind="stable")
    table.reorder(order)
    return row[order]
