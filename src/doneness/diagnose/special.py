"""Runs not judged by losses on held-out rows: memorising, overlap, preference, reinforcement."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from doneness.core import Action, Finding, Message, Status, Verdict, say
from doneness.diagnose import epochs
from doneness.diagnose.case import Case
from doneness.diagnose.kinds import reinforced

Found = Mapping[str, Finding]

# By the last part of the finding's key. Over-optimised is overfitting to the pairs or the reward: the measure
# trained on improves, what it stands for does not, and whoever gates on overfitting has to hear of it.
_OUTCOMES = {
    "rising": (Verdict.LEARNING, Action.CONTINUE),
    "plateau": (Verdict.CONVERGED, Action.STOP),
    "plateau_risen": (Verdict.CONVERGED, Action.STOP),
    "watched": (Verdict.CONVERGED, Action.STOP),
    "loss_falls": (Verdict.LEARNING, Action.CONTINUE),
    "loss_settled": (Verdict.CONVERGED, Action.STOP),
    "overfit": (Verdict.OVERFITTING, Action.STOP),
    "over": (Verdict.OVERFITTING, Action.STOP),
    "no_signal": (Verdict.CONVERGED, Action.STOP),
    "collapsed": (Verdict.DIVERGED, Action.STOP),
}
_WORDS = {
    Verdict.LEARNING: "learning",
    Verdict.CONVERGED: "converged",
    Verdict.OVERFITTING: "over",
    Verdict.DIVERGED: "collapsed",
}
_TAIL = 0.2  # of the first epoch: its end
_COOLDOWN = 0.15  # of the steps done, as for any other run


def outcome(case: Case, found: Found) -> tuple[Verdict, Action] | None:
    """Verdict and action where something else than the losses decides; None where they do.

    Memorising asks for no stop: it is no shown harm, and what is not known must not stop a run.
    """
    if found["CV08"].status is Status.FAIL:
        return _UNKNOWN
    if found["RN02"].status is Status.FAIL or any(f.status is Status.ERROR for f in found.values()):
        return None
    if case.preference:
        verdict, action = _OUTCOMES.get(_kind(_judged(case, found)), _UNKNOWN)
        return verdict, Action.COOLDOWN if _cools(case, found) else action
    return (Verdict.MEMORISING, Action.CONTINUE) if found["CV07"].status is Status.FAIL else None


_UNKNOWN = (Verdict.UNDECIDED, Action.CONTINUE)


def headline(case: Case, found: Found, verdict: Verdict, step: int) -> Message | None:
    """The headline of such a run; None for any other."""
    if verdict is Verdict.MEMORISING:
        evidence, honest = found["CV07"].message, _honest(case)
        return say("diagnose.headline.memorising", step=step, evidence=evidence, honest=honest)
    if case.preference and verdict in _WORDS:
        decided = _judged(case, found)
        if _cools(case, found):
            return say("diagnose.headline.preference_plateau", step=step, evidence=decided.message)
        word = say(f"diagnose.word.{'overfit' if _kind(decided) == 'overfit' else _WORDS[verdict]}")
        return say("diagnose.headline.preference", word=word, step=step, evidence=decided.message)
    return None


def advice(case: Case, found: Found, verdict: Verdict) -> Message | None:
    """What to do next with such a run; None for any other."""
    if verdict is Verdict.MEMORISING:
        return say("diagnose.advice.memorising")
    if verdict in (Verdict.BROKEN, Verdict.DIVERGED) and not case.preference:
        return None
    if case.preference and verdict is not Verdict.BROKEN:
        if _cools(case, found):
            return say("diagnose.advice.cooldown", steps=max(1, round(_COOLDOWN * case.run.last_step)))
        told = _judged(case, found).advice
        if told is not None:
            return told
        return say(f"diagnose.advice.{_NEXT[verdict]}") if verdict in _NEXT else None
    return say("diagnose.advice.overlap") if found["CV08"].status is Status.FAIL else None


_NEXT = {Verdict.LEARNING: "preference_go_on", Verdict.CONVERGED: "preference_done"}


def overlapping(found: Found, message: Message) -> Message:
    """`message` with a suspected or certain overlap of train and evaluation said before it."""
    status = found["CV08"].status
    if status is Status.FAIL:
        return say("diagnose.both", first=found["CV08"].message, second=message)
    if status is Status.WARN and found["CV08"].message.key != "diagnose.cv08.summed":
        return say("diagnose.both", first=say("diagnose.headline.overlap"), second=message)
    return message


def why_undecided(case: Case, found: Found) -> Message | None:
    """The reason for "cannot tell" of such a run."""
    if found["CV08"].status is Status.FAIL:
        return say("diagnose.undecided.overlap")
    if found["RN02"].status is Status.FAIL:
        return found["RN02"].message
    decided = _judged(case, found) if case.preference else None
    return None if decided is None or decided.status is Status.SKIPPED else decided.message


def _cools(case: Case, found: Found) -> bool:
    """Whether a preference run has settled at a learning rate above a fifth of its peak.

    What the fall of the rate brings is in no line through accuracies at a high rate.
    """
    decided = _judged(case, found)
    rate = case.rate_now
    done = decided.code == "PF01" and _kind(decided) in ("plateau", "plateau_risen", "loss_settled")
    return done and rate is not None and rate > case.params.high_rate


def _judged(case: Case, found: Found) -> Finding:
    return found["RL01" if reinforced(case) else "PF01"]


def _kind(finding: Finding) -> str:
    return finding.message.key.rpartition(".")[2]


def _honest(case: Case) -> Message:
    """The end of the first epoch, and the train loss there."""
    column, end = case.run.train, epochs.edge_step(case, 1)
    if column is None or end is None:
        return say("diagnose.honest.none")
    epoch = epochs.passes(case, column)
    late = column.value[(epoch > 1.0 - _TAIL) & (epoch <= 1.0 + 1e-6) & np.isfinite(column.value)]
    if not late.size:
        return say("diagnose.honest.none")
    return say("diagnose.honest.first", step=end, loss=float(np.median(late)))
