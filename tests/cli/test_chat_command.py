from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from tests.probe.engines import Planted

from doneness.cli import chat as command
from doneness.cli.chat_view import NARROWEST, columns, columns_that_fit, plain
from doneness.core import DataError
from doneness.models import Generated
from doneness.probe import load_suite
from doneness.workflows.chat import Chat

STEPS = (0, 4, 8)


def says(step: int, question: str) -> str:
    return f"It is {'warm' if step < 8 else 'cold'} at {step}, you said {question!r}."


def talk() -> Chat:
    return Chat(Planted(STEPS, says), STEPS, "Be brief.", 32)


def shown(width: int, terminal: bool = True, answers: int = 3) -> str:
    out = Console(width=width, file=io.StringIO(), force_terminal=terminal, no_color=True, legacy_windows=False)
    found = [(f"step {k}", Generated(says(4 * k, "warmth"), 9, 0.5, k == 2)) for k in range(answers)]
    out.print(columns(found, width))
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def bare(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize(
    ("count", "width", "fit"), [(3, 100, 3), (3, 60, 2), (3, 40, 1), (1, 200, 1), (6, 120, 3), (5, 20, 1)]
)
def test_as_many_columns_as_can_be_read(count: int, width: int, fit: int) -> None:
    assert columns_that_fit(count, width) == fit
    assert fit == 1 or (width + 2) // fit >= NARROWEST


@pytest.mark.parametrize("width", [24, 40, 60, 100, 160])
def test_answers_stand_beside_each_other_and_nothing_is_cut_off(width: int) -> None:
    text = bare(shown(width))
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    heads = [sum(f"step {k}" in line for k in range(3)) for line in lines]
    assert max(heads) == columns_that_fit(3, width)
    words = re.findall(r"\w+|[^\w\s]", text)
    for k in range(3):
        for word in re.findall(r"\w+", says(4 * k, "warmth")):
            assert word in words


def test_what_differs_from_the_neighbour_is_marked_also_without_colour() -> None:
    text = shown(120)
    marked = [bare(each).strip() for each in re.findall(r"\x1b\[1;4m(.*?)\x1b\[0m", text)]
    assert any("cold" in each for each in marked)
    assert not any(each == "warm" or "said" in each for each in marked)


def test_in_a_pipe_each_answer_is_one_line() -> None:
    found = plain("What?\nAnd why?", [("base model", Generated("Two\nlines.\x1b[2J", 3, 0.5, False))])
    assert found.splitlines()[0] == "> What? And why?"
    assert found.splitlines()[1].startswith("base model\tTwo lines.")
    assert "\x1b" not in found


def test_each_checkpoint_goes_on_with_its_own_conversation() -> None:
    chat = talk()
    first = chat.ask("Sun?")
    second = chat.ask("And now?")
    assert [a.text for a in first.values()] == [says(s, "Sun?") for s in STEPS]
    assert list(second) == list(STEPS)
    engine = chat.engine
    assert isinstance(engine, Planted)
    assert engine.drafts == [(0, 0), (4, 1), (8, 1)] * 2
    assert chat.answers[8][0].text == says(8, "Sun?")
    chat.begin_anew()
    assert chat.asked == [] and chat.answers == {}


def test_an_interrupted_question_is_as_if_it_was_not_asked() -> None:
    chat = talk()
    chat.ask("Sun?")

    def stop(step: int, kind: str) -> None:
        if step == 4:
            raise KeyboardInterrupt

    assert isinstance(chat.engine, Planted)
    chat.engine.before = stop
    with pytest.raises(KeyboardInterrupt):
        chat.ask("And now?")
    assert chat.asked == ["Sun?"]
    assert {len(each) for each in chat.answers.values()} == {1}


def test_what_was_asked_is_kept_as_a_probe(tmp_path: Path) -> None:
    place = tmp_path / "suite" / "kept.jsonl"
    chat = talk()
    with pytest.raises(DataError):
        chat.keep(place)
    chat.ask("Is gout hereditary?")
    first = chat.keep(place)
    with pytest.raises(DataError, match="already"):
        chat.keep(place)
    chat.ask("Are you sure?")
    chat.keep(place)
    chat.begin_anew()
    chat.ask("What causes gout?")
    chat.keep(place, "knowledge", "uric acid")
    with pytest.raises(DataError, match="no kind"):
        chat.keep(place, "nonsense")
    one, two, three = load_suite(place)
    assert (one.id, one.prompt, one.asks) == (first, "Is gout hereditary?", ("answer",))
    assert (two.then, two.asks) == (("Are you sure?",), ("answer", "turns"))
    assert three.right("Too much uric acid.") and three.sort == "knowledge"
    with pytest.raises(DataError):
        chat.begin_anew()
        chat.ask("What is it?")
        chat.keep(place, "task")  # needs a reference: nothing of it is written
    assert len(load_suite(place)) == 3
    assert [f.name for f in place.parent.iterdir()] == ["kept.jsonl"]
    # A file of the user's own may end without a line's end.
    place.write_text(place.read_text().rstrip("\n"))
    chat.keep(place)
    assert len(load_suite(place)) == 4


def test_questions_are_read_from_a_pipe_and_commands_obeyed(
    tmp_path: Path,
) -> None:
    place = tmp_path / "kept.jsonl"
    out = Console(width=100, file=io.StringIO())
    chat = talk()
    lines = ["Sun?", "", ":keep", ":keep", ":help", ":new", "Rain?", ":keep knowledge wet", ":quit", "Never asked?"]
    asked = []
    for line in lines:
        asked.append(line)
        if not command._turn(out, chat, line, place):
            break
    assert asked[-1] == ":quit"
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    assert "base model\tIt is warm at 0" in text and "step 8\tIt is cold at 8" in text
    assert text.count('Kept "Sun?" as') == text.count('Kept "Rain?" as') == 1 and "already" in text and ":quit" in text
    assert [json.loads(each)["prompt"] for each in place.read_text().splitlines()] == ["Sun?", "Rain?"]
