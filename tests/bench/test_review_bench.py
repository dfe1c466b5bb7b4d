"""What `python -m bench review` measured, and the worlds that it measures in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from bench.review import KINDS, just
from bench.review_page import page
from bench.review_worlds import Kind, Sitting, World, shares, truth

from doneness.review import Habits

RESULTS = Path(__file__).parents[2] / "bench" / "results"
FOUND = json.loads((RESULTS / "review.json").read_text(encoding="utf-8"))


def test_the_page_is_of_the_numbers() -> None:
    assert (RESULTS / "review.md").read_text(encoding="utf-8") == "\n".join(page(FOUND)) + "\n"


def test_what_is_promised_was_measured() -> None:
    assert [row["kind"] for row in FOUND["settled"]] == [*KINDS]
    for row in FOUND["settled"]:
        _, low, _ = row["fewer"]
        assert low > 0.3, "votes fewer than with random pairs, lower end"
        assert row["ways"]["active"]["settled"] == row["worlds"]
    assert FOUND["false"]["wrong"][2] <= 0.05 and FOUND["false"]["best_wrong"][2] <= 0.05, "upper ends"
    for row in FOUND["cover"]:
        for each in row["votes"].values():
            assert each["covered"][1] <= 0.95 <= each["covered"][2]
            assert each["tau"] > 0.8
    leaning = FOUND["leaning"]
    assert leaning["leaning"]["flagged"][1] > 0.5 and leaning["fair"]["flagged"][1] <= 0.05
    assert leaning["leaning"]["followed"][1] > leaning["fair"]["followed"][0]


def test_the_truth_is_a_truth() -> None:
    points = truth(KINDS["near"])
    np.testing.assert_allclose(points + points.T, 1.0, atol=1e-12)
    assert shares(points).argmax() == 3 and np.isclose(shares(points).mean(), 0.5)
    # The hard worlds: the best is preferred to each by just more than the margin.
    assert 0.605 < truth(just())[0, 1:].min() <= truth(just())[0, 1:].max() < 0.615


def test_a_sitting_ends_where_one_is_far_ahead() -> None:
    kind = Kind((0.0, 0.0, 3.0), questions=60)
    sitting = Sitting(World(kind, 1), habits=Habits(repeat=0.0, shared=0.0))
    _, end = sitting.until(80, 0.1)
    assert end.done and end.leader == 2 and len(sitting.votes) < 80
    # A vote hangs on the texts and on noise: the same world votes the same way.
    again = Sitting(World(kind, 1), habits=Habits(repeat=0.0, shared=0.0))
    again.until(80, 0.1)
    assert [v.verdict for v in again.votes] == [v.verdict for v in sitting.votes]
