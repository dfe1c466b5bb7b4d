"""A student comes nearer to its teacher: by its probabilities, by its hidden states, or by the answers it writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

import doneness.workflows.teacher as teaching
from doneness.config import Recipe, build_recipe
from doneness.core import DataError, DonenessError, RecipeError, Status
from doneness.data import Row, Turn
from doneness.diagnose import diagnose
from doneness.models import load_model, load_tokenizer
from doneness.models.written import Sampled, Sampling, sample_all
from doneness.runs import read
from doneness.testing.tiny import make_tiny_model, write_rows
from doneness.train.stages.divergence import divergence
from doneness.train.stages.layers import Pairs, layer_pairs
from doneness.workflows.rows import read_recipe_rows
from doneness.workflows.train import train_run
from tests.train.conftest import ROWS, Quiet

pytestmark = pytest.mark.model
Make = Callable[..., Recipe]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wider and deeper than the student, and sure of what comes next: random weights alone like all tokens the same."""
    from transformers import AutoModelForCausalLM

    folder = make_tiny_model(tmp_path_factory.mktemp("teacher"), hidden=48, layers=3, seed=5)
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        model.model.norm.weight.mul_(4.0)
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def make_distill(tmp_path: Path, tiny_model: Path, teacher: Path) -> Make:
    train, held_out = write_rows(tmp_path / "train.jsonl", ROWS[:16]), write_rows(tmp_path / "eval.jsonl", ROWS[24:32])

    def make(name: str, *overrides: str) -> Recipe:
        raw: dict[str, Any] = {
            "run": {"folder": str(tmp_path / name), "threads": 1, "stage": "distill", "preflight": False},
            "model": {"path": str(tiny_model), "device": "cpu"},
            "method": {"kind": "full"},
            "data": {"train": str(train), "eval": str(held_out), "max_length": 128},
            "distill": {"teacher": str(teacher), "max_new_tokens": 6},
            "optimizer": {"learning_rate": 5e-3, "batch_size": 8, "micro_batch": 4},
            "schedule": {"max_steps": 8, "kind": "constant"},
            "evaluation": {"every": 5, "early": False},
            "stopping": {"on_stop": "note"},
        }
        return build_recipe(raw, overrides)

    return make


class Crash(Quiet):
    def trained(self, record: dict[str, Any]) -> None:
        if record["step"] == 6:
            raise RuntimeError("power cut")


@pytest.mark.parametrize("kind", ["logits", "hidden"])
def test_a_student_comes_nearer_and_a_run_broken_off_goes_on_to_the_same_bits(make_distill: Make, kind: str) -> None:
    whole, broken = (make_distill(name, f"distill.kind={kind}") for name in ("whole", "broken"))
    train_run(whole, Quiet())
    with pytest.raises(RuntimeError, match="power cut"):
        train_run(broken, Crash())
    train_run(broken, Quiet())
    one, other = (read(each.run.folder)[0] for each in (whole, broken))
    part = {"logits": "divergence", "hidden": "hidden"}[kind]
    for name in ("train/loss", "train/grad_norm", f"train/distill/{part}", "eval/loss", "eval/teacher_kl"):
        np.testing.assert_array_equal(one.series[name].value, other.series[name].value, err_msg=name)
    apart = one.series[f"train/distill/{part}"].value
    assert apart[-2:].mean() < 0.8 * apart[:2].mean()
    if kind == "logits":
        assert one.series["eval/teacher_kl"].value[-1] < 0.8 * one.series["eval/teacher_kl"].value[0]
        # Some steps are of the student's own answers, and all of a step or nothing.
        assert set(one.series["train/distill/own"].value) == {0.0, 1.0}
    # Held-out answers are judged by their likelihood, row by row, as those of sft are.
    assert one.meta["method"] == "full"
    assert one.examples[-1].nll.shape == (8,)
    found = {finding.code: finding for finding in diagnose(one).findings}
    assert found["RN01"].status is Status.PASS
    assert found["CV01"].status is not Status.SKIPPED


def test_a_micro_batch_changes_memory_and_nothing_else(make_distill: Make) -> None:
    losses = []
    for micro in (8, 2):
        settings = (f"optimizer.micro_batch={micro}", "distill.on_policy=0", "distill.answer_weight=0.5")
        run = train_run(
            make_distill(f"micro{micro}", *settings, "schedule.max_steps=2", "data.eval=", "data.hold_out=none"),
            Quiet(),
        ).run
        assert run.train is not None
        losses.append(run.train.value)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "what"), [("lora", "hidden"), ("dora", "logits"), ("qlora", "logits"), ("qlora", "hidden")]
)
def test_each_method_trains(make_distill: Make, kind: str, what: str) -> None:
    if kind == "qlora":
        pytest.importorskip("bitsandbytes")
    settings = (f"method.kind={kind}", "schedule.max_steps=2", "data.eval=", "data.hold_out=none")
    run = train_run(make_distill(f"{kind}-{what}", *settings, f"distill.kind={what}"), Quiet()).run
    assert run.train is not None
    assert run.train.step.tolist() == [1, 2]
    assert np.isfinite(run.train.value).all()
    assert run.series["train/grad_norm"].value[-1] > 0.0


def test_the_divergence_of_tokens() -> None:
    generator = torch.Generator().manual_seed(0)
    ours, theirs = (torch.randn(5, 11, generator=generator) for _ in range(2))
    p, q = theirs.softmax(-1), ours.softmax(-1)
    forward, reverse = (p * (p / q).log()).sum(-1), (q * (q / p).log()).sum(-1)
    torch.testing.assert_close(divergence(ours, theirs), forward)
    torch.testing.assert_close(divergence(ours, theirs, 1.0), reverse)
    middle = divergence(ours, theirs, 0.5)
    mixed = (p + q) / 2
    torch.testing.assert_close(middle, ((p * (p / mixed).log()) + (q * (q / mixed).log())).sum(-1) / 2)
    torch.testing.assert_close(divergence(ours, ours, 0.3), torch.zeros(5), atol=1e-6, rtol=0)
    # The cross-entropy with a sure teacher is the divergence; and a vocabulary that is padded further does not count.
    sure = torch.full((5, 13), -1e4)
    sure[:, 3] = 1e4
    torch.testing.assert_close(divergence(ours, sure), cross_entropy(ours, torch.full((5,), 3), reduction="none"))
    torch.testing.assert_close(divergence(ours / 2, theirs / 2), divergence(ours, theirs, 0.0, 2.0))


def test_layers_are_paired_and_states_of_other_widths_projected() -> None:
    assert layer_pairs((), 8, 24) == [(2, 6), (4, 12), (6, 18), (8, 24)]
    assert layer_pairs((), 2, 3) == [(1, 2), (2, 3)]
    assert layer_pairs(("1=3",), 2, 3) == [(1, 3)]
    with pytest.raises(RecipeError, match="the student has 2 layers and the teacher 3"):
        layer_pairs(("1=3", "3=1"), 2, 3)
    states = [torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(k)) for k in range(3)]
    places = torch.tensor([[True, False, True], [False, False, True]])
    assert float(Pairs([(1, 1), (2, 2)], 6, 6, 0)(states, states, places)) == 0.0
    other = [torch.cat([state, state], -1) for state in states]
    mapped = Pairs([(2, 2)], 6, 12, 0)
    mapped.maps[0].data = torch.cat([torch.eye(6), torch.eye(6)])
    assert mapped(states, other, places).item() == pytest.approx(0.0, abs=1e-9)
    mapped.maps[0].data.zero_()
    assert mapped(states, other, places).item() == pytest.approx(3.0)


def said_by(rows: Sequence[Any]) -> list[Any]:
    """What a teacher might say: one answer is cut, and one is empty."""
    texts = [f"{row.prompt.split()[-2]} I think" for row in rows]
    return [
        teaching._Said("" if "blue" in row.prompt else text, "gold" not in row.prompt)
        for row, text in zip(rows, texts, strict=True)
    ]


def test_what_a_teacher_writes_is_learnt_and_is_written_once(
    make_distill: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def answers(recipe: Any, teacher: Any, rows: Sequence[Any]) -> list[Any]:
        if len(asked) == 8:
            asked.append("cut")
            raise KeyboardInterrupt
        asked.extend(row.id for row in rows)
        return said_by(rows)

    monkeypatch.setattr(teaching, "_PART", 8)
    monkeypatch.setattr(teaching, "_answers", answers)
    questions = tmp_path / "questions.jsonl"
    items: list[dict[str, str]] = [{"question": q} for q, _ in ROWS[:20]] + [
        {"question": q, "answer": a} for q, a in ROWS[20:24]
    ]
    questions.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    recipe = make_distill("text", "distill.kind=text", f"data.train={questions}", "schedule.max_steps=2")
    with pytest.raises(KeyboardInterrupt):
        train_run(recipe, Quiet())
    told: list[str] = []
    run = train_run(recipe, Quiet(), lambda line: told.append(line.text())).run
    assert [line for line in told if "writes 16 answers" in line and "8 are there" in line]
    # No question is asked twice, and held-out rows that have an answer are judged by it.
    assert len(set(asked)) == 25
    assert run.meta["eval_rows"] == 8
    left_out = sum("blue" in q or "gold" in q for q, _ in ROWS[:24])
    assert run.meta["train_rows"] == 24 - left_out
    assert any(f"{left_out} are left out" in line for line in told)
    parts = sorted((Path(recipe.run.folder) / "teacher").iterdir())
    assert [part.name for part in parts] == [f"answers-00000{k}.jsonl" for k in (1, 2, 3)]
    told.clear()
    assert train_run(recipe, Quiet(), lambda line: told.append(line.text())).already
    parts[0].write_text("{", encoding="utf-8")
    with pytest.raises(DonenessError, match=r"answers-000001.jsonl: damaged"):
        teaching.with_answers(recipe, read_recipe_rows(recipe))
    for part in parts:
        part.unlink()
    with pytest.raises(DataError, match="has not answered 24 rows"):
        teaching.with_answers(recipe, read_recipe_rows(recipe))


def test_a_question_is_another_one_with_other_tools() -> None:
    turns = (Turn("user", "How warm is it?"), Turn("assistant", ""))
    tools = [(), ({"name": "weather"},), ({"name": "thermometer"},)]
    assert len({teaching._key(Row("1", turns, 1, tools=each)) for each in tools}) == 3


def test_a_teacher_that_is_not_there_leaves_nothing_behind(make_distill: Make) -> None:
    recipe = make_distill("typo", "distill.kind=text", "distill.teacher=/no/such/teacher")
    with pytest.raises(DonenessError, match="no such model folder"):
        train_run(recipe, Quiet())
    # Else the same recipe with the right name would find a folder that is another's.
    assert not Path(recipe.run.folder).exists()


def test_answers_are_drawn_alike_and_touch_no_other_draws(teacher: Path) -> None:
    loaded = load_model(str(teacher), device="cpu")
    prompts = [[5, 6, 7], [8] * 9, [9, 3]]

    def drawn(how: Sampling) -> list[list[Sampled]]:
        return sample_all(loaded.model, loaded.tokenizer, prompts, how, 4)

    before = torch.get_rng_state()
    one, again = (drawn(Sampling(5, 1.0, answers=2, seed=3)) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert one == again
    assert [len(each) for each in one] == [2, 2, 2]
    assert drawn(Sampling(5, 1.0, answers=2, seed=4)) != one
    greedy = drawn(Sampling(5))
    assert greedy == drawn(Sampling(5, seed=9))
    assert all(len(each[0].ids) <= 5 for each in greedy)
    assert not loaded.model.training


def test_a_teacher_of_other_tokens_is_refused_by_name(make_distill: Make, teacher: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    load_model(str(teacher), device="cpu").model.save_pretrained(other)
    tokenizer = load_tokenizer(str(teacher))
    told = json.loads(tokenizer.backend_tokenizer.to_str())
    words = told["model"]["vocab"]
    words["a"], words["b"] = words["b"], words["a"]
    tokenizer.save_pretrained(other)
    (other / "tokenizer.json").write_text(json.dumps(told), encoding="utf-8")
    for kind in ("logits", "hidden"):
        with pytest.raises(DonenessError, match=r'\(2 of them\).*distill.kind = "text"'):
            train_run(make_distill(kind, f"distill.teacher={other}", f"distill.kind={kind}"), Quiet())
        assert not (tmp_path / kind).exists()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("distill.teacher=", "needs distill.teacher"),
        ("run.stage=sft", r"\[distill\] is about stage distill"),
        ("distill.layers=1=2", 'for distill.kind = "hidden" alone'),
        ("distill.sampling=1.0", 'for distill.kind = "text" alone'),
        ("grpo.beta=0.5", r"\[grpo\] is about stage grpo"),
        ("run.mode=explore", "is for sft"),
    ],
)
def test_what_makes_no_sense_together_is_refused(make_distill: Make, override: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        make_distill("refused", override)
    with pytest.raises(RecipeError, match="cannot be read"):
        make_distill("refused", "distill.kind=hidden", "distill.layers=3,0=1")
