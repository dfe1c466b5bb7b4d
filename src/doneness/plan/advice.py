"""Advice on hyper-parameters: what was chosen, held against what is known, with the source.

| code | question |
|---|---|
| PL01 | Is the learning rate, alpha included, near what sweeps found best? |
| PL02 | Are there enough steps, and not too many epochs? |
| PL03 | Can the adapters hold what the targets say? |
| PL04 | Is the evaluation set large enough for the change that matters? |
| PL05 | Is the batch one that LoRA bears? |
| PL06 | Does the warm-up fit the run? |
| PL07 | Does the schedule bear that the run is stopped before its planned end? |
| PL08 | Are there so many trained parameters that rows are learnt by heart? (`advice_more`) |
| PL09 | Is the run looked at often enough, and patience long enough? (`advice_more`) |

All thresholds are conventions of the field or our own reading of public sweeps; the evidence of
each finding names the source, and a measured pilot run stands above all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from doneness.core import Finding, Status, say
from doneness.plan.advice_more import looks, parameters_per_row
from doneness.plan.budget import Budget
from doneness.plan.rates import SWEEP, recommended_rate
from doneness.plan.shape import ModelShape

Goal = Literal["facts", "chat", "reasoning", "pretraining"]

# Epochs beyond which repetition is known to turn against the goal.
_MOST_EPOCHS = {"facts": 2, "chat": 5, "reasoning": 10, "pretraining": 4}
# Epochs to plan where steps would ask for more: short of the above, since looks at held-out rows cost one to be wrong.
_USUAL_EPOCHS = {"facts": 2, "chat": 3, "reasoning": 5, "pretraining": 4}
_FEW_STEPS, _WELL_STEPS = 100, 1000
_SWEPT = ("sft", "distill")  # stages that the sweep speaks of
_BITS_PER_PARAMETER = 2.0
_REFERENCE_ALPHA = 32.0
_LARGE_BATCH = 64
_LARGEST_RANK = 512
_LARGE_SCALE = 8.0  # alpha / rank; 8 and 128 are met in recipes, and make it 16
_NEARLY = 1.05  # of the difference that matters
_FOLK_TABLES: dict[str, tuple[tuple[float, float, str], ...]] = {
    "first table by size": ((0, 10_000, "3–10"), (10_000, 100_000, "2–5")),
    "second table by size": ((0, 500, "10–15"), (5_000, 50_000, "5–8"), (100_000, math.inf, "2–3")),
}


def epochs_to_plan(rows: int, batch: int, goal: Goal = "chat") -> int:
    """As many passes over the rows as make 1,000 steps, those that are usual for the goal at most."""
    return min(max(math.ceil(_WELL_STEPS * batch / rows), 1), _USUAL_EPOCHS[goal])


@dataclass(frozen=True, slots=True)
class Proposal:
    """A run as planned.

    Attributes:
        shape: of the model.
        budget: its tokens and steps.
        learning_rate: the peak.
        method: full, lora or qlora.
        stage: of the recipe.
        rank, alpha, targets, rslora: of the adapters; unused for full.
        warmup_steps: steps until the peak.
        eval_rows: rows held out.
        goal: what the run is to teach.
        loss: evaluation loss expected, nats per target token.
        difference_sd: standard deviation over rows of the loss difference between two checkpoints of
            one run, nats per token; 0.06 is assumed until a run of yours has measured it.
        schedule: of the learning rate: constant, linear, cosine or wsd.
        stops: whether the run may be stopped before its planned end.
        evaluations: planned, step 0 apart; None where nothing is known of them.
        patience: evaluations without a gain after which the run stops; 0 where evidence decides.
    """

    shape: ModelShape
    budget: Budget
    learning_rate: float
    method: Literal["full", "lora", "qlora"] = "lora"
    stage: str = "sft"
    rank: int = 16
    alpha: float = 32.0
    targets: tuple[str, ...] = ("all",)
    rslora: bool = False
    warmup_steps: int = 0
    eval_rows: int = 0
    goal: Goal = "chat"
    loss: float = 1.5
    difference_sd: float = 0.06
    schedule: str = "linear"
    stops: bool = True
    evaluations: int | None = None
    patience: int = 0


def advise(plan: Proposal) -> tuple[Finding, ...]:
    """PL01 to PL09 on a proposal; PL09 where evaluations are planned."""
    checks = (_learning_rate, _epochs, _capacity, _eval_size, _batch, _warmup, _schedule)
    made = plan.budget
    room = parameters_per_row(_trained(plan), made.rows, made.target_tokens, plan.loss, made.epochs)
    seen = () if plan.evaluations is None else (looks(plan.evaluations, plan.patience, made.steps),)
    return (*(check(plan) for check in checks), room, *seen)


def _trained(plan: Proposal) -> int:
    full = plan.method == "full"
    return plan.shape.parameters if full else plan.shape.lora_parameters(plan.rank, plan.targets)


def _learning_rate(plan: Proposal) -> Finding:
    wanted = recommended_rate(plan.shape, plan.method, plan.stage, plan.budget.epochs, plan.budget.batch_size)
    effective = plan.learning_rate
    if plan.method != "full":
        # With B = 0 at the start the first updates of the product go with alpha · LR whatever the rank;
        # rank-stabilised scaling divides by the root of the rank instead, and so adds that root.
        effective *= plan.alpha / _REFERENCE_ALPHA * (math.sqrt(plan.rank) if plan.rslora else 1.0)
    ratio = effective / wanted
    status = Status.PASS if 1 / 3.2 <= ratio <= 3.2 else Status.FAIL if ratio > 10 else Status.WARN
    key = "pass" if status is Status.PASS else "high" if ratio > 1 else "low"
    scale = 0.0 if plan.method == "full" or plan.rslora else plan.alpha / plan.rank
    if status is Status.WARN and key == "high" and scale >= _LARGE_SCALE:
        key = "scaled"
    to_set = plan.learning_rate / ratio
    if key == "pass" and plan.stage not in _SWEPT:
        key = "stage"
    numbers = {
        "rate": plan.learning_rate,
        "alpha": plan.alpha,
        "effective": effective,
        "wanted": wanted,
        "ratio": ratio,
        "to_set": to_set,
        "rank": plan.rank,
        "scale": scale,
        "usual": 2 * plan.rank,
    }
    form = "full" if plan.method == "full" else "lora"
    return _finding(
        "PL01",
        status,
        f"{key}_{form}",
        numbers,
        ratio,
        (1 / 3.2, 3.2),
        source=SWEEP if plan.stage in _SWEPT else "defaults of LLaMA-Factory and TRL for the stage",
        scaling="rslora" if plan.rslora else "lora",
    )


def _epochs(plan: Proposal) -> Finding:
    made = plan.budget
    most = _MOST_EPOCHS[plan.goal]
    take = epochs_to_plan(made.rows, made.batch_size, plan.goal)
    # The largest batch at which these epochs give the fewest steps that are enough.
    each = math.ceil(_FEW_STEPS / made.epochs)
    smaller = max(1, math.ceil(made.rows / (each - 1)) - 1) if each > 1 else made.rows
    numbers = {
        "steps": made.steps, "epochs": made.epochs, "least": _FEW_STEPS, "most": most, "take": take,
        "take_steps": take * made.steps_per_epoch, "well": _WELL_STEPS,
        "batch": min(made.batch_size, smaller),
        "batch_steps": math.ceil(made.epochs * math.ceil(made.rows / min(made.batch_size, smaller)) - 1e-9),
    }  # fmt: skip
    if made.epochs > most + 1e-9:
        status, key = Status.WARN, "many"
    elif made.steps < _FEW_STEPS:
        status, key = Status.WARN, "few"
    else:
        status, key = Status.PASS, "pass"
    return _finding(
        "PL02",
        status,
        key,
        numbers,
        float(made.steps),
        (_FEW_STEPS, None),
        goal=plan.goal,
        source="steps: Tinker cookbook (100 at least, best beyond 1,000); repeats: Muennighoff et al., JMLR 26, 2025",
        folk_tables=_folk_tables(made.rows),
    )


def _folk_tables(rows: int) -> dict[str, str]:
    """What tables in circulation say for so many rows; they contradict one another, and have gaps."""
    said = {"Unsloth": "1–3"}
    for name, table in _FOLK_TABLES.items():
        said.update((name, epochs) for least, below, epochs in table if least <= rows < below)
    return said


def _capacity(plan: Proposal) -> Finding:
    have = _BITS_PER_PARAMETER * _trained(plan)
    need = plan.budget.target_tokens * plan.loss / math.log(2)
    share = need / have
    status = Status.PASS if share <= 1 else Status.WARN
    rank = math.ceil(plan.rank * share)
    numbers = {"have": have / 1e6, "need": need / 1e6, "share": share, "rank": plan.rank, "needed_rank": rank}
    form = "full" if plan.method == "full" else "lora"
    key = f"pass_{form}" if status is Status.PASS else f"found_{form}"
    return _finding(
        "PL03",
        status,
        key,
        numbers,
        share,
        (None, 1.0),
        advise="huge_lora" if form == "lora" and rank > _LARGEST_RANK else key,
        source="2 bits a parameter: Allen-Zhu and Li, ICLR 2025; need: target tokens · loss / ln 2, an upper bound",
    )


def _eval_size(plan: Proposal) -> Finding:
    matters = max(0.005, 0.005 * plan.loss)
    needed = math.ceil((2.8 * plan.difference_sd / matters) ** 2)
    n = plan.eval_rows
    detects = 2.8 * plan.difference_sd / math.sqrt(n) if n else math.inf
    numbers: dict[str, Any] = {
        "n": n, "needed": needed, "matters": matters, "detects": detects if n else 0.0, "sd": plan.difference_sd
    }  # fmt: skip
    # The spread is assumed, to a digit or so: 500 rows are not too few where it asks for 502.
    enough = detects <= _NEARLY * matters
    key = "none" if n == 0 else "pass" if enough else "found"
    status = Status.FAIL if n == 0 else Status.PASS if enough else Status.WARN
    return _finding(
        "PL04",
        status,
        key,
        numbers,
        float(n),
        (float(needed), None),
        source="MDE = 2.8 · sd / √n at 80 % power; paired differences: Miller, arXiv 2411.00640",
    )


def _batch(plan: Proposal) -> Finding:
    size = plan.budget.batch_size
    large = plan.method != "full" and size > _LARGE_BATCH
    return _finding(
        "PL05", Status.WARN if large else Status.PASS, "found" if large else "pass",
        {"batch": size, "most": _LARGE_BATCH}, float(size), (None, float(_LARGE_BATCH)),
        source="LoRA loses more to large batches than full fine-tuning: Schulman et al., LoRA without regret, 2025",
    )  # fmt: skip


def _warmup(plan: Proposal) -> Finding:
    share = plan.warmup_steps / plan.budget.steps
    wanted = min(max(10, round(0.04 * plan.budget.steps)), max(1, plan.budget.steps // 5))
    key = "none" if plan.warmup_steps == 0 else "long" if share > 0.2 else "pass"
    return _finding(
        "PL06", Status.PASS if key == "pass" else Status.WARN, key,
        {"warmup": plan.warmup_steps, "share": share, "wanted": wanted}, share, (None, 0.2),
        source="3 to 5 % of the steps, or 10 at least: a convention without a study behind it",
    )  # fmt: skip


def _schedule(plan: Proposal) -> Finding:
    most, decays = _MOST_EPOCHS[plan.goal], plan.schedule in ("linear", "cosine")
    # So many epochs are planned by those who mean to stop before.
    trapped = decays and plan.stops and plan.budget.epochs > most + 1e-9
    key = "trap" if trapped else "to_end" if decays else "free"
    return _finding(
        "PL07", Status.WARN if trapped else Status.PASS, key,
        {"schedule": plan.schedule, "steps": plan.budget.steps, "epochs": plan.budget.epochs},
        plan.budget.epochs, (None, float(most)),
        source="intermediate checkpoints of a cosine are not final models: Hägele et al., arXiv 2405.18392",
    )  # fmt: skip


def _finding(
    code: str,
    status: Status,
    key: str,
    numbers: dict[str, Any],
    value: float,
    band: tuple[float | None, float | None],
    advise: str = "",
    **evidence: Any,
) -> Finding:
    name = code.lower()
    advice = say(f"plan.{name}.advice_{advise or key}", **numbers) if status is not Status.PASS else None
    low, high = band
    return Finding(
        code=code,
        status=status,
        message=say(f"plan.{name}.{key}", **numbers),
        value=value,
        threshold=high if high is not None else low,
        advice=advice,
        evidence={**evidence, "band": list(band)},
    )
