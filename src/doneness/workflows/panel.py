"""The few questions that a model is asked while it is trained."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from doneness.config import Recipe
from doneness.core import DonenessError, Message, language, say
from doneness.runs.panels import Scores, to_record
from doneness.runs.probes import Answer

if TYPE_CHECKING:
    from doneness.probe.asking import Asking
    from doneness.probe.measure import Measure
    from doneness.probe.suite import Probe
    from doneness.train.asking import Asker

MOST = 32  # questions of a panel
_ASKS = ("answer",)


def asker_of(recipe: Recipe, tokenizer: Any, told: Callable[[Message], None]) -> Asker | None:
    """What asks while `recipe` is trained; None where it names no questions or no time for them.

    Args:
        recipe: with its suite and the share of the time.
        tokenizer: of the model in training.
        told: hears why nobody asks where somebody was meant to.

    Raises:
        DataError: the suite, or a behaviour of the user's own, cannot be read.
    """
    section = recipe.probes
    if not (section.suite and section.share and recipe.stopping.enabled) or recipe.run.stage == "reward":
        return None
    from doneness.models.together import share
    from doneness.probe.allocation import in_turn
    from doneness.probe.asking import Asking
    from doneness.probe.opening import open_suite
    from doneness.probe.suite import choose_questions
    from doneness.workflows.asking import guards_of, measures_of

    if share()[1] > 1:
        told(say("probing.alone"))
        return None
    suite = open_suite(section.suite, language())
    chosen = choose_questions(suite.probes, section.questions, recipe.run.seed)
    able = [replace(p, asks=_ASKS) for p in in_turn(chosen) if "answer" in p.asks]
    measures = measures_of(section, suite.behaviours)
    guards = guards_of(measures, suite.guards)
    limit = suite.max_new_tokens or section.max_new_tokens
    asking = Asking(recipe.data.system, limit, section.batch_size)
    applied = [guards.applied(m) for m in measures]
    return LivePanel(tokenizer, able[:MOST], asking, applied, told=told) if able else None


class LivePanel:
    """Asks the model in training the same questions each time; an `Asker`.

    Args:
        tokenizer: of the model.
        probes: the questions.
        asking: how they are put.
        measures: the behaviours.
        clock: seconds; another one in tests.
        told: hears of a behaviour that cannot be scored.
    """

    def __init__(
        self,
        tokenizer: Any,
        probes: Sequence[Probe],
        asking: Asking,
        measures: Sequence[Measure],
        clock: Callable[[], float] = time.monotonic,
        told: Callable[[Message], None] = lambda message: None,
    ) -> None:
        self._tokenizer, self._probes, self._asking, self._told = tokenizer, tuple(probes), asking, told
        self._measures = [m for m in measures if set(m.needs) <= set(_ASKS) and m.row is None and m.against is None]
        self._clock = clock
        self._cost = 0.0  # seconds of a whole panel, once one was asked

    def ask(self, model: Any, step: int, seconds: float) -> Mapping[str, Any] | None:
        """Ask, where a whole panel fits; the first of all as far as it goes."""
        if self._cost > seconds:
            return None
        begun, answers = self._clock(), list[Answer]()
        size = self._asking.batch_size
        for begin in range(0, len(self._probes), size):
            batch = self._probes[begin : begin + size]
            spent = self._clock() - begun
            if answers and spent / len(answers) * len(batch) > seconds - spent:
                break
            answers += self._batch(model, step, batch)
        self._cost = (self._clock() - begun) * len(self._probes) / len(answers)
        # Also where nothing could be scored: the time was taken.
        return {"panel": to_record(self._scores(answers)), "questions": len(answers)}

    def _scores(self, answers: Sequence[Answer]) -> list[Scores]:
        """Of all behaviours; one of the user's own that fails is asked no more, and the training goes on."""
        found: list[Scores] = []
        for measure in tuple(self._measures):
            try:
                found += scores_of((measure,), self._probes, answers)
            except DonenessError as error:
                self._measures.remove(measure)
                self._told(say("probing.panel_lost", name=measure.behaviour.name, reason=str(error)))
        return found

    def _batch(self, model: Any, step: int, batch: Sequence[Probe]) -> list[Answer]:
        from doneness.models import answer_all, prompt_ids
        from doneness.probe.conversation import turns_of

        found: dict[str, Answer] = {}
        for limit in sorted({self._asking.limit(p) for p in batch}):
            some = [p for p in batch if self._asking.limit(p) == limit]
            prompts = [prompt_ids(self._tokenizer, turns_of(self._asking.system, (p.prompt,))) for p in some]
            answers = answer_all(model, self._tokenizer, prompts, limit, self._asking.batch_size)
            for p, a in zip(some, answers, strict=True):
                found[p.id] = Answer(p.id, step, a.text, a.tokens, a.confidence, a.capped)
        return [found[p.id] for p in batch]


def scores_of(
    measures: Sequence[Measure],
    probes: Sequence[Probe],
    answers: Sequence[Answer],
    lost: dict[str, list[str]] | None = None,
) -> list[Scores]:
    """Every behaviour's score of every answer that bears on it, where that is a function of the answer alone.

    Args:
        measures: the behaviours.
        probes: the questions.
        answers: to them, of one checkpoint.
        lost: takes, by behaviour, the ids of questions whose score is NaN or infinite; they count nowhere.
    """
    by_id = {probe.id: probe for probe in probes}
    found = []
    for measure in measures:
        if measure.row is not None or measure.against is not None:
            continue
        told = {
            a.id: measure.score(by_id[a.id], a)
            for a in answers
            if a.id in by_id and set(measure.needs) <= set(by_id[a.id].asks)
        }
        known = {name: float(value) for name, value in told.items() if value is not None and math.isfinite(value)}
        none = [name for name, value in told.items() if value is not None and not math.isfinite(value)]
        if none and lost is not None:
            lost[measure.behaviour.name] = none
        if known:
            found.append(Scores(measure.behaviour, measure.binary, known))
    return found
