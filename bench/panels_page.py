"""The page of `python -m bench panels`, made of its numbers."""

from __future__ import annotations

from typing import Any

from bench.stop_page import table


def page(found: dict[str, Any]) -> list[str]:
    """The results as Markdown."""
    turning, choice = found["turning"], found["choice"]
    spent = f", {found['cpu_seconds']:.0f} s of one core" if found.get("cpu_seconds") else ""
    return [
        "# Planted panels",
        "",
        f"Written by `{found['command']}`; doneness {found['about']['doneness']}, Python {found['about']['python']}"
        f"{spent}. {found['panels']:,} panels, {found['cells']:,} cells held against base. In brackets 95 % intervals.",
        "",
        "## Marks",
        "",
        *table(
            ["panels in which any mark is wrong", "share"],
            [
                ["better than base, and is not", _rate(found["wrong"]["better"])],
                ["worse than base, and is not", _rate(found["wrong"]["worse"])],
                ["same, and worse by more than the margin", _rate(found["wrong"]["same"])],
            ],
        ),
        "",
        *table(
            ["true differences of shares that are shown", "share"], [[k, _rate(v)] for k, v in found["found"].items()]
        ),
        "",
        "## 95 % intervals",
        "",
        *table(
            ["kind", "questions", "cells", "difference to base", "value"],
            [
                [
                    r["kind"],
                    "in clusters" if r["clustered"] else "alone",
                    f"{r['n']:,}",
                    _rate(r["difference"]),
                    _rate(r["value"]),
                ]
                for r in found["coverage"]
            ],
        ),
        "",
        "## Turning points",
        "",
        f"Panels in which any was drawn wrongly: {_rate(turning['wrong_panels'])}. Of {turning['planted']:,} planted "
        f"in {turning['behaviours']:,} behaviours {_rate(turning['found'])} were found, on average "
        f"{turning['late']:+.1f} checkpoints after they began; the interval held the truth in "
        f"{_rate(turning['held'])}, spanning {turning['width']:.1f} checkpoints.",
        "",
        *table(
            ["course", "planted", "found", "interval holds the truth"],
            [[name, r["planted"], _rate(r["found"]), _rate(r["held"])] for name, r in turning["by_course"].items()],
        ),
        "",
        "## Choice",
        "",
        "Gain in the goal that was missed, in points, beside an oracle that knows all true values; a pick that does "
        "true harm beyond a guard's margin brings nothing.",
        "",
        *table(
            ["way to choose", "regret, points", "does true harm", "mean place of the pick"],
            [
                [
                    name,
                    f"{100 * r['regret']:.2f} ± {196 * r['regret_error']:.2f}",
                    _rate(r["harmful"]),
                    f"{r['place']:.1f}",
                ]
                for name, r in choice["ways"].items()
            ],
        ),
        "",
        f"The set of those tied with the best holds the truly best in {_rate(choice['tied_holds_best'])}.",
        "",
        *table(
            ["gain that is said − true gain of the pick", "points"],
            [[name, f"{100 * r['mean']:+.2f} ± {196 * r['error']:.2f}"] for name, r in choice["optimism"].items()],
        ),
        "",
        f"The interval of the honest gain held the true gain of the pick in {_rate(choice['honest_held'])}.",
        "",
        *_with_loss(found["with_loss"]),
        "",
        "## How many questions would tell",
        "",
        f"Of {found['asked_again']['tried']} undecided cells that were asked as many questions as they had said, "
        f"{_rate(found['asked_again']['told'])} could tell; the number is meant for four of five.",
    ]


def _with_loss(found: dict[str, Any]) -> list[str]:
    worlds = [(name, ways) for name, ways in found.items() if name != "panels"]
    return [
        "## Choice, with a loss beside the goal",
        "",
        f"The {found['panels']} panels in which some checkpoint is shown better than base in the goal. The loss is "
        "best where the goal truly is, or elsewhere, with up to one neighbour on each side tied with it. Ours: the "
        "earliest of the goal's equals (within half its margin of the best) that is tied in loss; where there is none, "
        "the earliest tied in loss that the goal cannot tell from its best and that is within its margin; else "
        "the goal's.",
        "",
        *table(
            [
                "loss is best",
                "way to choose",
                "regret, points",
                "more than the goal alone",
                "does true harm",
                "mean place",
            ],
            [
                [
                    world,
                    way,
                    f"{100 * r['regret']:.2f}",
                    "" if way == "goal alone" else f"{100 * r['more']:+.2f} ± {196 * r['more_error']:.2f}",
                    f"{100 * r['harmful']:.0f} %",
                    f"{r['place']:.1f}",
                ]
                for world, ways in worlds
                for way, r in ways.items()
                if way != "said"
            ],
        ),
        "",
        "What is said of our pick's gain there, less its true gain:",
        "",
        *table(
            ["loss is best", "picks", "on the questions that picked, points", "as it is said", "interval holds it"],
            [
                [
                    world,
                    ways["said"]["n"],
                    *(
                        f"{100 * ways['said'][kind]['mean']:+.2f} ± {196 * ways['said'][kind]['error']:.2f}"
                        for kind in ("naive", "honest")
                    ),
                    f"{100 * ways['said']['held']:.1f} %",
                ]
                for world, ways in worlds
            ],
        ),
    ]


def _rate(found: list[float]) -> str:
    value, low, high = found
    return f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
