"""A run through one sort of its evaluation rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from doneness.runs import EVAL_LOSS, ExampleLosses, Run, Series, load_examples, of_group, save_examples, sorted_by
from doneness.runs.groups import MOST, means

IDS = np.array([f"r{i}" for i in range(6)])
SOURCES = np.array(["NHS", "NHS", "CDC", "CDC", "CDC", ""])
TURNS = np.array(["1", "2", "3", "1", "2", "1"])


def losses(step: int, fall: float, **groups: np.ndarray) -> ExampleLosses:
    nll = np.array([6.0, 4.0, 2.0, 2.0, 8.0, 1.0]) - fall
    return ExampleLosses(step, IDS, nll, np.array([2, 2, 1, 1, 4, 1]), {}, None, groups)


@pytest.fixture
def run() -> Run:
    found = {0: losses(0, 0.0), 4: losses(4, 0.5, source=SOURCES, turn=TURNS), 8: losses(8, 0.6, source=SOURCES)}
    series = {EVAL_LOSS: Series.of([0, 4, 8], [each.mean for each in found.values()])}
    return Run("r", series=series, example_steps=(0, 4, 8), example_source=found.__getitem__)


def test_sorts_are_named_with_their_rows(run: Run) -> None:
    assert sorted_by(run, "source") == {"CDC": 3, "NHS": 2, "": 1}
    assert list(sorted_by(run.until(4), "turn").items()) == [("1", 3), ("2", 2), ("3", 1)]
    assert sorted_by(run, "turn") == {}  # the last evaluation has none
    assert sorted_by(Run("empty"), "source") == {}


def test_a_group_is_a_run_of_its_own_rows(run: Run) -> None:
    part = of_group(run, "source", "CDC")
    assert part.evals is not None and part.evals.step.tolist() == [4, 8]
    assert part.evals.value.tolist() == pytest.approx([10.5 / 6, 10.2 / 6])
    assert [each.ids.tolist() for each in part.examples] == [["r2", "r3", "r4"]] * 2
    assert run.evals is not None and len(run.evals) == 3
    nobody = of_group(run, "source", "WHO")
    assert nobody.evals is None and nobody.examples == ()


def test_what_the_journal_keeps() -> None:
    told = means(losses(4, 0.5, source=SOURCES, turn=TURNS, label=SOURCES))
    assert set(told) == {"source", "turn"}
    assert told["source"]["NHS"] == {"loss": pytest.approx(9.0 / 4), "rows": 2, "tokens": 4}
    assert sum(each["rows"] for each in told["turn"].values()) == 6
    assert means(losses(0, 0.0)) == {}


def test_a_file_of_many_sorts_shows_a_dozen(tmp_path: Path) -> None:
    n = 40
    names = np.array([f"s{i % 20:02d}" for i in range(n)])
    one = ExampleLosses(3, np.array([f"r{i}" for i in range(n)]), np.ones(n), np.ones(n, np.int64), {}, None,
                        {"source": names})  # fmt: skip
    again = load_examples(save_examples(tmp_path, one))
    run = Run("m", example_steps=(3,), example_source={3: again}.__getitem__)
    found = sorted_by(run, "source")
    assert len(found) == MOST == 12 and found["other"] == 18 and sum(found.values()) == n
    assert of_group(run, "source", "other").examples[0].ids.size == 18
