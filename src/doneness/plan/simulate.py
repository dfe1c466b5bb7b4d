"""The memory of a training step, counted in the step itself: the real model class under fake tensors.

Model, adapters, attention, checkpointing, loss and optimizer are those of the run; only the numbers are missing. What
lies there at once is counted operation by operation, in the second step, when the optimizer has its states. Several
devices, offloading and what a driver takes for itself are reckoned on top by the formula, as are stages that write
answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from doneness.core import DataError, tr
from doneness.plan.setup import REFERRED, Setup

STAGES = ("pretrain", "sft", "dpo", "orpo", "kto", "reward")


@dataclass(frozen=True)
class Simulated:
    """Bytes of live tensors of one process.

    Attributes:
        peak: the most in a step.
        backward: the most in forward and backward.
        step: the most while the optimizer steps.
        weights: frozen and trained weights, buffers and a reference, adapters apart.
        adapters: trained parameters where they are adapters.
        optimizer: its states.
        gradients: of those there are at the peak.
        activations: the rest of the peak.
        trainable: parameters that are trained.
        parameters: all, packed ones as what they stand for.
    """

    peak: int
    backward: int
    step: int
    weights: int
    adapters: int
    optimizer: int
    gradients: int
    activations: int
    trainable: int
    parameters: int


def simulate(config: Mapping[str, Any], setup: Setup, adapt: Callable[[Any], Any]) -> Simulated:
    """Count a step.

    Args:
        config: the model's config.json.
        setup: of the step; one device.
        adapt: applies the method: what is trained, and adapters.

    Raises:
        DataError: transformers has no such model, or the stage's step cannot be simulated.
    """
    if setup.stage not in STAGES:
        raise DataError(tr("plan.no_simulation", stage=setup.stage, known=", ".join(STAGES)))
    from torch._subclasses.fake_tensor import (
        DataDependentOutputException,
        DynamicOutputShapeException,
        FakeTensorMode,
        UnsupportedOperatorException,
    )

    from doneness.plan.fake_model import frozen_copy, materialise, shaped
    from doneness.plan.live import LiveBytes

    model = shaped(config, setup, adapt)
    reference = frozen_copy(model) if setup.stage in REFERRED and setup.method == "full" else None
    live = LiveBytes()
    try:
        with FakeTensorMode(), live, _alone() if not (setup.packed and setup.rows > 1) else nullcontext():
            materialise(model)
            if reference is not None:
                materialise(reference)
            if setup.packed:
                from doneness.models.by_row import attend_by_row

                attend_by_row(model)
            return counted(model, reference, setup, live)
    except (DynamicOutputShapeException, DataDependentOutputException, UnsupportedOperatorException) as error:
        # Experts to which tokens are sent by their numbers, for one.
        raise DataError(
            tr("plan.by_numbers", family=str(config.get("model_type")), operation=str(error)[:80])
        ) from error


@contextmanager
def _alone() -> Iterator[None]:
    """Rows that are not packed need no mask to be kept apart; transformers reads that off numbers there are none of."""
    from transformers import masking_utils

    before = masking_utils.find_packed_sequence_indices
    masking_utils.find_packed_sequence_indices = lambda *given, **more: None
    try:
        yield
    finally:
        masking_utils.find_packed_sequence_indices = before


def counted(model: Any, reference: Any, setup: Setup, live: Any) -> Simulated:
    """Count the second step of `model`; within the modes, the tensors fake or real."""
    from doneness.plan.step import backward, make_inputs
    from doneness.plan.step_optimizer import make_optimizer

    moving = [p for p in model.parameters() if p.requires_grad]
    held = live.now
    trained = sum(_bytes(p) for p in moving)
    optimizer = make_optimizer(moving, setup)
    _states(moving, optimizer, setup)
    gradients = _Gradients(moving, setup.accumulates)
    states = live.now - held - gradients.bytes
    inputs = make_inputs(setup, int(model.config.get_text_config().vocab_size), _device(model))
    live.watched = lambda: gradients.bytes
    live.forget_peak()
    with _autocast(setup) if setup.device == "cuda" else nullcontext():
        loss = backward(model, reference, inputs, setup)
    loss.backward()
    del loss
    through, at_peak = live.peak, live.aside
    live.forget_peak()
    optimizer.step()
    stepping = live.peak
    gradients.close()
    if stepping > through:
        at_peak = live.aside
    peak = max(stepping, through)
    adapters = 0 if setup.method == "full" else trained
    return Simulated(
        peak=peak, backward=through, step=stepping, weights=held - adapters, adapters=adapters, optimizer=states,
        gradients=at_peak, activations=peak - held - states - at_peak,
        trainable=sum(p.numel() for p in moving), parameters=_parameters(model),
    )  # fmt: skip


def _states(moving: list[Any], optimizer: Any, setup: Setup) -> None:
    """A step, after which the optimizer has its states; gradients are left only where they would lie there."""
    import torch

    for parameter in moving:
        parameter.grad = torch.empty_like(parameter)
    optimizer.step()
    if not setup.accumulates:
        for parameter in moving:
            parameter.grad = None


class _Gradients:
    """Bytes of gradients, as they come."""

    def __init__(self, moving: list[Any], there: bool) -> None:
        self.bytes = sum(_bytes(p) for p in moving) if there else 0
        self._hooks = [] if there else [p.register_post_accumulate_grad_hook(self._came) for p in moving]

    def _came(self, parameter: Any) -> None:
        self.bytes += _bytes(parameter.grad)

    def close(self) -> None:
        for hook in self._hooks:
            hook.remove()


def _autocast(setup: Setup) -> Any:
    import torch

    return torch.autocast("cpu", torch.bfloat16) if setup.dtype != "fp32" else nullcontext()


def _device(model: Any) -> Any:
    return next(model.parameters()).device


def _bytes(tensor: Any) -> int:
    return int(tensor.numel() * tensor.element_size())


def _parameters(model: Any) -> int:
    from doneness.plan.packed_linear import PackedLinear

    packed = [m for m in model.modules() if isinstance(m, PackedLinear)]
    counted = sum(p.numel() for p in model.parameters())
    return int(counted + sum(m.in_features * m.out_features - m.weight.numel() for m in packed))
