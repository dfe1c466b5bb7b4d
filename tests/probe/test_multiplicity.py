"""How often the table errs by chance, and that it still finds what is there."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from doneness.core import say
from doneness.curves.clustered import groups_of
from doneness.curves.shares import mcnemar_p
from doneness.probe.behaviours import MEASURES
from doneness.probe.measure import Measure
from doneness.probe.scoring import Scored
from doneness.probe.suite import Probe
from doneness.probe.table import build_table
from doneness.probe.turning import turning_points
from doneness.runs.probes import Answer, load_table, save_table

GRADED = [m for m in MEASURES if m.behaviour.better != "none" and m.binary]
PROBES = tuple(Probe(f"k{i}", "knowledge", f"Q{i}?", "R", (("right",),)) for i in range(60))


def answers(step: int, right: int, n: int = 60, tokens: int = 10) -> list[Answer]:
    return [Answer(p.id, step, "right" if i < right else "else", tokens, 0.6, False) for i, p in enumerate(PROBES[:n])]


def null_scores(generator: np.random.Generator, measure: Measure, questions: int = 48, checkpoints: int = 6) -> Scored:
    """Every checkpoint answers as the same model would, each answer flipped with 20 %."""
    truth = generator.random(questions) < 0.5
    values = np.where(generator.random((checkpoints, questions)) < 0.2, ~truth, truth).astype(float)
    return Scored(measure, tuple(range(checkpoints)), values, groups_of([""] * questions))


def test_turning_points_by_chance_are_rarer_than_one_table_in_twenty() -> None:
    generator = np.random.default_rng(11)
    strict = [replace(m, behaviour=replace(m.behaviour, margin=0.0)) for m in GRADED[:4]]
    found = bare = 0
    for _ in range(40):
        table = [null_scores(generator, m) for m in strict]
        found += any(turning_points(table).values())
        bare += any(min(_last_p(s.values)) < 0.05 for s in table)
    assert found / 40 <= 0.05
    assert bare / 40 > 0.2  # what the correction is for


def _last_p(scores: np.ndarray) -> list[float]:
    """p-values of the last checkpoint against each before it."""
    *before, last = scores > 0.5
    return [mcnemar_p(list(last), list(b)) for b in before]


def test_a_planted_collapse_is_found_where_it_begins() -> None:
    generator = random.Random(2)
    share = {0: 0.5, 8: 0.7, 16: 0.9, 24: 0.9, 32: 0.2, 40: 0.2}
    rows = {
        step: [Answer(p.id, step, "right" if generator.random() < q else "else", 10, 0.6, False) for p in PROBES]
        for step, q in share.items()
    }
    turning = build_table(PROBES, rows).turning["knowledge"]
    assert turning is not None
    assert turning.step == 32
    assert turning.low is not None
    assert turning.low >= 24
    assert turning.high == 32


def test_every_cell_has_the_p_value_of_its_difference(tmp_path: Path) -> None:
    table = build_table(PROBES, {0: answers(0, 40), 8: answers(8, 20)})
    cell, base, length = table.cell("knowledge", 8), table.cell("knowledge", 0), table.cell("length", 8)
    assert cell and base and length
    assert cell.p == pytest.approx(mcnemar_p([i < 20 for i in range(60)], [i < 40 for i in range(60)]))
    assert base.p is None
    assert length.p == 1.0
    save_table(tmp_path, table)
    assert load_table(tmp_path) == replace(table, turning=dict(table.turning))
    single = build_table(PROBES[:1], {0: answers(0, 1, n=1), 8: answers(8, 0, n=1)}).cell("knowledge", 8)
    assert single
    assert single.p is None


def test_old_tables_without_p_values_load(tmp_path: Path) -> None:
    save_table(tmp_path, build_table(PROBES, {0: answers(0, 40), 8: answers(8, 20)}))
    path = tmp_path / "probes" / "table.json"
    data = json.loads(path.read_text())
    for cell in data["cells"]:
        del cell["p"]
    path.write_text(json.dumps(data))
    loaded = load_table(tmp_path)
    assert loaded is not None
    assert all(c.p is None for c in loaded.cells)


def test_no_interval_is_of_zero_width_and_same_needs_enough_questions() -> None:
    for n, mark in ((20, "unsure"), (60, "same")):
        table = build_table(PROBES[:n], {0: answers(0, 0, n), 8: answers(8, 0, n)})
        for cell in table.cells:
            assert cell.interval[1] > cell.interval[0]
            assert cell.diff_interval is None or cell.diff_interval[1] > cell.diff_interval[0]
        repetition = table.cell("repetition", 8)
        assert repetition
        assert repetition.mark == mark  # 3/20 exceeds the margin of 0.05, 3/60 does not
    long = build_table(PROBES[:20], {0: answers(0, 9, 20, 400), 8: answers(8, 9, 20, 400)}).cell("length", 8)
    assert long
    assert long.diff_interval == pytest.approx((-60.0, 60.0))  # 3/20 of 400 tokens
    assert long.mark == "unsure"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_legend_says_how_many_marks_may_be_chance(lang: str) -> None:
    text = say("probe.chance", cells=40, expected=2).text(lang)
    assert "40" in text
    assert "2" in text
