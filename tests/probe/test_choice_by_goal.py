"""The choice: a gain that is shown decides under guards, else the loss; and what is said of it is true."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from doneness.core import Diagnosis, SweetSpot
from doneness.curves.clustered import groups_of
from doneness.diagnose import diagnose
from doneness.probe.choice import explain, goal_of, left_by_goal
from doneness.probe.measure import Measure
from doneness.probe.scoring import Scored
from doneness.probe.standing import standing
from doneness.probe.table import assembled
from doneness.probe.vetoes import Guards, barred, unsure_guards
from doneness.runs import Checkpoint, Run
from doneness.runs.probes import Behaviour, Choice, ProbeTable, load_choice, save_choice
from doneness.testing import synthetic
from doneness.workflows.deciding import decide, losses_of

GOAL = Behaviour("task_exact", "higher", "share", 0.02, False, "task", True)
GUARD = Behaviour("over_refusal", "lower", "share", 0.05, True, "safety")


def nothing(*_: object) -> None:
    return None


def behaviour(about: Behaviour, steps: tuple[int, ...], levels: list[float], n: int = 300, seed: int = 1) -> Scored:
    """Answers whose shares are as given, alike over checkpoints."""
    ease = np.random.default_rng(seed).random(n)
    values = (ease < np.array(levels)[:, None]).astype(float)
    return Scored(Measure(about, nothing), steps, values, groups_of([""] * n))


@pytest.fixture(scope="module")
def run() -> Run:
    return synthetic.converged_run(rows=1000, evals=12, seed=1)


@pytest.fixture(scope="module")
def spot(run: Run) -> SweetSpot:
    found = diagnose(run).sweet_spot
    assert found is not None
    return found


def table_of(
    steps: tuple[int, ...], goal: list[float], refusal: list[float], n: int = 300, **more: object
) -> ProbeTable:
    guards = Guards(**more)  # type: ignore[arg-type]
    rows = [behaviour(GOAL, steps, goal), behaviour(guards.behaviour(GUARD), steps, refusal, n, seed=2)]
    return assembled(rows, guards=guards)


def said(choice: Choice) -> str:
    return " ".join(reason.text("en") for reason in choice.reasons)


def test_a_shown_gain_decides_and_loss_breaks_the_tie(run: Run, spot: SweetSpot) -> None:
    first, second, third = spot.steps[:3]
    table = table_of((0, first, second, third), [0.4, 0.5, 0.7, 0.7], [0.05] * 4)
    found, choice = decide(run, None, table)
    assert choice.step == found.recommended_step == second
    assert choice.goal == "task_exact"
    assert f"Step {second} is tied with the best in loss as well" in said(choice)
    assert "+28.7 points against base (+23.5 points to +33.8 points, 300 questions" in said(choice)
    assert f"checkpoint-{second}" in found.headline.text("en")


def test_the_answers_overrule_the_loss_where_they_part(run: Run, spot: SweetSpot) -> None:
    late = max(c.step for c in run.checkpoints)
    early = [s for s in (c.step for c in run.checkpoints) if 0 < s < spot.first][:2]
    table = table_of((0, *early, late), [0.4, 0.8, 0.5, 0.5], [0.05] * 4)
    found, choice = decide(run, None, table)
    assert choice.step == early[0]
    assert early[0] not in spot.steps
    assert found.recommended_step == early[0]
    assert f"checkpoint-{early[0]}" in found.headline.text("en")
    assert "not the loss" in said(choice)


@pytest.mark.parametrize("tied", [(500, 600, 700, 800), (800,), ()])
def test_what_is_told_of_the_pick_is_free_of_the_luck_of_picking(tied: tuple[int, ...]) -> None:
    """Eight checkpoints that are all truly 30 points better; also where the loss has a say in which is picked."""
    steps, told, seen = (0, *range(100, 900, 100)), [], []
    for seed in range(80):
        generator = np.random.default_rng([seed, 7])
        right = np.array([generator.random(100) < (0.6 if step else 0.3) for step in steps], dtype=float)
        found = standing(Scored(Measure(GOAL, nothing), steps, right, groups_of([""] * 100)), tied=tied)
        assert found is not None
        told.append(found.honest)
        seen.append(found.naive)
        assert found.picked in tied or not set(tied) & {*found.equal, *(found.near or ())}
    error = np.std(told) / np.sqrt(len(told))
    assert abs(np.mean(told) - 0.3) < 3 * error
    assert np.mean(seen) - 0.3 > 3 * error


def test_easier_questions_bring_no_checkpoint_near_the_best() -> None:
    generator, easy = np.random.default_rng(1), np.arange(100) < 40
    base = np.where(easy, generator.random(100) < 0.5, generator.random(100) < 0.1).astype(float)
    best = np.where(easy, generator.random(100) < 0.95, generator.random(100) < 0.55).astype(float)
    early = best.copy()
    early[np.flatnonzero(easy & (best == 1))[:5]] = 0
    early[40:] = math.nan  # was asked the easy ones alone
    goal = Scored(Measure(replace(GOAL, margin=0.05), nothing), (0, 100, 200), np.array([base, early, best]),
                  groups_of([""] * 100))  # fmt: skip
    table = assembled([goal], tied=(100,))
    found = goal_of(table)
    assert found is not None
    cells = {step: table.cell(GOAL.name, step) for step in (100, 200)}
    assert cells[100] is not None and cells[200] is not None and cells[100].value > cells[200].value
    assert left_by_goal(table, found, (100,), (100, 200)) == ([], [], [200])


def test_every_finding_speaks_of_the_step_that_the_answers_chose() -> None:
    run = synthetic.overfitting_run(rows=1000, evals=12, seed=1)
    plain = diagnose(run)
    assert plain.sweet_spot is not None
    early = next(c.step for c in run.checkpoints if 0 < c.step < plain.sweet_spot.first)
    last = max(c.step for c in run.checkpoints)
    table = table_of((0, early, last), [0.4, 0.8, 0.5], [0.05] * 3)
    found, choice = decide(run, None, table)
    assert choice.step == found.recommended_step == early

    def named(diagnosis: Diagnosis) -> object:
        (finding,) = (f for f in diagnosis.findings if f.code == "CV09")
        return finding.message.args["step"]

    assert named(plain) == plain.recommended_step != early
    assert named(found) == early
    assert found.advice is not None
    assert str(early) in found.advice.text("en")


def test_without_a_shown_gain_the_loss_decides_and_says_what_it_would_take(run: Run, spot: SweetSpot) -> None:
    steps = (0, *spot.steps[:3])
    plain = decide(run, None, None)[1]
    _, choice = decide(run, None, table_of(steps, [0.4, 0.41, 0.42, 0.42], [0.05] * 4))
    assert choice.step == plain.step
    assert choice.goal is None
    assert "No checkpoint is shown better than base" in said(choice)


def test_a_guard_that_shows_harm_rules_the_best_out(run: Run, spot: SweetSpot) -> None:
    first, second, third = spot.steps[:3]
    table = table_of((0, first, second, third), [0.4, 0.6, 0.9, 0.9], [0.05, 0.05, 0.5, 0.5])
    _, choice = decide(run, None, table)
    assert choice.step == first
    assert table.standings["task_exact"].candidates == (first,)
    off = table_of((0, first, second, third), [0.4, 0.6, 0.9, 0.9], [0.05, 0.05, 0.5, 0.5], off=("over_refusal",))
    assert decide(run, None, off)[1].step == second


@pytest.mark.parametrize("harm", [0.05, 0.08, 0.09, 0.1, 0.11, 0.12, 0.15, 0.3])
def test_where_the_best_is_out_the_next_best_is_taken_and_it_is_said(run: Run, spot: SweetSpot, harm: float) -> None:
    """However sure the harm is, some checkpoint that is better than base is chosen."""
    steps = (0, *spot.steps[:5])
    best = steps[1]
    table = table_of(steps, [0.2, 0.9, 0.6, 0.6, 0.6, 0.6], [0.05, harm, 0.05, 0.05, 0.05, 0.05], n=100)
    _, choice = decide(run, None, table)
    assert choice.goal == "task_exact"
    assert choice.step == (steps[2] if best in dict(choice.vetoed or {}) else best)
    assert (f"Step {best} is out: " in said(choice)) == (choice.step != best)


def test_a_gain_that_guards_rule_out_is_not_called_none(run: Run, spot: SweetSpot) -> None:
    first, second = spot.steps[:2]
    table = table_of((0, first, second), [0.2, 0.9, 0.2], [0.05, 0.6, 0.05], n=100)
    _, choice = decide(run, None, table)
    assert choice.step == second
    assert f"Step {first} is out: " in said(choice)
    assert "No checkpoint is shown better" not in said(choice)


def test_strict_guards_do_not_take_what_was_never_asked_for_harmless(spot: SweetSpot) -> None:
    first, second = spot.steps[:2]
    rows = [
        behaviour(GOAL, (0, first, second), [0.4, 0.7, 0.7]),
        behaviour(replace(GUARD, margin=0.5), (0, second), [0.05, 0.05], seed=2),
    ]
    loose, strict = assembled(rows), assembled(rows, guards=Guards(strict=True))
    assert barred(loose, (first, second)) == {}
    assert set(barred(strict, (first, second))) == {first}
    found = goal_of(strict)
    assert found is not None
    assert found[1].equal == (second,)


def test_a_guard_that_cannot_tell_vetoes_only_where_that_was_asked_for(run: Run, spot: SweetSpot) -> None:
    steps = (0, *spot.steps[:3])
    table = table_of(steps, [0.4, 0.7, 0.7, 0.7], [0.2, 0.2, 0.25, 0.2], n=20)
    _, choice = decide(run, None, table)
    assert choice.step == spot.steps[0]
    (cell,) = unsure_guards(table, spot.steps[0])
    assert cell.needs is not None
    assert dict(choice.undecided) == {"over_refusal": cell.needs}
    assert f"about {cell.needs:,} would tell" in said(choice)
    strict = replace(table, strict=True)
    assert set(barred(strict, spot.steps[:3])) == set(spot.steps[:3])
    assert f"about {cell.needs:,} would." in barred(strict, spot.steps[:3])[spot.steps[0]].text("en")
    assert decide(run, None, strict)[1].step not in spot.steps[:3]


def test_a_margin_decides_what_counts_as_harm(spot: SweetSpot) -> None:
    steps = (0, *spot.steps[:2])
    levels = [0.05, 0.09, 0.09]
    assert set(barred(table_of(steps, [0.5] * 3, levels, n=600), steps[1:])) == set(steps[1:])
    assert barred(table_of(steps, [0.5] * 3, levels, n=600, margins={"over_refusal": 0.1}), steps[1:]) == {}


def test_the_goal_that_was_asked_for_is_the_one(spot: SweetSpot) -> None:
    steps = (0, *spot.steps[:2])
    rows = [
        behaviour(GOAL, steps, [0.4, 0.7, 0.7]),
        behaviour(replace(GUARD, name="kept", better="higher"), steps, [0.3, 0.5, 0.9]),
    ]
    plain, asked = assembled(rows), assembled(rows, goal="kept")
    assert [found[0].name for t in (plain, asked) if (found := goal_of(t)) is not None] == ["task_exact", "kept"]
    assert goal_of(assembled(rows, goal="absent")) is None


def test_picking_the_luckiest_of_equals_gains_nothing_and_says_so() -> None:
    """Eight checkpoints as good as base: the best of them looks better, the other half of the questions does not."""
    generator = np.random.default_rng(8)
    naive, honest = [], []
    for _ in range(24):
        values = (generator.random((9, 100)) < 0.5).astype(float)
        found = standing(Scored(Measure(GOAL, nothing), tuple(range(9)), values, groups_of([""] * 100)))
        assert found is not None
        assert found.interval[0] < found.honest < found.interval[1]
        naive.append(found.naive)
        honest.append(found.honest)
    assert np.mean(naive) > 0.03
    assert abs(np.mean(honest)) < 3 * np.std(honest) / math.sqrt(24) + 0.01


def test_the_earliest_of_those_that_are_as_good_is_picked() -> None:
    found = standing(behaviour(GOAL, (0, 10, 20, 30, 40), [0.4, 0.5, 0.795, 0.8, 0.8], n=400))
    assert found is not None
    assert (found.best, found.picked) == (30, 20)
    assert 10 not in found.tied
    assert found.equal[0] == 20
    nobody = standing(behaviour(replace(GOAL, better="none"), (0, 10), [0.4, 0.5]))
    assert nobody is None


def test_loss_that_still_fell_is_said_only_where_it_did(run: Run, spot: SweetSpot) -> None:
    early = max(c.step for c in run.checkpoints if 0 < c.step < spot.first)
    steps = (0, early, *spot.steps[:2])
    rows = [behaviour(replace(GOAL, name="kept"), steps, [0.4, 0.8, 0.8, 0.3])]
    losses = {0: 2.0, early: 1.5, steps[3]: 1.4}
    falling = assembled(rows, losses=losses)
    text = said(explain(diagnose(run), run, falling, {}))
    assert f"From step {steps[3]} on the loss still fell (1.500 to 1.400 nats)" in text
    for other in ({**losses, steps[3]: 1.6}, {}):
        text = said(explain(diagnose(run), run, assembled(rows, losses=other), {}))
        assert "still fell" not in text
        assert "went off at step" in text
    assert losses_of(run)
    assert losses_of(None) == {}


def test_a_fall_within_the_tie_is_not_called_a_fall(run: Run, spot: SweetSpot) -> None:
    steps = (0, *spot.steps[:3])
    rows = [behaviour(replace(GOAL, name="kept"), steps, [0.4, 0.8, 0.8, 0.3])]
    level = assembled(rows, losses={0: 2.0, steps[1]: 1.5, steps[3]: 1.499})
    text = said(explain(diagnose(run), run, level, {}))
    assert "still fell" not in text
    assert "while the loss stayed level (1.500 and 1.499 nats, which cannot be told apart)" in text


@pytest.mark.parametrize(("early", "taken"), [(44, True), (40, False)])
def test_where_the_goal_cannot_tell_the_loss_decides_within_its_margin(
    run: Run, spot: SweetSpot, early: int, taken: bool
) -> None:
    """The last checkpoint looks best by a hair that 60 questions cannot show; its loss is shown to be worse."""
    first, late = spot.steps[0], max(c.step for c in run.checkpoints) + 100
    there = replace(run, checkpoints=(*run.checkpoints, Checkpoint(late, None, exists=True)))
    right = [np.arange(60) < 12, np.roll(np.arange(60) < early, 30), np.arange(60) < 46]
    about = Measure(replace(GOAL, margin=0.05), nothing)
    table = assembled([Scored(about, (0, first, late), np.array(right, float), groups_of([""] * 60))])
    found = table.standings["task_exact"]
    assert (found.best, found.equal) == (late, (late,))
    assert first in found.tied
    diagnosis, choice = decide(there, None, table)
    assert late not in choice.tied
    assert choice.step == diagnosis.recommended_step == (first if taken else late)
    text = said(choice)
    assert f"cannot tell these steps apart: {first}; {late} (best value: {late})" in text
    assert ("So the loss decides between them" in text) is taken
    assert ("decide, not the loss" in text) is not taken
    if taken:
        cell = table.cell("task_exact", first)
        assert cell is not None
        assert cell.diff is not None
        assert f"Step {first}: Task, exact match {100 * cell.diff:+.1f} points against base" in text


def test_a_checkpoint_that_is_gone_is_not_chosen(run: Run, spot: SweetSpot) -> None:
    first, second = spot.steps[:2]
    table = table_of((0, first, second), [0.4, 0.8, 0.8], [0.05] * 3)
    gone = replace(run, checkpoints=tuple(replace(c, exists=c.step == second) for c in run.checkpoints))
    assert decide(gone, None, table)[1].step == second
    none = replace(run, checkpoints=(Checkpoint(first, None, exists=False),))
    assert decide(none, None, table)[1].step in (None, first)


def test_the_choice_comes_back_from_the_disk(tmp_path: object, run: Run, spot: SweetSpot) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    _, choice = decide(run, None, table_of((0, *spot.steps[:3]), [0.4, 0.7, 0.7, 0.7], [0.2] * 4, n=20))
    save_choice(folder, choice)
    found = load_choice(folder)
    assert found is not None
    assert (found.goal, dict(found.undecided)) == (choice.goal, dict(choice.undecided))
    assert [r.text("zh") for r in found.reasons] == [r.text("zh") for r in choice.reasons]
