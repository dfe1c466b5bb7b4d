"""What the bench beside LLaMA-Factory makes of its runs."""

from __future__ import annotations

from statistics import variance
from typing import Any

import pytest
from bench.beside import after, compared, same_seed
from bench.beside_page import after_table
from bench.beside_words import WORDS


def run(seed: int, loss: float, first: float = 2.0) -> dict[str, Any]:
    rows = [[float(seed), 2], [3.0, 4]]
    ends = [{"step": 0, "loss": 1.0, "rows": rows}, {"step": 30, "loss": loss, "rows": rows}]
    return {"seed": seed, "steps": [first, 1.5], "eval": ends}


def test_seeds_are_paired_and_their_spread_stands_beside_the_difference() -> None:
    ours, theirs = [run(43, 1.12), run(42, 1.0)], [run(42, 1.01), run(43, 1.1), run(44, 1.3)]
    found = after(ours, theirs)
    assert (found["seeds"], found["ours"], found["theirs"]) == ([42, 43], [1.0, 1.12], [1.01, 1.1])
    assert found["differences"] == pytest.approx([-0.01, 0.02])
    assert found["sd"] ** 2 == pytest.approx((variance([1.0, 1.12]) + variance([1.01, 1.1])) / 2)
    assert (found["worst"], found["holds"]) == (pytest.approx(0.02), True)


def test_of_one_seed_nothing_holds_but_what_rounding_makes() -> None:
    assert after([run(42, 1.0)], [run(42, 1.01)])["holds"] is None
    assert after([run(42, 1.0)], [run(42, 1.00001)])["holds"] is True
    assert after([run(42, 1.0), run(43, 1.001)], [run(42, 1.05), run(43, 1.051)])["holds"] is False


def test_the_table_shows_both_in_each_language() -> None:
    ours, theirs = [run(42, 1.0, 2.25), run(43, 1.12)], [run(42, 1.01), run(43, 1.1)]
    assert same_seed(ours, theirs) == {"first_step": 0.25, "worst_step": 0.25}
    for words in WORDS.values():
        lines = after_table({"lora sft": {"steps": 30, **compared(ours, theirs)}}, words)
        assert "30" in lines[0]
        assert "| 1.00000, 1.12000 | 1.01000, 1.10000 | 7.5e-02 | -1.0e-02, +2.0e-02 | 2.5e-01, 2.5e-01 |" in lines[-1]
