"""PF01: what a preference run gains, and what it pays for it.

What it finds: for DPO, ORPO, KTO and SimPO, whether the reward accuracy still rises, has settled, or cannot
be told (where no accuracy is logged, as by KTO: whether the loss of held-out answers still falls); overfitting
to the pairs; and over-optimisation: the margin goes on growing while the chosen answers themselves become less
likely. The loss alone says none of it: it improves as long as the rejected answers are pushed down, and
rises where a few pairs are wrong by more and more. (A reward model's loss is a likelihood: CV02 to CV06 judge it.)

How: accuracy on held-out pairs where logged, else on the training pairs of the first epoch, which are
new when they are scored. A line through the evaluations of the later half of the steps is carried on to the
planned end (half as far again where that is reached, as far again where none is known), with an upper
bound: scatter about the line, and which pairs were asked, by each pair's own outcomes where recorded, else
as if a twentieth of them had changed sides. Settled: at two looks in a row, a twentieth of the way apart,
2 points or more are ruled out, after 100 steps and warm-up, and the line does not surely rise. Where a run is
watched, the k-th look that could tell is made at α·6/(π²k²). At a learning rate above a fifth of its peak a
settled run asks for a cooldown, not a stop. Rising and falling: the last third against the third before (90 %
interval), or the line. Without accuracies: the forecast of the held-out loss (CV04) at two evaluations in a
row, by its 95 % bound.

Overfitting: at two looks in a row the held-out loss has risen by 5 % or more, pair by pair against the best (as
CV02) or as a curve that turns upwards (as CV03); and margin or accuracy has turned downwards, or neither surely
rises any more and the loss stands beyond where it began. A rise alone is a warning.

Over-optimised: settled, and over the same rows the margin of held-out pairs surely grows while the chosen reward
surely falls, by a fifth of that growth, and stands below zero; or by more than 0.1 nats per token where the
length of the answers is known.

Source: arXiv 2406.02900 (degradation within one epoch), arXiv 2410.08847 (falling chosen probability);
the bounds are ours, heuristic; rates by simulation in docs/design/log.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from doneness.core import Check, Finding, Message, Status, Where, say
from doneness.diagnose import epochs, unpaired
from doneness.diagnose.case import Case
from doneness.diagnose.climb import Scores
from doneness.diagnose.gain import LEAST, Gain, last_third
from doneness.diagnose.kinds import reinforced
from doneness.diagnose.pair_columns import accuracy, also, scores_of
from doneness.diagnose.pair_loss import Rise, risen
from doneness.diagnose.settling import ONCE, POINTS, Settling, settling

CODE = "PF01"
_FLIPS = 0.05  # share of held-out pairs assumed to change sides
_FLOOR = 0.005
_PER_TOKEN = -0.1
_PAID = 0.2  # of the margin's growth: what the chosen answers' fall has to be, where their length is unknown


@dataclass(frozen=True, slots=True)
class _Drift:
    """Chosen reward falling under a growing margin; `words` says by how much."""

    words: Message
    fall: float


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a run's pairs show.

    Attributes:
        gain: of the last third over the third before.
        ahead: what going on would bring; None with too few evaluations in the later half.
        rise: of the held-out loss, where certain.
        drift: see `_Drift`.
        basis: which pairs, in words.
        held_out: whether they are held out.
    """

    gain: Gain
    ahead: Settling | None
    rise: Rise | None
    drift: _Drift | None
    basis: Message
    held_out: bool


def _missing(case: Case) -> Message | None:
    if not case.preference or reinforced(case):
        return say("diagnose.missing.preference")
    return None if accuracy(case) is not None or unpaired.told(case) else say("diagnose.missing.accuracy")


def _judge(case: Case) -> Finding:
    found = accuracy(case)
    if found is None:
        return unpaired.judge(CODE, case)
    column, held_out = found
    done = epochs.done(case)
    if not held_out and done is not None and done > 1.0 + 1e-6:
        memory = say("diagnose.pf01.memory", epoch=done)
        return Finding(CODE, Status.UNSURE, memory, n=len(column), advice=say("diagnose.pf01.hold_out"))
    scores = scores_of(case, column, held_out)
    ahead = settling(case, scores)
    rise = risen(case) if held_out else None
    overfit = _overfit(case, scores, rise)
    if overfit is not None:
        return overfit
    gain = last_third(column, _FLOOR, _FLIPS / scores.pairs if scores.pairs else 0.0)
    if gain is None:
        few = say("diagnose.pf01.few", rows=len(column), needed=3 * LEAST)
        return Finding(CODE, Status.UNSURE, few, n=len(column))
    return _finding(_Seen(gain, ahead, rise, _drift(case, held_out), _basis(scores, held_out), held_out))


def _overfit(case: Case, scores: Scores, rise: Rise | None) -> Finding | None:
    """The held-out loss has risen, and it is no over-confidence alone."""
    beside = also(case, rise, scores)
    if rise is None or beside is None:
        return None
    message = say("diagnose.pf01.overfit", share=rise.share, best=rise.step, how=rise.words, also=beside)
    advice, where = say("diagnose.pf01.keep", step=rise.step), Where(step=rise.step)
    return Finding(CODE, Status.FAIL, message, rise.share, n=int(scores.step.size), where=where, advice=advice)


def _finding(seen: _Seen) -> Finding:
    status, key = _outcome(seen)
    gain, ahead, rise = seen.gain, seen.ahead, seen.rise
    numbers = {"gain": 100 * gain.gain, "low": 100 * gain.low, "high": 100 * gain.high, "basis": seen.basis}
    numbers |= {"level": gain.level, "step": gain.step, "wanted": 100 * POINTS, "sure": 1.0 - ONCE}
    evidence: dict[str, float] = {}
    if ahead is not None:
        numbers |= {"ahead": 100 * ahead.ahead.gain, "most": 100 * ahead.most, "horizon": ahead.horizon}
        evidence = {"ahead": ahead.ahead.gain, "most": ahead.most}
    if rise is not None:
        numbers |= {"share": rise.share, "best": rise.step, "how": rise.words}
    if seen.drift is not None:
        numbers["chosen"] = seen.drift.words
        evidence["chosen_change"] = seen.drift.fall
    advice = say("diagnose.pf01.advice") if seen.drift is not None else None
    if rise is not None and key == "plateau_risen":
        advice = say("diagnose.pf01.keep", step=rise.step)
    interval, where = (gain.low, gain.high), Where(step=gain.step)
    message = say(f"diagnose.pf01.{key}", **numbers)
    return Finding(CODE, status, message, gain.gain, interval, POINTS, gain.rows, where, advice, evidence)


def _outcome(seen: _Seen) -> tuple[Status, str]:
    """Status, and the last part of the message's key."""
    ahead = seen.ahead
    if seen.gain.high < 0.0 and seen.drift is None:
        return Status.WARN, "falling"
    if ahead is not None and ahead.settled:
        # Of training pairs that were seen once the accuracy is honest, but a drift is no proof of harm.
        if seen.drift is not None and seen.held_out:
            return Status.FAIL, "over"
        return Status.WARN, "plateau" if seen.rise is None else "plateau_risen"
    if seen.rise is not None:
        return Status.WARN, "confident"
    if seen.drift is not None:
        return Status.WARN, "drift"
    if seen.gain.low > 0.0 or (ahead is not None and ahead.rising):
        return Status.PASS, "rising"
    return Status.UNSURE, "unsure" if ahead is not None else "unknown"


def _basis(scores: Scores, held_out: bool) -> Message:
    if not held_out:
        return say("diagnose.pf01.train_pairs")
    if scores.right is not None:
        return say("diagnose.pf01.each_pair", n=int(scores.right.shape[1]))
    if scores.pairs is None:
        return say("diagnose.pf01.pairs_unknown")
    return say("diagnose.pf01.pairs", n=int(scores.pairs))


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
