"""Several processes started together, by torchrun or accelerate launch: how many they are, and which of them speaks."""

from __future__ import annotations

import os
from collections.abc import Callable

_asked: list[Callable[[], bool]] = []
_left: list[Callable[[], None]] = []


def processes() -> int:
    """How many processes were launched together; 1 for one alone."""
    return max(1, _number("WORLD_SIZE", 1))


def rank() -> int:
    """This process's number among them, from 0."""
    return _number("RANK", 0) if processes() > 1 else 0


def local_rank() -> int:
    """Its number among those of this machine, from 0."""
    return _number("LOCAL_RANK", 0) if processes() > 1 else 0


def local_processes() -> int:
    """How many of them are on this machine."""
    return max(1, _number("LOCAL_WORLD_SIZE", 1)) if processes() > 1 else 1


def places() -> bool:
    """Whether FSDP or DeepSpeed, as accelerate launch was asked for, will put the weights onto the cards."""
    return fsdp() or os.environ.get("ACCELERATE_USE_DEEPSPEED", "").lower() == "true"


def fsdp() -> bool:
    """Whether FSDP will, and part them."""
    return os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"


def speaks() -> bool:
    """Whether a fault is this process's to tell: of several that have met the first that asks, before one a machine."""
    return _asked[-1]() if _asked else local_rank() == 0


def met(ask: Callable[[], bool], leave: Callable[[], None]) -> None:
    """The processes have met: `ask` says who speaks from now on, and `leave` parts from the others."""
    _asked[:], _left[:] = [ask], [leave]


def part() -> None:
    """Part from the other processes at the very end; not after a fault, when they may be waiting for this one."""
    while _left:
        _left.pop()()


def _number(name: str, usual: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else usual
