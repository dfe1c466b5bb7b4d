from __future__ import annotations

import json
import math
import random

import numpy as np
import pytest
import reader_logs as logs

from doneness.runs.readers.packed import pack
from doneness.runs.readers.rows import Loss, array_rows, line_rows
from doneness.runs.readers.table import Table

CHANCE = random.Random(1)


def rows(count: int = 400) -> list[logs.Row]:
    return [
        {"epoch": s / 7, "loss": CHANCE.uniform(-3, 3), "learning_rate": 10.0 ** -CHANCE.randrange(1, 20), "step": s}
        for s in range(1, count + 1)
    ]


@pytest.mark.parametrize(("separators", "indent"), [((", ", ": "), None), ((",", ":"), None), (None, 2)])
def test_packed_rows_are_those_that_json_reads(separators: tuple[str, str] | None, indent: int | None) -> None:
    plain = rows()
    with_others = [*plain[:150], {"step": 150, "eval_loss": 2.0}, *plain[150:]]
    for log in (plain, with_others):
        text = json.dumps(log, separators=separators, indent=indent).encode()
        table, expected, loss = Table(), Table(), Loss()
        for batch in array_rows(text, 1, loss):
            table.extend(batch)
        expected.extend(log)
        assert loss == Loss()
        assert sorted(table.names) == sorted(expected.names)
        for name in expected.names:
            for got, want in zip(table.column(name), expected.column(name), strict=True):
                assert np.array_equal(got, want)


def test_packing_takes_place_and_keeps_other_rows() -> None:
    log = rows()
    log[7] = {"step": 8, "loss": math.nan}
    found = pack(json.dumps(log)[1:-1].encode(), b"}, {")
    assert found is not None
    assert [place for place, _ in found.others] == [7]
    assert found.columns["loss"].tolist() == [r["loss"] for r in log if r["step"] != 8]
    assert found.places.tolist() == [i for i in range(400) if i != 7]


@pytest.mark.parametrize(
    "row",
    [
        '"loss": , "step": 3',
        '"loss": 1-2, "step": 3',
        '"loss": 1.2.3, "step": 3',
        '"loss": "x", "step": 3',
        '"a": {"b": 3}',
    ],
)
def test_what_is_not_plain_is_left_to_json(row: str) -> None:
    text = "\n".join(
        ['{"loss": 2.5, "step": 3}'] * 300 + ["{" + row + "}"] + ['{"loss": 2.5, "step": 3}'] * 300
    ).encode()
    table, loss = Table(), Loss()
    for batch in line_rows(text, loss):
        table.extend(batch)
    good = row.endswith(('"x", "step": 3', "}"))
    assert table.size == 600 + good
    assert loss.rows == (not good)
    assert table.column("loss")[1].tolist() == [2.5] * 600
    assert pack(text, b"}\n{") is None or good


def test_keys_that_differ_only_in_digits_are_not_taken_for_one() -> None:
    text = "\n".join(['{"loss": 2.5, "f1": 3}', '{"loss": 2.5, "f2": 3}'] * 200).encode()
    table = Table()
    for batch in line_rows(text, Loss()):
        table.extend(batch)
    assert [len(table.column(n)[0]) for n in ("loss", "f1", "f2")] == [400, 200, 200]
