"""Null adapters: random changes of the same size as a checkpoint's, so that noise is not called change.

A behaviour on a scale of its own (nats, drift, a probability) always moves by something. What a random adapter of the
same size moves it by says how much is nothing. A null adapter is the checkpoint's own with the input columns of every A
and the output rows of every B shuffled: the same norms and the same singular values, pointing nowhere. Matrices of the
same norm drawn at random ("random") are flatter than what training makes, and as a yardstick more lenient.

Source for the idea: dlm-sway (MIT), which z-scores its probes against adapters of the same shape.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from doneness.core import DataError, tr
from doneness.curves.student import t_quantile
from doneness.probe.asking import CHEAP
from doneness.probe.measure import Measure
from doneness.probe.scoring import score
from doneness.probe.suite import Probe
from doneness.runs.probes import BASE, Answer, NullReading

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
KINDS = ("shuffled", "random")
_A, _B = "lora_A", "lora_B"


def write_null(adapter: Path, out: Path, seed: int, kind: str = "shuffled") -> Path:
    """Write a null adapter beside a checkpoint's own.

    Args:
        adapter: folder with adapter_config.json and adapter_model.safetensors (LoRA).
        out: folder to write; made where it is missing.
        seed: which one; the same seed, the same adapter.
        kind: "shuffled" or "random". What is neither A nor B (whole layers trained beside) stays as it is.

    Returns:
        `out`.

    Raises:
        DataError: there are no LoRA matrices.
    """
    from safetensors.torch import load_file, save_file

    file = adapter / WEIGHTS
    tensors: dict[str, Any] = load_file(str(file)) if file.is_file() else {}
    pairs = [(name, name.replace(_A, _B)) for name in sorted(tensors) if _A in name]
    pairs = [(a, b) for a, b in pairs if b in tensors and tensors[a].ndim == 2]
    if not pairs:
        raise DataError(tr("choice.null.no_adapter", path=str(adapter)))
    change = _shuffled if kind == "shuffled" else _random
    generator = np.random.default_rng([seed, 3])
    for a, b in pairs:
        tensors[a], tensors[b] = change(tensors[a], tensors[b], generator)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(adapter / CONFIG, out / CONFIG)
    save_file(tensors, str(out / WEIGHTS))
    return out


def kept_trained(adapter: Path) -> int:
    """How many trained tensors a null adapter of this one leaves as they are: whole layers, DoRA's magnitudes."""
    from safetensors import safe_open

    if not (adapter / WEIGHTS).is_file():
        return 0
    with safe_open(str(adapter / WEIGHTS), "pt") as file:
        names = set(file.keys())
    pairs = {n for n in names if _A in n and n.replace(_A, _B) in names}
    return len(names) - 2 * len(pairs)


def null_readings(
    measures: Sequence[Measure],
    probes: Sequence[Probe],
    answers: Mapping[int, Sequence[Answer]],
    nulls: Sequence[Sequence[Answer]],
    of: int,
) -> tuple[NullReading, ...]:
    """How the checkpoints read beside the null adapters, in every behaviour that those were asked for.

    Args:
        measures: the behaviours; those that need written answers are passed over.
        probes: the questions.
        answers: by step, base included.
        nulls: answers of each null adapter; at least two of them.
        of: the step that the null adapters were made from: later checkpoints have larger adapters, and only this one
            is read beside them.
    """
    if len(nulls) < 2 or of not in answers or BASE not in answers:
        return ()
    beside = {BASE: answers[BASE], of: answers[of]} | {-1 - i: found for i, found in enumerate(nulls)}
    found = []
    for measure in measures:
        if not measure.needs or not set(measure.needs) <= set(CHEAP):
            continue
        scored = score(measure, probes, beside)
        if scored is None or not np.isfinite(scored.values).all(axis=1).any():
            continue
        both = np.asarray(np.isfinite(scored.values).all(axis=0))
        value = scored.statistic(scored.steps.index(of), both)
        noise = [scored.statistic(scored.steps.index(s), both) for s in scored.steps if s < BASE]
        if math.isfinite(value) and np.isfinite(noise).all():
            found.append(_reading(measure.behaviour.name, of, value, noise))
    return tuple(found)


def _reading(name: str, step: int, value: float, noise: Sequence[float]) -> NullReading:
    """Whether the value lies outside of where one more null adapter would, 19 times of 20."""
    n = len(noise)
    mean, sd = float(np.mean(noise)), float(np.std(noise, ddof=1))
    away = value - mean
    z = away / sd if sd > 0 else math.copysign(math.inf, away) if away else 0.0
    reach = t_quantile(0.975, n - 1) * sd * math.sqrt(1 + 1 / n)
    return NullReading(name, step, value, mean, sd, n, z, abs(away) > max(reach, 1e-9 * max(1.0, abs(mean))))


def _shuffled(a: Any, b: Any, generator: np.random.Generator) -> tuple[Any, Any]:
    """The columns of A (r × in) and the rows of B (out × r) in another order."""
    import torch

    columns = torch.from_numpy(generator.permutation(a.shape[1]))
    rows = torch.from_numpy(generator.permutation(b.shape[0]))
    return a[:, columns].contiguous(), b[rows].contiguous()


def _random(a: Any, b: Any, generator: np.random.Generator) -> tuple[Any, Any]:
    """Normal matrices whose product has the Frobenius norm of B A."""
    import torch

    new = [torch.from_numpy(generator.standard_normal(tuple(old.shape), dtype=np.float32)) for old in (a, b)]
    wanted, have = _norm(a.float(), b.float()), _norm(*new)
    # The whole scale goes into B: A keeps the size that it is initialised with.
    size = float(a.float().norm() / new[0].norm())
    scale = wanted / (have * size) if have * size > 0 else 0.0
    return (new[0] * size).to(a.dtype).contiguous(), (new[1] * scale).to(b.dtype).contiguous()


def _norm(a: Any, b: Any) -> float:
    """‖B A‖ without the product: the trace of (Bᵀ B)(A Aᵀ)."""
    return math.sqrt(max(float(((b.T @ b) * (a @ a.T)).sum()), 0.0))
