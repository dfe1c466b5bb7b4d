"""The recorded trajectories and what the benches make of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.overhead import Turns, evaluations, everything_on, first_at, ratio
from bench.planted_noise import flat, overfitting, planted, rows_of
from bench.recorded import Recorded, means_alone, recorded, unpaired
from bench.stop_apart import apart, splits
from bench.trajectories import RUNS

from bench import paired, paired_page, stop, stop_page
from doneness.core import Action, StopDecision, Verdict, say
from doneness.curves import paired_effect
from doneness.data import parse_spans
from doneness.runs import Run
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
    now = json.loads(json.dumps(paired.of_run(run, paired.pairs_of(run)), default=float))
    assert now.pop("ratio") == pytest.approx(told["ratio"])
    assert now == pytest.approx({key: value for key, value in told.items() if key != "ratio"})


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

    def with_spans(*, alerts: bool = False, spans: tuple[str, ...] = ()) -> None: ...

    asked = everything_on(with_spans)
    assert asked["alerts"] is True and [span.name for span in parse_spans(asked["spans"])] == ["long", "number"]


def test_evaluations_are_timed_with_an_interval_of_their_own() -> None:
    found = evaluations([2.4, 1.1, 1.0, 1.1], [1.0, 1.0, 1.0, 1.0])
    assert found["pairs"] == 4 and found["first_more_s"] == pytest.approx(1.4)
    assert found["more"] == pytest.approx(0.4) and found["more_s"] == pytest.approx(0.4)
    low, high = found["interval"]
    # A single slow one is all that speaks for a cost: the interval knows.
    assert low < 0.06 < 0.7 < high and low < found["upper"] <= high


def test_halves_share_no_row_and_cover_all() -> None:
    run = RECORDED[NAMES.index("few-rows-lora-1")].case.run
    found = list(splits(run))
    for chooses, reads in found:
        parts = [set(part.examples[0].ids.tolist()) for part in (chooses, reads)]
        assert parts[0] | parts[1] == set(run.examples[0].ids.tolist()) and not parts[0] & parts[1]
        clusters = [set(part.examples[0].cluster.tolist()) for part in (chooses, reads)]  # type: ignore[union-attr]
        assert not clusters[0] & clusters[1]
        assert chooses.evals is not None
        assert chooses.evals.value[3] == pytest.approx(chooses.examples[3].mean)
    assert len(found) == 10


def test_luck_is_not_the_mark_to_be_met() -> None:
    """On a flat run the least evaluation is luck alone: keeping another one forgoes nothing, cross-fitted."""
    forgone = []
    for seed in range(12):
        run = synthetic.flat_run(seed=seed, rows=40, evals=20, noise=0.0, schedule="constant")
        losses = np.asarray(run.evals.value)  # type: ignore[union-attr]
        above, least = apart(run, lambda part: 3)
        forgone.append((above / least, losses[3] / losses.min() - 1.0))
        # Whoever chooses the least does so on the same rows as the mark.
        assert apart(run, lambda part: int(np.argmin(part.evals.value)))[0] == 0.0  # type: ignore[union-attr]
    fair, raw = np.mean(forgone, axis=0)
    assert raw > 0.0 and abs(fair) < raw
    risen = synthetic.overfitting_run(0.3, seed=0, rows=200, evals=20, noise=0.0, schedule="constant")
    assert apart(risen, lambda part: part.evals.value.size - 1)[0] > 0.1  # type: ignore[union-attr]


@pytest.fixture
def stopped() -> dict[str, Any]:
    """Results of nobody's runs: what the page says has to follow them."""

    def rule(name: str, saved: float, forgone: float) -> dict[str, Any]:
        mean = {"mean": forgone, "interval": None}
        return {
            "rule": name, "saved_share": {"mean": saved, "interval": None}, "apart_forgone_share": mean,
            "kept_forgone_share": mean, "surely_worse": 0,
        }  # fmt: skip

    names = ["ours", "ours, the best kept", "patience 1", "patience 3", "patience 5", "UP3"]
    saved = [0.2, 0.2, 0.5, 0.4, 0.3, 0.19]
    kept = {"rule": "ours", "kept": 10, "kept_forgone_share": 0.02, "stop": None, "surely_worse": True}
    kept |= {"apart_forgone_share": 0.025}
    return {
        "mended_on": "noisy", "recipes": 8, "splits": 5, "keeps_least": ["UP3"],
        "rules": [rule(n, s, f) for n, s, f in zip(names, saved, [0.02, 0.0, 0.08, 0.08, 0.04, 0.0], strict=True)],
        "rules_without": [rule(n, s, f) for n, s, f in zip(names, saved, [0.02, 0, 0, 0, 0, 0.03], strict=True)],
        "outcomes": [kept | {"run": "plain"}, kept | {"run": "noisy", "surely_worse": 0, "apart_forgone_share": 0.3}],
    }  # fmt: skip


def test_the_pages_sentences_follow_the_numbers(stopped: dict[str, Any]) -> None:
    one_run, cheap, worse, half = stop_page.findings(stopped)
    assert one_run.startswith("Most of what patience forgoes comes from noisy alone: 100%, 100%, 100%")
    assert "8.00%, 8.00%, 4.00% over all runs, 0.00%, 0.00%, 0.00% without it; ours 2.00% and 2.00%" in one_run
    over_all, without = cheap.split("; without it")
    assert "UP3 (19.0%, 0.00%)" in over_all and "patience" not in over_all
    assert "UP3" not in without and "patience 5 (30.0%, 0.00%)" in without
    assert "keeps 1 checkpoint surely worse than the best: plain (step 10, +2.0%)" in worse
    assert half.startswith("Half of the rows choose worse for ours than all do, by most on noisy: 30.0%, raw 2.0%")
    assert "goes to its end" in stop_page.tuned(stopped)
    # The other way round.
    for rules in (stopped["rules"], stopped["rules_without"]):
        for row in rules:
            row["apart_forgone_share"] = row["kept_forgone_share"] = {"mean": 0.05, "interval": None}
    for row in stopped["outcomes"]:
        row |= {"surely_worse": False, "stop": 7, "apart_forgone_share": 0.02}
    one_run, cheap, worse, half = stop_page.findings(stopped)
    assert one_run.startswith("What patience forgoes comes for the most part from other runs than noisy: 12%, 12%, 12%")
    assert cheap.count("no other rule forgoes less by both measures") == 2
    assert worse == "No checkpoint that ours keeps is surely worse than the best of its run."
    assert half.startswith("Half of the rows choose for ours about as well as all; most is lost on plain: 2.0%")
    assert "is stopped at step 7" in stop_page.tuned(stopped)


def test_the_published_page_is_that_of_the_published_numbers() -> None:
    found = results("stop")
    assert found["mended_on"] == "small-batch-labels"
    assert {r["runs"] for r in found["rules"]} == {10} and {r["runs"] for r in found["rules_without"]} == {9}
    assert "\n".join(stop_page.page(found)) + "\n" == (RESULTS / "stop.md").read_text(encoding="utf-8")


class Says:
    """Stops for another reason at one look and says "overfitting" at a later one, or the other way round."""

    name = "says"

    def __init__(self, stop: int, word: int) -> None:
        self.at = {"stop": 30 * stop, "word": 30 * word}

    def decide(self, run: Run) -> StopDecision:
        step = run.last_step
        action = Action.STOP if step == self.at["stop"] else Action.CONTINUE
        verdict = Verdict.OVERFITTING if step == self.at["word"] else Verdict.LEARNING
        return StopDecision(action, verdict, say("stopping.none_yet", step=step), (), step, None)


@pytest.mark.parametrize(("stop_at", "word_at"), [(4, 9), (9, 4)])
def test_a_stop_and_the_word_are_counted_apart(stop_at: int, word_at: int) -> None:
    run = synthetic.flat_run(seed=0, rows=8, evals=20, steps=600, schedule="constant")
    assert run.evals is not None and run.evals.step[1] == 30
    assert paired.looks(run, Says(stop_at, word_at)) == (word_at, stop_at)


def test_a_planted_line_counts_every_rules_stops_alike() -> None:
    answers = [
        {"ours": None, "any_stop": 3, "means": None, "means_any_stop": 4, "patience": 5, "rise": 0.1, "run": None},
        {"ours": 10, "any_stop": 10, "means": 11, "means_any_stop": 11, "patience": None, "rise": 0.1, "run": None},
    ]
    row = paired._line("rise", answers)
    # A stop before the turn (look 8) is false whoever makes it and whatever is said of it.
    assert [row[name]["false_stops"][0] for name in ("any_stop", "means_any_stop", "patience")] == [0.5, 0.5, 0.5]
    assert [row[name]["false_stops"][0] for name in ("ours", "means")] == [0.0, 0.0]
    page = "\n".join(paired_page.planted([row]))
    assert "means alone: stopped before" in page and "calibrated" in page
    # An older file knows no stop of the means alone: a dash, not a nought.
    older = {key: value for key, value in row.items() if key != "means_any_stop"}
    assert "| – | – | – |" in "\n".join(paired_page.planted([older]))
