"""A simulated step as the memory of a card: with several devices, the driver and fragmentation reckoned on top."""

from __future__ import annotations

from doneness.plan.memory import Memory, with_device
from doneness.plan.setup import Setup
from doneness.plan.shape import ModelShape
from doneness.plan.simulate import Simulated
from doneness.plan.spread import Held, shared


def memory_of(found: Simulated, shape: ModelShape, setup: Setup) -> Memory:
    """The memory of each device.

    Args:
        found: of a single one.
        shape: of the model.
        setup: with the spread.
    """
    own = {"fp32": 4.0, "amp": 4.0}.get(setup.dtype, 2.0) if setup.method == "full" else 4.0
    gradients = own * found.trainable
    items = {
        "weights": float(found.weights), "adapters": float(found.adapters), "optimizer": float(found.optimizer),
        "gradients": gradients, "master": 0.0, "reference": 0.0, "teacher": 0.0,
    }  # fmt: skip
    held = shared(Held(items, found.trainable, 0.0, own=own), shape, setup.spread)
    if setup.spread.devices == 1 and setup.spread.offload == "none":
        items["gradients"] = float(found.gradients)
        items["activations"] = float(found.activations)
        return with_device(items, setup, found.trainable, 0.0, "simulated")
    made = dict(held.items)
    # What a forward pass keeps is every device's own, whatever the rest is shared by.
    made["activations"] = float(found.backward - found.weights - found.adapters - found.optimizer)
    made["activations"] -= min(float(found.gradients), made["activations"])
    return with_device(made, setup, found.trainable, held.host, "simulated")
