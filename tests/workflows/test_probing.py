"""Probing and chatting with checkpoints that another tool wrote: adapters over the tiny model."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from doneness.cli.main import INTERRUPTED, main
from doneness.core import DonenessError
from doneness.probe import Store
from doneness.probe.weights import checkpoint_weights
from doneness.runs.probes import load_answers, load_choice, load_table
from doneness.workflows.subject import parse_steps, subject_of

pytestmark = pytest.mark.model

SUITE = [
    {"id": "k1", "behaviour": "knowledge", "prompt": "What is red?", "contains": [["colour"]]},
    {"id": "i1", "behaviour": "invented", "prompt": "What is redium?"},
    {"id": "i2", "behaviour": "invented", "prompt": "What is bluon?"},
    {"id": "c1", "behaviour": "choice", "prompt": "Red or blue?", "options": ["red", "blue"], "correct": 0},
    {"id": "t1", "behaviour": "text", "text": "Water is wet."},
]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A folder as other trainers leave it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("foreign")
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    for step in (2, 4):
        base = AutoModelForCausalLM.from_pretrained(tiny_model)
        model = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
        torch.manual_seed(step)
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.3)
        model.save_pretrained(str(folder / f"checkpoint-{step}"))
        tokenizer.save_pretrained(str(folder / f"checkpoint-{step}"))
    (folder / "suite.jsonl").write_text("".join(json.dumps(each) + "\n" for each in SUITE))
    return folder


@pytest.fixture
def foreign(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "run"))


def probe(folder: Path, *more: str) -> int:
    return main(["probe", str(folder), "--suite", str(folder / "suite.jsonl"), "--max-new-tokens", "4", *more])


def test_checkpoints_of_another_tool_are_asked_and_not_asked_again(
    foreign: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert probe(foreign) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[:3] == ["base model: 6/6", "step 2: 6/6", "step 4: 6/6"]
    table, choice = load_table(foreign), load_choice(foreign)
    assert table is not None and table.steps == (0, 2, 4)
    assert choice is not None
    stored = load_answers(foreign, 4)
    assert stored is not None and [a.id for a in stored[1]] == ["k1", "i1", "i2", "c1", "t1"]
    assert json.loads((foreign / "probes" / "allocation.json").read_text())["ended"] == "all"

    def refuse(*_: Any) -> Any:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("doneness.workflows.subject._load_foreign", refuse)
    assert probe(foreign) == 0
    assert load_answers(foreign, 4) == stored
    with pytest.raises(AssertionError, match="loaded"):
        monkeypatch.setenv("DONENESS_DEBUG", "1")
        probe(foreign, "--max-new-tokens", "5")


def test_answers_can_lie_elsewhere_and_some_steps_be_asked(foreign: Path, tmp_path: Path) -> None:
    asked = ("--out", str(tmp_path / "there"), "--steps", "base,4", "--null", "2")
    assert probe(foreign, *asked) == 0
    table = load_table(tmp_path / "there")
    assert table is not None and table.steps == (0, 4)
    assert {n.step for n in table.nulls} <= {4}
    store = tmp_path / "there" / "probes" / "store.jsonl"
    before = store.read_text()
    assert probe(foreign, *asked) == 0
    assert store.read_text() == before  # random adapters are not asked twice either
    assert not (foreign / "probes").exists()


def test_interrupted_it_says_so_and_goes_on(
    foreign: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from doneness.probe import asking, panel

    whole, done = asking.execute, 0

    def dying(*given: Any) -> Any:
        nonlocal done
        done += 1
        if done == 6:
            raise KeyboardInterrupt
        return whole(*given)

    monkeypatch.setattr(panel, "execute", dying)
    assert probe(foreign) == INTERRUPTED
    assert "Traceback" not in capsys.readouterr().err
    kept = len(Store(foreign))
    assert 0 < kept < 18
    assert probe(foreign) == 0
    assert len(Store(foreign)) > kept


def test_one_question_to_several_checkpoints(
    foreign: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("What is red?\n:keep\n:quit\nNever asked\n"))
    assert main(["chat", str(foreign), "--steps", "base,4", "--max-new-tokens", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "> What is red?"
    assert [line.split("\t")[0] for line in lines[1:3]] == ["base model", "step 4"]
    assert 'Kept "What is red?" as' in lines[3]
    assert (foreign / "probes" / "kept.jsonl").is_file()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--budget", "soon"], "no budget"),
        (["--steps", "base,3"], "there are: base, 2, 4"),
        (["--steps", ","], "there are"),
        (["--questions", "-1"], "at least 0"),
        (["--batch-size", "0"], "at least 1"),
        (["--null", "1"], "at least 2"),
        (["--ray", "--engine", "vllm"], "do not go together"),
        (["--suite", "no-such-suite"], "no-such-suite"),
    ],
)
def test_a_wrong_option_is_one_line(
    foreign: Path, arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert probe(foreign, *arguments) == 2
    said = capsys.readouterr().err
    assert part in said and said.count("\n") == 1


def test_what_cannot_be_asked_is_said(foreign: Path, tmp_path: Path) -> None:
    with pytest.raises(DonenessError, match="no checkpoint-N"):
        subject_of(tmp_path / "nothing")
    config = foreign / "checkpoint-4" / "adapter_config.json"
    told = json.loads(config.read_text())
    config.write_text(json.dumps({**told, "base_model_name_or_path": "another/model"}))
    with pytest.raises(DonenessError, match="--base"):
        subject_of(foreign)
    assert subject_of(foreign, base="any/model").base_path == "any/model"
    for damage, part in (("{", "damaged"), ("[]", "damaged"), ("{}", "--base")):
        config.write_text(damage)
        (foreign / "checkpoint-2" / "adapter_config.json").write_text(damage)
        with pytest.raises(DonenessError, match=part):
            subject_of(foreign)
    config.unlink()
    (foreign / "checkpoint-2" / "adapter_config.json").unlink()
    with pytest.raises(DonenessError, match="whole model"):
        subject_of(foreign)


def test_steps_are_read_and_weights_told_apart(
    foreign: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = subject_of(foreign, base=str(tiny_model))
    assert parse_steps("base,4,checkpoint-2,4", subject) == (0, 4, 2)
    weights = subject.weights((0, 2, 4))
    assert len(set(weights.values())) == 3
    moved = subject_of(Path(shutil.copytree(foreign, foreign.parent / "moved")), base=str(tiny_model))
    assert moved.weights((0, 2, 4)) == weights
    file = foreign / "checkpoint-4" / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    changed = subject_of(foreign, base=str(tiny_model)).weights((0, 2, 4))
    assert [s for s in weights if changed[s] != weights[s]] == [4]
    # Of another template, or loaded in another dtype, no answer is the same.
    template = foreign / "checkpoint-4" / "chat_template.jinja"
    template.write_text(template.read_text() + " ")
    rewritten = subject_of(foreign, base=str(tiny_model)).weights((0, 2, 4))
    assert all(rewritten[s] != changed[s] for s in changed)
    monkeypatch.setattr("doneness.models.pick_dtype", lambda dtype, device: "bfloat16")
    narrow = subject_of(foreign, base=str(tiny_model)).weights((0, 2, 4))
    assert all(narrow[s] != rewritten[s] for s in narrow)


def test_of_a_large_file_the_smallest_tensor_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    monkeypatch.setattr("doneness.probe.weights._WHOLE", 1 << 16)
    monkeypatch.setattr("doneness.probe.weights._AT_EACH", 16)
    hashes = set()
    for step in range(3):
        folder = tmp_path / str(step)
        folder.mkdir()
        weights = {f"layer{i}.weight": np.zeros(30_011, dtype=np.float32) for i in range(4)}
        norms = {f"layer{i}.norm": np.full(8, step if i == 2 else 0, dtype=np.float32) for i in range(4)}
        save_file(weights | norms, str(folder / "model.safetensors"))
        hashes.add(checkpoint_weights(folder, "base"))
    assert len(hashes) == 3


def test_lines_of_the_store_that_cannot_be_read_are_told(foreign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert probe(foreign) == 0
    assert "cannot be read" not in capsys.readouterr().out
    store = foreign / "probes" / "store.jsonl"
    lines = store.read_text(encoding="utf-8").splitlines()
    store.write_text("\n".join([*lines[:-2], lines[-2][:20], "{}"]) + "\n", encoding="utf-8")
    assert probe(foreign, "--lang", "en") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "store.jsonl: 2 lines cannot be read; what they held is asked again where it is needed." in said
    assert len(store.read_text(encoding="utf-8").splitlines()) == len(lines) + 2  # both were asked again
    assert probe(foreign, "--lang", "zh") == 0
    assert "有2行无法读取" in "".join(capsys.readouterr().out.split())


NAN = """
class Odd:
    name = "odd"
    better = "higher"
    unit = "ratio"
    margin = 0.05
    guard = False

    def score(self, probe, answer):
        return float("nan") if probe.id == "i2" else 1.0
"""


def test_a_behaviour_of_ones_own_that_gives_no_number_is_named_with_its_question(
    foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from doneness.config import ProbesSection
    from doneness.workflows.probe import ProbeOptions, probe_subject

    (tmp_path / "mine.py").write_text(NAN)
    section = ProbesSection(
        suite=str(foreign / "suite.jsonl"), behaviours=(f"{tmp_path / 'mine.py'}:Odd",), max_new_tokens=4
    )
    with pytest.raises(DonenessError, match=r"mine\.py:Odd gave nan at question i2"):
        probe_subject(subject_of(foreign), section, ProbeOptions())
    assert len(Store(foreign)) > 0  # what was answered is kept

    # One that comes with the package, or through the library, is told and left out of the files.
    from doneness.probe.behaviours import MEASURES

    length = next(m for m in MEASURES if m.behaviour.name == "length")
    odd = replace(length, score=lambda p, a: float("inf") if p.id == "i2" else 1.0)
    monkeypatch.setattr("doneness.workflows.asking.measures_of", lambda *_: (odd,))
    told = probe_subject(subject_of(foreign), replace(section, behaviours=()), ProbeOptions()).told
    lines = [line.text("en") for line in told if "no number" in line.text("en")]
    assert lines == [
        "Answer length: no number for 3 answers (the first: the base model, question i2); they are left out of it."
    ]
    panels = (foreign / "probes" / "panels.jsonl").read_text(encoding="utf-8")
    assert '"k1"' in panels and '"i2"' not in panels and "Infinity" not in panels


def test_a_suite_keeps_the_language_it_was_asked_in(
    foreign: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever reads another language asks on and chooses among the questions that were asked."""
    asked = ["probe", str(foreign), "--suite", "general", "--questions", "3", "--max-new-tokens", "2"]
    monkeypatch.setenv("DONENESS_LANG", "en")
    assert main(asked) == 0
    table, stored = load_table(foreign), load_answers(foreign, 4)
    assert table is not None and stored is not None and all("-en-" in a.id for a in stored[1])
    monkeypatch.setenv("DONENESS_LANG", "zh")
    capsys.readouterr()
    assert main(["choose", str(foreign), "--suite", "general", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "doneness.choose/1"
    assert main(asked) == 0
    assert load_answers(foreign, 4) == stored
    # Kept before the language was: found by trying.
    (foreign / "probes" / "asked.json").unlink()
    assert main(["choose", str(foreign), "--suite", "general", "--json"]) == 0
    (foreign / "probes" / "asked.json").write_text("{")
    assert main(["choose", str(foreign), "--suite", "general", "--json"]) == 0
    capsys.readouterr()
    assert main(["choose", str(foreign), "--suite", "medical", "--lang", "en"]) == 2
    assert "cannot be found" in capsys.readouterr().err


OWN = """
class Polite:
    name = "polite"
    better = "higher"
    unit = "share"
    margin = 0.05
    guard = False
    binary = True

    def score(self, probe, answer):
        return float("please" in answer.text.lower())
"""


def test_what_was_asked_is_chosen_from_again_without_naming_it(
    foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run of another tool has no recipe: suite and own behaviour are those of the last probing, from anywhere."""
    (tmp_path / "mine.py").write_text(OWN)
    monkeypatch.chdir(foreign)
    asked = ["probe", str(foreign), "--suite", "suite.jsonl", "--max-new-tokens", "4"]
    assert main([*asked, "--behaviour", str(tmp_path / "mine.py") + ":Polite", "--lang", "en"]) == 0
    assert "polite" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    assert main(["choose", str(foreign), "--goal", "polite", "--lang", "en"]) == 0
    assert "polite" in capsys.readouterr().out
    assert main([*asked[:2], "--suite", "general", "--behaviour", "absent.py:Polite"]) == 2
    assert "absent.py" in capsys.readouterr().err


def test_a_judge_that_is_missing_and_a_limit_that_cuts_are_told(
    foreign: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = tmp_path / "graded.jsonl"
    row = {"id": "g1", "behaviour": "task", "prompt": "What is red?", "reference": "A colour.", "metric": "rubric"}
    suite.write_text(json.dumps(row) + "\n" + json.dumps({**row, "id": "g2"}) + "\n")
    asked = ["probe", str(foreign), "--suite", str(suite), "--max-new-tokens", "3", "--lang", "en"]
    assert main([*asked, "--judge", "http://127.0.0.1:9/v1", "--judge-model", "m"]) == 2
    assert "no judge answers there" in capsys.readouterr().err
    assert main(asked) == 0
    assert "2 questions are to be graded by a rubric, and no judge is there" in " ".join(
        capsys.readouterr().out.split()
    )


def test_unequal_shares_of_cut_answers_are_told() -> None:
    from doneness.probe.asking import Asking
    from doneness.probe.suite import Probe
    from doneness.probe.table import build_table
    from doneness.probe.vetoes import Guards
    from doneness.runs.probes import Answer
    from doneness.workflows.asking import Questions
    from doneness.workflows.probe_said import of_measuring

    probes = tuple(Probe(f"k{i}", "knowledge", f"Which is {i}?", "", (("x",),)) for i in range(10))
    for cut, told in ((1, True), (8, False)):
        answers = {
            s: [Answer(p.id, s, "x y", 2, 0.5, i < n) for i, p in enumerate(probes)] for s, n in ((0, 9), (4, cut))
        }
        lines = of_measuring(build_table(probes, answers), Questions(probes, Asking(max_new_tokens=48), (), Guards()))
        text = " ".join(line.text("en") for line in lines)
        assert ("limit of 48 tokens cuts off 90% of the base model's answers and 10% of step 4's" in text) is told
