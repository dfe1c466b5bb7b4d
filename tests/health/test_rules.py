from __future__ import annotations

import math

import numpy as np
import pytest

from doneness.health import NoiseScale, Shares, SpikeRule, kind_of, layer_of, raw_noise
from doneness.health.noise import DECAY
from doneness.health.pace import Pace, peak_memory
from doneness.health.spikes import IN_A_ROW, LEAST, NEAR, WINDOW, Spike, spike_record

NAMES = {
    "model.layers.3.self_attn.q_proj.weight": ("q", 3),
    "base_model.model.model.layers.11.self_attn.v_proj.lora_A.default.weight": ("v", 11),
    "model.layers.0.self_attn.o_proj.weight": ("o", 0),
    "model.layers.0.self_attn.q_norm.weight": ("norm", 0),
    "model.layers.0.post_attention_layernorm.weight": ("norm", 0),
    "model.layers.0.mlp.down_proj.weight": ("mlp", 0),
    "model.embed_tokens.weight": ("embedding", None),
    "model.norm.weight": ("norm", None),
    "lm_head.weight": ("head", None),
    "transformer.h.5.attn.c_attn.weight": ("qkv", 5),
    "transformer.h.5.attn.c_proj.weight": ("o", 5),
    "transformer.h.5.mlp.c_proj.weight": ("mlp", 5),
    "transformer.h.5.ln_1.weight": ("norm", 5),
    "transformer.wte.weight": ("embedding", None),
    "gpt_neox.layers.2.attention.query_key_value.weight": ("qkv", 2),
    "gpt_neox.layers.2.attention.dense.weight": ("o", 2),
    "bert.encoder.layer.1.attention.self.query.weight": ("q", 1),
    "visual.patch_projection.weight": ("other", None),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_tells_kind_and_layer(name: str) -> None:
    assert (kind_of(name), layer_of(name)) == NAMES[name]


def judged(losses: list[float]) -> dict[int, Spike]:
    rule = SpikeRule()
    return {i: found for i, loss in enumerate(losses) if (found := rule.judge(loss)) is not None}


def noisy(n: int, seed: int = 0) -> list[float]:
    return (2.0 + np.random.default_rng(seed).normal(0, 0.1, n)).tolist()


def test_a_planted_spike_is_found_and_noise_is_none() -> None:
    assert sum(len(judged(noisy(500, seed))) for seed in range(10)) == 0
    losses = noisy(200)
    losses[120] += 3.0
    found = judged(losses)
    assert list(found) == [120]
    assert found[120].expected == pytest.approx(2.0, abs=0.15)
    assert 15 < found[120].deviations < 50


def test_a_spike_is_judged_by_the_past_alone() -> None:
    losses = noisy(150)
    losses[60] += 3.0
    losses[100] = math.nan
    whole = judged(losses)
    assert list(whole) == [60, 100]
    for cut in range(1, 150, 7):
        assert list(judged(losses[:cut])) == [i for i in whole if i < cut]


def test_a_resumed_rule_judges_as_one_that_never_paused() -> None:
    losses = noisy(150)
    losses[90] += 3.0
    rule = SpikeRule(losses[:80])
    assert [i for i in range(80, 150) if rule.judge(losses[i])] == list(judged(losses))


def test_too_few_losses_and_flat_ones_make_no_spike() -> None:
    assert judged([2.0] * (LEAST + NEAR - 1) + [50.0]) == {}
    assert list(judged([2.0] * (LEAST + NEAR) + [50.0])) == [LEAST + NEAR]
    assert judged([2.0] * WINDOW + [2.05] * 5) == {}
    assert list(judged([2.0] * WINDOW + [2.3])) == [WINDOW]


def test_a_falling_curve_hides_no_spike_and_makes_none() -> None:
    rng = np.random.default_rng(2)
    for seed in range(5):
        fall = [6.0 * math.exp(-i / 12) + 0.02 * float(rng.normal()) for i in range(120)]
        assert judged(fall) == {}, seed
        fall[36] = 6.3
        assert list(judged(fall)) == [36]


def test_a_new_level_is_said_a_few_times_and_not_for_ever() -> None:
    assert list(judged([*noisy(100), *[9.0] * 40])) == list(range(100, 100 + IN_A_ROW))


def test_a_record_names_rows_only_when_asked() -> None:
    spike = Spike(9.0, 2.0, 30.123)
    assert "rows" not in spike_record(spike, 3, None)
    record = spike_record(spike, 3, lambda: [f"r{i}" for i in range(300)])
    assert (record["count"], len(record["rows"]), record["deviations"]) == (300, 256, 30.12)
    assert "deviations" not in spike_record(Spike(math.nan, 2.0, math.inf), 3, ["a"])


@pytest.mark.parametrize("targets", [(100.0, 100.0, 100.0, 100.0), (20.0, 50.0, 120.0, 210.0)])
def test_signal_and_spread_are_estimated_without_bias(targets: tuple[float, ...]) -> None:
    """Token gradients with known mean and covariance, batches of four micro-batches of unequal weight."""
    rng = np.random.default_rng(1)
    size, total, rows = 30, sum(targets), 8
    mean = rng.normal(0, 0.2, size)
    found = []
    for _ in range(6000):
        # The sum over t tokens of gradients with covariance I, divided by all tokens: as the loss has it.
        added = [(t * mean + math.sqrt(t) * rng.normal(0, 1, size)) / total for t in targets]
        whole = np.sum(added, axis=0)
        one = raw_noise(float(whole @ whole), float(sum(a @ a for a in added)), 4, Shares(rows, targets))
        assert one is not None
        found.append(one)
    signal, spread = np.array(found).T
    error = signal.std() / math.sqrt(len(signal)), spread.std() / math.sqrt(len(spread))
    assert signal.mean() == pytest.approx(mean @ mean, abs=4 * error[0])
    # tr(Σ) of the whole batch's gradient is size / total; per row it is `rows` times that.
    assert spread.mean() == pytest.approx(rows * size / total, abs=4 * error[1])


def test_one_micro_batch_tells_no_noise() -> None:
    assert raw_noise(1.0, 1.0, 1, Shares(8, None)) is None
    assert raw_noise(1.0, 0.5, 2, Shares(1, None)) is None
    assert raw_noise(1.0, 0.5, 2, Shares(8, [0.0, 0.0])) is None
    assert raw_noise(1.0, 0.5, 2, Shares(8, [5.0, 0.0])) is None


def test_moving_means_have_weights_that_sum_to_one_and_go_on_after_a_resume() -> None:
    values = [(4.0, 40.0), (1.0, 60.0), (7.0, 20.0)]
    state = NoiseScale()
    for signal, spread in values:
        state = state.with_one(signal, spread)
    weights = np.array([DECAY**2, DECAY, 1.0])
    weights /= weights.sum()
    assert state.signal == pytest.approx(weights @ [v[0] for v in values], rel=1e-6)
    assert state.rows == pytest.approx(weights @ [v[1] for v in values] / state.signal, rel=1e-6)
    told = {"noise": {"signal_mean": state.signal, "spread_mean": state.spread, "n": state.n}}
    assert NoiseScale.of(told) == state
    assert NoiseScale.of(None) == NoiseScale.of({"noise": {"n": "x"}}) == NoiseScale()
    assert NoiseScale(-1.0, 3.0, 5).rows is None


def test_pauses_are_no_training_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 1.5, 2.5, 100.0, 101.0])
    monkeypatch.setattr("doneness.health.pace.time.monotonic", lambda: next(clock))
    pace = Pace()
    pace.start(0, 0)
    for paused in (False, True, False):
        pace.begin()
        pace.end()
        if paused:
            pace.paused()
    found = pace.take(350, 35)
    # Three steps of one second each, half a second between the first two, an evaluation before the third.
    assert found == {"steps_per_second": 3 / 3.5, "tokens_per_second": 100.0, "targets_per_second": 10.0}
    assert pace.take(None, None) == {}


def test_memory_says_whose_it_is() -> None:
    held = peak_memory("cpu")
    assert held is not None and held[1] == "rss" and held[0] > 10_000_000
