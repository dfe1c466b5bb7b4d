"""bench/results/memory.md from what was measured."""

from __future__ import annotations

from statistics import median
from typing import Any


def page(found: dict[str, Any]) -> list[str]:
    about = found["about"]
    steps, published, sizes = found.get("steps", []), found.get("published", []), found.get("sizes", [])
    worst = max((abs(row["error"]) for row in steps), default=0.0)
    inside = sum(abs(row["error"]) <= 0.05 for row in steps)
    formula = [abs(row["formula"] / row["real"] - 1) for row in steps]
    lines = [
        "# Memory, foretold and measured",
        "",
        f"Written by `python -m bench memory`; doneness {about['doneness']}, torch {about['torch']}, transformers "
        f"{about['transformers']}, peft {about['peft']}, trl {about['trl']}.",
        "",
        "## A simulated step against the real one",
        "",
        f"The peak of live tensors in the second step of the trainer itself on a CPU, random weights: "
        f"{inside} of {len(steps)} "
        f"simulations within 5 %, the worst off by {worst:.2%}. The formula is off by "
        f"{median(formula or [0.0]):.1%} in the "
        f"median and {max(formula, default=0.0):.1%} at the worst. The last column is how much the process "
        f"grew, with what "
        "libraries and the allocator keep for themselves; no tensor is counted there.",
        "",
        "Frozen weights are known beforehand, and where they are most of the memory they hide what is wrong with the "
        "rest. So each error stands twice: of the whole peak, and of the peak less the frozen weights. By the second "
        f"reading {sum(abs(_bare(row, 'simulated')) <= 0.05 for row in steps)} of {len(steps)} simulations are within "
        f"5 %, the worst off by {max((abs(_bare(row, 'simulated')) for row in steps), default=0.0):.2%}; the formula "
        f"is off by {median([abs(_bare(row, 'formula')) for row in steps] or [0.0]):.1%} in the median and "
        f"{max((abs(_bare(row, 'formula')) for row in steps), default=0.0):.1%} at the worst.",
        "",
        "| configuration | tokens | real, MB | of it frozen, MB | simulated, MB | off | off, without frozen | "
        "formula, MB | off | off, without frozen | process, MB |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in steps:
        lines.append(
            f"| {row['name']} | {row['tokens']} | {row['real'] / 1e6:,.1f} | {row['frozen'] / 1e6:,.1f} | "
            f"{row['simulated'] / 1e6:,.1f} | {row['error']:+.2%} | {_bare(row, 'simulated'):+.2%} | "
            f"{row['formula'] / 1e6:,.1f} | {row['formula'] / row['real'] - 1:+.1%} | {_bare(row, 'formula'):+.1%} | "
            f"{row['process'] / 1e6:,.0f} |"
        )
    return [*lines, "", *_published(published, found.get("too_large")), "", *_sizes(sizes)]


def _bare(row: dict[str, Any], engine: str) -> float:
    """How far an engine is off, by the peak less the frozen weights."""
    return float((row[engine] - row["real"]) / (row["real"] - row["frozen"]))


def _published(rows: list[dict[str, Any]], whole: dict[str, float] | None) -> list[str]:
    taken = [row for row in rows if row["simulated"] is not None]
    ours = [sum(row["formula_holds"] for row in rows), sum(row["simulated_holds"] for row in taken)]
    lines = [
        "## Published measurements",
        "",
        "LLaMA-Factory's wiki, “Performance comparison”: LLaMA2-7B, rank 8 on all linear layers, bf16, checkpointing, "
        "one A100-40; gigabytes as told there, rounded to whole ones. Their trainer keeps the logits whole, as "
        "transformers then did, and with QLoRA what is not quantised in half precision; both were told to the plan. "
        "peft's README: bloomz-7b1 by LoRA at 32 GB of an A100-80; its script asks torch, in units of 2^20, so 32 are "
        "taken for 34.4, and the estimates stand there without the driver's context and fragmentation. "
        f"Within 10 % or 1 GB: formula {ours[0]} of {len(rows)}, simulation {ours[1]} of {len(taken)} taken.",
        "",
        "Both columns are their formulas as doneness/plan/folk.py writes them out, not the tools run. "
        "accelerate knows neither method, batch nor sequence; DeepSpeed's estimators count every parameter as trained, "
        "and no activations: their answers are of full fine-tuning on one card, and stand here because they are asked "
        "this question.",
        "",
        "| run | published | formula | simulated | canifinetune 0.4.1 | accelerate | ZeRO-2 | ZeRO-3 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        theirs = "–" if row["canifinetune"] is None else f"{row['canifinetune']:.1f}"
        found = row["simulated"]
        own = "–" if found is None else f"{found:.1f}{_mark(row['simulated_holds'])}"
        lines.append(
            f"| {row['name']} | {row['published']} | {row['formula']:.1f}{_mark(row['formula_holds'])} | "
            f"{own} | {theirs} | {row['accelerate']:.0f} | "
            f"{row['zero2']:.0f} | {row['zero3']:.0f} |"
        )
    if whole:
        lines += ["", "Of bloomz-7b1 trained whole the README says that it does not fit in 80 GB "
                  f"({whole['card']:.1f}); the formula says {whole['formula']:.0f}."]  # fmt: skip
    return lines


def _mark(good: bool) -> str:
    return "" if good else " (missed)"


def _sizes(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    wrong = [row for row in rows if row["ours"] != row["counted"]]
    right = len(rows) - len(wrong)
    told = f"{len(rows)} models; parameters by the sizes equal those that the model class has in {right}."
    lines = ["## Shipped sizes", "", told]
    return lines + [f"- {row['name']}: {row['ours']:,} by sizes, {row['counted']:,} in the class" for row in wrong]
