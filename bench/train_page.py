"""What `python -m bench train` found, as Markdown."""

from __future__ import annotations

from typing import Any

_NAMES = {"ours": "doneness", "trl": "TRL", "llamafactory": "LLaMA-Factory"}
_TITLES = {
    "same": "## Same settings, every monitor on",
    "defaults": "## Rows of all lengths, each as it is by default",
}


def page(found: dict[str, Any]) -> list[str]:
    """The whole page."""
    about = found["about"]
    clock = "the processes' CPU time" if about["clock"] == "cpu" else "the clock"
    lines = [
        "# Tokens a second",
        "",
        f"{about['device']}, {about['threads']} thread(s) each, {about['cores']} cores. "
        f"Rates by {clock}, evaluations and checkpoints apart. torch {about['torch']}, transformers "
        f"{about['transformers']}, trl {about['trl']}, peft {about['peft']}; LLaMA-Factory's: {about['llamafactory']}.",
        "",
    ]
    for name, part in found["parts"].items():
        if name == "memory":
            lines += _memory(part, about)
            continue
        lines += [_TITLES[name], "", _work(part, about), "", *_table(part), ""]
    return lines


def _memory(part: dict[str, Any], about: dict[str, Any]) -> list[str]:
    """Peaks of several processes of each trainer."""
    lines = [
        "## Peak memory, same settings",
        "",
        _work(part, about) + f" Each trainer alone, {len(part['peaks']['ours'])} times.",
        "",
        "| | peak memory, MB | mean | ours less it |",
        "|---|---|---|---|",
    ]
    for name, peaks in part["peaks"].items():
        each, mean = ", ".join(f"{peak:,.0f}" for peak in peaks), sum(peaks) / len(peaks)
        of, told = part["differences"].get(name), ""
        if of:
            low, high = of["interval"]
            word = "holds" if of["holds"] else "missed" if low > 0.0 else "cannot tell"
            told = f"{of['mb']:+,.0f} ({low:+,.0f} to {high:+,.0f}); at most 0: {word}"
        lines.append(f"| {_NAMES[name]} | {each} | {mean:,.0f} | {told} |")
    return [*lines, ""]


def _work(part: dict[str, Any], about: dict[str, Any]) -> str:
    setup, load = part["setup"], (part.get("load") or about["load"])[0]
    model = f"random weights of {setup['shape']}" if setup["shape"] else "SmolLM2-135M-Instruct"
    limit = f"{setup['length']} tokens each" if setup["same"] else f"{setup['length']} tokens at most"
    return (
        f"{model}, {setup['method']}, rows of {about['rows']}, {limit}; {setup['micro_batch']} rows a forward "
        f"pass, {setup['accumulation']} passes a step, {setup['steps']} steps after {setup['warm']} to warm up; "
        f"the machine's load {load:.1f}."
    )


def _table(part: dict[str, Any]) -> list[str]:
    lines = [
        "| | tokens/s | target tokens/s | padding | step, CPU and wall | evaluation | peak memory | ours over it |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, of in part["who"].items():
        step, peaks = of["step_s"], of["peaks"]
        memory = f"{peaks['peak_mb']:,.0f} MB" + (f", GPU {peaks['device_mb']:,.0f} MB" if "device_mb" in peaks else "")
        look = f"{of['evaluation']['median_s']:.2f} s" if "evaluation" in of else "none"
        lines.append(
            f"| {_NAMES[name]} | {of['tokens_s']:,.1f} | {of['targets_s']:,.1f} | {of['padding']:.1%} | "
            f"{step['cpu']:.2f} s, {step['wall']:.2f} s | {look} | {memory} | {_ratio(part, name)} |"
        )
    return lines


def _ratio(part: dict[str, Any], name: str) -> str:
    if name not in part["ratios"]:
        return ""
    of = part["ratios"][name]
    word = {True: "holds", False: "missed", None: "cannot tell"}[of["holds"]]
    low, high = of["interval"]
    return f"{of['tokens']:.3f} ({low:.3f} to {high:.3f}); at least {part['target']:.1f}: {word}"
