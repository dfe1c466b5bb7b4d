"""The trend with a window of fixed width: the same for a part of a run as for the whole."""

from __future__ import annotations

import numpy as np
import pytest

from doneness.curves import Window, trend, usual_window


def log(rows: int, every: int = 10, noise: float = 0.15, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    step = every * np.arange(1, rows + 1)
    value = 1.2 + 1.5 * np.exp(-step / 900) + np.random.default_rng(seed).normal(0, noise, rows)
    return step.astype(np.float64), value


@pytest.mark.parametrize("noise", [0.02, 0.15, 0.4])
def test_half_a_run_has_the_trend_of_the_whole(noise: float) -> None:
    step, value = log(1200, noise=noise)
    window = usual_window(step, value)
    assert window is not None
    assert usual_window(step[:600], value[:600]) == window
    whole, half = trend(step, value, width=window.width), trend(step[:600], value[:600], width=window.width)
    shared = half.x.size - 1  # the last place of the half is its own
    assert np.array_equal(half.x[:shared], whole.x[:shared])
    gone = np.abs(half.mid[:shared] - whole.mid[:shared])
    inside = half.x[:shared] < step[599] - 4 * window.width
    assert inside.sum() > 100 and gone[inside].max() < 1e-12
    # Closer to the cut the two drift apart, but hardly before the window itself reaches over it.
    near = half.x[:shared] < step[599] - window.width
    assert gone[near].max() < 0.1 * noise
    assert np.array_equal(half.low[:shared][inside], whole.low[:shared][inside])


def test_the_share_of_a_run_as_window_does_not_have_that() -> None:
    step, value = log(1200)
    whole, half = trend(step, value), trend(step[:600], value[:600])
    assert np.abs(np.interp(half.x[:100], whole.x, whole.mid) - half.mid[:100]).max() > 0.02


def test_the_window_is_named_in_steps_and_follows_the_noise() -> None:
    found = [usual_window(*log(300, noise=noise, seed=1)) for noise in (0.01, 0.2, 0.6)]
    assert all(found)
    widths = [w.width for w in found if w]
    assert widths[0] < widths[1] < widths[2]
    assert widths[0] == 130 and widths[2] == 490
    assert usual_window(*log(300, every=1, noise=0.01)) == Window(13.0, 13)


def test_numbers_missing_here_and_there_change_little_and_a_hole_stays_a_hole() -> None:
    step, value = log(600, noise=0.05)
    width = 200.0
    whole = trend(step, value, width=width)
    holes = value.copy()
    holes[::7] = np.nan
    holes[100] = np.inf
    found = trend(step, holes, width=width)
    assert np.isfinite(found.mid).all()
    assert np.abs(np.interp(found.x, whole.x, whole.mid) - found.mid).max() < 0.06
    holes[300:360] = np.nan
    gap = trend(step, holes, width=width)
    inside = (gap.x > step[300] + width / 2) & (gap.x < step[359] - width / 2)
    assert not inside.any(), "nothing is drawn where nothing was logged"
    after = gap.x > step[360] + width
    assert after.sum() > 100 and np.isfinite(gap.mid[after]).all()


def test_spikes_do_not_move_it() -> None:
    step = 10.0 * np.arange(200)
    value = 2.0 - 0.0005 * step
    value[50], value[120], value[121] = 90.0, -90.0, -80.0
    found = trend(step, value, width=250)
    assert np.abs(found.mid - (2.0 - 0.0005 * found.x)).max() < 1e-3


def test_the_band_covers_the_truth() -> None:
    step = 10.0 * np.arange(150)
    hits = []
    for seed in range(40):
        value = 2.0 - 0.0005 * step + np.random.default_rng(seed).normal(0, 0.1, 150)
        found = trend(step, value, width=300)
        hits.append(np.mean((found.low <= 2.0 - 0.0005 * found.x) & (2.0 - 0.0005 * found.x <= found.high)))
    assert 0.85 < np.mean(hits) < 0.99


@pytest.mark.parametrize("rows", [0, 1, 3, 11])
def test_too_few_rows_draw_nothing(rows: int) -> None:
    step, value = log(rows)
    assert usual_window(step, value) is None
    assert rows == 11 or trend(step, value, width=100).x.size == 0


def test_damaged_places_neither_hang_nor_warn() -> None:
    step = np.concatenate([np.arange(20.0), [1e12, 1e12]])
    value = np.ones(22)
    found = trend(step, value, width=10)
    assert found.x.size < 500 and np.allclose(found.mid[:-1], 1.0)
    assert trend([5.0] * 8, [1.0] * 8, width=10).x.size == 0


def test_a_long_log_is_drawn_whole() -> None:
    step, value = log(200_000, every=1)
    window = usual_window(step, value)
    assert window is not None
    line = trend(step, value, width=window.width)
    assert line.x.size > 10_000 and (line.x[0], line.x[-1]) == (step[0], step[-1])


@pytest.mark.parametrize("rows", [12, 18, 24, 40, 60])
def test_a_short_steep_log_keeps_its_trend_inside_the_data(rows: int) -> None:
    step = np.linspace(300 / rows, 300, rows)
    rng = np.random.default_rng(rows)
    value = 3.4 + 64 * np.exp(-step / 30) * np.exp(rng.normal(0, 0.2, rows))
    window = usual_window(step, value)
    assert window is not None and window.rows <= rows / 3
    found = trend(step, value, width=window.width)
    assert found.x.size > rows / 2
    for x, y in zip(found.x, found.mid, strict=True):
        near = value[np.abs(step - x) <= 0.55 * window.width]
        assert near.min() - 1e-9 <= y <= near.max() + 1e-9
