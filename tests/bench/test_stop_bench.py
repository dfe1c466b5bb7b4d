"""The recorded trajectories and what the benches make of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.overhead import Turns, everything_on, first_at, ratio
from bench.planted_noise import flat, overfitting, planted, rows_of
from bench.recorded import Recorded, means_alone, recorded, unpaired
from bench.trajectories import RUNS

from bench import paired, stop
from doneness.curves import paired_effect
from doneness.testing import synthetic

RESULTS = Path(__file__).parents[2] / "bench" / "results"
RECORDED = recorded()
NAMES = [each.name for each in RECORDED]


@pytest.fixture(params=RECORDED, ids=NAMES)
def run(request: pytest.FixtureRequest) -> Recorded:
    found: Recorded = request.param
    return found


def results(name: str) -> dict[str, Any]:
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"python -m bench {name} has not been run")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_a_recorded_run_reads_whole(run: Recorded) -> None:
    wanted = RUNS[run.name]
    assert run.run.notes == () and run.run.faults == () and run.run.damage.lost == 0
    assert run.run.kind == "journal" and run.run.train is not None
    assert run.run.train.step.tolist() == list(range(1, wanted.steps + 1)) and int(run.step[-1]) == wanted.steps
    assert 20 <= run.step.size <= 30 and run.step[0] == 0
    assert [e.step for e in run.run.examples] == run.step.tolist()
    assert {e.ids.size for e in run.run.examples} == {wanted.held_out}
    assert run.trained_tokens <= 40_000
    # The means of the journal are those of the rows, but for 32 bits.
    np.testing.assert_allclose(run.loss, run.nll.sum(axis=1) / run.tokens.sum(), rtol=1e-5)


def test_a_recorded_run_is_small_and_holds_no_text(run: Recorded) -> None:
    assert run.run.path is not None
    files = [file for file in run.run.path.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 300_000
    assert {file.suffix for file in files} == {".jsonl", ".npz"}
    for file in run.run.path.glob("evals/*.npz"):
        with np.load(file) as columns:
            spans = {f"span.label.{kind}" for kind in ("nll", "tokens")}
            assert set(columns.files) <= {"step", "ids", "nll", "tokens", "cluster", "group.label", *spans}
            assert max(len(name) for name in columns["ids"]) < 40
    start = run.run.events[0]
    assert "/" not in str(start.data.get("meta", {}).get("recipe", {}).get("data", {}).get("train", ""))
    assert "/" not in str(run.run.meta["model"])


def test_rows_are_the_same_for_every_seed() -> None:
    seeds = [each for each in RECORDED if each.group == "few-rows-lora"]
    assert seeds
    ids = [each.run.examples[0].ids.tolist() for each in seeds]
    assert all(each == ids[0] for each in ids)
    # Before the first step there is no difference between them at all.
    assert {round(float(each.loss[0]), 5) for each in seeds} == {round(float(seeds[0].loss[0]), 5)}


@pytest.mark.parametrize(
    ("made", "course"),
    [
        (synthetic.overfitting_run(0.1, rows=40, noise=0.003), "overfitting"),
        (synthetic.learning_run(rows=40, noise=0.003), "falling"),
        (synthetic.converged_run(rows=40, noise=0.003), "settled"),
        (synthetic.overfitting_run(0.3, rows=40, noise=0.04), "overfitting, noisy"),
    ],
)
def test_labels_say_what_was_planted(made: Any, course: str) -> None:
    assert Recorded("planted", made).label == course


def test_the_published_table_is_that_of_the_runs(run: Recorded) -> None:
    found = results("stop")
    told = {row["run"]: row for row in found["runs"]}
    if run.name not in told:
        pytest.skip(f"{run.name} was recorded after python -m bench stop was last run")
    assert told[run.name] == json.loads(json.dumps(stop.described(run), default=float))


def test_one_run_replays_to_the_published_numbers() -> None:
    published = {(row["rule"], row["run"]): row for row in results("stop")["outcomes"]}
    run = RECORDED[NAMES.index("few-rows-lora-1")]
    for rule in ("ours", "ours, means alone", "patience 1", "patience 3", "patience 3, threshold 0.01"):
        now = json.loads(json.dumps(stop.one(run, rule), default=float))
        assert now == pytest.approx(published[rule, run.name])


def test_standard_errors_are_the_published_ones() -> None:
    run = RECORDED[NAMES.index("few-rows-lora-1")]
    told = next(row for row in results("paired")["by_run"] if row["run"] == run.name)
    assert paired.of_run(run, paired.pairs_of(run)) == pytest.approx(told)


def test_unpaired_errors_are_those_of_independent_samples() -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(5, 60, 200).astype(float)
    this, that = rng.normal(2, 0.6, (2, 200)) * tokens
    apart = np.hypot(unpaired(this, tokens), unpaired(that, tokens))
    # Rows that have nothing to do with one another gain nothing from being paired.
    assert paired_effect(this, that, tokens).se == pytest.approx(apart, rel=0.1)
    assert paired_effect(this, this + 0.01 * tokens, tokens).se == pytest.approx(0.0, abs=1e-12)


def test_a_planted_course_is_met_on_average() -> None:
    rows = rows_of(RECORDED[0])
    for course in (flat, overfitting(0.1)):
        runs = [planted(rows, course, 400, seed) for seed in range(40)]
        means = np.mean([each.evals.value for each in runs if each.evals is not None], axis=0)
        wanted = rows.loss * course(np.linspace(0, 1, 21))
        away = means - means.mean() - (wanted - wanted.mean())
        assert np.abs(away).max() < 0.03 * rows.loss
    assert overfitting(0.1)(np.linspace(0, 1, 101)).argmin() == 40
    assert runs[0].examples and not means_alone(runs[0]).examples


def test_turns_alternate_and_a_ratio_is_that_of_the_blocks() -> None:
    order = []
    for step in range(1, 5):
        second = "without" if first_at(step) == "with" else "with"
        order += [first_at(step), second]
        assert first_at(step + 1) == second
    assert order == ["with", "without", "without", "with", "with", "without", "without", "with"]
    turns = Turns()
    turns.give("with")
    turns.wait("with")
    found = ratio([1.02] * 60, [1.0] * 60)
    assert found["blocks"] == 5 and found["more"] == pytest.approx(0.02) and found["upper"] == pytest.approx(0.02)


def test_everything_is_on() -> None:
    def callback(folder: str = "", *, on_stop: str = "stop", every_eval: bool = False, health: int = 10) -> None: ...

    assert everything_on(callback) == {"every_eval": True, "on_stop": "note"}
