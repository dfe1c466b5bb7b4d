"""What each rule would have done on ten recorded runs: the loss it forgoes and the steps it saves.

    python -m bench stop

Every rule is asked at every evaluation with the run so far. Ours is asked twice: with the per-example
losses, and with their means alone, as every other rule has it. Loss forgone is that of the checkpoint that the
rule keeps, above the best of the whole run, in two measures. Cross-fitted: both are chosen on one half of the
rows and read on the other (bench/stop_apart.py), so that no lucky evaluation of a few rows is the mark to be met,
and nobody is scored on what they chose by. Raw: above the least loss on all rows, the very numbers that most rules
choose by. Averages weigh every recipe the same (three seeds of one count as one), and are given twice: over all
runs, and without the one whose faults two rules of ours were made to mend.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import doneness
from bench.recorded import HOME, Recorded, means_alone, paired, recorded
from bench.stop_apart import SPLITS, Keeps, apart
from bench.stop_page import BLIND, OURS, page, table
from bench.verdicts.collection import Log
from bench.verdicts.rules import PLAIN, Cut
from doneness.core import Action, StopDecision, Verdict, say
from doneness.diagnose import Params
from doneness.runs import Run
from doneness.stopping import EvidenceRule, PatienceRule, StopRule
from doneness.stopping.outcome import Replayed, outcome
from doneness.stopping.summary import Mean, summarise

__all__ = ["RULES", "averaged", "described", "keeps", "keeps_least", "main", "measure", "one", "page", "table"]

# A rise has to last a tenth of the plan; deviation in short logs: both rules of ours were made because of this run.
MENDED_ON = "small-batch-labels"


@dataclass(frozen=True)
class Plain:
    """A plain rule of `bench.verdicts.rules`; keeps the checkpoint of the least loss so far."""

    name: str

    def decide(self, run: Run) -> StopDecision:
        log = Log(run.name, run.name, run.kind, run)
        stop = PLAIN[self.name](Cut(log, log.step.size))
        best = int(log.step[np.argmin(log.loss)])
        action = Action.STOP if stop else Action.CONTINUE
        return StopDecision(action, Verdict.CONVERGED, say("stopping.none_yet", step=best), (), run.last_step, best)


@dataclass(frozen=True)
class Cooling:
    """Ours, taken to end the run where it asks for a falling rate: what a stop there would cost."""

    rule: EvidenceRule = field(default_factory=EvidenceRule)
    name: str = "ours, a cooldown counted as a stop"

    def decide(self, run: Run) -> StopDecision:
        found = self.rule.decide(run)
        if found.action is not Action.COOLDOWN:
            return found
        return StopDecision(Action.STOP, found.verdict, found.reason, (), found.step, found.recommended_step)


def _whole(recorded: Recorded) -> Run:
    return recorded.run


def _means(recorded: Recorded) -> Run:
    # The losses that decide: of a run that records labels, the label's.
    return means_alone(recorded.case.run)


# Recorded runs are short: what asks for 100 steps before it calls a run converged can hardly speak here.
_SOON = Params(min_steps=20)
RULES: dict[str, tuple[StopRule, Callable[[Recorded], Run]]] = {
    OURS: (EvidenceRule(), _whole),
    BLIND: (EvidenceRule(), _means),
    "ours, the best kept": (EvidenceRule(Params(prefer="best")), _whole),
    "ours, converged from step 20 on": (EvidenceRule(_SOON), _whole),
    "ours, from step 20 on, cooldown = stop": (Cooling(EvidenceRule(_SOON)), _whole),
    "ours, from step 20 on, means alone": (EvidenceRule(_SOON), _means),
    **{f"patience {n}": (PatienceRule(n), _means) for n in (1, 3, 5)},
    **{f"patience {n}, threshold {t:g}": (PatienceRule(n, t), _means) for n in (1, 3, 5) for t in (0.001, 0.01)},
    **{name: (Plain(name), _means) for name in ("patience 3, threshold 0.5%", "UP3", "trend 8 < 0.5%",
                                                     "power law < 0.5%")},
}  # fmt: skip


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench stop", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=HOME, help="folder of recorded runs")
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    options = parser.parse_args(argv)
    found = measure(recorded(options.runs))
    text = page(found)
    print("\n".join(text))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "stop.json").write_text(json.dumps(found, indent=1, default=float) + "\n", encoding="utf-8")
    (options.out / "stop.md").write_text("\n".join(text) + "\n", encoding="utf-8")


def measure(runs: list[Recorded]) -> dict[str, Any]:
    """Every rule on every run, and the averages."""
    rows = {name: [one(run, name) for run in runs] for name in RULES}
    kept = [i for i, run in enumerate(runs) if run.name != MENDED_ON]
    return {
        "about": {"doneness": doneness.__version__, "python": platform.python_version(), "numpy": np.__version__},
        "mended_on": MENDED_ON,
        "splits": SPLITS,
        "keeps_least": [name for name in RULES if keeps_least(name)],
        "runs": [described(run) for run in runs],
        "recipes": len({run.group for run in runs}),
        "outcomes": [row for each in rows.values() for row in each],
        "rules": [averaged(name, runs, each) for name, each in rows.items()],
        "rules_without": [
            averaged(name, [runs[i] for i in kept], [each[i] for i in kept]) for name, each in rows.items()
        ],
    }


def keeps_least(name: str) -> bool:
    """Whether a rule keeps the checkpoint of the least loss that it has seen: it chooses by what it is scored on."""
    rule = RULES[name][0]
    return isinstance(rule, PatienceRule | Plain) or (isinstance(rule, EvidenceRule) and rule.params.prefer == "best")


def keeps(recorded: Recorded, name: str, stop: int | None) -> Keeps:
    """What a rule that stops at `stop` (None: at no step) keeps of a run that shows some of the rows alone."""
    rule, shown = RULES[name]
    until = int(recorded.step[-1]) if stop is None else stop

    def kept(part: Run) -> int:
        seen = part.until(until)
        if isinstance(rule, PatienceRule | Plain):
            assert seen.evals is not None
            return int(np.argmin(seen.evals.value))
        step = rule.decide(seen if shown is _whole else means_alone(seen)).recommended_step
        return _nearest(recorded, step)

    return kept


def described(run: Recorded) -> dict[str, Any]:
    """What a run is and did."""
    best = int(np.argmin(run.loss))
    return {
        "run": run.name,
        "course": run.label,
        "steps": int(run.step[-1]),
        "evaluations": int(run.step.size),
        "rows": int(run.case.run.examples[0].ids.size),
        "tokens": run.trained_tokens,
        "first": float(run.loss[0]),
        "least": float(run.loss[best]),
        "least_at": int(run.step[best]),
        "least_apart": apart(run.case.run, lambda part: best)[1],
        "last": float(run.loss[-1]),
        "noise_share": run.noise,
    }


def one(recorded: Recorded, name: str) -> dict[str, Any]:
    """What one rule does on one run."""
    rule, shown = RULES[name]
    done = outcome(held := shown(recorded), rule)
    best = int(np.argmin(recorded.loss))
    least = float(recorded.loss[best])
    until = recorded.step <= (recorded.step[-1] if done.stop_step is None else done.stop_step)
    kept = _kept(held, rule, done, recorded)
    effect = paired(recorded, kept, best)
    above, least_apart = apart(recorded.case.run, keeps(recorded, name, done.stop_step))
    return {
        "rule": name,
        "run": recorded.name,
        "stop": done.stop_step,
        "verdict": done.verdict.value if done.verdict else None,
        "cooldown": done.cooldown_step,
        "saved_share": 1.0 - done.share_run,
        "forgone": float(recorded.loss[until].min()) - least,
        "kept": int(recorded.step[kept]),
        "kept_forgone": float(recorded.loss[kept]) - least,
        "apart_forgone": above,
        "apart_forgone_share": above / least_apart,
        "kept_forgone_share": float(recorded.loss[kept]) / least - 1.0,
        "gain_lost": (float(recorded.loss[kept]) - least) / (float(recorded.loss[0]) - least),
        "surely_worse": bool(kept != best and effect.p_worse(0.0, recorded.case.noise) < 0.05),
    }


def _kept(run: Run, rule: StopRule, done: Replayed, recorded: Recorded) -> int:
    """The evaluation whose checkpoint is kept: the rule's own choice, at its stop or at the end of the run."""
    step = done.recommended_step
    if done.stop_step is None:
        step = rule.decide(run).recommended_step
    return _nearest(recorded, step)


def _nearest(recorded: Recorded, step: int | None) -> int:
    """The evaluation at a step; where no checkpoint is recommended, the least stands for it."""
    if step is None:
        return int(np.argmin(recorded.loss))
    return int(np.argmin(np.abs(recorded.step - step)))


def averaged(name: str, runs: list[Recorded], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One rule over all runs, every recipe weighing the same."""
    groups = [run.group for run in runs]

    def mean(key: str) -> dict[str, Any]:
        # `summarise` does the averages of Replayed; what is averaged here goes through the same bootstrap.
        return _shown(summarise([_carrying(row[key]) for row in rows], groups).forgone)

    stopped = [row for row in rows if row["stop"] is not None]
    return {
        "rule": name,
        "runs": len(rows),
        "stopped": len(stopped),
        "saved_share": mean("saved_share"),
        "forgone": mean("forgone"),
        "kept_forgone": mean("kept_forgone"),
        "apart_forgone_share": mean("apart_forgone_share"),
        "most_apart_share": max(row["apart_forgone_share"] for row in rows),
        "kept_forgone_share": mean("kept_forgone_share"),
        "gain_lost": mean("gain_lost"),
        "most_forgone_share": max(row["kept_forgone_share"] for row in rows),
        "surely_worse": sum(row["surely_worse"] for row in rows),
        "stopped_while_falling": sum(r["stop"] is not None and g.course == "falling"
                                     for r, g in zip(rows, runs, strict=True)),
        "stopped_overfitting": sum(r["stop"] is not None and g.course == "overfitting"
                                   for r, g in zip(rows, runs, strict=True)),
    }  # fmt: skip


def _carrying(value: float) -> Replayed:
    return Replayed("", "", 1, 1, None, None, None, None, 0.0, value, None)


def _shown(mean: Mean) -> dict[str, Any]:
    return {"mean": mean.value, "interval": mean.interval}


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
