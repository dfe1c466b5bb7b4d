"""The page of `python -m bench stop`: its tables, and its sentences, which are all made of the numbers.

No sentence says by itself what was found: each has a branch for either outcome.
"""

from __future__ import annotations

from typing import Any

OURS, BLIND = "ours", "ours, means alone"
_BEST = "ours, the best kept"
_PATIENCE = ("patience 1", "patience 3", "patience 5")
_MUCH = 0.01  # of the loss: what half of the rows may cost more than all
_CLOSE = 0.02  # of the steps: savings that differ by no more are nearly the same


def page(found: dict[str, Any]) -> list[str]:
    """The results as Markdown."""
    about = found["about"]
    return [
        "# Stopping rules on recorded runs",
        "",
        f"Written by `python -m bench stop`; doneness {about['doneness']}, Python {about['python']}. "
        f"{len(found['runs'])} runs of {found['recipes']} recipes (bench/trajectories/README.md); 95 % intervals by a "
        "bootstrap over recipes.",
        "",
        tuned(found),
        "",
        *_runs(found),
        "",
        "Loss forgone is that of the checkpoint kept, above the best of the whole run, as a share of that best loss. "
        "*Cross-fitted*: one half of the rows chooses, both the rule's checkpoint (at its stop) and the best, and the "
        f"other says what these are worth; both ways round, {found['splits']} splits. *Raw*: above the least loss on "
        "all rows, which a lucky evaluation of few rows can be. \"Of what was learnt\" is the raw one as a share of "
        "the whole fall. \"Surely worse\" counts checkpoints that a paired test calls worse than the raw best.",
        "",
        chosen_by(found),
        "",
        "## All runs",
        "",
        *_summary(found["rules"]),
        "",
        f"## Without {found['mended_on']}",
        "",
        *_summary(found["rules_without"]),
        "",
        "## What the two tables say",
        "",
        *(f"- {sentence}" for sentence in findings(found)),
        "",
        "## Where each stops",
        "",
        "The step of the stop, and the checkpoint kept with its raw loss forgone; – : it goes on to the end.",
        "",
        *_stops(found),
    ]  # fmt: skip


def tuned(found: dict[str, Any]) -> str:
    """What these runs have to do with how ours is made."""
    run = found["mended_on"]
    row = _outcome(found, OURS, run)
    now = "goes to its end" if row["stop"] is None else f"is stopped at step {row['stop']}"
    return (
        "These runs are no clean test of ours. Two of its rules (a rise has to last a tenth of the plan; the least "
        f"deviation in short logs) were introduced because of {run}, which ours had stopped at step 5, as patience "
        f"does (docs/design/log.md); with them it {now}. That shows no more than that the fault was mended. Every "
        "average is therefore given a second time without that run."
    )


def chosen_by(found: dict[str, Any]) -> str:
    """Which rules were scored on what they chose by."""
    names = ", ".join(found["keeps_least"])
    return (
        f"Rules that keep the least loss seen ({names}) are scored, in the raw column, on the very losses that they "
        "chose by: 0.00 % is what they get there wherever they do not stop before the least, and says nothing. "
        "Cross-fitted they are read on rows that did not choose; 0.00 % says that from the same rows nobody could have "
        "chosen better, below zero that the best of those rows was not the best of the others."
    )


def findings(found: dict[str, Any]) -> list[str]:
    """What the averages come to, with and without the run that ours was mended on."""
    return [_one_run(found), _as_cheap(found), _kept_worse(found), _by_half(found)]


def _one_run(found: dict[str, Any]) -> str:
    run = found["mended_on"]
    whole, rest = _by_name(found["rules"]), _by_name(found["rules_without"])

    def told(rules: dict[str, Any]) -> str:
        return ", ".join(_mean(rules[name]["apart_forgone_share"]) for name in _PATIENCE)

    # Its share of a sum over recipes, each of which weighs the same; the raw measure is never below zero.
    recipes = found["recipes"]
    sums = [(whole[name]["kept_forgone_share"]["mean"] * recipes,
             rest[name]["kept_forgone_share"]["mean"] * (recipes - 1)) for name in _PATIENCE]  # fmt: skip
    shares = [1.0 - left / total if total > 0 else 0.0 for total, left in sums]
    if min(shares) > 0.5:
        says = f"Most of what patience forgoes comes from {run} alone"
    elif max(shares) < 0.5:
        says = f"What patience forgoes comes for the most part from other runs than {run}"
    else:
        says = f"What patience forgoes comes from {run} for the most part at some settings only"
    return (
        f"{says}: {', '.join(f'{share:.0%}' for share in shares)} of the raw loss forgone at patience 1, 3 and 5. "
        f"Cross-fitted they forgo {told(whole)} over all runs, {told(rest)} without it; ours "
        f"{_mean(whole[OURS]['apart_forgone_share'])} and {_mean(rest[OURS]['apart_forgone_share'])}."
    )


def _as_cheap(found: dict[str, Any]) -> str:
    texts = []
    for title, rules in (("over all runs", found["rules"]), ("without it", found["rules_without"])):
        of = _by_name(rules)
        ours = of[OURS]
        better = [
            f"{name} ({_mean(each['saved_share'], 1)}, {_mean(each['apart_forgone_share'])})"
            for name, each in of.items()
            if not name.startswith("ours")
            and each["saved_share"]["mean"] >= ours["saved_share"]["mean"] - _CLOSE
            and all(each[key]["mean"] < ours[key]["mean"] for key in ("apart_forgone_share", "kept_forgone_share"))
        ]
        said = (
            "these forgo less by both measures and save nearly as much or more: " + ", ".join(better)
            if better
            else "no other rule forgoes less by both measures and saves nearly as much"
        )
        texts.append(
            f"{title}, where ours saves {_mean(ours['saved_share'], 1)} and forgoes "
            f"{_mean(ours['apart_forgone_share'])}, {said}"
        )
    joined = "; ".join(texts)
    return f"{joined[0].upper()}{joined[1:]}. In brackets steps saved and loss forgone, cross-fitted."


def _kept_worse(found: dict[str, Any]) -> str:
    worse = [row for row in found["outcomes"] if row["rule"] == OURS and row["surely_worse"]]
    best = _by_name(found["rules"])[_BEST]
    if not worse:
        return "No checkpoint that ours keeps is surely worse than the best of its run."
    named = ", ".join(f"{row['run']} (step {row['kept']}, {row['kept_forgone_share']:+.1%})" for row in worse)
    return (
        f"Ours keeps {len(worse)} checkpoint{'s' * (len(worse) > 1)} surely worse than the best: {named}. It "
        'prefers the earliest within the smallest gain that matters; with `prefer = "best"` it keeps '
        f"{best['surely_worse']} such "
        f"and forgoes {_mean(best['apart_forgone_share'])} (raw {_mean(best['kept_forgone_share'])})."
    )


def _by_half(found: dict[str, Any]) -> str:
    rows = [row for row in found["outcomes"] if row["rule"] == OURS]
    most = max(rows, key=lambda row: row["apart_forgone_share"] - row["kept_forgone_share"])
    numbers = f"{most['run']}: {most['apart_forgone_share']:.1%}, raw {most['kept_forgone_share']:.1%}"
    if most["apart_forgone_share"] - most["kept_forgone_share"] <= _MUCH:
        return f"Half of the rows choose for ours about as well as all; most is lost on {numbers}."
    return (
        f"Half of the rows choose worse for ours than all do, by most on {numbers}. Fewer rows tie more checkpoints, "
        "and of those tied ours keeps the earliest: on an evaluation set of that size it would."
    )


def _runs(found: dict[str, Any]) -> list[str]:
    return table(
        ["run", "what it did", "steps", "evaluations", "rows", "tokens", "first", "least (step)", "cross-fitted",
         "last", "noise"],
        [[r["run"], r["course"], r["steps"], r["evaluations"], r["rows"], r["tokens"], f"{r['first']:.3f}",
          f"{r['least']:.3f} ({r['least_at']})", f"{r['least_apart']:.3f}", f"{r['last']:.3f}",
          f"{r['noise_share']:.1%}"] for r in found["runs"]],
    )  # fmt: skip


def _summary(rules: list[dict[str, Any]]) -> list[str]:
    return table(
        ["rule", "runs stopped", "of them falling", "of them overfitting", "steps saved", "loss forgone, cross-fitted",
         "at most", "raw", "at most, raw", "of what was learnt", "surely worse"],
        [[r["rule"], f"{r['stopped']} of {r['runs']}", r["stopped_while_falling"], r["stopped_overfitting"],
          _percent(r["saved_share"]), _percent(r["apart_forgone_share"], 2), f"{r['most_apart_share']:.1%}",
          _percent(r["kept_forgone_share"], 2), f"{r['most_forgone_share']:.1%}", _percent(r["gain_lost"]),
          r["surely_worse"]] for r in rules],
    )  # fmt: skip


def _stops(found: dict[str, Any]) -> list[str]:
    shown = [OURS, BLIND, "ours, converged from step 20 on", *_PATIENCE, "patience 3, threshold 0.01"]

    def cell(rule: str, run: str) -> str:
        row = _outcome(found, rule, run)
        stop = "–" if row["stop"] is None else str(row["stop"])
        return f"{stop} ({row['kept']}, {row['kept_forgone']:+.3f})"

    names = [r["run"] for r in found["runs"]]
    return table(["run", *shown], [[run, *(cell(rule, run) for rule in shown)] for run in names])


def table(head: list[str], rows: list[list[Any]]) -> list[str]:
    """A Markdown table."""
    lines = [[str(cell) for cell in row] for row in rows]
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(row)} |" for row in lines)]


def _outcome(found: dict[str, Any], rule: str, run: str) -> dict[str, Any]:
    row: dict[str, Any] = next(each for each in found["outcomes"] if (each["rule"], each["run"]) == (rule, run))
    return row


def _by_name(rules: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["rule"]: each for each in rules}


def _mean(found: dict[str, Any], digits: int = 2) -> str:
    return f"{found['mean']:.{digits}%}".replace("-", "−")


def _percent(found: dict[str, Any], digits: int = 1) -> str:
    text = f"{found['mean']:.{digits}%}"
    if found["interval"] is not None:
        low, high = found["interval"]
        text += f" ({low:.{digits}%} to {high:.{digits}%})"
    return text.replace("-", "−")
