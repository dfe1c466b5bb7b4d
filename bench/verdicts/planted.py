"""Every tool on every planted case: rates with Wilson's intervals."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from bench.verdicts import memory
from bench.verdicts.cases import CASES, Case
from bench.verdicts.curves import Curve
from bench.verdicts.rivals import RIVALS, ask, installed
from doneness.core import Verdict
from doneness.curves.shares import wilson
from doneness.diagnose import diagnose
from doneness.runs import Run, read
from doneness.testing import synthetic

OURS = "doneness"
_FIRST_CUT = 4  # evaluations at the first cut of the cases that are asked online
Answer = dict[str, Any]

# Ours alone reads per-example losses: 800 rows, 20 evaluations after step 0, the same noise of the mean.
EXAMPLES: dict[str, tuple[str, Callable[[int], Run]]] = {
    "per-example losses, flat, noise 1.7%": (
        "not overfitting", lambda i: synthetic.flat_run(seed=i, rows=800, evals=20, noise=0.017 * 1.6)),
    "per-example losses, overfit +5%, noise 1.7%": (
        "overfitting", lambda i: synthetic.overfitting_run(0.05, seed=i, rows=800, evals=20, noise=0.017 * 1.4)),
    "per-example losses, overfit +10%, noise 1.7%": (
        "overfitting", lambda i: synthetic.overfitting_run(0.1, seed=i, rows=800, evals=20, noise=0.017 * 1.4)),
}  # fmt: skip


def measure(seeds: int, rival_seeds: int, jobs: int, letters: str, tools: list[str]) -> dict[str, Any]:
    """The rows of the table: one for each case and tool."""
    asked = [OURS, *(RIVALS if installed() else ())]
    asked = [t for t in asked if not tools or t in tools]
    chosen = [(i, c) for i, c in enumerate(CASES) if not letters or c.part in letters]
    tasks = [
        (tool, i, seed)
        for i, case in chosen
        for tool in asked
        for seed in range(1 if case.exact else seeds if tool == OURS else min(seeds, rival_seeds))
    ]
    examples = [(name, seed) for name in EXAMPLES for seed in range(seeds)] if OURS in asked else []
    examples = examples if not letters or "i" in letters else []
    found: dict[tuple[str, int], list[Answer]] = {}
    told: dict[str, list[str]] = {}
    with ProcessPoolExecutor(jobs) as pool:
        answers = pool.map(_one, tasks, chunksize=16)
        for (tool, i, _), answer in track(zip(tasks, answers, strict=True), "planted", len(tasks), transient=True):
            found.setdefault((tool, i), []).append(answer)
        verdicts = pool.map(_example, examples, chunksize=16)
        for (name, _), verdict in track(
            zip(examples, verdicts, strict=True), "planted, per example", len(examples), transient=True
        ):
            told.setdefault(name, []).append(verdict)
    rows = [_row(CASES[i], tool, each) for (tool, i), each in found.items()]
    rows += [_example_row(name, each) for name, each in told.items()]
    return {"seeds": seeds, "rival_seeds": min(seeds, rival_seeds), "rows": rows}


def ours(text: str) -> Answer:
    """What `doneness check` makes of the text of a state file."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        path = Path(folder) / "trainer_state.json"
        path.write_text(text, encoding="utf-8")
        found = diagnose(read(path)[0])
    return {
        "overfitting": found.verdict is Verdict.OVERFITTING,
        "mild": False,
        "plateau": found.verdict is Verdict.CONVERGED,
        "best_step": found.recommended_step,
        "verdict": found.verdict.value,
        "headline": found.headline.text(),
    }


def _ask(tool: str, text: str) -> Answer:
    return memory.recall(memory.code(), text, lambda: ours(text)) if tool == OURS else ask(tool, text)


def _one(task: tuple[str, int, int]) -> Answer:
    tool, place, seed = task
    case = CASES[place]
    curve = case.make(seed)
    answer = _ask(tool, curve.text())
    if case.online:
        cuts = [_ask(tool, curve.text(n)) for n in range(_FIRST_CUT, curve.step.size)]
        answer["ever"] = answer["overfitting"] or any(a["overfitting"] for a in cuts)
    answer["regret"] = _regret(curve, answer["best_step"])
    answer["marked"] = curve.marked is not None and answer["best_step"] == curve.marked
    return answer


def _regret(curve: Curve, step: int | None) -> float | None:
    """How much worse than the best the checkpoint named truly is; the last one where none is named."""
    if not curve.step.size:
        return None
    at = curve.step.size - 1 if step is None else int(np.argmin(np.abs(curve.step - step)))
    return float(curve.true[at] / curve.true.min()) - 1.0


def _rate(hits: list[bool]) -> list[float]:
    n = len(hits)
    return [sum(hits) / n, *wilson(sum(hits), n)]


def _row(case: Case, tool: str, answers: list[Answer]) -> dict[str, Any]:
    regrets = [a["regret"] for a in answers if a["regret"] is not None]
    row: dict[str, Any] = {
        "part": case.part,
        "case": case.name,
        "truth": case.truth,
        "tool": tool,
        "n": len(answers),
        "overfitting": _rate([a["overfitting"] for a in answers]),
        "slightly_worse": _rate([a["mild"] for a in answers]),
        "plateau": _rate([a["plateau"] and not a["overfitting"] for a in answers]),
        "true_regret_of_kept": float(np.mean(regrets)) if regrets else None,
        "named": sum(a["best_step"] is not None for a in answers),
        "raised": sum("error" in a for a in answers),
        "said": dict(Counter(a["verdict"] for a in answers).most_common(6)),
    }
    if case.online:
        row["overfitting_at_any_cut"] = _rate([a["ever"] for a in answers])
    if case.part == "e":
        row["dip_recommended"] = _rate([a["marked"] for a in answers])
    if case.exact:
        row |= {"best_step": answers[0]["best_step"], "best_is": case.best, "headline": answers[0].get("headline")}
    return row


def _example(task: tuple[str, int]) -> str:
    name, seed = task
    asked = f"{memory.code()} {Path(synthetic.__file__).read_text(encoding='utf-8')}"
    said = memory.recall(asked, f"{name} {seed}", lambda: {"verdict": diagnose(EXAMPLES[name][1](seed)).verdict.value})
    return str(said["verdict"])


def _example_row(name: str, verdicts: list[str]) -> dict[str, Any]:
    return {
        "part": "i",
        "case": name,
        "truth": EXAMPLES[name][0],
        "tool": OURS,
        "n": len(verdicts),
        "overfitting": _rate([v == "overfitting" for v in verdicts]),
        "slightly_worse": _rate([False for _ in verdicts]),
        "plateau": _rate([v == "converged" for v in verdicts]),
        "true_regret_of_kept": None,
        "named": 0,
        "raised": 0,
        "said": dict(Counter(verdicts)),
    }
