"""How far a judge agrees with people: Cohen's kappa on pairs that both have judged, with its interval.

Votes are JSON lines of id and winner: "a", "b" or "tie". Kappa is the agreement beyond what both would show by chance,
each keeping to its own habits: 0 is none, 1 is full; below 0.4 a judge decides nothing that matters.
Source: Cohen, 1960; the words for its size: Landis & Koch, 1977.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from doneness.core import DataError, Message, say, tr
from doneness.probe.judge import Judge

WINNERS = ("a", "b", "tie")
_DRAWS = 2000
_LEAST = 10  # common verdicts below which no kappa is given


@dataclass(frozen=True, slots=True)
class Agreement:
    """A judge beside people.

    Attributes:
        kappa: Cohen's; NaN with fewer than ten common verdicts, or where both always say the same one thing.
        interval: 95 %, by bootstrap over pairs.
        same: how many verdicts are the same.
        n: pairs that both have judged.
    """

    kappa: float
    interval: tuple[float, float]
    same: int
    n: int

    def said(self) -> Message:
        """One sentence for the reader."""
        if not np.isfinite(self.kappa):
            return say("judge.agreement_unknown", n=self.n, least=_LEAST)
        low, high = self.interval
        key = "agreement" if low >= 0.4 else "agreement_weak"
        return say(f"judge.{key}", kappa=self.kappa, low=low, high=high, same=self.same, n=self.n)


class Pair(NamedTuple):
    """Two answers to one question, as people saw them."""

    id: str
    question: str
    a: str
    b: str
    reference: str = ""


def verdicts(judge: Judge, pairs: Iterable[Pair]) -> dict[str, str]:
    """The judge's winner by id, both orders asked; pairs on which it said nothing usable are left out.

    Raises:
        DonenessError: the endpoint refuses for a reason that will not pass.
    """
    found = {pair.id: judge.prefers(pair.question, pair.a, pair.b, pair.reference) for pair in pairs}
    return {ident: winner_of(value) for ident, value in found.items() if value is not None}


def read_votes(path: Path) -> dict[str, str]:
    """Winner by id.

    Raises:
        DataError: the file cannot be read, or a line is no vote.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(tr("judge.votes_unreadable", path=str(path), reason=str(error))) from error
    votes: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            ident, winner = str(item["id"]), str(item["winner"]).lower()
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(tr("judge.bad_vote", path=str(path), line=number)) from error
        if winner not in WINNERS:
            raise DataError(tr("judge.bad_vote", path=str(path), line=number))
        votes[ident] = winner
    return votes


def agreement(judged: Mapping[str, str], people: Mapping[str, str], seed: int = 17) -> Agreement:
    """Both as winner by id; ids that only one has are passed over."""
    both = sorted(set(judged) & set(people))
    one = np.array([WINNERS.index(judged[i]) for i in both], dtype=np.int64)
    other = np.array([WINNERS.index(people[i]) for i in both], dtype=np.int64)
    same = int((one == other).sum())
    if len(both) < _LEAST:
        return Agreement(float("nan"), (-1.0, 1.0), same, len(both))
    cells = one * 3 + other
    draws = np.random.default_rng(seed).integers(0, len(both), (_DRAWS, len(both)))
    kappas = np.array([_kappa(cells[draw]) for draw in draws])
    kept = kappas[np.isfinite(kappas)]
    spread = (float(np.quantile(kept, 0.025)), float(np.quantile(kept, 0.975))) if kept.size else (-1.0, 1.0)
    if spread[0] == spread[1]:
        # Verdicts that all agree show no spread, which is not the same as having none: the rule of three.
        spread = (max(-1.0, spread[0] - 3 / len(both)), min(1.0, spread[1] + 3 / len(both)))
    return Agreement(_kappa(cells), spread, same, len(both))


def winner_of(preference: float) -> str:
    """The judge's preference as people vote: 1 is "a", 0 is "b", a half "tie"."""
    return "a" if preference > 0.5 else "b" if preference < 0.5 else "tie"


def _kappa(cells: np.ndarray[tuple[int, ...], np.dtype[np.int64]] | Sequence[int]) -> float:
    """Of pairs of verdicts, each 3 × one + other; NaN where chance alone agrees fully."""
    table = np.bincount(np.asarray(cells), minlength=9).reshape(3, 3) / len(cells)
    chance = float(table.sum(axis=0) @ table.sum(axis=1))
    return float((np.trace(table) - chance) / (1 - chance)) if chance < 1 else float("nan")
