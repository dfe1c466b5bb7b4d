"""[rewards] use: which rewards an answer gets, and with what weight."""

from __future__ import annotations

import math
import re
from pathlib import Path
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from doneness.config.sections import RewardsSection
from doneness.core import tr

KNOWN = ("exact", "format", "length")
USUAL_PATTERN = r"\s*<think>.*?</think>\s*<answer>.*?</answer>\s*"
_LONGEST = 500  # characters of a pattern
_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT)


class Reward(NamedTuple):
    """One of the rewards: its name, its weight, and the file or module of one's own function ("" for a known one)."""

    name: str
    weight: float
    place: str = ""


def parse_rewards(texts: tuple[str, ...]) -> tuple[Reward, ...]:
    """The rewards in the words of a recipe: name, name=weight, file.py:function=weight.

    Raises:
        ValueError: with the text that cannot be read, that names nothing known, or whose name is there twice.
    """
    found: list[Reward] = []
    for text in texts:
        said, equals, number = text.rpartition("=")
        try:
            weight = float(number) if equals else 1.0
        except ValueError:
            raise ValueError(text) from None
        place, colon, name = (said if equals else text).strip().rpartition(":")
        own = bool(colon) and bool(place) and name.isidentifier()
        taken = name in {reward.name for reward in found} or (own and name in KNOWN)
        if not math.isfinite(weight) or weight == 0.0 or taken or not (own or (not colon and name in KNOWN)):
            raise ValueError(text)
        found.append(Reward(name, weight, place))
    return tuple(found)


def beside(text: str, base: Path) -> str:
    """A reward with the file of its function counted from the folder `base`, where it lies there."""
    place, colon, rest = text.rpartition(":")
    if not colon or not place.endswith(".py") or Path(place).is_absolute():
        return text
    return f"{base / place}:{rest}" if (base / place).exists() else text


def faults(section: RewardsSection) -> list[str]:
    """What is wrong with the section, each fault with what to do instead."""
    try:
        used = {reward.name for reward in parse_rewards(section.use)}
    except ValueError as error:
        return [tr("config.reward_unknown", text=str(error), known=", ".join(KNOWN))]
    if not used:
        return [tr("config.reward_none")]
    found = []
    if section.pattern and "format" not in used:
        found.append(tr("config.reward_unused", keys="pattern", name="format"))
    elif section.pattern:
        found += _of_pattern(section.pattern)
    limits = [key for key in ("length_target", "length_cap") if getattr(section, key)]
    if limits and "length" not in used:
        found.append(tr("config.reward_unused", keys=", ".join(limits), name="length"))
    elif "length" in used and len(limits) != 1:
        found.append(tr("config.reward_length"))
    return found


def _of_pattern(pattern: str) -> list[str]:
    """A regular expression that cannot be read, or that some answers would keep busy for years."""
    try:
        if len(pattern) > _LONGEST:
            raise re.error("too long")
        tree = _parser.parse(pattern, re.DOTALL)
    except (re.error, RecursionError, OverflowError) as error:
        return [tr("config.pattern_unreadable", reason=str(error))]
    return [tr("config.pattern_slow")] if _explodes(tree, False) else []


def _explodes(tree: Any, repeated: bool) -> bool:
    """Whether something without a limit is repeated without a limit, or one of several ways is: (a+)+, (a|aa)*.

    An answer that nearly matches is then tried in numbers of ways that double with every character.
    """
    for kind, told in tree:
        endless = kind in _REPEATS and told[1] == _constants.MAXREPEAT
        if repeated and (endless or kind is _constants.BRANCH):
            return True
        if any(_explodes(part, repeated or endless) for part in _parts(told)):
            return True
    return False


def _parts(told: Any) -> list[Any]:
    """The patterns inside a node."""
    if isinstance(told, _parser.SubPattern):
        return [told]
    return [part for each in told for part in _parts(each)] if isinstance(told, (tuple, list)) else []
