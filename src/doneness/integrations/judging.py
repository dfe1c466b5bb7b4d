"""What a rule says of the run so far, and what becomes of it; an error of the rule's is one warning and a record."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from doneness.core import Action, StopDecision, Verdict, say
from doneness.integrations import advice
from doneness.integrations.enduring import Enduring
from doneness.integrations.guard import Guard
from doneness.integrations.noting import lowering
from doneness.runs import ExampleLosses, Run
from doneness.stopping import StopRule
from doneness.stopping.cooldown import cooldown_of

logger = logging.getLogger("doneness")
OnChange = Callable[[StopDecision, Run], None]


class Judging:
    """One rule on one run.

    Attributes:
        lowers: whether whoever trains can lower the rate.
        guard: tells of what goes wrong.
    """

    def __init__(self, rule: StopRule, on_change: Iterable[OnChange], guard: Guard) -> None:
        self.lowers, self.guard = False, guard
        self._rule, self._on_change = rule, tuple(on_change)
        self._told: set[str] = set()

    def decide(self, recorder: Enduring, step: int, write: Callable[..., Any]) -> StopDecision:
        """Decide on the run up to `step`, record that, and tell whoever is to be told of a change.

        Where the rule fails nothing is recorded but the error: a decision that was none is not one.
        """
        told = recorder.last("decision")
        before = None if told is None else StopDecision.from_dict(told)
        decision = self.judged(recorder, step)
        if decision is None:
            return undecided(step)
        cooling = cooldown_of(recorder.records)
        if cooling is not None:
            decision = cooling.govern(decision)
        data = decision.to_dict() | {"rule": self._rule.name}
        data.pop("step")
        write("decision", step, **data)
        news = decision.action is Action.STOP if before is None else before.verdict is not decision.verdict
        for hear in self._on_change if news else ():
            with self.guard.at("on_change", step):
                hear(decision, recorder.run().until(step))
        return decision

    def judged(self, recorder: Enduring, step: int) -> StopDecision | None:
        """What the rule says of the run up to `step`; None where it fails."""
        found = None
        with self.guard.at("rule", step):
            # Rows after this step are no evidence here: a replay will not have them either.
            run = recorder.run().until(step)
            if "budget" not in self._told and advice.of_budget(run, self._rule):
                self._told.add("budget")
            found = lowering(self._rule, self.lowers).decide(run)
        return found

    def advise(self, recorder: Enduring, rows: ExampleLosses | None) -> None:
        """At the first evaluation with rows, the newest record: what change so many can show."""
        known = any("target_tokens" in r for r in recorder.records[:-1] if r["kind"] == "eval")
        if rows is not None and not known:
            advice.of_rows(rows, self._rule)

    def once(self, key: str, text: str) -> None:
        """Warn of something the first time."""
        if key not in self._told:
            self._told.add(key)
            logger.warning(text)


def undecided(step: int) -> StopDecision:
    """What is answered where the rule failed: go on, and nothing is known."""
    return StopDecision(Action.CONTINUE, Verdict.UNDECIDED, say("integrations.undecided", step=step), (), step)
