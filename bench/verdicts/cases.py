"""The planted cases: what is drawn, what would be wrong to say, and what would be right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench.verdicts import curves
from bench.verdicts.curves import Curve, given, sample

Make = Callable[[int], Curve]


@dataclass(frozen=True)
class Case:
    """One planted case.

    Attributes:
        part: its letter.
        name: what it is.
        truth: the right verdict, or "not …" where only one is wrong.
        make: a run by seed.
        exact: no noise, one seed is enough.
        online: every cut from the fourth evaluation on is asked as well.
        best: where the best is, exactly, for the exact cases.
    """

    part: str
    name: str
    truth: str
    make: Make
    exact: bool = False
    online: bool = False
    best: int | None = None


def _flat() -> list[Case]:
    found = []
    for noise in (0.004, 0.0075, 0.017):
        for evals in (6, 10, 20, 50):
            found.append(Case("a", f"flat, noise {noise:.2%}, {evals} evaluations", "not overfitting",
                              partial(sample, curves.flat, evals=evals, noise=noise)))  # fmt: skip
        course = partial(curves.settles, by=0.2)
        found += [Case("a", f"flat after 20 %, noise {noise:.2%}, {evals} evaluations", "not overfitting",
                       partial(sample, course, evals=evals, noise=noise)) for evals in (10, 20)]  # fmt: skip
    return found


def _overfit() -> list[Case]:
    return [
        Case("b", f"overfit +{rise:.0%} from 40 %, noise {noise:.1%}", "overfitting",
             partial(sample, partial(curves.overfits, rise=rise), noise=noise))
        for noise in (0.017, 0.003) for rise in (0.05, 0.1)
    ]  # fmt: skip


def _falling() -> list[Case]:
    ends = ((1.0, "at its planned end"), (2.0, "half-way of its plan"))
    return [
        Case("c", f"still falling by 3.1 %, noise {noise:.1%}, {words}", "learning",
             partial(sample, curves.falls, noise=noise, plan=plan))
        for noise in (0.016, 0.003) for plan, words in ends
    ]  # fmt: skip


def _others() -> list[Case]:
    settled = partial(curves.settles, by=1 / 3)
    slow = partial(curves.falls, base=5.0)
    return [
        Case("d", "settled from a third, noise 0.3%", "converged", partial(sample, settled, noise=0.003)),
        Case("d", "settled from a third, noise 0.3%, half-way of its plan", "converged",
             partial(sample, settled, noise=0.003, plan=2.0)),
        Case("e", "lucky dip of 0.09 at 45 %, still falling", "learning",
             partial(sample, slow, noise=0.003, dip=(0.45, 0.09))),
        Case("f", "rises by 3 % for a while, noise 0.3%", "not overfitting",
             partial(sample, curves.bump, noise=0.003), online=True),
        Case("g", "exact U, 5 evaluations, +4.5 %", "overfitting",
             lambda _: given((1.70, 1.55, 1.50, 1.53, 1.5675)), exact=True, best=300),
        Case("g", "exact fall", "learning", partial(sample, curves.falls), exact=True, best=2000),
        Case("g", "exact flat tail", "converged", partial(sample, settled), exact=True, best=700),
        Case("g", "three evaluations 1.30, 1.22, 1.45", "overfitting",
             lambda _: given((1.30, 1.22, 1.45)), exact=True, best=200),
        Case("h", "train loss in steps, no evaluation", "memorising", curves.staircase),
    ]  # fmt: skip


CASES: tuple[Case, ...] = (*_flat(), *_overfit(), *_falling(), *_others())
