"""Pipelines with one planted fault each, over a tiny model: what `doneness sanity` has to tell apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from doneness.config import Recipe, build_recipe
from doneness.testing.tiny import make_tiny_model, write_rows

NAMES = ["Ada", "Ben", "Cem", "Dora", "Emil", "Fay", "Gus", "Hana", "Ivo", "Jun", "Kim", "Lea"]
THINGS = ["boat", "lamp", "coat", "drum", "fork", "harp", "kite", "sofa"]
COLOURS = ["red", "blue", "green", "black", "white", "brown", "grey", "pink"]

# The code that is to be named first; None for a pipeline without a fault.
FAULTS: dict[str, str | None] = {
    "healthy": None,
    "frozen": "SA02",
    "masked": "SA03",
    "rate_low": "SA04",
    "rate_high": "SA05",
    "small_adapter": "SA06",
    "permuted": "SA07",
    "contradictory": "SA08",
    "small_model": "SA09",
    "beyond": "SA07",
    "norms": "SA02",
    "masked_70": "SA03",
    "permuted_60": "SA07",
    "permuted_25": "SA07",
}


def questions(rows: int, seed: int) -> list[tuple[str, str]]:
    """Questions with one answer each, none twice."""
    rng = np.random.default_rng(seed)
    pairs = [(name, thing) for name in NAMES for thing in THINGS]
    chosen = [pairs[i] for i in rng.permutation(len(pairs))[:rows]]
    return [(f"{name}'s {thing}?", str(COLOURS[rng.integers(8)])) for name, thing in chosen]


def riddles(rows: int, seed: int, letters: int = 24) -> list[tuple[str, str]]:
    """Questions whose answers are random letters, which nothing but learning by heart can give."""
    rng = np.random.default_rng(seed)
    alphabet = list("abcdefghijklmnopqrstuvwxyz")
    return [(f"Code {i}?", "".join(rng.choice(alphabet, letters))) for i in range(rows)]


def taught_model(folder: Path, seed: int = 0, hidden: int = 32, steps: int = 40) -> Path:
    """A tiny model that has learnt to answer such questions, so that its own tokens are no strangers to it."""
    import torch

    from doneness.config import OptimizerSection
    from doneness.data import read_rows
    from doneness.models import encode_rows, load_model
    from doneness.train.short import Short, train_steps

    make_tiny_model(folder, hidden=hidden, seed=seed)
    loaded = load_model(str(folder), device="cpu")
    rows = read_rows(write_rows(folder / "taught.jsonl", questions(32, seed + 100)))
    encoded = encode_rows(loaded.tokenizer, rows.rows, 128).rows
    section = OptimizerSection(learning_rate=1e-2, batch_size=16, micro_batch=16)
    torch.manual_seed(seed)
    train_steps(Short(section, seed, loaded.tokenizer.pad_token_id), loaded.model, encoded, steps)
    loaded.model.save_pretrained(folder)
    return folder


def plant(fault: str, folder: Path, model: Path, seed: int = 0) -> tuple[Recipe, Callable[[Any], Any]]:
    """A recipe with the fault, and what is to be done to a `Case` for what no recipe can say.

    Args:
        fault: of `FAULTS`.
        folder: for rows and run.
        model: a folder of `taught_model`.
        seed: of rows and run.
    """
    texts, epochs = questions(16, seed), 20
    method: dict[str, Any] = {"kind": "full"}
    if fault in ("healthy", "contradictory"):
        epochs = 80
    if fault == "contradictory":
        texts = [(q, a) for q, _ in texts[:12] for a in ("red", "blue")]
    if fault == "small_adapter":
        texts = riddles(16, seed, 16)
        method = {"kind": "lora", "rank": 1, "alpha": 8, "targets": "down_proj"}
        model = make_tiny_model(folder / "random", seed=seed)
    if fault == "small_model":
        texts, epochs = riddles(30, seed, 48), 6
        model = make_tiny_model(folder / "small", hidden=8, vocab=264, seed=seed)
    rate = {"rate_low": 1e-8, "rate_high": 10.0}.get(fault, 1e-2)
    rows = write_rows(folder / "rows.jsonl", texts)
    raw = {
        "run": {"folder": str(folder / "run"), "threads": 1, "seed": seed},
        "model": {"path": str(model), "device": "cpu"},
        "method": method,
        "data": {"train": str(rows), "hold_out": "none", "max_length": 128},
        "optimizer": {"learning_rate": rate, "batch_size": 20, "micro_batch": 20},
        "schedule": {"epochs": epochs},
        "health": {"every": 10},
    }
    return build_recipe(raw), _AFTER.get(fault, lambda case: case)


def _frozen(case: Any) -> Any:
    def make() -> Any:
        loaded = case.make()
        loaded.model.requires_grad_(False)
        return loaded

    return replace(case, make=make)


def _norms(case: Any) -> Any:
    """Of a model that is to be trained whole the norms alone are."""

    def make() -> Any:
        loaded = case.make()
        for name, parameter in loaded.model.named_parameters():
            parameter.requires_grad_("norm" in name)
        return loaded

    return replace(case, make=make)


def _masked(share: float) -> Callable[[Any], Any]:
    """Of so many answers the last token alone carries loss."""

    def after(case: Any) -> Any:
        some = int(share * len(case.train))
        cut = tuple(replace(row, start=len(row.ids) - 1, several=()) for row in case.train[:some])
        return replace(case, train=cut + tuple(case.train[some:]))

    return after


def _permuted(share: float) -> Callable[[Any], Any]:
    """A tokenizer of whose ids so many were dealt anew, among themselves."""

    def after(case: Any) -> Any:
        rng = np.random.default_rng(0)
        order = rng.permutation(256)
        some = np.arange(256) if share == 1.0 else np.sort(order[: int(share * 256)])
        deal = dict(zip(some.tolist(), (order if share == 1.0 else rng.permutation(some)).tolist(), strict=True))
        rows = tuple(replace(row, ids=tuple(deal.get(i, i) for i in row.ids)) for row in case.train)
        return replace(case, train=rows)

    return after


def _beyond(case: Any) -> Any:
    """A tokenizer with an added token, and an embedding that was not resized."""
    first, *rest = case.train
    return replace(case, train=(replace(first, ids=(*first.ids[:3], 100_000, *first.ids[4:])), *rest))


_AFTER: dict[str, Callable[[Any], Any]] = {
    "frozen": _frozen, "masked": _masked(1.0), "permuted": _permuted(1.0), "beyond": _beyond, "norms": _norms,
    "masked_70": _masked(0.7), "permuted_60": _permuted(0.6), "permuted_25": _permuted(0.25),
}  # fmt: skip
