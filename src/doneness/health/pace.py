"""Throughput and memory."""

from __future__ import annotations

import sys
import time


class Pace:
    """Seconds spent on training steps, data loading among them; evaluations and checkpoints are left out."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._steps = 0
        self._mark: float | None = None
        self._counts: tuple[float, float] | None = None

    def start(self, tokens: float, targets: float) -> None:
        """Tokens and target tokens that were seen before the first step."""
        self._counts = (tokens, targets)

    def begin(self) -> None:
        """A step begins."""
        now = time.monotonic()
        if self._mark is not None:
            self._seconds += now - self._mark
        self._mark = now

    def end(self) -> None:
        """A step has ended."""
        now = time.monotonic()
        if self._mark is not None:
            self._seconds += now - self._mark
            self._steps += 1
        self._mark = now

    def paused(self) -> None:
        """What has gone on since the last step was no training."""
        self._mark = None

    def take(self, tokens: float | None, targets: float | None) -> dict[str, float]:
        """Steps, tokens and target tokens a second since the last record; what is not known is left out."""
        found: dict[str, float] = {}
        if self._seconds > 0 and self._steps:
            found["steps_per_second"] = self._steps / self._seconds
            if tokens is not None and self._counts is not None:
                found["tokens_per_second"] = (tokens - self._counts[0]) / self._seconds
                found["targets_per_second"] = ((targets or 0.0) - self._counts[1]) / self._seconds
        self._counts = None if tokens is None else (tokens, targets or 0.0)
        self._seconds, self._steps = 0.0, 0
        return found


def peak_memory(device: str) -> tuple[int, str] | None:
    """The most memory held so far in bytes, and of what: "cuda" (torch's allocator on that card) or "rss".

    The allocator's count is not reset, so that nobody else's reading of it changes. None where the
    system does not tell.
    """
    torch = sys.modules.get("torch")
    if device.startswith("cuda") and torch is not None:
        return int(torch.cuda.max_memory_allocated(device)), "cuda"
    if sys.platform == "win32":
        return None
    import resource

    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes on Linux, bytes on macOS.
    return int(held) * (1 if sys.platform == "darwin" else 1024), "rss"
