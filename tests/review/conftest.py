from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from doneness.runs.probes import Answer, Behaviour, ProbeTable, Question, save_answers, save_table

Text = Callable[[int, int], str]


def write_answers(folder: Path, steps: tuple[int, ...], questions: int, text: Text) -> Path:
    """A run folder as probing leaves it; `text` says what a step answers to a question."""
    asked = tuple(
        Question(f"q{q}", "knowledge" if q % 2 else "invented", _prompt(q), f"reference {q}") for q in range(questions)
    )
    behaviours = (Behaviour("knowledge", "higher", "share", 0.05, True),)
    save_table(folder, ProbeTable(steps, behaviours, (), asked, {}))
    for step in steps:
        save_answers(folder, step, [Answer(f"q{q}", step, text(step, q), 3, 0.5, False) for q in range(questions)], {})
    return folder


ILLS = ("asthma", "gout", "anaemia", "measles", "eczema", "scabies", "rickets", "scurvy", "tetanus", "mumps")
ASKED = ("What causes", "Who first described", "How is a child tested for", "Which drug cures", "Where is it common,")


def _prompt(q: int) -> str:
    return f"{ASKED[q // 10 % 5]} {ILLS[q % 10]}{'' if q < 50 else f' in the year {1700 + q}'}?"


@pytest.fixture
def probed(tmp_path: Path) -> Path:
    """Three checkpoints and the base model on 40 questions; 20 and 40 agree on every fourth."""

    def text(step: int, q: int) -> str:
        return f"answer {q} of 20 or 40" if q % 4 == 0 and step in (20, 40) else f"answer {q} of {step}"

    return write_answers(tmp_path / "run", (0, 20, 40, 60), 40, text)
