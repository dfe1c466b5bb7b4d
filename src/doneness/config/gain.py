"""The smallest gain worth going on for, written as a text: "0.5%", "0.01 nats", "0.1%/hour", "0.1% per GPU-hour"."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORM = re.compile(
    r"\s*(?P<size>(?:\d+(?:\.\d*)?|\.\d+)(?:e-?\d+)?)\s*(?P<unit>%|nats?)\s*"
    r"(?P<hour>(?:/|per\b|an?\b)\s*(?P<device>gpu[\s-]*)?(?:h|hour))?\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Gain:
    """A gain as somebody asked for it; one of the two sizes is 0.

    Attributes:
        share: as a share of the current loss.
        nats: in nats per target token.
        hourly: whether it is asked for each hour of training, not in all.
        by_device: of an hourly one, whether the hours of all devices count: two hours on four GPUs are eight.
    """

    share: float
    nats: float
    hourly: bool
    by_device: bool = False


def parse_gain(text: str) -> Gain | None:
    """The gain that `text` asks for; None where it is none, or not above 0, or 100 % and more."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    size, share = float(found["size"]), found["unit"] == "%"
    if not 0.0 < size < (100.0 if share else 1e6):
        return None
    return Gain(
        size / 100.0 if share else 0.0, 0.0 if share else size, found["hour"] is not None, found["device"] is not None
    )
