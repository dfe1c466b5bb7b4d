"""An adapter added into the weights that it was trained over.

The sum is made in single precision, layer by layer, and rounded once to the base model's own dtype. A base that was
quantised in training is unpacked first, not loaded anew: the adapter learnt to make up for the rounding of just
those weights, and the evaluations that chose the checkpoint were made over them.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from doneness.core import DonenessError, tr
from doneness.models.imports import require
from doneness.models.load import LoadedModel, load_model
from doneness.models.quantize import Quantization


def merge(
    path: str, checkpoint: Path, device: str, quantization: Quantization | None = None, scores: int | None = None
) -> LoadedModel:
    """The base model with a checkpoint's adapter in its weights, in the base's own dtype, on the CPU.

    Args:
        path: of the base model, as `load_model` takes it.
        checkpoint: folder of the adapter.
        device: where a quantised base is unpacked; packing differs a little between devices.
        quantization: of the base in training.
        scores: of a model that scores rows, the seed that its output layer began with; None for a language model.

    Raises:
        DonenessError: the base cannot be loaded, or the sum has values that are no numbers.
        MissingExtraError: a library that is needed is not installed.
    """
    torch, peft = require("torch"), require("peft")
    dtype = own_dtype(path)
    loaded = load_model(path, dtype, device if quantization else "cpu", quantization, scores)
    model = loaded.model
    if quantization:
        model = model.dequantize().to("cpu")
    with warnings.catch_warnings():
        # Each layer is merged already where PEFT is asked to, which it warns of.
        warnings.simplefilter("ignore")
        adapted = peft.PeftModel.from_pretrained(model, str(checkpoint))
        _untie(torch, adapted.get_base_model())
        for module in adapted.modules():
            if isinstance(module, peft.tuners.lora.LoraLayer):
                _add(torch, module, checkpoint)
        whole = adapted.merge_and_unload()
    # From here on it is a model like any other, wherever it came from.
    whole.hf_quantizer, whole.is_quantized = None, False
    if hasattr(whole.config, "quantization_config"):
        del whole.config.quantization_config
    return LoadedModel(whole.to(getattr(torch, dtype)), loaded.tokenizer, path)


def own_dtype(path: str) -> str:
    """The dtype that a model is stored in; float32 where its configuration does not say."""
    file = Path(path)
    if file.suffix == ".gguf":
        return "float32"  # unpacked when it is read
    config = require("transformers").AutoConfig.from_pretrained(path)
    named = str(getattr(config, "dtype", None) or "float32").removeprefix("torch.")
    return named if named in ("float32", "bfloat16", "float16") else "float32"


def _untie(torch: Any, model: Any) -> None:
    """Give the output layer a matrix of its own where the embedding that it shares one with is adapted alone."""
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    base = getattr(embedding, "base_layer", None)
    if base is not None and head is not None and head.weight is base.weight:
        head.weight = torch.nn.Parameter(head.weight.detach().clone(), requires_grad=False)
        model.config.tie_word_embeddings = False


def _add(torch: Any, layer: Any, checkpoint: Path) -> None:
    """Merge one layer's adapter, in single precision."""
    base = layer.get_base_layer()
    dtype = base.weight.dtype
    base.float()
    try:
        layer.merge(safe_merge=True)
    except ValueError as error:  # PEFT looks for NaN before it adds
        raise DonenessError(tr("models.bad_merge", path=str(checkpoint))) from error
    base.to(dtype)
    if not torch.isfinite(base.weight).all():
        raise DonenessError(tr("models.bad_merge", path=str(checkpoint)))
