"""BehaviourRule: any rule, and beside it what a few questions say of the checkpoints.

Order: a guard that went off stops; overfitting in loss is overruled while what the run is for still improves; else the
inner rule's decision stands. Without panels it is the inner rule.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from doneness.core import Action, Message, StopDecision, Verdict, say
from doneness.core.catalogue import entries
from doneness.curves.shares import holm, mcnemar_p, paired_t_p
from doneness.diagnose import Params
from doneness.runs import Run
from doneness.runs.panels import Panel, Scores, panels_of
from doneness.runs.probes import BASE
from doneness.stopping.budget import Budget
from doneness.stopping.protocol import StopRule
from doneness.stopping.rules.evidence import EvidenceRule

_ALL_LOOKS = 6.0 / math.pi**2  # Σ 1/k² = π²/6, so that the looks together spend α


class Change(NamedTuple):
    """One behaviour at one step against an earlier one, on the questions that both were asked.

    Attributes:
        gain: in the direction of the better.
        p: two-sided.
        n: questions.
    """

    scores: Scores
    before: int
    then: float
    now: float
    gain: float
    p: float
    n: int


@dataclass(frozen=True, slots=True)
class BehaviourRule:
    """Wraps a rule that sees losses alone.

    A guard has gone off where the newest panel is worse than an earlier one by more than the behaviour's margin, at
    level α · 6/π² / k² at the k-th look, shared among all guards and all earlier panels: the chance of one false stop
    over a whole run, however long, is α at most. What the run is for still improves where the newest panel is better
    than the one half-way back to where loss was best (5 %, Holm over the goals).

    Attributes:
        inner: decides on losses.
        alpha: chance of one false alarm over the whole run.
    """

    inner: StopRule = field(default_factory=EvidenceRule)
    alpha: float = 0.05

    @property
    def name(self) -> str:
        """The inner rule's, and that behaviour is seen."""
        return f"{self.inner.name} and behaviour"

    @property
    def params(self) -> Params:
        """Thresholds of the diagnosis that the inner rule makes."""
        return self.inner.params if isinstance(self.inner, EvidenceRule) else Params()

    @property
    def budget(self) -> Budget:
        """What the run may cost by the inner rule."""
        return self.inner.budget if isinstance(self.inner, EvidenceRule) else Budget()

    def decide(self, run: Run) -> StopDecision:
        """Decide from losses and panels of the run so far."""
        decision = self.inner.decide(run)
        panels = panels_of(run)
        if len(panels) < 2 or decision.verdict in (Verdict.BROKEN, Verdict.DIVERGED):
            return decision
        off = self._off(panels)
        if off is not None:
            return self._stop(decision, panels, off)
        if decision.action is Action.STOP and decision.verdict is Verdict.OVERFITTING:
            better = self._improves(panels, decision.recommended_step)
            if better is not None:
                reason = say("stopping.behaviour.improves", step=run.last_step, **_told(better), loss=decision.reason)
                return replace(decision, action=Action.CONTINUE, verdict=Verdict.LEARNING, reason=reason)
        return decision

    def _off(self, panels: Sequence[Panel]) -> Change | None:
        """The guard that went off most surely at the newest panel; None where none did."""
        # What went off at an earlier look and was not obeyed stays seen: every look is judged by its own panels.
        now, earlier = panels[-1], panels[:-1]
        guards = [s for s in now.scores.values() if s.behaviour.guard and s.behaviour.better != "none"]
        level = self.alpha * _ALL_LOOKS / len(earlier) ** 2 / max(1, len(guards) * len(earlier))
        found = [
            change
            for scores in guards
            for before in earlier
            if (change := _change(scores, before)) is not None
            and change.gain < -scores.behaviour.margin
            and change.p <= level
        ]
        return min(found, key=lambda change: (change.p, change.before), default=None)

    def _stop(self, decision: StopDecision, panels: Sequence[Panel], off: Change) -> StopDecision:
        """Stop, and keep what was there before the guard went off."""
        name = off.scores.behaviour.name
        now = panels[-1].step
        reason = say("stopping.behaviour.off", step=now, **_told(off), loss=decision.reason)
        kept = decision.recommended_step
        sound = [p.step for p in panels[:-1] if p.step != BASE and not self._worse(panels, p, name, off)]
        if kept is None or kept >= now or (kept not in sound and kept in [p.step for p in panels]):
            kept = max(sound, default=None) if sound else None
        return StopDecision(Action.STOP, Verdict.OVERFITTING, reason, decision.findings, decision.step, kept)

    def _worse(self, panels: Sequence[Panel], panel: Panel, name: str, off: Change) -> bool:
        """Whether a panel is itself worse than where the guard was best, by its margin."""
        mine = panel.scores.get(name)
        best = next(p for p in panels if p.step == off.before)
        change = None if mine is None or panel.step == off.before else _change(mine, best)
        return change is not None and change.gain < -off.scores.behaviour.margin

    def _improves(self, panels: Sequence[Panel], best_loss: int | None) -> Change | None:
        """The goal that the newest panel is better in than the one half-way back to where loss was best."""
        now = panels[-1]
        since = [p for p in panels[:-1] if p.step >= (best_loss or BASE)] or [panels[-2]]
        before = since[len(since) // 2] if len(since) > 1 else since[0]
        goals = [s for s in now.scores.values() if s.behaviour.goal and s.behaviour.better != "none"]
        changes = [change for s in goals if (change := _change(s, before)) is not None]
        shown = holm([change.p for change in changes])
        better = [c for c, sure in zip(changes, shown, strict=True) if sure and c.gain > 0]
        return min(better, key=lambda change: change.p, default=None)


def _change(now: Scores, before: Panel) -> Change | None:
    """None where fewer than two questions were asked both times, or of another behaviour by that name."""
    then = before.scores.get(now.behaviour.name)
    if then is None or (then.behaviour.better, then.binary) != (now.behaviour.better, now.binary):
        return None
    both = [name for name in now.of if name in then.of]
    if len(both) < 2:
        return None
    new, old = [now.of[name] for name in both], [then.of[name] for name in both]
    if now.binary:
        p = mcnemar_p([v > 0.5 for v in new], [v > 0.5 for v in old])
    else:
        scale = 1.0 if now.behaviour.unit == "share" else max(1e-3, *map(abs, (*new, *old)))
        p = paired_t_p([a - b for a, b in zip(new, old, strict=True)], scale)
    first, second = sum(old) / len(old), sum(new) / len(new)
    sign = 1.0 if now.behaviour.better == "higher" else -1.0
    return Change(now, before.step, first, second, sign * (second - first), p, len(both))


def _told(change: Change) -> dict[str, int | float | Message]:
    return {
        "behaviour": _title(change.scores.behaviour.name),
        "then": change.then,
        "now": change.now,
        "before": change.before,
        "n": change.n,
        "p": change.p,
    }


def _title(name: str) -> Message:
    """What a behaviour is called; one of the user's own by its name."""
    key = f"probe.{name}.title"
    return say(key) if key in entries("en") else say("stopping.behaviour.own", name=name)
