"""GRPO raises the reward of held-out questions, is judged by it, and resumes to the same bits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doneness.config import Recipe, build_recipe
from doneness.core import DataError, DonenessError, RecipeError, Status, Verdict
from doneness.curves import paired_effect
from doneness.diagnose import diagnose
from doneness.runs import read
from doneness.workflows.train import train_run
from tests.train.conftest import WORDS, Quiet

pytestmark = pytest.mark.model
Make = Callable[..., Recipe]
# A share of the first thirteen letters: random bytes have few of them, and every one is worth something.
REWARD = """
EARLY = set("abcdefghijklm")
def early(completions, **columns):
    assert len(columns["answer"]) == len(completions) == len(columns["prompts"])
    return [sum(letter in EARLY for letter in said[0]["content"]) / 8 for said in completions]
"""


@pytest.fixture
def make_grpo(tmp_path: Path, tiny_model: Path) -> Make:
    rows = [{"id": f"{a} {b}", "question": f"Say {a}, {b}", "answer": a} for a in WORDS for b in WORDS[:2]]
    for name, part in (("train", rows[:8]), ("eval", rows[8:20])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
    (tmp_path / "early.py").write_text(REWARD, encoding="utf-8")

    def make(name: str, *overrides: str) -> Recipe:
        raw: dict[str, Any] = {
            "run": {"folder": str(tmp_path / name), "threads": 1, "stage": "grpo", "preflight": False},
            "model": {"path": str(tiny_model), "device": "cpu"},
            "method": {"rank": 4, "alpha": 8},
            "data": {"train": "train.jsonl", "eval": "eval.jsonl", "max_length": 128},
            "grpo": {"max_new_tokens": 8, "generations": 4},
            "rewards": {"use": ["early.py:early"]},
            "optimizer": {"learning_rate": 5e-3, "batch_size": 8, "micro_batch": 4},
            "evaluation": {"early": False},
            "stopping": {"on_stop": "note"},
        }
        return build_recipe(raw, overrides, base=tmp_path)

    return make


def test_the_reward_of_held_out_questions_rises_and_is_what_judges(make_grpo: Make) -> None:
    settings = ("method.kind=full", "optimizer.learning_rate=0.01", "optimizer.batch_size=32", "grpo.generations=8")
    more = ("optimizer.micro_batch=32", "schedule.max_steps=22", "evaluation.every=22", "grpo.eval_answers=2")
    recipe = make_grpo("learnt", *settings, *more)
    run = train_run(recipe, Quiet()).run
    assert run.evals is not None and run.train is not None
    reward = run.series["eval/reward"].value
    # What is recorded of a row is what its answer lacks of a full reward.
    np.testing.assert_allclose(run.evals.value, 1.0 - reward)
    first, last = run.examples[0], run.examples[-1]
    assert first.nll.shape == (12,)
    effect = paired_effect(last.nll, first.nll, first.tokens)
    assert effect.interval(0.999)[1] < -0.2
    logged = {"reward", "reward_std", "kl", "entropy", "completions/mean_length", "clip_ratio/region_mean"}
    assert {f"train/{name}" for name in logged} <= set(run.series)
    assert np.isfinite(run.series["train/rewards/early/mean"].value).all()
    # The loss that is trained on tells none of it; the checks on losses keep off.
    assert run.meta["method"] == "grpo"
    found = {finding.code: finding for finding in diagnose(run).findings}
    assert found["RL01"].status in (Status.PASS, Status.WARN)
    assert found["RL01"].value is not None and found["RL01"].value > 0.0
    assert {found[code].status for code in ("CV01", "CV02", "CV04", "CV08")} == {Status.SKIPPED}
    assert found["RN01"].status is Status.PASS
    assert diagnose(run).verdict in (Verdict.LEARNING, Verdict.UNDECIDED)


class Crash(Quiet):
    def trained(self, record: dict[str, Any]) -> None:
        if record["step"] == 6:
            raise RuntimeError("power cut")


def test_a_run_broken_off_in_its_second_epoch_goes_on_to_the_same_bits(make_grpo: Make) -> None:
    settings = (
        "schedule.max_steps=7",
        "evaluation.every=5",
        "method.dropout=0.1",
        "grpo.eval_answers=2",
        "data.eval_rows=4",
    )
    whole, broken = make_grpo("whole", *settings), make_grpo("broken", *settings)
    train_run(whole, Quiet())
    with pytest.raises(RuntimeError, match="power cut"):
        train_run(broken, Crash())
    train_run(broken, Quiet())
    one, other = (read(each.run.folder)[0] for each in (whole, broken))
    assert other.train is not None and other.train.step.tolist() == list(range(1, 8))
    for name in ("train/loss", "train/reward", "train/kl", "train/entropy", "train/grad_norm", "eval/loss"):
        np.testing.assert_array_equal(one.series[name].value, other.series[name].value, err_msg=name)


def test_rewards_that_never_say_anything_end_the_run_before_it_begins(make_grpo: Make, tmp_path: Path) -> None:
    silent = "def silent(completions, **columns):\n    return [None] * len(completions)\n"
    (tmp_path / "silent.py").write_text(silent, encoding="utf-8")
    recipe = make_grpo("silent", f"rewards.use={tmp_path}/silent.py:silent")
    with pytest.raises(DonenessError, match="silent gave no number for any of the 12 held-out answers"):
        train_run(recipe, Quiet())
    # What is left is a run that never began, and is told as that.
    (run,) = read(Path(recipe.run.folder))
    assert any("failed before its first step" in note for note in run.notes)


SOME = """
def silent(completions, **columns):
    return [None] * len(completions)
def first(completions, id, **columns):
    return [float(len(said[0]["content"])) if name.startswith("{word}") else None
            for said, name in zip(completions, id)]
"""


@pytest.mark.parametrize("kept", ["data.hold_out=none", "data.eval_rows=4"])
def test_without_held_out_rows_silent_rewards_end_it_at_the_first_step(
    make_grpo: Make, tmp_path: Path, kept: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "some.py").write_text(SOME.replace("{word}", WORDS[0]), encoding="utf-8")
    rows = ("data.eval=",) if "none" in kept else ()
    recipe = make_grpo("mute", f"rewards.use={tmp_path}/some.py:silent", "schedule.max_steps=2", kept, *rows)
    with pytest.raises(DonenessError, match="gave no number for any of the"):
        train_run(recipe, Quiet())
    assert "All reward functions" not in "".join(capfd.readouterr())
    if rows:
        # A reward of some questions alone says nothing in steps of others, and that is no fault.
        recipe = make_grpo("some", f"rewards.use={tmp_path}/some.py:first", "schedule.max_steps=4", kept, *rows)
        run = train_run(recipe, Quiet()).run
        assert run.train is not None and run.train.step.tolist() == [1, 2, 3, 4]
        assert not np.isfinite(run.series["train/reward"].value).all()
        assert "All reward functions" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("kind", ["qlora", "dora", "full"])
def test_each_method_trains(make_grpo: Make, kind: str) -> None:
    if kind == "qlora":
        pytest.importorskip("bitsandbytes")
    recipe = make_grpo(kind, f"method.kind={kind}", "schedule.max_steps=2", "data.eval=", "data.hold_out=none")
    run = train_run(recipe, Quiet()).run
    assert run.train is not None
    assert run.train.step.tolist() == [1, 2]
    # The reference is the model before the first step.
    assert run.series["train/kl"].value[0] == pytest.approx(0.0, abs=1e-6)
    assert run.series["train/kl"].value[1] > 0.0
    assert not (Path(recipe.run.folder) / "checkpoint-2" / "ref").exists()


def test_a_reward_that_fails_is_named_and_a_question_too_long_is_refused(make_grpo: Make, tmp_path: Path) -> None:
    (tmp_path / "early.py").write_text("def early(completions, **columns):\n    return [1.0]\n", encoding="utf-8")
    with pytest.raises(DonenessError, match=r"the reward early failed on 12 answers \(ValueError: 1 numbers\)"):
        train_run(make_grpo("bad"), Quiet())
    with pytest.raises(DataError, match="half a question has another answer"):
        train_run(make_grpo("long", "data.max_length=20"), Quiet())
    with pytest.raises(DataError, match="8 questions are fewer than the 16 of one step"):
        train_run(make_grpo("few", "optimizer.batch_size=64"), Quiet())


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("run.stage=ppo", 'run.stage = "ppo" does not exist.*use stage grpo'),
        ("optimizer.batch_size=6", "must be a multiple"),
        ("rewards.use=nothing", "exact, format, length"),
        ("rewards.use=exact, exact=2", "each once"),
        ("rewards.use=length", "length_target and rewards.length_cap"),
        ("rewards.pattern=<a>", "for the reward format alone"),
        ("run.stage=sft", r"\[grpo\] is about stage grpo"),
        ("data.group_by_length=true", "keeps the answers to one question together"),
        ("evaluation.spans=label", "leave it out"),
    ],
)
def test_what_makes_no_sense_together_is_refused(make_grpo: Make, override: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        make_grpo("refused", override)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(a+)+$", "busy for years"),
        ("(?:a|aa)*b", "busy for years"),
        ("(", "no regular expression"),
        ("a" * 501, "too long"),
    ],
)
def test_a_pattern_that_no_answer_should_meet_is_refused(make_grpo: Make, pattern: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        make_grpo("pattern", "rewards.use=format", f"rewards.pattern={pattern}")
