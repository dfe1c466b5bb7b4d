"""What a diagnosis says: the headline with its numbers, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from doneness.core import Action, Finding, Message, Status, Verdict, say
from doneness.diagnose import special
from doneness.diagnose.case import Case
from doneness.diagnose.sweet_spot import Recommendation


@dataclass(frozen=True, slots=True)
class Talk:
    """What there is to talk about."""

    case: Case
    found: Mapping[str, Finding]
    verdict: Verdict
    action: Action
    kept: Recommendation | None

    @property
    def step(self) -> int:
        """The last step of the run."""
        return self.case.run.last_step

    @property
    def overfit(self) -> Finding:
        """The finding on overfitting that says most: the one that fails, else that of the examples."""
        examples, means = self.found["CV02"], self.found["CV03"]
        for status in (Status.FAIL, Status.WARN):
            for found in (examples, means):
                if found.status is status:
                    return found
        return means if examples.status is Status.SKIPPED else examples

    @property
    def ended(self) -> bool:
        """Whether the planned end has been reached."""
        planned = self.case.run.number("planned_steps")
        return planned is not None and self.step >= planned


def headline(talk: Talk) -> Message:
    """The verdict in one or two sentences; train and evaluation overlapping is named before it."""
    told = special.headline(talk.case, talk.found, talk.verdict, talk.step)
    return special.overlapping(talk.found, _headline(talk) if told is None else told)


def _headline(talk: Talk) -> Message:
    match talk.verdict:
        case Verdict.BROKEN:
            return say("diagnose.headline.broken", step=talk.step, cause=talk.found["RN01"].message)
        case Verdict.DIVERGED:
            return say("diagnose.headline.diverged", step=talk.step, cause=talk.found["CV01"].message)
        case Verdict.OVERFITTING:
            numbers = {"step": talk.step, "keep": _keep(talk), "evidence": talk.overfit.message}
            return say("diagnose.headline.overfitting", **numbers)
        case Verdict.CONVERGED:
            key = "plateau" if talk.action is Action.COOLDOWN else "converged"
            numbers = {"step": talk.step, "keep": _keep(talk), "evidence": _since_best(talk)}
            return say(f"diagnose.headline.{key}", ahead=talk.found["CV04"].message, **numbers)
        case Verdict.LEARNING if talk.action is not Action.CONTINUE:
            numbers = {"evidence": talk.found["CV05"].message, "ahead": talk.found["CV04"].message}
            return say("diagnose.headline.spent", step=talk.step, **numbers)
        case Verdict.LEARNING:
            key = "learning_ended" if talk.ended else "learning"
            return say(f"diagnose.headline.{key}", step=talk.step, evidence=_progress(talk))
        case _:
            return say("diagnose.headline.undecided", step=talk.step, reason=_why_undecided(talk))


def advice(talk: Talk) -> Message | None:
    """What to do next."""
    if talk.case.run.exploratory and talk.verdict not in (Verdict.BROKEN, Verdict.DIVERGED):
        return say("diagnose.advice.explore")
    told = special.advice(talk.case, talk.found, talk.verdict)
    if told is not None:
        return told
    scheduled = talk.found["CV09"]
    if talk.action is Action.STOP and talk.verdict in _DONE and scheduled.status in _SEEN and _under_way(scheduled):
        # Being done on a rate that has not decayed is not the same as a run planned for that length.
        plain = _plain_advice(talk)
        return scheduled.message if plain is None else say("diagnose.both", first=plain, second=scheduled.message)
    return _plain_advice(talk)


_DONE, _SEEN = (Verdict.CONVERGED, Verdict.LEARNING), (Status.PASS, Status.WARN)


def _under_way(scheduled: Finding) -> bool:
    return scheduled.message.key in ("diagnose.cv09.cut", "diagnose.cv09.under_way")


def _plain_advice(talk: Talk) -> Message | None:
    kept = talk.kept
    match talk.verdict:
        case Verdict.BROKEN:
            return talk.found["RN01"].advice
        case Verdict.DIVERGED:
            return talk.found["CV01"].advice
        case Verdict.OVERFITTING | Verdict.CONVERGED if kept is not None and kept.step == 0:
            return say("diagnose.advice.nothing_learnt")
        case Verdict.OVERFITTING if kept is not None and kept.step is not None:
            # The one kept may lie far from the turn, where its own was rotated away.
            turn = kept.step if kept.step in kept.spot.steps else kept.spot.best
            return say("diagnose.advice.overfitting", step=kept.step, turn=turn)
        case Verdict.CONVERGED | Verdict.LEARNING if talk.action is Action.COOLDOWN:
            return say("diagnose.advice.cooldown", steps=max(1, round(0.15 * talk.step)))
        case Verdict.CONVERGED if kept is not None and kept.step is not None:
            return say("diagnose.advice.converged", step=kept.step)
        case Verdict.LEARNING if talk.action is Action.STOP:
            return say("diagnose.advice.spent")
        case Verdict.LEARNING:
            return say("diagnose.advice.train_longer" if talk.ended else "diagnose.advice.go_on")
        case Verdict.UNDECIDED:
            return _settles(talk)
        case _:
            return None


def _keep(talk: Talk) -> Message:
    kept = talk.kept
    if kept is None:
        return say("diagnose.keep.none")
    if kept.step is None:
        return say(f"diagnose.keep.{kept.lacking}", best=kept.spot.best)
    if kept.step == 0:
        return say("diagnose.keep.base")
    if kept.checkpoint is None:
        return say("diagnose.keep.step", step=kept.step)
    if kept.best_kept is False:
        return say("diagnose.keep.other", checkpoint=kept.checkpoint, best=kept.spot.best)
    return say("diagnose.keep.checkpoint", checkpoint=kept.checkpoint)


def _since_best(talk: Talk) -> Message:
    """How the loss stands now against the sweet spot's first step."""
    case, kept = talk.case, talk.kept
    if kept is None:
        return say("diagnose.since.unknown")
    table, first = case.table, kept.spot.first
    if table is None:
        place = int((case.step <= first).sum()) - 1
        # As a share of the loss it is held against, as everywhere else on the screen.
        change = float(case.loss[-1] - case.loss[place]) / (abs(float(case.loss[place])) or 1.0)
        moved = "moved" if abs(float(case.loss[-1] - case.loss[place])) > 2.0 * case.epsilon else "means"
        return say(f"diagnose.since.{moved}", step=first, change=change, evals=int(case.loss.size))
    row = int((table.step <= first).sum()) - 1
    if row >= len(table.step) - 1:
        return say("diagnose.since.latest", step=first, n=int(table.tokens.size))
    effect = table.effect(-1, row)
    low, high = effect.interval(0.9, case.noise)
    level = abs(float(table.mean[row])) or 1.0
    numbers = {"change": effect.diff / level, "half": (high - low) / 2.0 / level, "n": effect.n}
    return say(f"diagnose.since.{'risen' if low > 0.0 else 'paired'}", step=first, **numbers)


def _progress(talk: Talk) -> Message:
    seen, ahead = talk.found["CV05"], talk.found["CV04"]
    if seen.status is not Status.PASS:
        return ahead.message
    told = ahead.message.key in ("diagnose.cv04.left", "diagnose.cv04.wide")
    return say("diagnose.both", first=seen.message, second=ahead.message) if told else seen.message


def _why_undecided(talk: Talk) -> Message:
    """The first thing that stands in the way of a verdict."""
    crashed = next((f for f in talk.found.values() if f.status is Status.ERROR), None)
    if crashed is not None:
        return crashed.message
    if talk.found["RN02"].status is Status.FAIL:
        return talk.found["RN02"].message
    told = special.why_undecided(talk.case, talk.found)
    if told is not None:
        return told
    if talk.case.preference:
        return say("diagnose.undecided.preference")
    if talk.found["CV10"].status is Status.WARN:
        return talk.found["CV10"].message
    if not talk.case.loss.size:
        seen = talk.found["CV05"]
        if seen.status is Status.SKIPPED:
            return say("diagnose.undecided.nothing")
        return say("diagnose.both", first=say("diagnose.undecided.train_only"), second=seen.message)
    if talk.overfit.status is Status.WARN:
        return talk.overfit.message
    if 2 <= talk.case.loss.size < talk.case.params.min_evals and talk.found["CV03"].status is Status.UNSURE:
        return talk.found["CV03"].message
    if talk.found["CV06"].status is Status.UNSURE:
        return talk.found["CV06"].message
    best = int(talk.case.loss.argmin())
    lowest = float(talk.case.loss[best])
    above = float(talk.case.loss[best + 1 :].min(initial=np.inf)) - lowest > talk.case.epsilon
    if talk.case.recovering and above and best < talk.case.loss.size - 1 and not talk.case.warming_up:
        share = (float(talk.case.loss[-1]) - lowest) / (abs(lowest) or 1.0)
        return say("diagnose.undecided.recovering", step=int(talk.case.step[best]), share=share)
    return talk.found["CV04"].message


def _settles(talk: Talk) -> Message:
    """What would settle an undecided run."""
    lost = talk.found["RN02"]
    if lost.status is Status.FAIL and lost.advice is not None:
        return lost.advice
    if talk.case.preference:
        return say("diagnose.advice.probe")
    unmoved = talk.found["CV10"]
    if unmoved.status is Status.WARN and unmoved.advice is not None:
        return unmoved.advice
    if not talk.case.loss.size:
        return say("diagnose.advice.evaluate")
    small = talk.found["CV06"]
    if small.status is Status.UNSURE and small.advice is not None:
        return small.advice
    return say("diagnose.advice.wait_ended" if talk.ended else "diagnose.advice.wait")
