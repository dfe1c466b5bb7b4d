"""Laws of the table: what must not change it, what must, and what it may never say."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doneness.curves.clustered import groups_of, share_difference
from doneness.probe.calibration import discrimination
from doneness.probe.cells import mark_of, needed, to_show
from doneness.probe.measure import Measure
from doneness.probe.scoring import Scored, score
from doneness.probe.suite import Probe
from doneness.probe.table import assembled
from doneness.runs.probes import Answer, Behaviour, Cell, ProbeTable, load_table, save_table

SHARE = Behaviour("shown", "higher", "share", 0.05, True)
STEPS = (0, 10, 20, 30)
GOLDEN = Path(__file__).parent / "goldens" / "table.json"


def nothing(*_: object) -> None:
    return None


def scored(values: np.ndarray, labels: list[str] | None = None, **about: object) -> Scored:
    """A behaviour whose scores are given; shape (k, n)."""
    behaviour = replace(SHARE, **about)  # type: ignore[arg-type]
    binary = behaviour.unit == "share"
    steps = tuple(10 * k for k in range(len(values)))
    return Scored(
        Measure(behaviour, nothing, binary), steps, values.astype(float), groups_of(labels or [""] * values.shape[1])
    )


def marks(table: ProbeTable, name: str = "shown") -> list[str]:
    return [c.mark for s in table.steps if (c := table.cell(name, s)) is not None]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_the_questions_changes_nothing(seed: int) -> None:
    generator = np.random.default_rng(seed)
    values = (generator.random((4, 30)) < generator.uniform(0.2, 0.8, (4, 1))).astype(float)
    labels = [str(i) for i in generator.integers(0, 12, 30)]
    order = generator.permutation(30)
    one = assembled([scored(values, labels)])
    other = assembled([scored(values[:, order], [labels[i] for i in order])])
    for a, b in zip(one.cells, other.cells, strict=True):
        assert (a.mark, a.n, a.clusters, a.needs) == (b.mark, b.n, b.clusters, b.needs)
        assert (a.value, *a.interval) == pytest.approx((b.value, *b.interval))
        assert a.p == pytest.approx(b.p)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["share", "tokens", "nats"]))
def test_equal_checkpoints_are_never_called_different(seed: int, unit: str) -> None:
    generator = np.random.default_rng(seed)
    one = generator.random(24) if unit != "share" else (generator.random(24) < 0.6).astype(float)
    table = assembled([scored(np.stack([one] * 4), unit=unit, goal=True)])
    assert set(marks(table)) <= {"base", "same", "unsure"}
    assert all(c.p in (None, 1.0) and c.diff in (None, 0.0) for c in table.cells)
    assert table.turning["shown"] is None
    standing = table.standings["shown"]
    assert standing.tied == standing.equal == (10, 20, 30)
    assert standing.picked == 10
    assert standing.naive == standing.honest == 0.0


@pytest.mark.parametrize("unit", ["share", "tokens", "nats", "ratio"])
@pytest.mark.parametrize("better", ["higher", "lower"])
def test_what_is_far_apart_is_always_found(unit: str, better: str) -> None:
    generator = np.random.default_rng(1)
    levels = np.array([0.5, 0.95, 0.95, 0.05])[:, None]
    values = (generator.random((4, 80)) < levels).astype(float)
    if unit != "share":
        values = 10 * levels + 0.1 * generator.standard_normal((4, 80))
    found = assembled([scored(values, unit=unit, better=better)])
    words = ["base", "better", "better", "worse"] if better == "higher" else ["base", "worse", "worse", "better"]
    assert marks(found) == words
    turning = found.turning["shown"]
    if better == "higher":
        assert turning is not None
        assert (turning.step, turning.best) == (30, 10)
        assert turning.low is not None
        assert 20 <= turning.low <= 30
        assert turning.high == 30
    else:
        assert turning is None  # it is best at the end


def test_questions_that_belong_together_count_as_one() -> None:
    generator = np.random.default_rng(5)
    right = generator.random((2, 12)) < np.array([[0.2], [0.9]])
    values = np.repeat(right.astype(float), 8, axis=1)
    labels = [f"document {i // 8}" for i in range(96)]
    alone, together = (assembled([scored(values, c)]).cell("shown", 10) for c in (None, labels))
    assert alone is not None
    assert together is not None
    assert (alone.clusters, together.clusters) == (None, 12)
    assert together.p is not None
    assert alone.p is not None
    assert together.p > 1000 * alone.p
    assert together.interval[1] - together.interval[0] > alone.interval[1] - alone.interval[0]


def test_a_statistic_that_is_no_mean_has_its_interval_and_its_mark() -> None:
    generator = np.random.default_rng(7)
    right = generator.random((3, 200)) < 0.6
    sure = np.stack([generator.random(200) + shift * right[k] for k, shift in enumerate((0.0, 0.0, 2.0))])
    rows = np.stack([sure, right.astype(float)], axis=2)
    about = Behaviour("auroc", "higher", "share", 0.05, False)
    measure = Measure(about, nothing, binary=False, row=nothing, statistic=discrimination)
    table = assembled([Scored(measure, (0, 10, 20), np.ones((3, 200)), groups_of([""] * 200), rows)])
    first, last = table.cell("auroc", 10), table.cell("auroc", 20)
    assert first is not None
    assert last is not None
    assert last.value == 1.0
    assert (first.mark, last.mark) == ("unsure", "better")
    assert first.interval[0] < 0.5 < first.interval[1]


def test_what_is_said_against_base_is_scored_beside_base() -> None:
    probes = [Probe(f"k{i}", "knowledge", "?", "", (("right",),)) for i in range(10)]

    def lost(probe: Probe, answer: Answer, base: Answer) -> float | None:
        return None if base.text != "right" else float(answer.text == "right")

    def told(step: int, right: int) -> list[Answer]:
        return [Answer(p.id, step, "right" if i < right else "wrong", 1, 0.5, False) for i, p in enumerate(probes)]

    measure = Measure(Behaviour("kept", "higher", "share", 0.05, True), nothing, against=lost)
    found = score(measure, probes, {0: told(0, 6), 10: told(10, 3)})
    assert found is not None
    assert found.values.tolist() == [[1.0] * 6, [1.0] * 3 + [0.0] * 3]
    assert score(measure, probes, {10: told(10, 3)}) is None


def test_what_was_not_asked_is_no_zero() -> None:
    probes = [Probe("a", "choice", "?", "", (), asks=("options",)), Probe("b", "choice", "?", "", ())]
    measure = Measure(SHARE, lambda probe, answer: 1.0, needs=("options",))
    answers = {0: [Answer(p.id, 0, "", 0, 0.0, False) for p in probes]}
    found = score(measure, probes, answers)
    assert found is not None
    assert found.values.shape == (1, 1)


def test_fewer_questions_make_no_better_checkpoint() -> None:
    hard = np.array([[1.0] * 20 + [0.0] * 20] * 3)
    hard[2, 20:] = math.nan  # asked the easy half alone
    found = scored(hard)
    assert found.levels == pytest.approx([0.5, 0.5, 0.5])
    table = assembled([found])
    assert table.turning["shown"] is None


@pytest.mark.parametrize(
    ("interval", "shown", "mark"),
    [
        ((0.02, 0.2), True, "better"),
        ((0.02, 0.2), False, "promising"),
        ((-0.2, -0.02), True, "worse"),
        ((-0.2, -0.02), False, "leaning"),
        ((-0.04, -0.01), True, "same"),  # harm for certain, and for certain less than what matters
        ((-0.04, 0.3), False, "same"),
        ((-0.06, 0.3), True, "unsure"),
        ((-math.inf, math.inf), True, "unsure"),
    ],
)
def test_marks(interval: tuple[float, float], shown: bool, mark: str) -> None:
    assert mark_of(SHARE, interval, shown) == mark
    low, high = interval
    assert mark_of(replace(SHARE, better="lower"), (-high, -low), shown) == mark


def test_a_neutral_behaviour_changes_and_is_never_better() -> None:
    about = replace(SHARE, better="none", unit="tokens", margin=3.0)
    assert mark_of(about, (4.0, 9.0), True) == "changed"
    assert mark_of(about, (4.0, 9.0), False) == "unsure"
    assert mark_of(about, (-2.0, 2.9), False) == "same"


def test_an_undecided_cell_says_how_many_questions_would_tell() -> None:
    cell = Cell("shown", 10, 0.5, (0.4, 0.6), 100, "unsure", 0.0, (-0.1, 0.1), 1.0)
    # 0.05 harm at 80 %: n · (2.80 · 0.051 / 0.05)²
    assert needed(SHARE, cell, 0.051) == 820
    assert needed(SHARE, replace(cell, mark="same"), 0.051) is None
    assert needed(SHARE, cell, math.inf) is None
    assert needed(SHARE, replace(cell, n=10), 1e-6) == 73  # as many as exclude the margin when none ever changes
    leaning = replace(cell, mark="leaning", diff=-0.12)
    few, many = (needed(SHARE, leaning, 0.051, of) for of in (1, 200))
    assert few is not None
    assert many is not None
    assert 100 < few < many


def golden() -> ProbeTable:
    """A small table of fixed answers."""
    generator = np.random.default_rng(11)
    level = np.array([0.5, 0.7, 0.9, 0.9, 0.3])[:, None]
    first = scored((generator.random((5, 60)) < level).astype(float), goal=True)
    second = scored(
        100 + 30 * generator.random((5, 60)),
        [str(i // 3) for i in range(60)],
        name="long",
        unit="tokens",
        better="lower",
        margin=5.0,
    )
    return assembled([first, second], losses={0: 2.0, 10: 1.8, 20: 1.7, 30: 1.65, 40: 1.6})


def test_the_golden_table() -> None:
    """Numbers of a table of fixed answers; a change of statistics must be seen and meant."""
    found = json.loads(json.dumps(asdict(golden())))
    expected = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert _rounded(found) == _rounded(expected)


def _rounded(data: object) -> object:
    if isinstance(data, float):
        return float(f"{data:.4g}")
    if isinstance(data, dict):
        return {k: _rounded(v) for k, v in data.items()}
    return [_rounded(v) for v in data] if isinstance(data, list) else data


@pytest.mark.parametrize(("n", "gained", "lost"), [(8, 3, 0), (8, 2, 0), (20, 5, 1), (100, 12, 4)])
@pytest.mark.parametrize("comparisons", [1, 20])
def test_the_number_that_would_show_a_difference_shows_it_about_as_often_as_planned(
    n: int, gained: int, lost: int, comparisons: int
) -> None:
    """Four of five times; where there were only a handful, somewhere between half and nearly always."""
    now, before = np.zeros(n), np.zeros(n)
    now[:gained], before[gained : gained + lost] = 1.0, 1.0
    seen = share_difference(now, before, groups_of([""] * n))
    cell = Cell("shown", 1, gained / n, (0.0, 1.0), n, "unsure", seen.value, seen.interval, seen.p)
    wanted = to_show(cell, comparisons)
    assert wanted is not None
    generator = np.random.default_rng(0)
    shown = 0
    for _ in range(200):
        drawn = generator.random(wanted)
        after, first = (drawn < gained / n).astype(float), (drawn >= 1 - lost / n).astype(float)
        shown += share_difference(after, first, groups_of([""] * wanted)).p <= 0.05 / comparisons
    low, high = (0.5, 0.98) if n < 10 else (0.7, 0.92)
    assert low <= shown / 200 <= high


def test_everything_comes_back_from_the_disk(tmp_path: Path) -> None:
    table = golden()
    save_table(tmp_path, table)
    assert load_table(tmp_path) == table


def test_a_file_from_before_loads(tmp_path: Path) -> None:
    save_table(tmp_path, golden())
    path = tmp_path / "probes" / "table.json"
    data = json.loads(path.read_text())
    for name in ("standings", "nulls", "strict", "goal"):
        del data[name]
    for cell in data["cells"]:
        for name in ("p", "p_table", "needs", "clusters"):
            del cell[name]
    for behaviour in data["behaviours"]:
        del behaviour["group"], behaviour["goal"]
    data["turning"] = {"shown": 40, "long": None}
    path.write_text(json.dumps(data))
    found = load_table(tmp_path)
    assert found is not None
    turning = found.turning["shown"]
    assert turning is not None
    assert (turning.step, turning.low, turning.loss_fell) == (40, None, None)
