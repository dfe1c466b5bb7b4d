"""A recipe in the words of the memory estimate: the model's sizes, and what its step depends on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from doneness.config import Recipe, bits_of
from doneness.plan import ModelShape, Setup, Spread
from doneness.plan.shape import is_latent

_OPTIMIZERS = {"adamw_torch": "adamw", "paged_adamw_8bit": "adamw_8bit"}
_SHORT: dict[str, Literal["fp32", "amp", "bf16", "fp16"]] = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


@dataclass(frozen=True)
class Model:
    """The model of a plan.

    Attributes:
        name: as it was asked for, or of the shipped sizes that stand for it.
        config: its config.json.
        shape: its sizes.
        shipped: whether the sizes come with doneness.
    """

    name: str
    config: Mapping[str, Any]
    shape: ModelShape
    shipped: bool = False


@dataclass(frozen=True)
class Lengths:
    """What of the rows the memory depends on.

    Attributes:
        longest: tokens of the longest row.
        together: of the longest rows that a micro-batch may hold, the mean.
        most: tokens that 95 % of the rows need no more than.
        share: of tokens, those that carry loss.
        variation: standard deviation of a micro-batch's tokens over their mean.
    """

    longest: int
    together: int
    most: int
    share: float = 1.0
    variation: float = 0.0


@dataclass(frozen=True)
class Place:
    """Where it is to run: a card by name or size ("" for this machine), how many, and how the run lies on them.

    `link` is what connects those of a machine, by its name in `scaling.LINKS`.
    """

    card: str = ""
    spread: Spread = field(default_factory=Spread)
    link: str = "nvlink"


def model_of(recipe: Recipe) -> Model | None:
    """The sizes of the recipe's model; None where neither a config.json nor shipped sizes are at hand."""
    from doneness.models import read_config
    from doneness.plan.shapes import config_by_name

    path = recipe.model.path
    config = read_config(path) if path else None
    if config is not None:
        return Model(path, config, shape_of(config))
    found = config_by_name(path) if path else None
    if found is None:
        return None
    return Model(found[0], found[1], ModelShape.from_config(found[1]), shipped=True)


def shape_of(config: Mapping[str, Any]) -> ModelShape:
    """The sizes.

    Parameters of a family that is not known are counted in the model class itself, where that is there.
    """
    from importlib.util import find_spec

    from doneness.plan.families import is_known

    shape = ModelShape.from_config(config)
    if (is_known(shape.family) and not is_latent(config)) or find_spec("transformers") is None:
        return shape
    from doneness.core import DataError
    from doneness.plan.fake_model import meta_model

    try:
        model = meta_model(config)
    except DataError:
        return shape
    return replace(shape, counted=sum(p.numel() for p in model.parameters()))


def setup_of(recipe: Recipe, shape: ModelShape, rows: Lengths, place: Place = Place()) -> Setup:  # frozen
    """What a step of the recipe depends on.

    Args:
        recipe: of the run.
        shape: of its model.
        rows: of the data.
        place: a card to plan for; this machine without one.
    """
    from doneness.models import pick_device, pick_dtype

    device = "cuda" if place.card else pick_device(recipe.model.device)
    on_card = device.startswith("cuda")
    dtype = recipe.model.dtype
    if dtype == "auto":
        dtype = "bfloat16" if place.card else pick_dtype(dtype, device)
    optimizer = recipe.optimizer
    # The rows of a step are shared by all cards.
    micro = math.gcd(optimizer.micro_batch, max(optimizer.batch_size // place.spread.devices, 1))
    packed = recipe.data.packing and recipe.run.stage in ("sft", "pretrain") and micro > 1
    return Setup(
        method=method_of(recipe),
        micro_batch=micro,
        seq=rows.together if packed else rows.longest,
        rank=recipe.method.rank,
        targets=targets_of(recipe),
        dtype=_SHORT[dtype],
        checkpointing=optimizer.gradient_checkpointing,
        optimizer=_OPTIMIZERS.get(optimizer.name, optimizer.name),
        device="cuda" if on_card else "cpu",
        double_quant=recipe.method.double_quant,
        bits=bits_of(recipe.method) or 4,
        layers=abs(recipe.method.layers),
        whole=_whole(recipe, shape),
        attention=recipe.model.attention if recipe.model.attention != "auto" else "sdpa",
        packed=packed,
        loss="tiled" if on_card else "targets",
        target_share=rows.share if recipe.run.stage in ("sft", "pretrain") else 1.0,
        accumulates=optimizer.batch_size > micro * place.spread.devices,
        stage=recipe.run.stage,
        new_tokens=recipe.grpo.max_new_tokens if recipe.run.stage == "grpo" else 0,
        teacher=_teacher(recipe),
        spread=place.spread,
    )


def method_of(recipe: Recipe) -> Literal["full", "lora", "qlora"]:
    """The method as the memory sees it."""
    if recipe.method.kind == "full":
        return "full"
    return "qlora" if bits_of(recipe.method) else "lora"


def targets_of(recipe: Recipe) -> tuple[str, ...]:
    """The adapters' targets as a list."""
    return tuple(name.strip() for name in recipe.method.targets.split(","))


def _whole(recipe: Recipe, shape: ModelShape) -> int:
    """Parameters of the embedding and the output layer, where the recipe trains them beside something else."""
    method = recipe.method
    if method.kind == "full" and not method.layers:
        return 0
    ends = {name.rpartition(".")[2] for name in method.save_modules} & {"embed_tokens", "lm_head", "wte"}
    return shape.vocab * shape.hidden * min(len(ends), 1 if shape.tied else 2)


def _teacher(recipe: Recipe) -> float:
    """Bytes of the teacher beside the student."""
    if recipe.run.stage != "distill" or recipe.distill.kind == "text":
        return 0.0
    found = model_of(replace(recipe, model=replace(recipe.model, path=recipe.distill.teacher)))
    each = {0: 2.0, 4: 0.55, 8: 1.1}[recipe.distill.bits]
    return each * found.shape.parameters if found else 0.0
