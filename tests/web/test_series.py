"""Columns thinned for the screen: the shape stays, extremes and holes are seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from doneness.web.columns import Columns, Shelf, Track, load, save
from doneness.web.series import chosen, series


def test_extremes_and_ends_outlive_thinning() -> None:
    chance = np.random.default_rng(0)
    step, value = np.arange(1, 200_001), chance.normal(0, 0.1, 200_000).astype(np.float32)
    value[123_456], value[77_777] = 9.0, -9.0
    pick = chosen(step, value, 1000)
    assert pick.size <= 1000 and (np.diff(pick) > 0).all()
    assert {0, 199_999, 123_456, 77_777} <= set(pick.tolist())
    assert chosen(step[:500], value[:500], 1000).tolist() == list(range(500))


def test_a_hole_is_seen_where_it_begins() -> None:
    value = np.linspace(3, 1, 50_000).astype(np.float32)
    value[20_000:20_010] = np.nan
    value[40_000] = np.inf
    pick = set(chosen(np.arange(50_000), value, 400).tolist())
    assert {20_000, 40_000} <= pick and not pick & set(range(20_001, 20_010))
    nothing = chosen(np.arange(50_000), np.full(50_000, np.nan, dtype=np.float32), 400)
    assert nothing.tolist() == [0]


def test_a_window_on_another_axis_is_found_and_drawn_there() -> None:
    step = np.arange(1, 10_001)
    axes = {"tokens": (np.array([0.0, 10_000.0]), np.array([0.0, 5e6]))}
    columns = Columns({"train": Track(step, 1.0 / step)}, axes)
    found = series(columns, ["train", "gone"], "tokens", (5e5, 6e5), 50)
    assert found["of"] == {"train": 203} and len(found["series"]["train"]["x"]) <= 50
    assert found["series"]["train"]["x"][0] == 999 * 500.0 and found["series"]["train"]["x"][-1] == 1201 * 500.0
    # Beyond the log, at the average rate.
    assert columns.step_at("tokens", 1e7) == pytest.approx(20_000)
    with pytest.raises(KeyError):
        series(columns, ["train"], "time", (0.0, 1.0), 50)
    assert series(columns, ["train"], "step", (20_000, None), 50)["of"] == {"train": 1}


def test_a_column_grows_at_its_end_alone() -> None:
    track = Track([1, 2], [1.0, 2.0], [0.5, 1.5], [1.5, 2.5])
    assert track.append(3, 3.0) and not track.append(3, 4.0) and not track.append(1, 4.0)
    for step in range(4, 3000):
        assert track.append(step, float(step))
    assert track.size == 2999 and track.last == 2999 and track.step[-1] == 2999 and track.value[2] == 3.0
    assert track.low is not None and track.low.size == track.size and np.isnan(track.low[-1])


def test_columns_are_kept_in_a_plain_file(tmp_path: Path) -> None:
    columns = Columns({"train": Track([1, 2], [1.0, np.nan]), "eval": Track([2], [1.0], [0.9], [1.1])}, {})
    columns.axes["epoch"] = (np.array([0.0, 2.0]), np.array([0.0, 1.0]))
    save(columns, tmp_path / "c.npz")
    found = load(tmp_path / "c.npz")
    assert list(found.tracks) == ["train", "eval"] and np.isnan(found.tracks["train"].value[1])
    assert found.tracks["eval"].low is not None and found.axes["epoch"][1].tolist() == [0.0, 1.0]


def test_the_shelf_lets_go_what_was_looked_at_longest_ago() -> None:
    one = Columns({"train": Track(np.arange(1000), np.zeros(1000))})
    shelf = Shelf(room=2 * one.bytes)
    for name in ("a", "b"):
        shelf.put(name, "1", one)
    assert shelf.get("a", "1") is one and shelf.get("a", "2") is None
    shelf.put("c", "1", one)
    assert shelf.get("b", "1") is None and shelf.get("a", "1") is one
