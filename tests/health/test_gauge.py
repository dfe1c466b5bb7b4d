"""What is measured on a model, against brute force."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doneness.health import HealthWatch, NoiseScale, Shares, kind_of, raw_noise
from doneness.health.gauge import Gauge
from doneness.testing.tiny import make_tiny_model

pytestmark = pytest.mark.model


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def one_layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("one") / "model", hidden=16, layers=1)


def loaded(path: Path, lora: bool) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(path)
    if not lora:
        return model.train()
    torch.manual_seed(1)
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=12, target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, p in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.05)
    return model.train()


def tokens(rows: int, seed: int = 0, length: int = 12) -> Any:
    import torch

    return torch.randint(0, 250, (rows, length), generator=torch.Generator().manual_seed(seed))


def share_of_loss(model: Any, rows: Any, total: int) -> Any:
    """The summed loss of some rows over the target tokens of the whole batch."""
    import torch

    logits = model(input_ids=rows).logits[:, :-1]
    return torch.nn.functional.cross_entropy(logits.transpose(1, 2), rows[:, 1:], reduction="sum") / total


def trained(model: Any) -> list[tuple[str, Any]]:
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]


def by_kind(parts: list[tuple[str, Any]]) -> dict[str, float]:
    squares: dict[str, float] = {"all": 0.0}
    for name, value in parts:
        for kind in ("all", kind_of(name)):
            squares[kind] = squares.get(kind, 0.0) + float(value.double().pow(2).sum())
    return {kind: math.sqrt(v) for kind, v in squares.items()}


@pytest.mark.parametrize("lora", [True, False])
@pytest.mark.parametrize("limit", [1e-3, 1e9])
def test_a_step_is_measured_as_brute_force_has_it(one_layer: Path, lora: bool, limit: float) -> None:
    import torch

    model = loaded(one_layer, lora)
    optimizer = torch.optim.AdamW([p for _, p in trained(model)], lr=1e-3)
    watch = HealthWatch(model, 10, None, 3, True)
    micro = [tokens(2, 1), tokens(2, 2, 20), tokens(1, 3)]
    targets = [m[:, 1:].numel() for m in micro]
    alone = []
    for m in micro:
        model.zero_grad()
        share_of_loss(model, m, sum(targets)).backward()
        alone.append([(name, p.grad.clone()) for name, p in trained(model)])
    model.zero_grad()
    watch.begin(1)
    for m, t in zip(micro, targets, strict=True):
        watch.batch(len(m), t)
        share_of_loss(model, m, sum(targets)).backward()
    gradient = [(name, p.grad.clone()) for name, p in trained(model)]
    torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
    before = [(name, p.detach().clone()) for name, p in trained(model)]
    watch.before_update(optimizer)
    optimizer.step()
    watch.after_update()
    record = watch.end(100, 50)
    assert record is not None

    want = by_kind(gradient)
    assert record["grad"] == {k: pytest.approx(v, rel=1e-4) for k, v in want.items()}
    moved = by_kind([(n, p.detach() - old) for (n, old), (_, p) in zip(before, trained(model), strict=True)])
    size = by_kind(before)
    assert record["update"] == {k: pytest.approx(moved[k] / size[k], rel=1e-4) for k in moved}
    parts = sum(by_kind(one)["all"] ** 2 for one in alone)
    one = raw_noise(want["all"] ** 2, parts, 3, Shares(5, targets))
    assert one is not None
    assert (record["noise"]["signal"], record["noise"]["spread"]) == pytest.approx(one, rel=2e-3)
    assert record["noise"]["rows"] == 5
    assert record["learning_rate"] == 1e-3 and "sampled" not in record
    assert ("lora" in record) is lora
    assert not any(p._backward_hooks or p._post_accumulate_grad_hooks for _, p in trained(model))


def test_the_size_of_lora_is_that_of_the_dense_product(tiny_model: Path) -> None:
    import torch

    model = loaded(tiny_model, True)
    from doneness.health.adapters import adapters_of, change_norms, order_of, relative_sizes

    adapters = adapters_of(model)
    values = torch.cat(change_norms(adapters)).tolist()
    norms = [values[order_of(adapters).index(i)] for i in range(len(adapters))]
    found = relative_sizes(adapters, norms)
    change: dict[str, float] = {}
    weight: dict[str, float] = {}
    for name, module in model.named_modules():
        if not hasattr(module, "lora_A") or not hasattr(module, "get_base_layer"):
            continue
        layer = name.split("layers.")[1].split(".")[0]
        dense = 3.0 * module.lora_B["default"].weight.double() @ module.lora_A["default"].weight.double()
        change[layer] = change.get(layer, 0.0) + float(dense.detach().pow(2).sum())
        weight[layer] = weight.get(layer, 0.0) + float(module.get_base_layer().weight.detach().double().pow(2).sum())
    assert set(found["layers"]) == {"0", "1"}
    assert set(found["kinds"]) == {"q", "k", "v", "o", "mlp", "all"}
    for layer, value in found["layers"].items():
        assert value == pytest.approx(math.sqrt(change[layer] / weight[layer]), rel=1e-5)
    assert found["kinds"]["all"] == pytest.approx(math.sqrt(sum(change.values()) / sum(weight.values())), rel=1e-5)
    # Adapters that have been switched off change nothing and are not counted.
    assert adapters_of(loaded(tiny_model, False)) == []


def test_a_sampled_update_is_close_to_the_whole_one(tmp_path: Path) -> None:
    import torch

    model = loaded(make_tiny_model(tmp_path / "wide", hidden=128, layers=2), False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    found = {}
    for sampled in (False, True):
        torch.manual_seed(0)
        gauge = Gauge(model)
        assert gauge.sampled
        gauge.sampled = sampled
        state = {n: p.detach().clone() for n, p in model.named_parameters()}
        optimizer.state.clear()
        gauge.begin(False, True)
        model.zero_grad()
        share_of_loss(model, tokens(4), 100).backward()
        gauge.before()
        held = sum(each.numel() for each in gauge._old)
        optimizer.step()
        gauge.after()
        measured = gauge.read([], 1)
        assert measured is not None and measured.sampled is sampled
        found[sampled] = (measured.update, held)
        with torch.no_grad():
            for n, p in model.named_parameters():
                p.copy_(state[n])
    assert found[True][1] < 0.5 * found[False][1]
    for kind, value in found[False][0].items():
        assert found[True][0][kind] == pytest.approx(value, rel=0.05)


def test_more_trained_weights_than_a_copy_may_take_are_sampled(tmp_path: Path) -> None:
    wide = make_tiny_model(tmp_path / "wide", hidden=256, layers=1)
    assert Gauge(loaded(wide, False)).sampled
    assert not Gauge(loaded(wide, True)).sampled


def test_the_noise_scale_is_that_of_the_rows_own_gradients(one_layer: Path) -> None:
    """Per-row gradients give |G|² and tr(Σ); batches drawn from those rows must find both."""
    import torch

    model = loaded(one_layer, False)
    population = tokens(40, 9)
    targets = population.shape[1] - 1
    each = []
    for i in range(len(population)):
        model.zero_grad()
        share_of_loss(model, population[i : i + 1], targets).backward()
        each.append(torch.cat([p.grad.reshape(-1) for _, p in trained(model)]).double().numpy())
    rows = np.array(each)
    mean = rows.mean(axis=0)
    signal, spread = float(mean @ mean), float(((rows - mean) ** 2).sum(axis=1).mean())

    watch = HealthWatch(model, 1, None, 4, True)
    still = torch.optim.SGD(model.parameters(), lr=0.0)
    rng = np.random.default_rng(0)
    found = []
    for step in range(1, 61):
        watch.begin(step)
        model.zero_grad()
        for pick in rng.integers(0, len(population), (4, 2)):
            watch.batch(2, 2 * targets)
            share_of_loss(model, population[torch.as_tensor(pick)], 8 * targets).backward()
        watch.before_update(still)
        still.step()
        watch.after_update()
        record = watch.end(None, None)
        assert record is not None and record["update"]["all"] == 0.0
        found.append((record["noise"]["signal"], record["noise"]["spread"]))
    values = np.array(found)
    error = values.std(axis=0) / math.sqrt(len(values))
    assert values[:, 0].mean() == pytest.approx(signal, abs=4 * error[0])
    assert values[:, 1].mean() == pytest.approx(spread, abs=4 * error[1])
    # The check has teeth: the plain norms of single batches, which the noise inflates, would not pass.
    assert signal + spread / 8 > signal + 8 * error[0]
    state = NoiseScale()
    for one in found:
        state = state.with_one(*one)
    assert record["noise"]["scale"] == pytest.approx(state.rows, rel=1e-4)
    assert state.rows == pytest.approx(spread / signal, rel=0.35)


def test_a_backward_pass_too_many_tells_no_noise(one_layer: Path) -> None:
    import torch

    model = loaded(one_layer, True)
    optimizer = torch.optim.SGD([p for _, p in trained(model)], lr=0.1)
    watch = HealthWatch(model, 1, None, 2, True)
    watch.begin(1)
    for seed in range(2):
        watch.batch(2, 22)
        share_of_loss(model, tokens(2, seed), 44).backward()
        share_of_loss(model, tokens(2, seed + 7), 44).backward()
    watch.before_update(optimizer)
    optimizer.step()
    watch.after_update()
    record = watch.end(None, None)
    assert record is not None and "noise" not in record and record["grad"]["all"] > 0
