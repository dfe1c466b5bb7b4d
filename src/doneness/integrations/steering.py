"""What somebody else's Trainer is asked to do about a decision: stop, cool down, save, spare a checkpoint.

All processes must go the same ways in here: the decision is the first one's, and so is a cooldown.
"""

from __future__ import annotations

import logging
from typing import Any

from doneness.core import Action, StopDecision, tr
from doneness.diagnose import recommend
from doneness.integrations import sparing, together
from doneness.integrations.cooling import Schedule
from doneness.integrations.guard import Guard
from doneness.integrations.monitor import Monitor
from doneness.integrations.noting import Noting
from doneness.stopping import EvidenceRule
from doneness.stopping.cooldown import SHARE, Cooldown, plan_cooldown
from doneness.stopping.improvement import improved, judged

logger = logging.getLogger("doneness")


class Steering:
    """One training.

    Attributes:
        stopped: whether a decision, or somebody from outside, ended it.
        cooldown: the one in force.
    """

    def __init__(self, rule: Noting, obey: bool, args: Any, schedule: Schedule, guard: Guard) -> None:
        """Stand where the run stands.

        Args:
            rule: told whether the rate can be lowered, and is.
            obey: whether decisions are acted on.
            args: of the Trainer.
            schedule: of its learning rate.
            guard: tells of errors; the process that has the monitor speaks.
        """
        self.stopped = False
        self.cooldown: Cooldown | None = None
        self._rule, self._obey, self._args, self._schedule, self._guard = rule, obey, args, schedule, guard
        self._withheld, self._asked, self._told = False, False, set[str]()
        rule.cools, rule.obeyed = schedule.able, obey

    @property
    def ending(self) -> str | None:
        """How it ended the run: "cooled" at a rate of zero, "stopped" or "requested" before; None where it did not."""
        if self._asked:
            return "requested"
        cooled = self.cooldown is not None and self._schedule.step >= self.cooldown.end
        return ("cooled" if cooled else "stopped") if self.stopped else None

    def take_up(self, cooldown: Cooldown | None, step: int) -> None:
        """Lower the rate from here on, or go on lowering it."""
        if cooldown is None or not self._obey or step >= cooldown.end:
            return
        if self._schedule.able:
            self.cooldown = cooldown
            self._schedule.lower(cooldown, step)
        else:
            self._say("cannot_cool", kind=self._schedule.kind, steps=cooldown.end - step)

    def step_end(self, step: int, control: Any) -> None:
        """Evaluate half-way through a cooldown and at its end, where the run ends."""
        self._schedule.step = step
        if self.cooldown is None:
            return
        if step in self.cooldown.looks and str(getattr(self._args.eval_strategy, "value", "")) != "no":
            control.should_evaluate = True
        if step >= self.cooldown.end:
            self.stopped = True
            control.should_save = control.should_training_stop = True

    def act(self, decision: StopDecision, state: Any, control: Any) -> None:
        """Obey a decision of the set that judges the run."""
        sparing.spare(self._args, state, decision.recommended_step)
        if decision.action is Action.COOLDOWN and self.cooldown is None:
            self._cool(decision, state, control)
        elif decision.action is Action.STOP and not (self.stopped and self.cooldown is None):
            self._stop(decision, state)
        self.hold(control)

    def hold(self, control: Any) -> None:
        """Ask again for the end and its checkpoint: another strategy may have overruled them."""
        if self.stopped:
            control.should_save = not self._withheld
            control.should_training_stop = True

    def stop_asked(self, control: Any) -> None:
        """Somebody asks for the end, with a checkpoint, whatever the rule may do."""
        self.stopped, self._asked, self._withheld = True, True, False
        self.hold(control)

    def cool_asked(self, state: Any, control: Any) -> bool:
        """Somebody asks for a cooldown; whether it is begun. All processes call it."""
        step = int(state.global_step)
        planned = plan_cooldown(step, SHARE, int(state.max_steps))
        if self.cooldown is not None or planned is None or not self._schedule.able:
            return False
        monitor, begun = self._guard.monitor, None
        with self._guard.at("cooldown", step):
            begun = None if monitor is None else monitor.cool_down(rate=self._schedule.rate, by="request", step=step)
        begun = together.from_first(begun)
        if begun is None or step >= begun.end:
            return False
        self.cooldown = begun
        self._schedule.lower(begun, step)
        # From here one can also train on at the high rate.
        control.should_save = True
        return True

    def wants(self, monitor: Monitor, control: Any) -> bool:
        """Whether the last evaluation is better, for certain, than that of the last checkpoint: worth another one."""
        strategy = str(getattr(self._args.save_strategy, "value", self._args.save_strategy))
        if control.should_save or strategy in ("no", "best"):
            return False
        run = monitor.run()
        evaluated = [] if run.evals is None else run.evals.step.tolist()
        saved = max((c.step for c in run.checkpoints), default=min(evaluated, default=0))
        return improved(judged(run, self._rule.params), saved) and sparing.has_room(self._args, saved)

    def saved(self, monitor: Monitor, state: Any) -> None:
        """A checkpoint has come: the rotation is to spare the recommended one of all there are now."""
        if self._args.save_total_limit and isinstance(self._rule.inner, EvidenceRule):
            found = recommend(judged(monitor.run(), self._rule.params))
            sparing.spare(self._args, state, None if found is None else found.step)

    def let_go(self) -> None:
        """Leave the Trainer's schedule as it was."""
        self._schedule.let_go()

    def _stop(self, decision: StopDecision, state: Any) -> None:
        # What somebody asked for is done whether decisions are obeyed or not.
        self.stopped, kept = self._obey or self.stopped, decision.recommended_step
        self._withheld = self.stopped and sparing.loses(self._args, state, kept)
        key = "noted" if not self.stopped else "stops_kept" if self._withheld else "stops"
        limit = {"limit": self._args.save_total_limit, "step": kept} if self._withheld else {}
        self._say(key, again=True, reason=str(decision.reason), **limit)
        there = not kept or kept == state.global_step or sparing.place(self._args, kept).is_dir()
        if self.stopped and not there:
            self._say("not_kept", step=kept)

    def _cool(self, decision: StopDecision, state: Any, control: Any) -> None:
        step, reason = int(state.global_step), str(decision.reason)
        planned = plan_cooldown(step, SHARE, int(state.max_steps))
        if not self._schedule.able and planned is not None:
            self._say("cannot_cool", kind=self._schedule.kind, steps=planned.end - step)
        if not self._obey:
            self._say("noted", reason=reason)
        if not self._obey or not self._schedule.able or planned is None:
            return
        monitor, begun = self._guard.monitor, None
        with self._guard.at("cooldown", step):
            begun = None if monitor is None else monitor.cool_down(rate=self._schedule.rate, by="rule")
        self.take_up(together.from_first(begun), step)
        if self.cooldown is not None:
            # From here one can also train on at the high rate.
            control.should_save = not sparing.loses(self._args, state, decision.recommended_step)
            self._say("cools", reason=reason, end=self.cooldown.end)

    def _say(self, key: str, again: bool = False, **numbers: Any) -> None:
        """On the process that writes; once each, unless it is to be said again."""
        if self._guard.monitor is not None and (again or key not in self._told):
            logger.warning(tr(f"integrations.{key}", **numbers))
        self._told.add(key)
