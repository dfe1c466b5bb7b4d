"""How much faster a run is on several cards, from its arithmetic, the bytes that are moved, and the bandwidth.

T_c = c · N · tokens / (peak · share of the peak), with c = 6 where all weights are trained, 8 with recomputing, 4 and 6
for adapters. Gradients are added up by T_ar = 2 (n − 1) / n · bytes / bandwidth (NCCL's ring), all of a model that lies
in parts by 1.5 of that. A step of one of n cards takes

    T_c · (1 + cv · √(2 ln n) / √m) + max(0, T_ar − 0.7 · T_backward) + latency,

where cv is how much rows differ in length and m the micro-batches of a step: the slowest card is waited for. Exchange
and the way back overlap by about 0.7; both numbers are conventions, to be held against a measured pair of runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from doneness.core import Message, say

_OVERLAP = 0.7
_BACKWARD = 2 / 3  # of a step's time
_LATENCY = 2e-4  # seconds, for every exchange of a step
_PARTS = 1.5
_PAYS, _FEW_STEPS = 0.7, 100
# Half-precision arithmetic of a card, FLOP/s without sparsity, by the makers' sheets.
PEAKS = {
    "a100": 312e12, "a800": 312e12, "h100": 989e12, "h800": 989e12, "h200": 989e12, "h20": 148e12, "l40s": 362e12,
    "l4": 121e12, "a10": 125e12, "a10g": 125e12, "a6000": 155e12, "v100": 125e12, "t4": 65e12, "3090": 71e12,
    "4090": 165e12, "5090": 210e12, "b200": 2250e12,
}  # fmt: skip
# Bytes a second between cards: within a machine by NVLink or PCIe, between machines by the network.
LINKS = {"nvlink": 250e9, "pcie": 20e9, "infiniband": 45e9, "ethernet": 2.5e9}


class Work(NamedTuple):
    """What one card does in a step, and what is exchanged.

    `active`: parameters that a token goes through; `trained` those that are trained, `held` all; `seconds`: of one
    card's step, where that was measured.
    """

    active: float
    trained: float
    held: float
    tokens: float
    method: str = "lora"
    checkpointing: bool = True
    parts: bool = False
    micro_batches: int = 1
    variation: float = 0.3
    seconds: float = 0.0


class Machine(NamedTuple):
    """The cards.

    `peak`: arithmetic, FLOP/s; `reached`: the share of it; `cards` a machine; bytes a second within and between them.
    """

    peak: float = 312e12
    reached: float = 0.4
    cards: int = 8
    within: float = LINKS["nvlink"]
    between: float = LINKS["infiniband"]


@dataclass(frozen=True, slots=True)
class SpeedUp:
    """On so many cards, each with the same rows a step.

    Attributes:
        devices: cards in all.
        speed: how many times one card's tokens a second.
        efficiency: speed / devices.
        step: seconds of a step; `compute`, `exchange` and `waiting` make it up.
        steps: optimizer steps in the same passes over the data; 0 where that is not known.
        pays: whether each card does 0.7 of its work alone, and steps are enough.
        reasons: why not, or what limits.
    """

    devices: int
    speed: float
    efficiency: float
    step: float
    compute: float
    exchange: float
    waiting: float
    steps: int
    pays: bool
    reasons: tuple[Message, ...]


def compute_seconds(work: Work, machine: Machine) -> float:
    """Of one card's share of a step."""
    if work.seconds:
        return work.seconds
    factor = (6.0 if work.method == "full" else 4.0) + (2.0 if work.checkpointing else 0.0)
    return factor * work.active * work.tokens / (machine.peak * machine.reached)


def speed_up(work: Work, machine: Machine, devices: int, steps: int = 0) -> SpeedUp:
    """Predict.

    Args:
        work: of one card in one step.
        machine: the cards.
        devices: how many of them.
        steps: of the run on one card; with the same rows a card each more cards make fewer.
    """
    alone = compute_seconds(work, machine)
    waiting = alone * work.variation * math.sqrt(2 * math.log(devices) / max(work.micro_batches, 1))
    exchange = _exchange(work, machine, devices)
    seen = max(0.0, exchange - _OVERLAP * _BACKWARD * alone)
    latency = _LATENCY * math.log2(devices) * (work.micro_batches if work.parts else 1) if devices > 1 else 0.0
    step = alone + waiting + seen + latency
    efficiency = alone / step
    fewer = math.ceil(steps / devices) if steps else 0
    reasons = _reasons(alone, waiting, seen, fewer, devices)
    pays = devices == 1 or (efficiency >= _PAYS and not 0 < fewer < _FEW_STEPS)
    return SpeedUp(
        devices, devices * efficiency, efficiency, step, alone, seen + latency, waiting, fewer, pays, reasons
    )


def _exchange(work: Work, machine: Machine, devices: int) -> float:
    """Seconds that all that is exchanged takes, seen or not."""
    if devices == 1:
        return 0.0
    bandwidth = machine.within if devices <= machine.cards else machine.between
    if work.parts:
        moved = _PARTS * 2.0 * work.held * work.micro_batches
    else:
        moved = (4.0 if work.method != "full" else 2.0) * work.trained
    return 2 * (devices - 1) / devices * moved / bandwidth


def _reasons(alone: float, waiting: float, seen: float, steps: int, devices: int) -> tuple[Message, ...]:
    if devices == 1:
        return ()
    whole = alone + waiting + seen
    found = []
    if seen > 0.1 * whole:
        found.append(say("plan.scaling.exchange", share=seen / whole))
    if waiting > 0.1 * whole:
        found.append(say("plan.scaling.waiting", share=waiting / whole))
    if alone < 0.05:
        found.append(say("plan.scaling.short", milliseconds=1000 * alone))
    if 0 < steps < _FEW_STEPS:
        found.append(say("plan.scaling.few", steps=steps, least=_FEW_STEPS))
    return tuple(found)
