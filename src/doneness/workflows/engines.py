"""Engines for a run: what makes one, here or on a worker elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from doneness.core import DonenessError, tr
from doneness.workflows.subject import Subject

if TYPE_CHECKING:
    from doneness.probe.engine import Engine


def torch_maker(subject: Subject, batch_size: int) -> Callable[[], Engine]:
    """What makes an engine in torch: the base model once, adapters swapped over it."""
    return partial(_torch, subject, batch_size)


def vllm_maker(subject: Subject) -> Callable[[], Engine]:
    """What makes an engine in vLLM: the base model once, adapters with each request.

    Raises:
        DonenessError: a base model that vLLM does not load as it was trained.
    """
    _refuse(subject)
    return partial(_vllm, subject)


def _torch(subject: Subject, batch_size: int) -> Engine:
    from doneness.probe.torch_engine import TorchEngine

    return TorchEngine(subject.base, subject.checkpoints, batch_size)


def _vllm(subject: Subject) -> Engine:
    from doneness.models import load_tokenizer
    from doneness.models.templates import with_template
    from doneness.probe.vllm_engine import VllmEngine

    tokenizer = load_tokenizer(str(subject.tokenizer_path))
    dtype = "auto"
    if subject.recipe is not None:
        with_template(tokenizer, subject.recipe.model.template)
        dtype = subject.recipe.model.dtype
    return VllmEngine(subject.base_path, subject.checkpoints, tokenizer, dtype)


def _refuse(subject: Subject) -> None:
    """What vLLM does not load as it was trained."""
    recipe = subject.recipe
    changed = recipe is not None and (recipe.method.kind == "qlora" or recipe.method.bits or recipe.scratch.enabled)
    if changed or subject.base_path.endswith(".gguf"):
        raise DonenessError(tr("probing.vllm_own"))
