"""Bytes of all tensors that are alive, counted as operations make them and as the last of their users lets go.

A storage counts once, whoever views it. What an operation takes for itself while it runs, a workspace of a library or
a driver, is no tensor and is not seen. Fake tensors have storages of the right size without the memory, so that the
same count is had of a step that this machine could not make.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):  # type: ignore[misc]
    """A dispatch mode that counts.

    Attributes:
        now: bytes alive.
        peak: the most so far; set it to `now` to begin anew.
        aside: bytes of `now` that `watched` said at the peak; by it gradients are told apart.
        watched: asked at every new peak.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = self.aside = 0
        self.watched: Callable[[], int] = int
        self._sizes: dict[int, int] = {}
        self._known: dict[int, Any] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, and count what it made."""
        made = func(*args, **(kwargs or {}))
        self.count(tree_leaves(made))
        return made

    def count(self, tensors: Iterable[Any]) -> None:
        """Count storages that are not known yet; those of tensors that were there before the mode are given here."""
        import torch

        for tensor in tensors:
            if isinstance(tensor, torch.Tensor):
                self._note(tensor)
        if self.now > self.peak:
            self.peak, self.aside = self.now, self.watched()

    def forget_peak(self) -> None:
        """The peak begins anew at what is alive now."""
        self.peak, self.aside = self.now, self.watched()

    def _note(self, tensor: Any) -> None:
        try:
            storage = tensor.untyped_storage()
        except (RuntimeError, NotImplementedError):
            return  # sparse and wrapped tensors have none of their own
        key, size = id(storage), int(storage.nbytes())
        known = self._known.get(key)
        if known is not None and known() is storage:
            self.now += size - self._sizes[key]  # it may have been resized
            self._sizes[key] = size
            return

        def gone(reference: Any) -> None:
            if self._known.get(key) is reference:
                del self._known[key]
                self.now -= self._sizes.pop(key)

        self._known[key] = weakref.ref(storage, gone)
        self._sizes[key] = size
        self.now += size
