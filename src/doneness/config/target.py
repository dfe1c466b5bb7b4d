"""stopping.target: a measured behaviour that a run is for, as a text."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_FORM = re.compile(r"\s*(?P<name>[^\s<>=]+)\s*(?P<sign>>=|<=|>|<|≥|≤)\s*(?P<value>[-+.\deE]+)\s*(?P<percent>%?)\s*")


@dataclass(frozen=True)
class Target:
    """An evaluation metric, and where it is to come.

    Attributes:
        name: of the metric, without "eval/" or "eval_".
        value: where it is to come.
        rising: whether more of it is better.
    """

    name: str
    value: float
    rising: bool

    def met(self, value: float) -> bool:
        """Whether a measured value is there; NaN never is."""
        return value >= self.value if self.rising else value <= self.value


def parse_target(text: str) -> Target | None:
    """What a text like "exact >= 95%" asks for; None for an empty one.

    Raises:
        ValueError: it cannot be read.
    """
    if not text.strip():
        return None
    found = _FORM.fullmatch(text)
    try:
        value = float(found["value"]) if found else math.nan
    except ValueError:
        value = math.nan
    if found is None or not math.isfinite(value):
        raise ValueError(text)
    name = re.sub(r"^eval[/_]", "", found["name"])
    return Target(name, value / 100.0 if found["percent"] else value, found["sign"][0] in ">≥")
