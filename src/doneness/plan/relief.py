"""What to change where a step does not fit: what costs nothing first, then time, then the rows or the method itself.

Each with what it saves and what it costs; the list ends where the step fits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from doneness.core import Message, say
from doneness.plan.memory import Memory, estimate_memory
from doneness.plan.setup import Setup, Spread
from doneness.plan.shape import ModelShape

_SAVES, _SHARES = 0.005, 0.05  # of the peak with all before it; further cards for less are not worth naming


@dataclass(frozen=True, slots=True)
class Relief:
    """One change.

    Attributes:
        name: of the change, a key of the catalogue's [plan.relief].
        what, cost: sentences.
        alone: the peak with this change alone, bytes.
        saved: by it alone, bytes.
        together: the peak with this and all before it; of ways to share the memory with one of them, and with the
            method as it was: those who share it do so to keep the method.
        setup: with those.
    """

    name: str
    what: Message
    cost: Message
    alone: Memory
    saved: float
    together: Memory
    setup: Setup


def reliefs(shape: ModelShape, setup: Setup, length95: int = 0, card: float = 0.0) -> tuple[Relief, ...]:
    """Changes in the order in which they are to be tried.

    One that saves nothing by itself, or nothing more once those before it are made, is left out and not made.

    Args:
        shape: of the model.
        setup: that does not fit.
        length95: tokens that 95 % of the rows need at most; 0 where that is not counted.
        card: bytes; what comes after the change by which it fits is left out, ways to keep the method aside where that
            was another method. 0 lists all.
    """
    fitted = False
    before, found, now, kept = estimate_memory(shape, setup), [], setup, setup
    for name, changed, numbers in _changes(setup, length95):
        alone, shares = estimate_memory(shape, changed), changed.spread != setup.spread
        if alone.total >= before.total or (fitted and not shares):
            continue
        first = kept if shares else now
        tried = _joined(first, setup, changed)
        together = estimate_memory(shape, tried)
        if together.total > (1 - (_SHARES if shares else _SAVES)) * estimate_memory(shape, first).total:
            continue
        if not shares:
            now = tried
            kept = _joined(kept, setup, changed) if changed.method == setup.method else kept
        texts = say(f"plan.relief.{name}", **numbers), say(f"plan.relief.{name}_cost", **numbers)
        found.append(Relief(name, *texts, alone, before.total - alone.total, together, tried))
        fitted = fitted or (not shares and card > 0 and together.high <= card)
        if fitted and not shares and changed.method == setup.method:
            break
    return tuple(found)


def _changes(setup: Setup, length95: int) -> Iterator[tuple[str, Setup, dict[str, int]]]:
    """Name, setup with this one thing changed, numbers of its sentence."""
    if setup.loss in ("whole", "copied"):
        yield "tiled", replace(setup, loss="tiled" if setup.device == "cuda" else "targets"), {}
    if setup.attention == "eager":
        yield "fused", replace(setup, attention="sdpa"), {}
    if setup.micro_batch > 1:
        yield "rows", replace(setup, micro_batch=1, accumulates=True), {"rows": setup.micro_batch}
    if not setup.checkpointing:
        yield "checkpointing", replace(setup, checkpointing=True), {}
    if setup.optimizer == "adamw":
        yield "eight_bit", replace(setup, optimizer="adamw_8bit"), {}
    if setup.method == "full" and setup.dtype == "amp":
        yield "half", replace(setup, dtype="bf16"), {}
    if 0 < length95 < setup.seq:
        yield "shorter", replace(setup, seq=length95), {"length": length95, "seq": setup.seq}
    if setup.method == "full":
        yield "lora", replace(setup, method="lora", layers=0, whole=0), {}
    if setup.method != "qlora" and setup.device == "cuda":
        yield "qlora", replace(setup, method="qlora", double_quant=True, layers=0, whole=0), {}
    if setup.spread.devices == 1 and setup.spread.offload == "none" and setup.device == "cuda":
        for name, kind in (("zero2", "zero2"), ("zero3", "zero3")):
            spread = Spread("zero2" if kind == "zero2" else "zero3", 8)
            yield name, replace(setup, spread=spread), {"devices": 8}
        yield "offload", replace(setup, spread=Spread("zero2", 1, "optimizer")), {}


def _joined(now: Setup, first: Setup, changed: Setup) -> Setup:
    """What `changed` has that `first` has not, put into `now`."""
    names = [name for name in Setup.__slots__ if getattr(first, name) != getattr(changed, name)]
    return replace(now, **{name: getattr(changed, name) for name in names})
