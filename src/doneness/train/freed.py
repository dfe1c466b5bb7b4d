"""Memory that was freed, handed back to the system.

glibc keeps it, in pieces that later work does not fit into: what an evaluation or a checkpoint used lies beside what
the next step needs, and the peak is the sum of both. On a CPU that was a tenth of what a small model's training takes.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys


def give_back(collect: bool = False) -> None:
    """Hand it back, where there is somebody to do so; it takes milliseconds.

    Args:
        collect: look first for what nobody refers to any more, which takes longer.
    """
    if collect:
        gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another library of C has no such thing
            ctypes.CDLL(None).malloc_trim(0)
