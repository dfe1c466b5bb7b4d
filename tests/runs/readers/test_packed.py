"""Rows decoded many at once are those that the json module reads."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import numpy as np
import pytest
import reader_logs as logs
from hypothesis import given, settings
from hypothesis import strategies as st

from doneness.runs.readers import rows as reading
from doneness.runs.readers.packed import Forms, Packed
from doneness.runs.readers.rows import Loss, array_rows, line_rows
from doneness.runs.readers.table import Table

CHANCE = random.Random(1)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_CHUNK", 2000)


def rows(count: int = 400) -> list[logs.Row]:
    return [
        {"epoch": s / 7, "loss": CHANCE.uniform(-3, 3), "learning_rate": 10.0 ** -CHANCE.randrange(1, 20), "step": s}
        for s in range(1, count + 1)
    ]


def same(table: Table, log: list[dict[str, Any]]) -> None:
    expected = Table()
    expected.extend(log)
    assert table.size == expected.size
    assert sorted(table.names) == sorted(expected.names)
    for name in expected.names:
        for got, want in zip(table.column(name), expected.column(name), strict=True):
            assert np.array_equal(got, want, equal_nan=True)


def read_array(text: bytes) -> tuple[Table, Loss, int]:
    table, loss, packed = Table(), Loss(), 0
    for batch in array_rows(text, 1, loss):
        packed += isinstance(batch, Packed)
        table.extend(batch)
    return table, loss, packed


def read_lines(text: bytes) -> tuple[Table, Loss, int]:
    table, loss, packed = Table(), Loss(), 0
    for batch in line_rows(text, loss):
        packed += isinstance(batch, Packed)
        table.extend(batch)
    return table, loss, packed


@pytest.mark.parametrize(("separators", "indent"), [((", ", ": "), None), ((",", ":"), None), (None, 2)])
def test_packed_rows_are_those_that_json_reads(separators: tuple[str, str] | None, indent: int | None) -> None:
    plain = rows()
    plain[30:30] = [{"step": 30, "eval_loss": 2.0}]
    with_others = [*plain[:150], {"step": 150, "eval_loss": 2.5}, *plain[150:]]
    for log in (plain, with_others):
        table, loss, packed = read_array(json.dumps(log, separators=separators, indent=indent).encode())
        assert packed > 5
        assert loss == Loss()
        same(table, log)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, 10**400, 10**30, None, "NaN", "x", True, [1, {"a": 2}], {"b": 3}, -0.0]
)
def test_odd_values_come_out_as_json_reads_them(value: Any) -> None:
    log = rows(300)
    for place in (7, 120, 121, 250):
        log[place] = log[place] | {"loss": value}
    table, loss, packed = read_array(json.dumps(log).encode())
    assert loss == Loss()
    assert packed
    same(table, log)
    table, loss, _ = read_lines(logs.lines(log).encode())
    assert loss == Loss()
    same(table, log)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["loss", "step", "a b", "损失", "eval_loss", "x\\y", "f0"]),
            st.one_of(st.floats(), st.integers(), st.none(), st.booleans(), st.text(max_size=5)),
        ),
        max_size=60,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_rows_are_read_as_json_reads_them(log: list[dict[str, Any]]) -> None:
    log = log * 6
    for text, read in ((json.dumps(log), read_array), (logs.lines(log), read_lines)):
        table, loss, _ = read(text.encode())
        assert loss == Loss()
        same(table, log)


def test_of_a_key_written_twice_the_last_counts() -> None:
    text = b'{"loss": 2.5, "step": 3, "loss": 1.5}\n' * 300
    table, _, packed = read_lines(text)
    assert packed
    assert table.column("loss")[1].tolist() == [1.5] * 300


@pytest.mark.parametrize(
    ("row", "lost"),
    [
        ('{"loss": , "step": 3}', 1),
        ('{"loss": 1-2, "step": 3}', 1),
        ('{"loss": 1.2.3, "step": 3}', 1),
        ('{"loss": 2.5, "st{"loss": 2.5, "step": 3}', 1),
        ('{"loss": 2.5, "step": 3}{"loss": 2.5, "step": 4}', 0),
        ("Loading the model", 0),
        ("[1, 2]\0", 1),
    ],
)
def test_damaged_lines_are_counted(row: str, lost: int) -> None:
    text = "\n".join(['{"loss": 2.5, "step": 3}'] * 300 + [row] + ['{"loss": 2.5, "step": 3}'] * 300).encode()
    table, loss, _ = read_lines(text)
    assert loss.rows == lost
    assert set(table.column("loss")[1].tolist()) == {2.5}
    assert table.size == 600 + (row.count("step") if row.endswith("}") and '": ,' not in row else 0) - (
        "1-2" in row or "1.2.3" in row
    )


def test_a_row_that_holds_objects_may_lie_across_pieces() -> None:
    log = [{"step": s, "loss": 1.0, "parts": [{"a": s}] * 30} for s in range(200)]
    table, loss, _ = read_array(json.dumps(log).encode())
    assert loss == Loss()
    assert table.column("step")[1].tolist() == list(range(200))


def test_a_bracket_among_the_rows_does_not_end_them() -> None:
    log = [{"step": s, "loss": 1.0} for s in range(300)]
    text = json.dumps({"log_history": log, "args": {"logging": 1}})
    broken = text.replace('{"step": 150, "loss": 1.0}, ', '{"step": 150, "loss": 1.0}] ')
    start = broken.index("[") + 1
    loss, table = Loss(), Table()
    for batch in array_rows(broken.encode(), start, loss):
        table.extend(batch)
    assert loss == Loss(1)
    assert table.size == 300


def test_keys_that_msgspec_cannot_hold_are_left_to_json() -> None:
    forms = Forms()
    forms.learn([{'a"b': 1.0, "step": 1}])
    assert forms.array(b'{"step": 1}') is None


def test_values_are_dropped_where_another_key_stands() -> None:
    forms = Forms()
    forms.learn([{"loss": 1.0, "step": 1, "end": 1.0}])
    few = forms.lines(b'{"loss": 1.5, "step": 1}\n' * 9 + b'{"loss": 7.5, "step": 10, "end": 2}\n')
    most = forms.lines(b'{"loss": 1.5, "step": 1}\n' + b'{"loss": 7.5, "step": 10, "end": 2}\n' * 9)
    for packed, kept in ((few, 9), (most, 1)):
        assert packed is not None
        packed.without("loss", where="end")
        table = Table()
        table.extend(packed)
        assert table.column("loss")[1].tolist() == [1.5] * kept
        assert table.column("step")[1].size == 10
