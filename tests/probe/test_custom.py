"""Behaviours of the user's own, and every mistake in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from doneness.core import DonenessError
from doneness.probe.custom import load_behaviours
from doneness.probe.suite import Probe
from doneness.probe.table import build_table
from doneness.runs.probes import Answer

POLITE = """
class Polite:
    name = "polite"
    better = "higher"
    unit = "share"
    margin = 0.05
    guard = True
    binary = True

    def score(self, probe, answer):
        return float("please" in answer.text.lower())
"""


def write(folder: Path, text: str) -> Path:
    (folder / "mine.py").write_text(text)
    return folder


def test_a_small_class_becomes_a_row_of_the_table(tmp_path: Path) -> None:
    (measure,) = load_behaviours(["mine.py:Polite"], write(tmp_path, POLITE))
    assert (measure.behaviour.name, measure.behaviour.guard, measure.binary) == ("polite", True, True)
    probes = tuple(Probe(f"k{i}", "safe", "Q?", "", ()) for i in range(30))
    answers = {
        step: [Answer(p.id, step, "Please do." if i < good else "Do.", 3, 0.5, False) for i, p in enumerate(probes)]
        for step, good in ((0, 28), (8, 2))
    }
    cell = build_table(probes, answers, measures=(measure,)).cell("polite", 8)
    assert cell is not None and cell.mark == "worse"


MISTAKES = {
    "mine.py": (POLITE, "file.py:Class"),
    "none.py:Polite": (POLITE, "no file"),
    "mine.py:Rude": (POLITE, "no class Rude"),
    "mine.py:Polite": ("class Polite:\n    name = 'polite'\n", "lacks better, unit, margin, guard, score"),
    "mine.py:P1": (POLITE.replace("Polite", "P1").replace('"higher"', '"up"'), "better cannot be 'up'"),
    "mine.py:P2": (POLITE.replace("Polite", "P2").replace("0.05", "-1"), "margin cannot be -1"),
    "mine.py:P3": (POLITE.replace("Polite", "P3").replace('"polite"', '"knowledge"'), "taken"),
    "mine.py:P4": (POLITE.replace("Polite", "P4").replace('"polite"', '"very polite"'), "name cannot be"),
    "mine.py:P5": ("x = (\n", "SyntaxError"),
    "mine.py:P6": ("import nothing_of_the_kind\n", r"ModuleNotFoundError.*line 1"),
    "mine.py:P7": (POLITE.replace("Polite", "P7") + "\n    def __init__(self, x):\n        pass\n", "TypeError"),
    "mine.py:P8": (POLITE.replace("Polite", "P8") + "\n    needs = ('anwser',)\n", r"needs cannot be \('anwser',\)"),
    "mine.py:N1": (POLITE.replace("Polite", "N1") + "\n    needs = 5\n", "needs cannot be 5"),
    "mine.py:N2": (POLITE.replace("Polite", "N2") + "\n    goal = 'no'\n", "goal cannot be 'no'"),
    "mine.py:N3": (POLITE.replace("Polite", "N3").replace("0.05", "float('inf')"), "margin cannot be inf"),
    "mine.py:N4": (
        POLITE.replace("Polite", "N4").replace("margin = 0.05", "margin = property(lambda s: 1 / 0)"),
        "ZeroDivisionError",
    ),
    "mine.py:N5": ("import sys\nsys.exit(0)\n", "SystemExit"),
    "mine.py:N6": (
        POLITE.replace("Polite", "N6") + "\n    def __init__(self):\n        raise SystemExit\n",
        "SystemExit",
    ),
    "mine.py:P9": (POLITE.replace("Polite", "P9").replace("guard = True", "guard = 'no'"), "guard cannot be 'no'"),
}


@pytest.mark.parametrize("entry", MISTAKES)
def test_a_mistake_is_one_clear_line(entry: str, tmp_path: Path) -> None:
    text, part = MISTAKES[entry]
    with pytest.raises(DonenessError, match=part) as caught:
        load_behaviours([entry], write(tmp_path, text))
    assert "\n" not in str(caught.value) and entry in str(caught.value)


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ("return answer.txet", r"question q7: AttributeError.*line 11"),
        ("return 'good'", "gave 'good' at question q7"),
        ("return float('nan')", "mine.py:Polite gave nan at question q7"),
        ("import numpy; return numpy.float32('nan')", "gave .*nan.* at question q7"),
        ("import numpy; return numpy.mean([]) if 0 else numpy.inf", "gave inf"),
        ("return 0.5", "gave 0.5"),
        ("return 10 ** 400", "gave .* at question q7"),
        ("raise SystemExit", "question q7: SystemExit"),
    ],
)
def test_a_mistake_in_scoring_names_the_question(body: str, part: str, tmp_path: Path) -> None:
    text = POLITE.replace('return float("please" in answer.text.lower())', body)
    (measure,) = load_behaviours(["mine.py:Polite"], write(tmp_path, text))
    with pytest.raises(DonenessError, match=part):
        measure.score(Probe("q7", "safe", "Q?", "", ()), Answer("q7", 0, "A", 1, 0.5, False))


def test_a_share_lies_between_nothing_and_all(tmp_path: Path) -> None:
    body = "return (0.0, 0.25, 1.0 + 1e-12, 7.5)[len(answer.text)]"
    text = POLITE.replace('return float("please" in answer.text.lower())', body).replace("binary = True", "")
    (measure,) = load_behaviours(["mine.py:Polite"], write(tmp_path, text))
    probe = Probe("q7", "safe", "Q?", "", ())
    told = [measure.score(probe, Answer("q7", 0, "A" * n, 1, 0.5, False)) for n in range(3)]
    assert told == [0.0, 0.25, 1.0]
    with pytest.raises(DonenessError, match=r"gave 7.5 at question q7.*between 0 and 1"):
        measure.score(probe, Answer("q7", 0, "AAA", 1, 0.5, False))


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    body = "import numpy; return (numpy.float32(1), numpy.int64(1), numpy.bool_(True))[len(answer.text)]"
    text = POLITE.replace('return float("please" in answer.text.lower())', body)
    (measure,) = load_behaviours(["mine.py:Polite"], write(tmp_path, text))
    told = [measure.score(Probe("q", "safe", "Q?", "", ()), Answer("q", 0, "A" * n, 1, 0.5, False)) for n in range(3)]
    assert told == [1.0, 1.0, 1.0] and {type(each) for each in told} == {float}


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DonenessError, match="taken"):
        load_behaviours(["mine.py:Polite", "mine.py:Polite"], write(tmp_path, POLITE))
