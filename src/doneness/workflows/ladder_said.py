"""A ladder in sentences: what more rows brought, what they would bring, and what that costs."""

from __future__ import annotations

import math

from doneness.core import Message, say
from doneness.sanity.ladder import Ladder

_REPEATS, _FLOOR = 0.05, 0.02  # share of rows; nats per target token


def ladder_lines(ladder: Ladder) -> tuple[Message, ...]:
    """The verdict first, then quality against quantity, the forecasts and their cost."""
    found = [_verdict(ladder), *_quality(ladder), _forecast(ladder)]
    if ladder.whole > ladder.rungs[-1].rows:
        found.append(_whole(ladder))
    return tuple(found)


def _verdict(ladder: Ladder) -> Message:
    top, below = ladder.rungs[-1], ladder.rungs[-2]
    numbers = {"rows": top.rows, "below": below.rows, "gain": top.gain or 0.0, "matters": ladder.matters}
    if top.interval is None:
        return say("sanity.ladder.one_seed", **numbers)
    return say(f"sanity.ladder.{ladder.word}", **numbers, low=top.interval[0], high=top.interval[1])


def _quality(ladder: Ladder) -> list[Message]:
    top, found = ladder.rungs[-1], []
    gap = {"train": top.train, "loss": top.loss, "rows": top.rows}
    if ladder.by_heart and ladder.word in ("flat", "worse"):
        found.append(say("sanity.ladder.quality", **gap))
    elif ladder.word == "flat":
        found.append(say("sanity.ladder.saturated", **gap))
    if ladder.repeats > _REPEATS:
        found.append(say("sanity.ladder.repeats", share=ladder.repeats))
    if ladder.floor > _FLOOR:
        found.append(say("sanity.ladder.floor", floor=ladder.floor))
    return found


def _forecast(ladder: Ladder) -> Message:
    top = ladder.rungs[-1].rows
    if ladder.power is None:
        known = not math.isnan(ladder.noise)
        return say("sanity.ladder.few_rungs" if known else "sanity.ladder.no_noise", rungs=len(ladder.rungs))
    gain, low, high = ladder.power.gain(top, 10.0 * top)
    beta = ladder.power.exponent
    numbers = {"gain": gain, "low": low, "high": high, "more": 10 * top, "beta": beta[0]}
    return say("sanity.ladder.tenfold", **numbers, beta_low=beta[1], beta_high=beta[2])


def _whole(ladder: Ladder) -> Message:
    top = ladder.rungs[-1].rows
    hours = ladder.hours * ladder.whole / 1000.0
    more = {"whole": ladder.whole, "hours": hours, "matters": ladder.matters}
    if ladder.power is None:
        return say("sanity.ladder.whole_unknown", **more)
    gain, low, high = ladder.power.gain(top, float(ladder.whole))
    key = "whole_no" if high < ladder.matters else "whole_yes" if low > ladder.matters else "whole_maybe"
    return say(f"sanity.ladder.{key}", **more, gain=gain, low=low, high=high)
