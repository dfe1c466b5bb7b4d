"""Cohen's kappa of a judge with people."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from doneness.core import DataError
from doneness.probe.agreement import agreement, read_votes, winner_of


def votes(*counts: tuple[str, str, int]) -> tuple[dict[str, str], dict[str, str]]:
    pairs = [(one, other) for one, other, n in counts for _ in range(n)]
    return {str(i): a for i, (a, _) in enumerate(pairs)}, {str(i): b for i, (_, b) in enumerate(pairs)}


def test_kappa_of_a_textbook_table() -> None:
    # Agreement 0.7, by chance 0.5 · 0.6 + 0.5 · 0.4 = 0.5: kappa 0.4.
    found = agreement(*votes(("a", "a", 20), ("a", "b", 5), ("b", "a", 10), ("b", "b", 15)))
    assert found.kappa == pytest.approx(0.4)
    assert (found.same, found.n) == (35, 50)
    low, high = found.interval
    assert low < 0.4 < high and low < 0.2 and high > 0.55
    assert "0.40" in found.said().text("en") and "35" in found.said().text("zh")


def test_full_agreement_has_an_interval_all_the_same() -> None:
    found = agreement(*votes(("a", "a", 20), ("b", "b", 20)))
    assert found.kappa == 1.0
    assert found.interval[0] < 1.0


def test_a_judge_that_guesses_is_not_called_good() -> None:
    generator = random.Random(4)
    one = {str(i): generator.choice("ab") for i in range(200)}
    other = {str(i): generator.choice("ab") for i in range(200)}
    found = agreement(one, other)
    assert abs(found.kappa) < 0.2
    assert "not shown" in found.said().text("en")


def test_too_few_or_all_alike_is_no_agreement() -> None:
    assert "Too few" in agreement(*votes(("a", "a", 9))).said().text("en")
    alike = agreement(*votes(("a", "a", 40)))
    assert alike.kappa != alike.kappa
    assert agreement({"1": "a"}, {"2": "a"}).n == 0


def test_votes_are_read_and_mistakes_named(tmp_path: Path) -> None:
    file = tmp_path / "v.jsonl"
    file.write_text('{"id": 1, "winner": "A"}\n\n{"id": "x", "winner": "tie"}\n')
    assert read_votes(file) == {"1": "a", "x": "tie"}
    for bad in ("[]", "{}", '{"id": 1, "winner": "c"}', "x"):
        file.write_text(bad)
        with pytest.raises(DataError, match="line 1"):
            read_votes(file)
    with pytest.raises(DataError, match="cannot be read"):
        read_votes(tmp_path / "none.jsonl")
    assert [winner_of(v) for v in (1.0, 0.5, 0.0)] == ["a", "tie", "b"]
