"""Classification: which class was chosen, how well, and which is taken for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from doneness.probe.holds import holds
from doneness.probe.options import chosen
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer

_NONE = -1.0


def classified(probe: Probe, answer: Answer) -> tuple[float, float] | None:
    """(true class, chosen class) by their places in the probe's options, −1 for no choice; None for other questions."""
    if probe.sort != "classify" or probe.label not in probe.options:
        return None
    truth = float(probe.options.index(probe.label))
    if answer.options:
        return truth, float(chosen(answer))
    named = [i for i, name in enumerate(probe.options) if holds(answer.text, name)]
    # "not benign" within "benign or not" names two; a class whose name holds another's names both.
    longest = [i for i in named if not any(probe.options[i] in probe.options[k] for k in named if k != i)]
    return truth, float(longest[0]) if len(longest) == 1 else _NONE


def macro_f1(rows: NDArray[np.float64]) -> float:
    """Mean over classes, those that occur or are chosen, of 2 tp / (2 tp + fp + fn); NaN without rows.

    Args:
        rows: (true, chosen), shape (n, 2).
    """
    if not len(rows):
        return float("nan")
    truth, choice = rows[:, 0].astype(int), rows[:, 1].astype(int)
    size = int(max(truth.max(), choice.max())) + 1
    hits = np.bincount(truth[truth == choice], minlength=size)
    both = np.bincount(truth, minlength=size) + np.bincount(choice[choice >= 0], minlength=size)
    there = both > 0
    return float((2 * hits[there] / both[there]).mean())


def collapse(rows: NDArray[np.float64]) -> float:
    """Share of the class chosen most often − its true share; NaN without a choice.

    Args:
        rows: (true, chosen), shape (n, 2).
    """
    choice = rows[rows[:, 1] >= 0, 1].astype(int)
    if not len(choice):
        return float("nan")
    count = np.bincount(choice)
    most = int(count.argmax())
    return float(count[most] / len(rows) - (rows[:, 0] == most).mean())


def confusion(probes: Sequence[Probe], answers: Mapping[str, Answer]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Which class is taken for which.

    Args:
        probes: the questions.
        answers: by probe id.

    Returns:
        The classes, and counts of shape (classes, classes + 1): true by chosen, the last column for no choice.
    """
    asked = [p for p in probes if p.sort == "classify" and p.id in answers]
    names = tuple(dict.fromkeys(name for p in asked for name in p.options))
    table = np.zeros((len(names), len(names) + 1), dtype=np.int64)
    for probe in asked:
        found = classified(probe, answers[probe.id])
        if found is not None:
            place = names.index(probe.options[int(found[1])]) if found[1] >= 0 else len(names)
            table[names.index(probe.label), place] += 1
    return names, table
