"""Load a model and its tokenizer: a folder, a GGUF file, or a hub name."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doneness.core import DonenessError, ModelError, launched, tr
from doneness.models.imports import quiet_libraries, require
from doneness.models.quantize import Quantization, prepared, quantized_arguments

# What computes attention, and is no part of torch.
_PACKAGES = {"flash_attention_2": "flash-attn"}


@dataclass(frozen=True)
class LoadedModel:
    """A model with its tokenizer, on its device."""

    model: Any
    tokenizer: Any
    path: str


def load_model(
    path: str,
    dtype: str = "auto",
    device: str = "auto",
    quantization: Quantization | None = None,
    scores: int | None = None,
    more: Mapping[str, Any] | None = None,
) -> LoadedModel:
    """Load weights and tokenizer.

    Args:
        path: folder in Hugging Face format, a .gguf file, or a hub name.
        dtype: auto, float32, bfloat16 or float16.
        device: auto, cpu, cuda or cuda:N.
        quantization: of the linear layers; the model is then frozen, for adapters over it.
        scores: seed of an output layer that gives a row one number, in place of the one that predicts tokens; None
            leaves that.
        more: further words for transformers: attn_implementation, trust_remote_code.

    Raises:
        DonenessError: nothing there, or not loadable; says what was tried.
        MissingExtraError: what quantises is not installed.
    """
    torch, transformers = require("torch"), require("transformers")
    quiet_libraries()
    where = pick_device(device)
    source, extra = _source(path)
    extra |= more or {}
    damaged = require("safetensors").SafetensorError
    packing = quantized_arguments(quantization, pick_dtype(dtype, where), where) if quantization else {}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, **extra)
        kind = transformers.AutoModelForCausalLM
        if scores is not None:
            torch.manual_seed(scores)
            kind, extra = transformers.AutoModelForSequenceClassification, {**extra, "num_labels": 1}
        # The GGUF reader draws a progress bar that no setting switches off.
        with contextlib.redirect_stderr(io.StringIO()) if "gguf_file" in extra else contextlib.nullcontext():
            model = kind.from_pretrained(source, dtype=getattr(torch, pick_dtype(dtype, where)), **extra, **packing)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, damaged) as error:
        raise _not_loadable(path, error, str(extra.get("attn_implementation", ""))) from error
    if extra.get("gguf_file"):
        _unmark(model)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if scores is not None:
        # By it such a model finds the end of a row.
        model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    # Weights that will be spread over cards may not fit on one.
    return LoadedModel(
        prepared(model) if quantization else model.to("cpu" if launched.places() else where), tokenizer, path
    )


def _unmark(model: Any) -> None:
    """A GGUF file is dequantised as it is read; while the model says otherwise it is neither trained nor saved."""
    model.hf_quantizer = None
    model.is_quantized = False
    if hasattr(model, "quantization_method"):
        model.quantization_method = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config


def load_tokenizer(path: str) -> Any:
    """The tokenizer alone.

    Raises:
        DonenessError: nothing there, or not loadable.
    """
    transformers = require("transformers")
    quiet_libraries()
    source, extra = _source(path)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, **extra)
    except (OSError, ValueError, KeyError) as error:
        raise _not_loadable(path, error) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def read_config(path: str) -> dict[str, Any] | None:
    """The config.json of a local model folder; None for a hub name or a GGUF file.

    Raises:
        ModelError: there is one, and it holds no JSON object.
    """
    file = Path(path) / "config.json"
    if not file.is_file():
        return None
    try:
        config = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise _not_loadable(path, error) from None
    if not isinstance(config, dict):
        raise _not_loadable(path, ValueError(f"config.json: {type(config).__name__}"))
    return config


def pick_device(device: str) -> str:
    """The device that `auto` means here.

    Raises:
        DonenessError: a device that this machine lacks.
    """
    cuda = require("torch").cuda
    cards = [f"cuda:{i}" for i in range(cuda.device_count())] if cuda.is_available() else []
    if device == "auto":
        return "cuda" if cards else "cpu"
    if device not in ("cpu", *cards, *(["cuda"] if cards else [])):
        raise DonenessError(tr("models.bad_device", device=device, more="".join(f", {c}" for c in cards)))
    return device


def pick_dtype(dtype: str, device: str) -> str:
    """The dtype that `auto` means on a device."""
    if dtype != "auto":
        return dtype
    torch = require("torch")
    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    return "float32"


def _not_loadable(path: str, error: Exception, attention: str = "") -> DonenessError:
    """What failed; of a name that is no folder here the libraries speak of the hub alone."""
    reason = " ".join(str(error).split())[:300].rstrip(". ")
    if attention in _PACKAGES and "flash" in reason.lower():
        more = {"attention": attention, "package": _PACKAGES[attention]}
        return ModelError(tr("models.no_attention", path=path, reason=reason, **more))
    key = "not_loadable" if Path(path).exists() else "not_on_hub"
    return ModelError(tr(f"models.{key}", path=path, reason=reason))


def _source(path: str) -> tuple[str, dict[str, Any]]:
    place = Path(path)
    if not path:
        raise DonenessError(tr("models.no_path"))
    if place.suffix == ".gguf":
        if not place.is_file():
            raise ModelError(tr("models.missing", path=path))
        return str(place.parent), {"gguf_file": place.name}
    looks_local = place.is_absolute() or path.startswith(".") or path.count("/") > 1
    if looks_local and not place.is_dir():
        raise ModelError(tr("models.missing", path=path))
    return path, {}
