"""The largest memory that a stretch of work takes, and what there is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_RESET, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


@dataclass
class Peak:
    """Bytes: `used` at the most, of `there`; each None where this system does not tell."""

    used: int | None = None
    there: int | None = None


@contextmanager
def peak_of(device: Any) -> Iterator[Peak]:
    """Measure what is done meanwhile: memory of the GPU, or of this process where it trains on the CPU."""
    import torch

    peak = Peak()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        free, _ = torch.cuda.mem_get_info(device)
        peak.there = free + torch.cuda.memory_reserved(device)
        yield peak
        peak.used = torch.cuda.max_memory_reserved(device)
        return
    peak.there = _memory()
    known = _reset()
    yield peak
    peak.used = _high_water() if known else None


def _reset() -> bool:
    """Let the system forget the process's highest mark so far: loading the model may have been higher."""
    try:
        _RESET.write_text("5")
    except OSError:
        return False
    return True


def _high_water() -> int | None:
    for line in _STATUS.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None


def _memory() -> int | None:
    """Bytes of this machine, or of the container it runs in, where that has less."""
    try:
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None
    for limit in _LIMITS:
        try:
            whole = min(whole, int(limit.read_text()))
        except (OSError, ValueError):
            continue
    return whole
