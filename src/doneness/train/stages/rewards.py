"""What an answer is worth: the rewards of a recipe, alike in training and on held-out questions."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.config import RewardsSection
from doneness.config.rewards import parse_rewards
from doneness.core import DonenessError, tr
from doneness.data import result_of, same_result
from doneness.models.prompts import EncodedPrompt
from doneness.train.stages.matcher import Matcher

Floats = NDArray[np.float64]
_OPENED, _CLOSED = "<think>", "</answer>"
_BETWEEN = re.compile(r"</think>\s*<answer>")
_SOFT = 0.2  # of the cap: where the reward for length begins to fall
_DEALT = 32  # rows that the same answers are held against where the rewards say nothing of their own
_TAKEN = ("prompt", "prompts", "completion", "completions", "completion_ids")  # names that are no columns


@dataclass(frozen=True)
class Answers:
    """Answers to be rewarded; all of length n.

    Attributes:
        asked: the question of each.
        texts: what was answered, special tokens apart.
        ids: the same as token ids, the one that ends it included.
        more: what TRL gives a reward beside the columns: trainer_state, log_metric and the like.
    """

    asked: Sequence[EncodedPrompt]
    texts: Sequence[str]
    ids: Sequence[Sequence[int]]
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scorer:
    """One reward: its name, its weight, and what it gives each of n answers; NaN where it says nothing of one."""

    name: str
    weight: float
    worth: Callable[[Answers], Sequence[float]]

    @property
    def overtime(self) -> int:
        """Answers that its pattern took too long for, which count as no match."""
        return int(getattr(self.worth, "overtime", 0))

    @property
    def most(self) -> float:
        """The most it adds to an answer's reward; one of somebody's own is taken to lie between 0 and 1."""
        return max(self.weight, 0.0)


def scorers_of(section: RewardsSection) -> tuple[Scorer, ...]:
    """The rewards of a recipe.

    Raises:
        DonenessError: a function of one's own cannot be loaded.
    """
    known: dict[str, Callable[[], Callable[[Answers], Sequence[float]]]] = {
        "exact": lambda: exact,
        "format": lambda: Formatted(section.pattern),
        "length": lambda: lengths(section.length_target, section.length_cap),
    }
    return tuple(
        Scorer(name, weight, known[name]() if not place else _guarded(name, own(place, name)))
        for name, weight, place in parse_rewards(section.use)
    )


def rewards_of(scorers: Sequence[Scorer], answers: Answers) -> Floats:
    """Every reward of every answer, unweighted; shape (n, rewards), NaN where a reward says nothing.

    Raises:
        DonenessError: a function of one's own failed.
    """
    found = [np.asarray(scorer.worth(answers), dtype=np.float64) for scorer in scorers]
    return np.stack(found, axis=1)


def summed(scorers: Sequence[Scorer], found: Floats) -> Floats:
    """The weighted sum of every answer's rewards, those that say nothing left out; NaN where none says anything.

    Args:
        scorers: k of them.
        found: shape (…, k).
    """
    total = np.nansum(found * [scorer.weight for scorer in scorers], axis=-1)
    return np.where(np.isnan(found).all(axis=-1), np.nan, total)


def mute(scorers: Sequence[Scorer], answers: Answers, rows: Sequence[EncodedPrompt]) -> bool:
    """Whether no reward says anything of any answer, nor of the same answers to questions from all over the rows.

    A reward may be of some rows alone, and one step's questions may all be others.

    Raises:
        DonenessError: a function of one's own failed.
    """
    if not np.isnan(rewards_of(scorers, answers)).all():
        return False
    some = rows[:: max(1, len(rows) // _DEALT)][:_DEALT]
    order = [i % len(answers.texts) for i in range(len(some))]
    dealt = Answers(some, [answers.texts[i] for i in order], [answers.ids[i] for i in order])
    return bool(np.isnan(rewards_of(scorers, dealt)).all())


def exact(answers: Answers) -> list[float]:
    """1 where the answer's result is the row's, else 0; nothing of a row without one."""
    return [
        float(same_result(result_of(text), result_of(asked.reference))) if asked.reference else math.nan
        for asked, text in zip(answers.asked, answers.texts, strict=True)
    ]


class Formatted:
    """1 where the whole answer has the form of the pattern, else 0; an empty one means the usual form."""

    def __init__(self, pattern: str) -> None:
        self._matcher = Matcher(pattern) if pattern else None

    @property
    def overtime(self) -> int:
        """Answers that the pattern took too long for."""
        return self._matcher.overtime if self._matcher is not None else 0

    def __call__(self, answers: Answers) -> list[float]:
        """For each answer."""
        matches = _usual_form if self._matcher is None else self._matcher.matches
        return [float(matches(text)) for text in answers.texts]


def lengths(target: int, cap: int) -> Callable[[Answers], list[float]]:
    """1 at the target and 0 where it is missed by as much; or 1 up to four fifths of the cap and 0 from there on it."""

    def worth(answers: Answers) -> list[float]:
        counts = [len(ids) for ids in answers.ids]
        if target:
            return [max(0.0, 1.0 - abs(count - target) / target) for count in counts]
        soft = _SOFT * cap
        return [min(1.0, max(0.0, (cap - count) / soft)) for count in counts]

    return worth


def _usual_form(text: str) -> bool:
    """Reasoning, nothing but space, an answer: what the usual pattern means, in one pass."""
    said = text.strip()
    if not (said.startswith(_OPENED) and said.endswith(_CLOSED)):
        return False
    return _BETWEEN.search(said, len(_OPENED), len(said) - len(_CLOSED)) is not None


def own(place: str, name: str) -> Callable[..., Any]:
    """A function of somebody's own.

    Args:
        place: a .py file, or the name of a module that can be imported.
        name: of the function.

    Raises:
        DonenessError: it cannot be loaded, or is no plain function.
    """
    try:
        module = _file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except Exception as error:
        # Whatever somebody's code raises is a fault of that file.
        reason = f"{type(error).__name__}: {error}"[:300]
        raise DonenessError(tr("train.reward_absent", place=place, reason=reason)) from error
    function = getattr(module, name, None)
    if not callable(function):
        raise DonenessError(tr("train.reward_no_function", place=place, name=name))
    if inspect.iscoroutinefunction(function):
        raise DonenessError(tr("train.reward_async", name=name))
    return function  # type: ignore[no-any-return]


def _file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"doneness_rewards_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickles look there
    spec.loader.exec_module(module)
    return module


def _guarded(name: str, function: Callable[..., Any]) -> Callable[[Answers], list[float]]:
    """A function of somebody's own, called as TRL calls one, its faults named."""
    wanted = inspect.signature(function).parameters
    everything = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in wanted.values())

    def worth(answers: Answers) -> list[float]:
        columns = dict.fromkeys(key for asked in answers.asked for key in asked.row.columns if key not in _TAKEN)
        given: dict[str, Any] = {key: [asked.row.columns.get(key) for asked in answers.asked] for key in columns}
        given |= {"trainer_state": None, "log_extra": _nothing, "log_metric": _nothing} | dict(answers.more)
        given["prompts"] = [list(asked.messages) for asked in answers.asked]
        given["completions"] = [[{"role": "assistant", "content": text}] for text in answers.texts]
        given["completion_ids"] = [list(ids) for ids in answers.ids]
        try:
            told = function(**{key: value for key, value in given.items() if everything or key in wanted})
            found = [math.nan if each is None else float(each) for each in told]
            if len(found) != len(answers.texts):
                raise ValueError(f"{len(found)} numbers")
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"[:300]
            raise DonenessError(
                tr("train.reward_failed", name=name, count=len(answers.texts), reason=reason)
            ) from error
        # An infinite reward would make every other answer to the question worth nothing.
        return [each if math.isfinite(each) else math.nan for each in found]

    return worth


def _nothing(*args: Any, **kwargs: Any) -> None:
    """On held-out rows there is nothing to log to."""
