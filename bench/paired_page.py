"""The page of `python -m bench paired`, made of its numbers; an older file lacks some counts, shown as a dash."""

from __future__ import annotations

from typing import Any

from bench.stop_page import table

LOOKS = 20
PARTS = ("early", "middle", "late")  # thirds of the run, by the step of the later evaluation
_SAID, _STOPS = ("ours", "means"), ("any_stop", "means_any_stop", "patience")


def page(found: dict[str, Any]) -> list[str]:
    """The results as Markdown."""
    return [
        "# Pairing, measured",
        "",
        f"Written by `python -m bench paired`; doneness {found['about']['doneness']}, Python "
        f"{found['about']['python']}. {found['seeds']} planted flat runs of each kind, a third as many that rise.",
        "",
        "## Standard error of a difference of two checkpoints",
        "",
        "Unpaired over paired, and its square: how many times fewer examples. Medians over recipes of the medians of "
        "their pairs; in brackets the lowest and the highest recipe.",
        "",
        *table(
            ["against", "part of the run", "pairs", "error smaller by", "examples fewer by", "single pairs"],
            [[r["pair"], r["part"], r["pairs"],
              f"{r['ratio']:.1f} ({r['ratio_low']:.1f} to {r['ratio_high']:.1f})",
              f"{r['fewer']:.0f} ({r['fewer_low']:.0f} to {r['fewer_high']:.0f})",
              f"{r['least']:.1f} to {r['most']:.1f}"] for r in found["pairs"]],
        ),
        "",
        "By run, against the best so far; errors in nats. The last column is what trajectory noise adds to either "
        "error, and more examples do not remove it.",
        "",
        *table(
            ["run", "what it did", "units", "unpaired", "paired", "ratio early, middle, late", "trajectory noise"],
            [[r["run"], r["course"], r["rows"], f"{r['unpaired']:.4f}", f"{r['paired']:.4f}",
              ", ".join("–" if r["ratio"][p] is None else f"{r['ratio'][p]:.1f}" for p in PARTS),
              f"{r['noise']:.4f}"] for r in found["by_run"]],
        ),
        "",
        *planted(found["planted"]),
    ]  # fmt: skip


def planted(rows: list[dict[str, Any]]) -> list[str]:
    """The tables of flat curves and of rises."""
    flats, rises = ([r for r in rows if key in r["ours"]] for key in ("alarms", "median_delay"))
    return [
        "## Planted runs",
        "",
        "The synthetic cases come from the generator, and have the kind of noise, that CV02 and CV03 were calibrated "
        "on: their rates are those of home ground. The rows of the others are real, of the recorded runs, and were not "
        "used for that; only the course of their mean is planted.",
        "",
        f"## Planted flat curves: what is ever said in {LOOKS} looks",
        "",
        "On a curve that is flat from the first look \"overfitting\" is false. A stop is not, but a rule that gives no "
        "reason cannot say which of the two it means.",
        "",
        *table(
            ["case", "n", "ours: \"overfitting\"", "means alone: \"overfitting\"", "ours: any stop",
             "means alone: any stop", "patience 3: any stop"],
            [[r["case"], r["n"], *(_rate_of(r, name, "alarms") for name in (*_SAID, *_STOPS))] for r in flats],
        ),
        "",
        "## Planted overfitting: any stop",
        "",
        "Evaluations from the turn to the stop (median; a stop before the turn, or none, is as late as can be), runs "
        "stopped after the turn, and runs stopped before it, whatever the reason.",
        "",
        *table(
            ["case", "n", *(f"{name}: {what}" for name in ("ours", "means alone", "patience 3")
                            for what in ("delay", "stopped after", "stopped before"))],
            [[r["case"], r["n"], *_timed(r, _STOPS)] for r in rises],
        ),
        "",
        "## Planted overfitting: \"overfitting\" said",
        "",
        "The same of the word. Patience has none.",
        "",
        *table(
            ["case", "n", *(f"{name}: {what}" for name in ("ours", "means alone")
                            for what in ("delay", "said after", "said before"))],
            [[r["case"], r["n"], *_timed(r, _SAID)] for r in rises],
        ),
    ]  # fmt: skip


def _timed(row: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    return [
        cell
        for name in names
        for cell in (_delay(row.get(name)), _rate_of(row, name, "found"), _rate_of(row, name, "false_stops"))
    ]


def _rate_of(row: dict[str, Any], name: str, key: str) -> str:
    """A dash where an older file has no such count."""
    return _percent(row[name][key]) if name in row else "–"


def _delay(of: dict[str, Any] | None) -> str:
    if of is None:
        return "–"
    return "not found" if of["median_delay"] is None else str(of["median_delay"])


def _percent(rate: list[float]) -> str:
    return f"{rate[0]:.1%} ({rate[1]:.1%} to {rate[2]:.1%})"
