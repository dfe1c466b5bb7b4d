"""PF01: what a preference run gains, and what it pays for it.

What it finds: for DPO, ORPO, KTO, SimPO and reward models, whether the reward accuracy still rises, has
settled, or cannot be told; and over-optimisation: the margin goes on growing while the chosen answers
themselves become less likely. Loss and margin say neither: both improve as long as the rejected
answers are pushed down.

How: accuracy on held-out pairs where logged, else on the training pairs of the first epoch, which are
new when they are scored. The last third of the rows is held against the third before (90 % interval;
with a known number of held-out pairs their sampling error too, a twentieth of the pairs changing sides).
Rising: surely above zero, and a gain of 2 points is possible. Settled: a gain of 2 points is ruled out,
after 100 steps. Surely falling is a warning. Over-optimised: settled, and over the same rows the margin
of held-out pairs surely grows while the chosen reward surely falls, by a fifth of that growth, and stands
below zero; or by more than 0.1 nats per token where the length of the answers is known.

Source: arXiv 2406.02900 (degradation within one epoch), arXiv 2410.08847 (falling chosen probability);
the bounds are ours, heuristic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from doneness.core import Check, Finding, Message, Status, Where, say
from doneness.diagnose import epochs
from doneness.diagnose.case import Case
from doneness.diagnose.gain import LEAST, Gain, last_third
from doneness.diagnose.kinds import reinforced
from doneness.runs import Series

CODE = "PF01"
_POINTS = 0.02  # of accuracy: the smallest gain that matters
_FLIPS = 0.05  # share of held-out pairs assumed to change sides
_FLOOR = 0.005
_PER_TOKEN = -0.1
_PAID = 0.2  # of the margin's growth: what the chosen answers' fall has to be, where their length is unknown
_NAMES = ("rewards/accuracies", "rewards/accuracy", "accuracy")


@dataclass(frozen=True, slots=True)
class _Drift:
    """Chosen reward falling under a growing margin; `words` says by how much."""

    words: Message
    fall: float


def _missing(case: Case) -> Message | None:
    if not case.preference or reinforced(case):
        return say("diagnose.missing.preference")
    return None if _accuracy(case) is not None else say("diagnose.missing.accuracy")


def _judge(case: Case) -> Finding:
    found = _accuracy(case)
    assert found is not None
    column, held_out = found
    done = epochs.done(case)
    if not held_out and done is not None and done > 1.0 + 1e-6:
        memory = say("diagnose.pf01.memory", epoch=done)
        return Finding(CODE, Status.UNSURE, memory, n=len(column), advice=say("diagnose.pf01.hold_out"))
    pairs = case.run.number("eval_rows") if held_out else None
    sampling = 2.0 * _FLIPS / (2.0 * pairs) if pairs else 0.0
    gain = last_third(column, _FLOOR, sampling)
    if gain is None:
        few = say("diagnose.pf01.few", rows=len(column), needed=3 * LEAST)
        return Finding(CODE, Status.UNSURE, few, n=len(column))
    return _finding(case, gain, _basis(held_out, pairs), _drift(case, held_out), held_out)


def _finding(case: Case, gain: Gain, basis: Message, drift: _Drift | None, held_out: bool) -> Finding:
    settled = min(gain.high, 1.0 - gain.level) < _POINTS and case.run.last_step >= case.params.min_steps
    rising = gain.low > 0.0 and not settled
    status, key = Status.UNSURE, "unsure"
    if gain.high < 0.0 and drift is None:
        status, key = Status.WARN, "falling"
    elif settled:
        # Of training pairs that were seen once the accuracy is honest, but a drift is no proof of harm.
        status, key = (Status.WARN, "plateau") if drift is None or not held_out else (Status.FAIL, "over")
    elif drift is not None:
        status, key = Status.WARN, "drift"
    elif rising:
        status, key = Status.PASS, "rising"
    points = {"gain": 100 * gain.gain, "low": 100 * gain.low, "high": 100 * gain.high}
    numbers = {**points, "level": gain.level, "step": gain.step, "wanted": 100 * _POINTS, "basis": basis}
    if drift is not None:
        numbers["chosen"] = drift.words
    advice = say("diagnose.pf01.advice") if drift is not None else None
    evidence = {"chosen_change": drift.fall} if drift is not None else {}
    interval, where = (gain.low, gain.high), Where(step=gain.step)
    message = say(f"diagnose.pf01.{key}", **numbers)
    return Finding(CODE, status, message, gain.gain, interval, _POINTS, gain.rows, where, advice, evidence)


def _basis(held_out: bool, pairs: float | None) -> Message:
    if not held_out:
        return say("diagnose.pf01.train_pairs")
    return say("diagnose.pf01.pairs_unknown") if pairs is None else say("diagnose.pf01.pairs", n=int(pairs))


def _accuracy(case: Case) -> tuple[Series, bool] | None:
    """Reward accuracies over steps, and whether on held-out pairs."""
    for split in ("eval", "train"):
        for name in _NAMES:
            column = case.run.series.get(f"{split}/{name}")
            if column is not None and np.isfinite(column.value).any():
                return column, split == "eval"
    return None


def _drift(case: Case, held_out: bool) -> _Drift | None:
    """The chosen answers' reward surely falls while the margin surely grows."""
    split = "eval" if held_out else "train"
    columns = [case.run.series.get(f"{split}/rewards/{name}") for name in ("chosen", "margins")]
    chosen, margin = (None if c is None else last_third(c, 1e-6) for c in columns)
    if chosen is None or margin is None or chosen.high >= 0.0 or margin.low <= 0.0:
        return None
    logps = case.run.series.get(f"{split}/logps/chosen")
    change = None if logps is None else _since_start(logps.value)
    tokens = case.run.number("chosen_tokens")
    if change is not None and tokens:
        nats = change[0] / tokens
        return _Drift(say("diagnose.pf01.per_token", nats=nats), nats) if nats < _PER_TOKEN else None
    # Nearly every such run pushes the chosen answers down a little; what matters is the share of the margin.
    if chosen.level >= 0.0 or -chosen.gain < _PAID * margin.gain:
        return None
    if change is not None and change[0] < 0.0 and change[1] != 0.0:
        return _Drift(say("diagnose.pf01.relative", share=-change[0] / abs(change[1])), chosen.gain)
    return _Drift(say("diagnose.pf01.reward", change=chosen.gain), chosen.gain)


def _since_start(value: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, float] | None:
    """Change of the mean from the first fifth of the rows to the last, and that first mean."""
    known = value[np.isfinite(value)]
    part = max(1, known.size // 5)
    return (float(known[-part:].mean() - known[:part].mean()), float(known[:part].mean())) if known.size >= 3 else None


CHECK: Check[Case] = Check(CODE, _judge, _missing)
