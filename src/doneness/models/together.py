"""What several processes have to tell one another; with one process, nothing.

Messages go over gloo, also where gradients go over NCCL: a process that is gone is then noticed by the others at
once, and not after a timeout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from doneness.core import DonenessError, launched, tr
from doneness.models.imports import require

PATIENCE = timedelta(minutes=30)  # that one process waits for another that is alive and says nothing
_SPOKEN = "doneness/spoken"
# What the libraries below say of a connection whose other end is gone.
_TRACES = ("gloo", "NCCL", "onnection closed", "onnection reset", "Broken pipe", "ProcessGroup")
T = TypeVar("T")


def join(device: str = "auto") -> None:
    """Meet the other processes of a launch, each with a card of its own where there are any; alone, do nothing.

    Args:
        device: as the recipe has it.

    Raises:
        DonenessError: there are fewer cards than processes on this machine, or one card is named for all of them.
    """
    if launched.processes() == 1 or _spread() is not None:
        return
    torch = require("torch")
    cards = torch.cuda.device_count() if torch.cuda.is_available() and device != "cpu" else 0
    if cards:
        if ":" in device:
            raise DonenessError(tr("models.one_card", device=device, processes=launched.processes()))
        if cards < launched.local_processes():
            raise DonenessError(tr("models.few_cards", cards=cards, processes=launched.local_processes()))
        torch.cuda.set_device(launched.local_rank())
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if cards else "gloo", timeout=PATIENCE)
    store = torch.distributed.distributed_c10d._get_default_store()
    launched.met(lambda: _first_to_speak(store, launched.rank()), torch.distributed.destroy_process_group)


def share() -> tuple[int, int]:
    """This process's rank, and how many there are."""
    spread = _spread()
    return (spread.get_rank(), spread.get_world_size()) if spread is not None else (0, 1)


def gathered(mine: Any) -> list[Any]:
    """What every process holds, in order of rank; all must call it."""
    spread = _spread()
    if spread is None:
        return [mine]
    found: list[Any] = [None] * spread.get_world_size()
    spread.all_gather_object(found, mine)
    return found


def from_first(mine: T) -> T:
    """What the first process holds; all must call it."""
    spread = _spread()
    if spread is None:
        return mine
    held = [mine]
    spread.broadcast_object_list(held, src=0)
    return held[0]


def by_first(make: Callable[[], T]) -> T:
    """What the first process makes, and it alone; all must call it."""
    return from_first(make() if share()[0] == 0 else None)  # type: ignore[return-value]


def summed(mine: Sequence[int]) -> list[int]:
    """Sums over all processes, number by number; all must call it."""
    spread = _spread()
    if spread is None:
        return list(mine)
    numbers = require("torch").tensor(list(mine), dtype=require("torch").int64)
    spread.all_reduce(numbers)
    return [int(each) for each in numbers.tolist()]


def average_gradients(parameters: Iterable[Any]) -> None:
    """Give every process the mean of what they hold, where nothing else does it; all must call it."""
    spread = _spread()
    if spread is None:
        return
    for each in parameters:
        if each.grad is None:
            each.grad = require("torch").zeros_like(each)
        spread.all_reduce(each.grad)
        each.grad /= spread.get_world_size()


@contextmanager
def told_of_loss() -> Iterator[None]:
    """Turn the fault that another process's end leaves behind into one clear line."""
    try:
        yield
    except RuntimeError as error:
        if launched.processes() == 1 or not any(trace in str(error) for trace in _TRACES):
            raise
        raise DonenessError(tr("models.lost_process", rank=launched.rank())) from error


def meet() -> None:
    """Wait until every process is here."""
    gathered(None)


def parted(model: Any) -> bool:
    """Whether the weights are parted among the processes (FSDP, ZeRO-3), so that all must call the model together."""
    return any(hasattr(p, "device_mesh") or hasattr(p, "ds_id") for p in model.parameters())


def _first_to_speak(store: Any, rank: int) -> bool:
    try:
        return bool(store.compare_set(_SPOKEN, "", str(rank)) == str(rank).encode())
    except (RuntimeError, OSError):
        # It lay with a process that is gone.
        return True


def _spread() -> Any:
    distributed = require("torch").distributed
    return distributed if distributed.is_available() and distributed.is_initialized() else None
