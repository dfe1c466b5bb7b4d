"""One optimizer step measured on the model: gradients, what the micro-batches added, and how far the weights moved.

Everything stays on the device until `read`, which fetches all numbers in one transfer. Nothing is written
to: the step that is measured is, bit for bit, the step that would have been made.

Trainers clip before they let anybody look. How much was clipped (and scaled, in float16) is learnt from a few
parameters whose gradient is also measured as it is accumulated, since clipping multiplies all by one number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from doneness.health.kinds import kind_of

_MARKS = 16  # parameters that tell how much was clipped
SAMPLE = 4096  # numbers of each tensor where weights are too many to copy
COPY_SHARE = 0.02  # of all weights' bytes; a copy of more is a sample instead
_ALWAYS = 1 << 20  # bytes that are always copied


@dataclass(frozen=True)
class Measured:
    """What one step was like.

    Attributes:
        grad: norm of the gradient before clipping, by kind of module and "all".
        update: ‖Δθ‖ / ‖θ‖ of the trained weights, likewise.
        sampled: whether Δθ was estimated from a sample of each tensor.
        whole: squared norm of the batch's gradient; parts: sum of those of what each micro-batch added,
            both in the scale of the backward pass; None where they were not measured.
        extra: what else was asked for with the same transfer, in order.
    """

    grad: dict[str, float]
    update: dict[str, float]
    sampled: bool
    whole: float | None
    parts: float | None
    extra: list[float]


class Gauge:
    """Measures steps of one model; between `begin` and `before` it holds hooks on the trained parameters."""

    def __init__(self, model: Any) -> None:
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        # Parameters that are spread over devices have norms of another kind; they are left alone.
        self._named = [(kind_of(name), p) for name, p in named if not hasattr(p, "device_mesh")]
        moving = sum(p.numel() * p.element_size() for _, p in self._named)
        total = sum(p.numel() * p.element_size() for p in model.parameters())
        self.sampled = moving > max(COPY_SHARE * total, _ALWAYS)
        # An odd stride meets both halves of an adapter; one of them has no gradient at the first step.
        stride = max(1, len(self._named) // _MARKS) | 1
        self._marks = [p for _, p in self._named][::stride][:_MARKS]
        self._hooks: list[Any] = []
        self._pieces: dict[str, list[Any]] = {}
        self._added: dict[int, list[Any]] = {}
        self._unclipped: dict[int, Any] = {}
        self._kinds: list[str] = []
        self._params: list[Any] = []
        self._old: list[Any] = []
        self._shares: list[float] = []

    @property
    def usable(self) -> bool:
        """Whether there is a trained parameter to measure."""
        return bool(self._named)

    def begin(self, micro: bool, marks: bool) -> None:
        """A step begins that is to be measured.

        Args:
            micro: also measure what each micro-batch adds.
            marks: also learn how much is clipped; not where gradients are averaged over processes afterwards.
        """
        self.drop()
        if micro:
            self._hooks += [p.register_hook(_Added(i, self._added)) for i, (_, p) in enumerate(self._named)]
        if marks:
            self._hooks += [
                p.register_post_accumulate_grad_hook(_Mark(i, self._unclipped)) for i, p in enumerate(self._marks)
            ]

    def before(self) -> None:
        """All gradients are there, clipped; the optimizer has not moved yet."""
        import torch

        self._unhook()
        there = [(kind, p) for kind, p in self._named if p.grad is not None]
        self._kinds, self._params = [kind for kind, _ in there], [p for _, p in there]
        marked = [(self._unclipped[i], p.grad) for i, p in enumerate(self._marks) if i in self._unclipped]
        marked = [(norm, grad) for norm, grad in marked if grad is not None]
        with torch.no_grad():
            self._pieces = {
                "grad": _norms([p.grad for p in self._params]),
                "weight": _norms([p.detach() for p in self._params]),
                "unclipped": [norm for norm, _ in marked],
                "clipped": _norms([grad for _, grad in marked]),
                "added": [norm for norms in self._added.values() for norm in norms],
            }
            self._old = [each.clone() for each in self._views()]

    def after(self) -> None:
        """The optimizer has moved."""
        import torch

        with torch.no_grad():
            if self._old:
                # In place in the copy, old − new: no third set of weights.
                torch._foreach_sub_(self._old, self._views())
            self._pieces["moved"] = _norms(self._old)
        self._shares = [each.numel() / p.numel() for each, p in zip(self._old, self._params, strict=True)]
        self._old, self._params = [], []

    def read(self, extra: Sequence[Any], passes: int, scale: float = 1.0) -> Measured | None:
        """The numbers, with one wait for the device; None where nothing was measured.

        Args:
            extra: vectors on the device to fetch along.
            passes: micro-batches of the step.
            scale: what the loss was multiplied by for float16.
        """
        if "moved" not in self._pieces or not self._kinds:
            self.drop()
            return None
        values, rest = _fetched(self._pieces, extra)
        unclipped, clipped = math.hypot(*values["unclipped"]), math.hypot(*values["clipped"])
        # From the gradient that the optimizer saw back to the one of the backward pass.
        back = unclipped / clipped if clipped > 0 and math.isfinite(unclipped) and values["unclipped"] else scale
        grad = _by_kind(self._kinds, [each * back / scale for each in values["grad"]])
        far = _by_kind(self._kinds, [m / math.sqrt(s) for m, s in zip(values["moved"], self._shares, strict=True)])
        size = _by_kind(self._kinds, values["weight"])
        update = {kind: far[kind] / size[kind] for kind in far if size[kind] > 0}
        # A parameter whose hook was called more often than there were batches was met in several passes.
        even = bool(self._added) and max(map(len, self._added.values())) == passes
        whole = (grad["all"] * scale) ** 2 if even else None
        parts = sum(each * each for each in values["added"]) if even else None
        self.drop()
        return Measured(grad, update, self.sampled, whole, parts, rest)

    def drop(self) -> None:
        """Forget everything, and take the hooks off."""
        self._unhook()
        # New ones: hooks that have gone may still hold the old.
        self._pieces, self._added, self._unclipped = {}, {}, {}
        self._kinds, self._params, self._old, self._shares = [], [], [], []

    def _unhook(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _views(self) -> list[Any]:
        """The trained weights as they stand, or an even sample of each."""
        return [_sample(p.detach()) if self.sampled else p.detach() for p in self._params]


class _Added:
    """Hook on a parameter: the norm of what a micro-batch is about to add to its gradient."""

    def __init__(self, place: int, into: dict[int, list[Any]]) -> None:
        self.place, self.into = place, into

    def __call__(self, grad: Any) -> None:
        self.into.setdefault(self.place, []).append(_norm(grad))


class _Mark:
    """Hook on a parameter: the norm of its gradient as accumulated so far; the last one stays."""

    def __init__(self, place: int, into: dict[int, Any]) -> None:
        self.place, self.into = place, into

    def __call__(self, parameter: Any) -> None:
        self.into[self.place] = _norm(parameter.grad)


def _norm(tensor: Any) -> Any:
    import torch

    with torch.no_grad():
        return torch.linalg.vector_norm(tensor, dtype=torch.float32)


def _norms(tensors: Sequence[Any]) -> list[Any]:
    import torch

    return list(torch._foreach_norm(list(tensors), 2, dtype=torch.float32)) if tensors else []


def _sample(weight: Any) -> Any:
    """About SAMPLE numbers of a tensor, evenly spread; the stride shares no divisor with a row's length."""
    stride = max(1, weight.numel() // SAMPLE)
    while stride > 1 and math.gcd(stride, weight.shape[-1]) > 1:
        stride += 1
    return weight.reshape(-1)[::stride]


def _by_kind(kinds: Sequence[str], norms: Sequence[float]) -> dict[str, float]:
    """Root sums of squares by kind, and over "all"."""
    squares: dict[str, float] = {"all": 0.0}
    for kind, norm in zip(kinds, norms, strict=True):
        squares["all"] += norm * norm
        squares[kind] = squares.get(kind, 0.0) + norm * norm
    return {kind: math.sqrt(total) for kind, total in squares.items()}


def _fetched(pieces: dict[str, list[Any]], extra: Sequence[Any]) -> tuple[dict[str, list[float]], list[float]]:
    """All numbers on the host, in one transfer."""
    import torch

    parts = [each for piece in pieces.values() for each in piece] + list(extra)
    device = parts[0].device
    flat = torch.cat([each.reshape(-1).float().to(device) for each in parts]).tolist()
    at, values = 0, {}
    for name, piece in pieces.items():
        values[name] = flat[at : at + len(piece)]
        at += len(piece)
    return values, flat[at:]
