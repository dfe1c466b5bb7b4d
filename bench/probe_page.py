"""The page of `python -m bench probe`, made of its numbers."""

from __future__ import annotations

from typing import Any

from bench.stop_page import table

_TOLD = {
    "plain": "each loaded anew, one prompt at a time, transformers' generate",
    "batched": "adapters swapped, batches of {batch}, transformers' generate",
    "ours": "our engine without drafts, {rows} at once",
    "drafted": "our engine, drafts from the checkpoint before, {rows} at once",
    "allocated": "our engine, with what to ask decided on the way",
    "mixed": "rows of all adapters in one batch of {batch}, transformers' generate",
    "unmerged": "our engine without drafts, adapters beside the weights",
    "batched, twice": "as batched, twice as many at once",
    "drafted, twice": "as drafted, twice as many at once",
}
_TIE = 1e-3  # logits nearer than this are within what the order of sums changes in float32


def page(found: dict[str, Any]) -> list[str]:
    """The results as Markdown."""
    about = found["about"]
    return [
        "# Asking six checkpoints, measured",
        "",
        f"Written by `python -m bench probe`; doneness {about['doneness']}, Python {about['python']}, torch "
        f"{about['torch']}, transformers {about['transformers']}, PEFT {about['peft']}, {about['threads']} thread"
        f"{'s' * (about['threads'] > 1)}. {about['rounds']} rounds, all ways in each.",
        "",
        f"LoRA checkpoints of SmolLM2-135M-Instruct after {', '.join(map(str, about['steps']))} steps on explanations "
        f"of PubMedQA; {about['prompts']} held-out questions {'with' if about['abstracts'] else 'without'} their "
        f"abstracts, {about['prompt_tokens']:.0f} tokens each of which the first {about['shared_tokens']} are the same "
        f"in all; {about['limit']} new tokens at most. Loading is counted.",
        "",
        *table(
            ["way", "", "seconds, median (range)", "processor seconds", "tokens said", "tokens a second"],
            [_row(name, each, about) for name, each in (found["ways"] | found["once"]).items()],
        ),
        "",
        "How many times longer, in the same round; median and range over rounds, and the median by processor time.",
        "",
        *table(
            ["", "against", "wall clock", "processor"],
            [[r["slow"], r["fast"], f"{r['ratio']:.2f} ({r['low']:.2f} to {r['high']:.2f})", f"{r['cpu']:.2f}"]
             for r in found["ratios"]],
        ),
        "",
        *_pairs(found["pairs"]),
        *_same(found["same"]),
        *_choice(found.get("choice")),
    ]  # fmt: skip


def _row(name: str, way: dict[str, Any], about: dict[str, Any]) -> list[Any]:
    seconds = f"{way['seconds']:.1f}" + (f" ({way['low']:.1f} to {way['high']:.1f})" if about["rounds"] > 1 else "")
    rate = f"{way['tokens'] / way['seconds']:.0f}"
    return [name, _TOLD[name].format(**about), seconds, f"{way['cpu']:.1f}", way["tokens"], rate]


def _pairs(pairs: list[dict[str, Any]]) -> list[str]:
    if not pairs:
        return []
    return [
        "Tokens that a row says in one forward, with drafts; the forward that reads the prompt is one of them, and "
        "without drafts the figure is 1.",
        "",
        *table(
            ["draft from step", "answers of step", "tokens", "forwards of rows", "tokens per forward"],
            [[p["from"] or "–", p["to"], p["tokens"], p["turns"], f"{p['per_forward']:.2f}"] for p in pairs],
        ),
        "",
    ]


def _same(same: dict[str, Any]) -> list[str]:
    lines = ["Answers that are those of `batched` token for token.", ""]
    rows = []
    for name, each in same.items():
        if not each:
            continue
        gaps = [g["gap"] for g in each["gaps"]]
        ties = sum(gap < _TIE for gap in gaps)
        largest = f"{max(gaps):.1e}" if gaps else "–"
        rows.append([name, each["answers"], f"{each['equal']} ({each['equal'] / each['answers']:.1%})",
                     len(gaps), ties, largest])  # fmt: skip
    head = ["way", "answers", "equal", "others", f"parted at logits within {_TIE:g}", "largest distance"]
    return [*lines, *table(head, rows)] if rows else []


def _choice(choice: dict[str, Any] | None) -> list[str]:
    if not choice:
        return []
    mine, whole = choice["allocated"], choice["all"]
    asked = ", ".join(f"{n} by {step}" for step, n in choice["asked"].items())
    verdict = "the same" if mine["step"] == whole["step"] else "another"
    return [
        "",
        f"Allocation: step {mine['step']} would be kept (certain to {mine['share']:.0%}), by all answers step "
        f"{whole['step']}: {verdict}. Questions answered: {asked} and the base model's; it ended because of "
        f"“{choice['ended']}”. Goal: ROUGE-L against the reference; tied in loss: "
        f"{', '.join(map(str, choice['tied'])) or 'none'}.",
    ]
