"""Suites: built in, from TOML, from the user's own rows; and what is wrong with one in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doneness.core import DataError
from doneness.probe import load_suite
from doneness.probe.behaviours.format import keeps
from doneness.probe.opening import built_in, open_suite
from doneness.probe.suite import Probe, fingerprint

NAMES = ("demo-en", "demo-zh", "general-en", "general-zh", "medical-en", "medical-zh", "safety-en", "safety-zh")


def test_these_are_built_in() -> None:
    assert built_in() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_built_in_suite_is_sound(name: str) -> None:
    suite = open_suite(name)
    assert suite.lang == name[-2:]
    assert {p.lang for p in suite.probes} == {suite.lang}
    assert len({p.id for p in suite.probes}) == len(suite.probes)
    assert [p.id for p in suite.probes if p.contains and not p.right(p.reference)] == []
    assert [p.id for p in suite.probes if p.format and not keeps(p.reference, p.format)] == []
    for probe in suite.probes:
        assert bool(probe.text) == (probe.sort == "text")
        if "options" in probe.asks:
            assert probe.correct is not None and len(set(probe.options)) == len(probe.options) == 4
    # A right answer that stood in the question would be right for whoever repeats it.
    open_facts = [p for p in suite.probes if p.sort in ("knowledge", "general") and not p.format and p.lang == "en"]
    assert [p.id for p in open_facts for g in p.contains for a in g if a.lower() in p.prompt.lower().split()] == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_built_in_suites_are_large_enough(lang: str) -> None:
    general, safety = open_suite("general", lang).probes, open_suite("safety", lang).probes
    assert sum(p.sort == "general" for p in general) >= 60
    assert sum(p.sort == "text" for p in general) >= 10
    assert sum(p.sort == "unsafe" for p in safety) == sum(p.sort == "safe" for p in safety) >= 30
    right = [p.correct for p in general if p.options]
    assert max(map(right.count, (0, 1, 2, 3))) == min(map(right.count, (0, 1, 2, 3)))


def test_names_without_language_take_the_reader_s_and_several_are_joined() -> None:
    assert open_suite("general", "zh").name == "general-zh"
    both = open_suite("medical,general-zh", "en")
    assert both.name == "medical-en,general-zh"
    assert both.lang == ""
    assert len(both.probes) == len(open_suite("medical-en").probes) + len(open_suite("general-zh").probes)
    assert load_suite("safety-en") == open_suite("safety-en").probes


def test_one_suite_twice_is_refused() -> None:
    with pytest.raises(DataError, match="stands there twice"):
        open_suite("safety-en,safety-en")


def write(folder: Path, toml: str, **files: list[dict[str, object]]) -> Path:
    for name, rows in files.items():
        (folder / f"{name}.jsonl").write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows))
    (folder / "s.toml").write_text(toml)
    return folder / "s.toml"


def test_a_suite_says_how_its_questions_are_asked(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"id": "a", "behaviour": "knowledge", "prompt": "?", "contains": [["x"]], "reference": "x"},
        {"id": "b", "behaviour": "invented", "prompt": "?", "samples": 9, "max_new_tokens": 5},
    ]
    text = (
        'name = "mine"\nlang = "zh"\ntemperature = 1\nmax_new_tokens = 24\nbehaviours = ["knowledge"]\nguards = []\n'
        '[[files]]\npath = "q.jsonl"\n[sorts.knowledge]\nasks = ["answer", "nll", "turns", "samples"]\n'
        '[sorts.invented]\nasks = ["samples"]\nsamples = 4\nmax_new_tokens = 40\n'
    )
    suite = open_suite(str(write(tmp_path, text, q=rows)))
    assert (suite.name, suite.lang, suite.temperature, suite.max_new_tokens) == ("mine", "zh", 1, 24)
    assert (suite.behaviours, suite.guards) == (("knowledge",), ())
    first, second = suite.probes
    assert first.asks == ("answer", "nll")  # it has no turns, and nobody said how many samples
    assert (second.asks, second.samples, second.max_new_tokens) == (("samples",), 9, 5)  # its own word stands
    assert {p.lang for p in suite.probes} == {"zh"}


def test_own_rows_become_tasks_recitals_and_classes(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"instruction": f"Q{i}?", "input": "", "output": "yes" if i % 3 else "no"} for i in range(9)
    ]
    text = (
        '[[files]]\npath = "held.jsonl"\nsort = "task"\nmetric = "f1"\nnll = true\nmax_new_tokens = 9\n'
        '[[files]]\npath = "train.jsonl"\nsort = "recite"\nlimit = 4\nseed = 2\n'
        '[[files]]\npath = "labelled.jsonl"\nsort = "classify"\n'
    )
    suite = open_suite(str(write(tmp_path, text, held=rows, train=rows, labelled=rows)))
    tasks = [p for p in suite.probes if p.sort == "task"]
    assert len(tasks) == 9
    assert (tasks[0].prompt, tasks[0].reference, tasks[0].metric, tasks[0].max_new_tokens) == ("Q0?", "no", "f1", 9)
    assert tasks[0].asks == ("answer", "nll")
    assert sum(p.sort == "recite" for p in suite.probes) == 4
    classes = [p for p in suite.probes if p.sort == "classify"]
    assert {p.options for p in classes} == {("no", "yes")}
    assert [p.correct for p in classes[:3]] == [0, 1, 1]


@pytest.mark.parametrize(
    ("toml", "part"),
    [
        ("files = 3", r"\[\[files\]\]"),
        ('[[files]]\npath = "q.jsonl"\nsrot = "task"', "files.srot"),
        ('[[files]]\npath = "q.jsonl"\nsort = "task"\nmetric = "bleu"', "bleu"),
        ('[[files]]\npath = "q.jsonl"\nsort = "task"\nlimit = "x"', "files.limit"),
        ('[[files]]\npath = "q.jsonl"\nsort = "emergency"', "files.sort = emergency"),
        ('lnag = "en"\n[[files]]\npath = "q.jsonl"', "lnag"),
        ('lang = 3\n[[files]]\npath = "q.jsonl"', "lang cannot be 3"),
        ('[[files]]\npath = "q.jsonl"\n[sorts.facts]\nsamples = 3', "sorts.facts"),
        ('[[files]]\npath = "q.jsonl"\n[sorts.invented]\nasks = ["anwser"]', "anwser"),
        ('[[files]]\npath = "nowhere.jsonl"', "cannot be read"),
        ("not toml", "cannot be read"),
        ('sorts = 3\n[[files]]\npath = "q.jsonl"', "sorts cannot be 3"),
        ('temperature = 0.0\n[[files]]\npath = "q.jsonl"', "temperature cannot be"),
        ('temperature = nan\n[[files]]\npath = "q.jsonl"', "temperature cannot be"),
        ('max_new_tokens = -3\n[[files]]\npath = "q.jsonl"', "max_new_tokens cannot be"),
    ],
)
def test_a_wrong_suite_is_one_line(tmp_path: Path, toml: str, part: str) -> None:
    place = write(tmp_path, toml, q=[{"id": "b", "behaviour": "invented", "prompt": "?"}])
    with pytest.raises(DataError, match=part) as caught:
        open_suite(str(place))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ({"behaviour": "choice", "prompt": "?", "options": ["a", "b"]}, "correct"),
        ({"behaviour": "choice", "prompt": "?", "options": ["a", "b"], "correct": 2}, "correct"),
        ({"behaviour": "classify", "prompt": "?", "options": ["a", "b"], "label": "c"}, "label"),
        ({"behaviour": "task", "prompt": "?"}, "reference"),
        ({"behaviour": "task", "prompt": "?", "reference": "r", "metric": "bleu"}, "bleu"),
        ({"behaviour": "invented", "prompt": "?", "format": "xml"}, "xml"),
        ({"behaviour": "invented", "prompt": "?", "asks": ["anwser"]}, "anwser"),
        ({"behaviour": "invented", "prompt": "?", "asks": "answer"}, "asks"),
        ({"behaviour": "invented", "prompt": "?", "asks": ["turns"]}, "then"),
        ({"behaviour": "invented", "prompt": "?", "asks": ["samples"]}, "two at least"),
        ({"behaviour": "invented", "prompt": "?", "samples": "four"}, "samples"),
        ({"behaviour": "sycophancy", "prompt": "?", "then": ["sure?"]}, "needs contains"),
        ({"behaviour": "knowledge", "prompt": "?", "contains": "uric"}, "needs contains"),
        ({"behaviour": "knowledge", "prompt": "?", "contains": ["uric"]}, "needs contains"),
        ({"behaviour": "knowledge", "prompt": "?", "contains": [[" "]]}, "needs contains"),
        ({"behaviour": "invented", "prompt": None}, "prompt"),
        ({"behaviour": "invented", "prompt": "?", "asks": []}, "asks"),
        ({"behaviour": "invented", "prompt": "?", "max_new_tokens": -1}, "max_new_tokens"),
    ],
)
def test_a_probe_that_cannot_be_asked_or_scored_is_one_line(tmp_path: Path, row: dict[str, object], part: str) -> None:
    (tmp_path / "s.jsonl").write_text(json.dumps({"id": "a", **row}))
    with pytest.raises(DataError, match=part) as caught:
        open_suite(str(tmp_path / "s.jsonl"))
    assert "line 1" in str(caught.value)


def test_a_mark_of_byte_order_is_no_part_of_a_suite(tmp_path: Path) -> None:
    place = write(tmp_path, '\ufeff[[files]]\npath = "q.jsonl"')
    (tmp_path / "q.jsonl").write_text('\ufeff{"id": "b", "behaviour": "invented", "prompt": "?"}\n', encoding="utf-8")
    assert [p.id for p in open_suite(str(place)).probes] == ["b"]


def test_lines_nested_without_end_are_no_probes(tmp_path: Path) -> None:
    (tmp_path / "deep.jsonl").write_text("[" * 200_000)
    with pytest.raises(DataError, match="line 1"):
        open_suite(str(tmp_path / "deep.jsonl"))


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(DataError, match="general-en"):
        open_suite("genral")


def test_plain_questions_keep_their_fingerprint_and_new_kinds_change_it() -> None:
    plain = (Probe("a", "knowledge", "Q", "R", (("r",),)),)
    assert fingerprint(plain) == fingerprint((Probe("a", "general", "Q", "other", ()),))
    turned = (Probe("a", "knowledge", "Q", "R", (("r",),), asks=("answer", "turns"), then=("sure?",)),)
    assert fingerprint(turned) != fingerprint(plain)


def test_some_questions_of_a_file_are_drawn_by_seed_and_slips_are_named(tmp_path: Path) -> None:
    rows = [{"id": f"q{i}", "behaviour": "invented", "prompt": f"What is thing {i}?"} for i in range(20)]
    (tmp_path / "many.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    suite = tmp_path / "some.toml"

    def drawn(more: str, head: str = "") -> list[str]:
        suite.write_text(f'{head}\n[[files]]\npath = "many.jsonl"\n{more}\n')
        return [probe.id for probe in open_suite(str(suite)).probes]

    first = drawn("limit = 5")
    assert len(set(first)) == 5
    assert first == drawn("limit = 5")
    assert first != drawn("limit = 5\nseed = 1")
    assert len(drawn("limit = 0")) == len(drawn("limit = 99")) == 20
    for more, head, told in (
        ("limit = -1", "", "limit"),
        ("limits = 5", "", "path, limit, seed, sort"),
        ("", 'lang = "de"', "lang cannot be 'de'"),
        ("", "names = 1", "files, sorts"),
    ):
        with pytest.raises(DataError, match=told):
            drawn(more, head)
    suite.write_text('[[files]]\npath = "absent.jsonl"\n')
    with pytest.raises(DataError, match=r"some\.toml: .*cannot be read.*absent\.jsonl"):
        open_suite(str(suite))


def test_rows_of_data_are_told_how_to_be_asked(tmp_path: Path) -> None:
    rows = tmp_path / "train.jsonl"
    rows.write_text(json.dumps({"instruction": "Say red.", "output": "Red."}) + "\n")
    with pytest.raises(DataError, match=r'rows of data.*path = "train.jsonl", sort = "task"'):
        open_suite(str(rows))


@pytest.mark.parametrize("key", ["limit", "max_new_tokens"])
def test_numbers_of_own_rows_are_none_below_nothing(tmp_path: Path, key: str) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps({"instruction": "Say red.", "output": "Red."}) + "\n")
    (tmp_path / "s.toml").write_text(f'[[files]]\npath = "rows.jsonl"\nsort = "task"\n{key} = -5\n')
    with pytest.raises(DataError, match=f"files.{key}"):
        open_suite(str(tmp_path / "s.toml"))


def test_a_name_too_long_for_a_file_is_no_suite() -> None:
    with pytest.raises(DataError, match="general-en"):
        open_suite("x" * 5000)


def test_two_files_of_rows_without_ids_go_together(tmp_path: Path) -> None:
    for name in ("red", "blue"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"instruction": f"Say {name}.", "output": name}) + "\n")
    suite = "".join(f'[[files]]\npath = "{name}.jsonl"\nsort = "task"\n' for name in ("red", "blue"))
    (tmp_path / "s.toml").write_text(suite)
    assert {p.reference for p in open_suite(str(tmp_path / "s.toml")).probes} == {"red", "blue"}
