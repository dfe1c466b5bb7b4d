"""Damaged evaluations and probe files end in one line that names the file; a run does without them."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doneness.core import UnreadableError, say
from doneness.runs import ExampleLosses, Run, load_examples, save_examples
from doneness.runs.examples import path_of
from doneness.runs.probes import (
    Answer,
    Behaviour,
    Cell,
    Choice,
    ProbeTable,
    Question,
    answers_path,
    load_answers,
    load_choice,
    load_table,
    save_answers,
    save_choice,
    save_table,
)
from doneness.runs.run import Series

WHOLE: dict[str, Any] = {
    "step": 4,
    "ids": np.array(["a", "b"]),
    "nll": np.array([1.0, 2.0]),
    "tokens": np.array([3, 4]),
}


def test_whole_losses_come_back(tmp_path: Path) -> None:
    path = save_examples(tmp_path, ExampleLosses(**WHOLE))
    found = load_examples(path)
    assert found.ids.tolist() == ["a", "b"] and found.mean == 3 / 7


@pytest.mark.parametrize(
    "changed",
    [
        {name: WHOLE[name].reshape(2, 1) for name in ("ids", "nll", "tokens")},
        {"nll": np.array(["x", "y"])},
        {"nll": np.array([1.0, 2.0, 3.0])},
        {"nll": np.array([1j, 2j])},
        {"nll": np.array([None, 1.0], dtype=object)},
        {"ids": np.array([1.5, 2.5])},
        {"step": np.array([4, 5])},
        {"step": -4},
        {"step": 10**15},
        {"step": "four"},
        {"step": 4.5},
        {"tokens": np.array([3.5, 4.0])},
        {"tokens": np.array([0, 4])},
        {"tokens": np.array([-3, 4])},
        {"tokens": np.array([2**62, 2**62])},
        {"ids": np.array([], str), "nll": np.array([]), "tokens": np.array([], int)},
        {"tokens": None},
    ],
    ids=lambda changed: "-".join(changed),
)
def test_arrays_that_are_no_losses_are_one_line(tmp_path: Path, changed: dict[str, Any]) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, **{k: v for k, v in (WHOLE | changed).items() if v is not None})
    with pytest.raises(UnreadableError, match=r"x\.npz: no per-example losses") as caught:
        load_examples(path)
    assert "pickle" not in str(caught.value)


def test_python_objects_are_refused_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **(WHOLE | {"ids": np.array([None, "b"], dtype=object)}))
    with pytest.raises(UnreadableError, match="Python objects"):
        load_examples(tmp_path / "x.npz")


def test_bytes_that_are_no_losses_are_one_line(tmp_path: Path) -> None:
    whole = save_examples(tmp_path, ExampleLosses(**WHOLE)).read_bytes()
    path = tmp_path / "x.npz"
    rng = np.random.default_rng(0)
    readable = 0
    for _ in range(300):
        data = bytearray(whole[: rng.integers(len(whole))] if rng.random() < 0.3 else whole)
        for at in rng.integers(0, max(len(data), 1), 3) if data else ():
            data[at] = rng.integers(256)
        path.write_bytes(bytes(data))
        try:
            readable += bool(load_examples(path).step >= 0)
        except UnreadableError as error:
            assert "\n" not in str(error)
    assert readable < 300
    for content in (b"", b"not a zip", b"\x93NUMPY\x01\x00"):
        path.write_bytes(content)
        with pytest.raises(UnreadableError, match=r"x\.npz: no per-example losses") as caught:
            load_examples(path)
        assert "object" not in str(caught.value) and "pickle" not in str(caught.value)
    np.save(tmp_path / "y.npy", np.arange(3))
    with pytest.raises(UnreadableError):
        load_examples(tmp_path / "y.npy")


def test_an_array_larger_than_memory_is_one_line(tmp_path: Path) -> None:
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }"
    head = head.ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as out:
        for name in ("step", "ids", "nll", "tokens"):
            out.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head)
    with pytest.raises(UnreadableError):
        load_examples(tmp_path / "x.npz")


def test_a_run_leaves_a_damaged_evaluation_out_and_names_it(tmp_path: Path) -> None:
    for step in (4, 8):
        save_examples(tmp_path, replace(ExampleLosses(**WHOLE), step=step))
    path_of(tmp_path, 8).write_bytes(b"rubbish")
    source = lambda step: load_examples(path_of(tmp_path, step))  # noqa: E731
    run = Run("r", example_steps=(4, 8), example_source=source)
    assert [e.step for e in run.examples] == [4]
    assert len(run.faults) == 1 and "step 8 are damaged and were left out" in run.faults[0]
    assert run.until(4).faults == ()
    assert Run("r").faults == ()
    nothing: dict[int, ExampleLosses] = {}
    absent = Run("r", example_steps=(4,), example_source=nothing.__getitem__)
    assert absent.examples == () and "step 4" in absent.faults[0]


def test_values_beyond_reason_are_tamed() -> None:
    series = Series.of([0, 1, 10**12], [1e31, -(10**400), 1e30], epoch=[1e19, 2.0, -1e19], tokens=[10**400, 1, 2])
    assert series.value.tolist() == [np.inf, -np.inf, 1e30]
    assert np.isnan(series.epoch).tolist() == [True, False, True]
    assert np.isnan(series.tokens).tolist() == [True, False, False]
    assert len(Series.of([], [])) == 0


@pytest.mark.parametrize("steps", [[-1], [10**12 + 1], [10**30], [1e30], [np.nan], ["x"], [None], [[1]]])
def test_steps_beyond_reason_are_refused(steps: Any) -> None:
    with pytest.raises(ValueError):
        Series.of(steps, [1.0])


def test_a_column_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="epoch"):
        Series.of([1, 2], [1.0, 2.0], epoch=[1.0])


@pytest.mark.parametrize("value", [10**400, float("nan"), float("inf"), 1e300, True, "3"])
def test_a_fact_beyond_reason_is_none(value: Any) -> None:
    assert Run("r", meta={"planned_steps": value}).number("planned_steps") is None


TABLE = ProbeTable(
    (0, 4),
    (Behaviour("knowledge", "higher", "share", 0.05, True),),
    (
        Cell("knowledge", 0, 0.5, (0.4, 0.6), 20, "base"),
        Cell("knowledge", 4, 0.6, (0.5, 0.7), 20, "better", 0.1, (0.0, 0.2)),
    ),
    (Question("q", "knowledge", "?", "!"),),
    {"knowledge": None},
)


def test_table_choice_and_answers_come_back(tmp_path: Path) -> None:
    save_table(tmp_path, TABLE)
    choice = Choice(4, "checkpoint-4", (say("probe.choice.only", step=4),), (4,), {0: say("probe.choice.only", step=0)})
    save_choice(tmp_path, choice)
    answer = Answer("q", 4, "text", 2, 1.0, False)
    save_answers(tmp_path, 4, [answer], {"seed": 1})
    assert load_table(tmp_path) == TABLE
    assert load_choice(tmp_path) == choice
    assert load_answers(tmp_path, 4) == ({"seed": 1}, [answer])
    assert load_table(tmp_path / "none") is None and load_choice(tmp_path / "none") is None


DAMAGED = ["", "{}", "[]", "5", '{"steps": 5}', '{"step": 3}', "[" * 100_000, "\ud800"]


@pytest.mark.parametrize("text", DAMAGED, ids=lambda t: t[:12])
def test_damaged_probe_files_are_one_line_that_says_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "probes" / "answers").mkdir(parents=True)
    for name, load in (("table.json", load_table), ("choice.json", load_choice)):
        (tmp_path / "probes" / name).write_bytes(text.encode("utf-8", "surrogatepass"))
        with pytest.raises(UnreadableError, match="doneness probe") as caught:
            load(tmp_path)
        assert name in str(caught.value) and "\n" not in str(caught.value)
    answers_path(tmp_path, 4).write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UnreadableError, match="step-00000004"):
        load_answers(tmp_path, 4)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("steps", ["a"]),
        ("steps", [True]),
        ("cells", [{"behaviour": "knowledge"}]),
        ("cells", [5]),
        ("cells", [{"behaviour": "knowledge", "step": 1, "value": "x", "interval": [0, 1], "n": 2, "mark": "same"}]),
        ("cells", [{"behaviour": "knowledge", "step": 1, "value": 0.5, "interval": [0], "n": 2, "mark": "same"}]),
        ("behaviours", [{"name": 5, "better": "higher", "unit": "share", "margin": 0.1, "guard": True}]),
        ("questions", "abc"),
        ("turning", []),
        ("turning", {"knowledge": "x"}),
    ],
)
def test_a_table_with_one_wrong_part_is_damaged(tmp_path: Path, key: str, value: Any) -> None:
    save_table(tmp_path, TABLE)
    path = tmp_path / "probes" / "table.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(UnreadableError, match=r"table\.json: damaged"):
        load_table(tmp_path)
