"""The page of `python -m bench review`, made of its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.stop_page import table


def page(found: dict[str, Any]) -> list[str]:
    """The results as Markdown."""
    about = found["about"]
    return [
        "# Blind review, measured",
        "",
        f"Written by `python -m bench review --worlds {about['worlds']}`; doneness {about['doneness']}, Python "
        f"{about['python']}, numpy {about['numpy']}; {about['cpu_seconds']:,.0f} CPU seconds. Reviewers are simulated: "
        "taste plus logistic noise, ties where both differ little. Brackets are 95 %.",
        "",
        "## Votes until the ranking is settled",
        "",
        f"Settled: no other checkpoint is preferred to the leader in more than {0.5 + about['margin']:.0%}, at 95 %, "
        "with a look after every vote. Five checkpoints, 120 questions, the same worlds for both ways. A sitting that "
        "has not settled counts with the votes it was given, which is to the credit of the slower way.",
        "",
        *table(
            ["checkpoints", "picked", "worlds", "settled", "votes, median", "votes, mean", "the best one", "wrong"],
            [
                [row["kind"] if way == "active" else "", _WAYS[way], row["worlds"], each["settled"],
                 f"{each['median']:.0f}", f"{each['mean']:.0f}", each["best"], each["wrong"]]
                for row in found["settled"] for way, each in row["ways"].items()
            ],
        ),
        "",
        *[
            f"Of the {row['kind']} kind (the best takes {', '.join(f'{p:.0%}' for p in row['best_takes'])} of points "
            f"from each, itself counted as a half): {_share(row['fewer'])} fewer votes, at most {row['most']} given.\n"
            for row in found["settled"]
        ],
        "",
        "## False claims",
        "",
        *_false(found["false"]),
        "",
        "## Intervals, order",
        "",
        "Four checkpoints; 95 % intervals of the share of points against all others, against the truth over other "
        "questions. The bracket is over worlds. Kendall's tau of the order with the true one; the last two truly take "
        "nearly the same.",
        "",
        *table(
            ["picked", "worlds", "votes", "covered, nominal 95 %", "mean width", "tau", "best one leads"],
            [
                [row["picked"], row["worlds"], votes, _share(each["covered"]), f"{each['width']:.2f}",
                 f"{each['tau']:.2f}", f"{each['best']} of {row['worlds']}"]
                for row in found["cover"] for votes, each in row["votes"].items()
            ],
        ),
        "",
        "## A reviewer who leans to the left",
        "",
        f"Two reviewers of 120 votes each in {found['leaning']['worlds']} worlds; one prefers the left side by a "
        f"logit. Kendall's tau of the ranking by both together: {found['leaning']['tau']:.2f}.",
        "",
        *table(
            ["reviewer", "left of decided", "named as swayed by position", "same verdict on a swapped pair",
             "same side on a swapped pair", "swapped pairs"],
            [
                [name, f"{row['left']:.0%}", _share(row["flagged"]), _share(row["kept"]), _share(row["followed"]),
                 row["repeated"]]
                for name, row in ((n, found["leaning"][n]) for n in ("fair", "leaning"))
            ],
        ),
    ]  # fmt: skip


_WAYS = {"active": "by what they tell", "random": "at random"}


def _false(row: dict[str, Any]) -> list[str]:
    return [
        f"{row['worlds']} worlds of four checkpoints, the first preferred to each of the others in "
        f"{row['preferred']:.1%}, "
        f'so that "settled" on any other is wrong; up to {row["most"]} votes, a look after each. Settled: '
        f'{row["settled"]}. Wrong: {_share(row["wrong"])}. "Preferred to every other" said of one that is not: '
        f"{_share(row['best_wrong'])}. Promised: at most 5 % over all looks."
    ]


def _share(each: Sequence[float]) -> str:
    middle, low, high = each
    return f"{middle:.1%} ({low:.1%} to {high:.1%})"
