"""Likelihoods of continuations, KL and flatness: the model's own numbers, however rows are put together."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models.checkpoints import OTHER, PLAIN, WHOLE, by_peft, write_checkpoints
from tests.models.decoding import UNFIT, family

from doneness.models import load_model
from doneness.models.divergence import Divergence
from doneness.models.options import row_losses
from doneness.models.perturb import perturbed_losses
from doneness.models.switch import Switch

pytestmark = pytest.mark.model
HEAD = [30, 31, 32, 33, 34, 35]
ROWS: list[tuple[list[int], list[int]]] = [
    ([*HEAD, 40], [50, 51]),
    ([*HEAD, 40], [50, 52, 53]),
    ([*HEAD, 41, 42], [50]),
    ([], [60, 61, 62, 63]),
    ([70], [71, 72]),
    ([*HEAD, 40], []),
    ([], [60]),
    ([*HEAD, 40], [50, 51]),
]
TOKENS = [2, 3, 1, 3, 2, 0, 0, 2]


@pytest.fixture(scope="module")
def folders(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    return write_checkpoints(tiny_model, tmp_path_factory.mktemp("checkpoints"))


def chances(model: Any, context: list[int], target: list[int]) -> Any:
    """Log-probabilities at every place that predicts a target; (targets, vocabulary)."""
    import torch

    begin = max(len(context), 1)
    with torch.no_grad():
        logits = model(torch.tensor([[*context, *target]])).logits[0]
    return logits[begin - 1 : -1].log_softmax(-1)


def alone(model: Any, context: list[int], target: list[int]) -> float:
    found = chances(model, context, target)
    wanted = [*context, *target][max(len(context), 1) :]
    return -sum(float(each[token]) for each, token in zip(found, wanted, strict=True))


def test_losses_are_the_models_own(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(str(tiny_model), device="cpu").model
    wanted = [alone(model, *row) for row in ROWS]
    for line in (4096, 9):
        monkeypatch.setattr("doneness.models.options._LINE", line)
        found = row_losses(model, ROWS)
        assert [tokens for _, tokens in found] == TOKENS
        assert [loss for loss, _ in found] == pytest.approx(wanted, rel=1e-5)
    assert row_losses(model, []) == []
    assert row_losses(model, [([], [5])]) == [(0.0, 0)]


def test_what_rows_share_is_read_once(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(str(tiny_model), device="cpu").model
    row_losses(model, ROWS)
    read: list[int] = []
    embed = model.get_input_embeddings()
    hook = embed.register_forward_hook(lambda module, given, out: read.append(given[0].numel()))
    row_losses(model, ROWS)
    hook.remove()
    distinct = {tuple([*c, *t][: k + 1]) for c, t in ROWS if len(c) + len(t) > 1 and t for k in range(len(c) + len(t))}
    assert sum(read) == len(distinct)


@pytest.mark.parametrize("name", ["distances instead of positions", "positions that move"])
def test_models_that_do_not_fit_are_scored_as_well(name: str) -> None:
    model = family(name)
    rows = [([c % 97 for c in context], [t % 97 for t in target]) for context, target in ROWS]
    wanted = [alone(model, *row) for row in rows]
    assert [loss for loss, _ in row_losses(model, rows)] == pytest.approx(wanted, rel=1e-4, abs=1e-4)
    assert name in UNFIT


def test_divergence_is_the_mean_kl_to_base(tiny_model: Path, folders: dict[int, Path]) -> None:
    switch = Switch(lambda: load_model(str(tiny_model), device="cpu"), folders)
    divergence = Divergence(switch)
    base = by_peft(tiny_model, None)
    for step in (PLAIN, OTHER, WHOLE, PLAIN):
        model = by_peft(tiny_model, folders[step])
        wanted = []
        for row, tokens in zip(ROWS, TOKENS, strict=True):
            if not tokens:
                wanted.append(0.0)
                continue
            p, q = chances(model, *row), chances(base, *row)
            wanted.append(float((p.exp() * (p - q)).sum(-1).mean()))
        assert divergence.of(step, ROWS) == pytest.approx(wanted, rel=1e-3, abs=1e-6)
        assert max(wanted) > 1e-3
    assert divergence.of(0, ROWS) == [0.0] * len(ROWS)


def test_noise_is_as_long_as_asked_and_gone_afterwards(tiny_model: Path, folders: dict[int, Path]) -> None:
    import torch

    switch = Switch(lambda: load_model(str(tiny_model), device="cpu"), folders)
    for step in (PLAIN, OTHER, WHOLE):
        before = {name: weight.clone() for name, weight in switch.to(step).state_dict().items()}
        plain = np.array([loss for loss, _ in row_losses(switch.to(step), ROWS)])
        some = perturbed_losses(switch, step, ROWS, (0.2, 3, 7))
        again = perturbed_losses(switch, step, ROWS, (0.2, 3, 7))
        assert some.shape == (3, len(ROWS))
        np.testing.assert_array_equal(some, again)
        assert np.abs(some - plain)[:, np.array(TOKENS) > 0].min() > 0
        assert np.abs(some[0] - some[1]).max() > 1e-4
        less = perturbed_losses(switch, step, ROWS, (0.01, 3, 7))
        assert np.abs(less - plain).mean() < 0.2 * np.abs(some - plain).mean()
        np.testing.assert_allclose(perturbed_losses(switch, step, ROWS, (0.0, 1, 7))[0], plain, rtol=1e-6)
        after = switch.to(step).state_dict()
        assert all(torch.equal(after[name], before[name]) for name in before)


def test_the_base_of_adapters_has_no_trained_weights(tiny_model: Path, folders: dict[int, Path]) -> None:
    base = lambda: load_model(str(tiny_model), device="cpu")  # noqa: E731
    adapters = Switch(base, {PLAIN: folders[PLAIN]})
    assert np.isnan(perturbed_losses(adapters, 0, ROWS, (0.1, 2, 1))).all()
    wholes = Switch(base, {WHOLE: folders[WHOLE]})
    found = perturbed_losses(wholes, 0, ROWS[:3], (0.1, 1, 1))
    assert all(math.isfinite(each) for each in found.ravel().tolist())
