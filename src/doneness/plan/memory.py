"""Peak memory of a training step on one device, item by item, by formula.

Peak = weights (and master copy, reference, teacher) + adapters + gradients + optimizer states
     + what the forward pass keeps + logits + what is exchanged + what the driver takes,
where the optimizer's own step, with the forward pass's memory free again, may take more than the way back.

Sizes a parameter follow what implementations do, not what papers say: mixed precision by autocast keeps
single-precision weights and casts of them (6 bytes); DeepSpeed's ZeRO-2 keeps 4 + 16/n, its ZeRO-3 18/n and four
times the largest layer (its documentation); FSDP with mixed precision keeps everything in parts and single precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from doneness.plan.activations import activations
from doneness.plan.logits import logits_bytes
from doneness.plan.setup import REFERRED, Setup
from doneness.plan.shape import ModelShape
from doneness.plan.spread import Held, shared

# Bytes a number. Under "amp" the weights are kept in single precision and cast for each step.
_WEIGHT = {"fp32": 4.0, "amp": 2.0, "bf16": 2.0, "fp16": 2.0}
_MASTER = {"amp": 4.0}
_GRADIENT = {"fp32": 4.0, "amp": 4.0, "bf16": 2.0, "fp16": 2.0}
# Optimizer states a parameter, in numbers of its own precision, or in bytes where they have one.
_STATES = {"adamw": 2.0, "sgd": 0.0, "momentum": 1.0, "adafactor": 0.01}
_STATE_BYTES = {"adamw_8bit": 2.0 + 2 * 4 / 256}
# Copies of all trained parameters that an optimizer takes while it steps on a GPU, in numbers of their precision.
_STEPPING = {"adamw": 1.0, "momentum": 0.0, "sgd": 0.0, "adafactor": 0.0, "adamw_8bit": 0.0}

# NF4: 4 bits and one single-precision scale for 64 weights; scales quantised again: 0.127 bits a weight.
_NF4, _NF4_DOUBLE = 0.5 + 4 / 64, 0.5 + 0.127 / 8
_CONTEXT = {"cuda": 0.9e9, "cpu": 0.4e9}
# Of what comes and goes, that is left over between pieces: 3 to 8 % are told; nothing on a CPU's allocator.
_FRAGMENTATION = 0.05
_MARGIN, _MARGIN_WITHOUT = 1.10, 1.15  # beyond the estimate; without checkpointing there is more that may differ


@dataclass(frozen=True, slots=True)
class Memory:
    """An estimate in bytes, of one device.

    Attributes:
        items: see `ITEMS`; what is nothing is left out.
        total: their sum: the peak.
        low, high: the range to reckon with.
        trainable: parameters that are trained.
        host: bytes in the host's memory, where something is offloaded there; of all devices together.
        how: "formula", "simulated" or "measured".
    """

    items: Mapping[str, float] = field(default_factory=dict)
    total: float = 0.0
    low: float = 0.0
    high: float = 0.0
    trainable: int = 0
    host: float = 0.0
    how: str = "formula"

    @property
    def peak_gb(self) -> float:
        """The peak, 10^9 bytes."""
        return self.total / 1e9


ITEMS = (
    "weights", "master", "reference", "teacher", "adapters", "gradients", "optimizer", "activations", "logits",
    "workspace", "exchange", "context", "fragmentation",
)  # fmt: skip


def estimate_memory(shape: ModelShape, setup: Setup) -> Memory:
    """Estimate the peak memory of training `shape` as `setup` says, for each device.

    Raises:
        DataError: a target is not known.
    """
    trainable = trained(shape, setup)
    held = shared(_held(shape, setup, trainable), shape, setup.spread)
    acts, logits = activations(shape, setup), logits_bytes(shape, setup)
    moving = acts.kept + max(acts.live, logits)
    gradients = held.items["gradients"]
    # Gradients come as what was kept goes: both are whole at once only where earlier micro-batches left some.
    # The last to come is the embedding's, dense, and a copy of it as it is added up.
    late = gradients + 2 * _embedding_gradient(shape, setup)
    through = moving + gradients if setup.accumulates else max(moving, late)
    stepping = gradients + held.stepping
    items = dict(held.items)
    items["activations"] = acts.kept + max(0.0, acts.live - logits)
    items["logits"] = logits
    if not setup.accumulates:
        items["gradients"] = through - moving
    items["workspace"] = max(0.0, stepping - through)
    return with_device(items, setup, trainable + setup.whole, held.host)


def with_device(items: Mapping[str, float], setup: Setup, trainable: int, host: float, how: str = "formula") -> Memory:
    """The memory of a device on which so much is held: with what a driver takes, and what is lost between pieces."""
    found = {**items, "context": _CONTEXT[setup.device]}
    if setup.device == "cuda":
        comes = sum(found.get(name, 0.0) for name in ("gradients", "activations", "logits", "workspace"))
        found["fragmentation"] = _FRAGMENTATION * comes
    kept = {name: float(found[name]) for name in ITEMS if found.get(name)}
    total = sum(kept.values())
    margin = _MARGIN if setup.checkpointing or how != "formula" else _MARGIN_WITHOUT
    low = total - kept.get("fragmentation", 0.0)
    return Memory(kept, total, low, total * margin, trainable, host, how)


def _embedding_gradient(shape: ModelShape, setup: Setup) -> float:
    """Bytes, on the device that has all of it; nothing where the embedding is frozen or lies in parts."""
    alone = setup.spread.kind in ("ddp", "zero1") and setup.spread.offload == "none"
    moves = setup.method == "full" and not setup.layers and alone
    return _GRADIENT[setup.dtype] * shape.vocab * shape.hidden if moves else 0.0


def trained(shape: ModelShape, setup: Setup) -> int:
    """Parameters that the method trains, those kept whole beside it apart."""
    if setup.method == "full":
        return _of_layers(shape, setup.layers)
    return shape.lora_parameters(setup.rank, setup.targets)


def _held(shape: ModelShape, setup: Setup, trainable: int) -> Held:
    """What lies there between micro-batches, on a single device."""
    full = setup.method == "full"
    # Adapters are trained in single precision, whatever the base is kept in.
    precision = setup.dtype if full else "fp32"
    states = _optimizer(setup.optimizer, precision) * trainable + _optimizer(setup.optimizer, setup.dtype) * setup.whole
    weights = weight_bytes(shape, setup)
    asked = setup.stage in REFERRED and full
    items = {
        # What adapters are saved with is a copy beside the frozen original.
        "weights": weights + (0.0 if full else _own(setup.dtype) * setup.whole),
        "master": _MASTER.get(setup.dtype, 0.0) * trainable if full else 0.0,
        "reference": _own(setup.dtype) * shape.parameters if asked else 0.0,
        "teacher": setup.teacher,
        "adapters": 0.0 if full else 4.0 * trainable,
        "gradients": _GRADIENT[precision] * trainable + _GRADIENT[setup.dtype] * setup.whole,
        "optimizer": states,
    }
    own = 4.0 if precision in ("fp32", "amp") else 2.0
    stepping = _STEPPING[setup.optimizer] * own * trainable if setup.device == "cuda" else 0.0
    return Held(items, trainable + setup.whole, stepping, own=4.0 if setup.dtype == "fp32" else 2.0)


def _of_layers(shape: ModelShape, layers: int) -> int:
    """Parameters of so many layers; of the whole model for 0."""
    if not layers:
        return shape.parameters
    ends = shape.hidden * shape.kind.end_norms
    each = (shape.linear_parameters + shape.expert_parameters + shape.small_parameters - ends) // shape.layers
    return each * min(layers, shape.layers)


def weight_bytes(shape: ModelShape, setup: Setup) -> float:
    """Of the base model as it is kept, master copy apart."""
    if setup.method == "qlora":
        # Preparation for k-bit training keeps everything but the linear maps in single precision; experts are one
        # tensor a layer, which bitsandbytes does not take for a linear map.
        kept = shape.embedding_parameters + shape.small_parameters + shape.expert_parameters
        return _linear_bytes(setup) * shape.linear_parameters + (2.0 if setup.half_rest else 4.0) * kept
    if setup.dtype == "amp":
        if setup.method == "lora":
            # Frozen weights need no master copy; the cast copies live for one layer at a time.
            return 4.0 * shape.parameters
        # What is frozen lies there in single precision; casts of what is trained are kept for the way back.
        return 2.0 * trained(shape, setup) + 4.0 * (shape.parameters - trained(shape, setup))
    return _WEIGHT[setup.dtype] * shape.parameters


def _own(dtype: str) -> float:
    return 4.0 if dtype in ("fp32", "amp") else 2.0


def _linear_bytes(setup: Setup) -> float:
    """Bytes of one quantised weight."""
    if setup.bits == 8:
        return 1.0
    return _NF4_DOUBLE if setup.double_quant else _NF4


def _optimizer(name: str, precision: str) -> float:
    if name in _STATE_BYTES:
        return _STATE_BYTES[name]
    return _STATES[name] * (2.0 if precision in ("bf16", "fp16") else 4.0)
