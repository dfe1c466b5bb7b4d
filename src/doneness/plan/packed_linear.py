"""A linear layer that is kept in few bits, for counting: storages of bitsandbytes' sizes, without numbers.

As there, a product unpacks the weight in the backward pass (the forward kernel does so piece by piece), and peft's
layer around it takes a copy of the product.
"""

from __future__ import annotations

from typing import Any

import torch

_BLOCK, _DOUBLE_BLOCK = 64, 256  # weights a scale; scales a scale of scales


class PackedLinear(torch.nn.Linear):  # type: ignore[misc]
    """In the place of a linear layer; frozen.

    Args:
        layer: the layer, on whatever device.
        bits: 4 or 8.
        double: 4 bits: the scales are quantised too.
        compute: dtype that the weight is unpacked to.
    """

    def __init__(self, layer: Any, bits: int, double: bool, compute: Any) -> None:
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None, device="meta", dtype=compute)
        inputs, outputs = layer.in_features, layer.out_features
        weights = inputs * outputs
        packed = torch.empty((weights * bits // 8, 1), dtype=torch.uint8, device="meta")
        self.weight = torch.nn.Parameter(packed, requires_grad=False)
        for name, count, dtype in _scales(weights, outputs, bits, double):
            self.register_buffer(name, torch.empty(count, dtype=dtype, device="meta"))
        self.compute = compute
        if self.bias is not None:
            self.bias.requires_grad_(False)

    def forward(self, x: Any) -> Any:
        """The product's size, and the copy of it."""
        given = x.dtype
        bias = None if self.bias is None else self.bias.to(self.compute)
        found = _Product.apply(x.to(self.compute), self.weight, self.in_features, self.out_features, self.compute)
        found = found if bias is None else found + bias
        return found.to(given).clone()


class _Product(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, inputs: int, outputs: int, compute: Any) -> Any:
        ctx.sizes = (inputs, outputs, compute)
        return x.new_empty((*x.shape[:-1], outputs))

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        inputs, outputs, compute = ctx.sizes
        unpacked = torch.empty((outputs, inputs), dtype=compute, device=grad.device)
        return torch.matmul(grad, unpacked.to(grad.dtype)), None, None, None, None


def _scales(weights: int, outputs: int, bits: int, double: bool) -> list[tuple[str, int, Any]]:
    if bits == 8:
        return [("scales", outputs, torch.float32)]
    blocks = -(-weights // _BLOCK)
    if not double:
        return [("scales", blocks, torch.float32), ("code", 16, torch.float32)]
    nested = -(-blocks // _DOUBLE_BLOCK)
    parts = [("scales", blocks, torch.uint8), ("nested", nested, torch.float32)]
    return [*parts, ("code", 16 + 256, torch.float32)]


def pack(model: Any, bits: int, double: bool, compute: Any) -> None:
    """Put packed layers in the place of all linear layers but the output layer."""
    head = model.get_output_embeddings() or getattr(model, "score", None)
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is torch.nn.Linear and child is not head:
                setattr(module, name, PackedLinear(child, bits, double, compute))
