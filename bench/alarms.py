"""How often each check speaks where it should not: runs without the fault, and runs that only look like it.

    python -m bench alarms --seeds 500

Every row: a check, what is shown to it, the statuses that count as false, and how often they came (95 % Wilson
interval). The page of known false positives takes its rates from bench/results/alarms.json (docs/generate.py).
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import lookalikes as look
from bench.alarm_names import CHINESE
from bench.lookalikes import Build
from doneness.core import run_checks
from doneness.curves.shares import wilson
from doneness.diagnose import CHECKS, Case, Params

OUT = Path("bench/results/alarms.json")
FAIL, ALARM, SAID = ("fail",), ("warn", "fail"), ("pass",)


@dataclass(frozen=True, slots=True)
class Shown:
    """One kind of run shown to one check.

    Attributes:
        code: of the check.
        name: what the run is, in words; bench/alarm_names.py has them in Chinese.
        build: a seed's run.
        false: statuses that are false alarms on it; PASS where a check's PASS is the claim ("converged"), with the
            last part of the message's key where only some of its messages claim it.
    """

    code: str
    name: str
    build: Build
    false: tuple[str, ...]


SHOWN = (
    Shown("RN01", "a healthy run", partial(look.healthy, noise=0.05), FAIL),
    Shown("RN01", "answers of one nearly certain token, loss 0.02 nats", look.tiny_loss, FAIL),
    Shown("RN01", "one overflow skipped by the loss scaler", look.overflow, FAIL),
    Shown("RN01", "0.0 logged at the very first step", look.first_zero, FAIL),
    Shown("CV01", "train noise of 10 % of the loss", partial(look.healthy, noise=0.1), FAIL),
    Shown("CV01", "train noise of 30 % of the loss", partial(look.healthy, noise=0.3), FAIL),
    Shown("CV01", "harder data from the middle on, +0.3 nats", partial(look.jump, size=0.3), FAIL),
    Shown("CV01", "harder data from the middle on, +0.6 nats", partial(look.jump, size=0.6), FAIL),
    Shown("CV01", "a restart of the rate, +0.8 nats that fall again", look.restart, FAIL),
    *(Shown(code, f"flat, 20 evaluations, noise {noise:.2%}", partial(look.flat, noise=noise, rows=rows), FAIL)
      for code, rows in (("CV02", 400), ("CV03", 0)) for noise in (0.002, 0.0075, 0.017)),
    *(Shown(code, "rises by 4 % for a while", partial(look.for_a_while, rows=rows), FAIL)
      for code, rows in (("CV02", 400), ("CV03", 0))),
    Shown("CV04", "a power law still falling, called converged", look.falling, SAID),
    Shown("CV04", "flat for the middle half, then a new fall, asked before it", look.grokking, SAID),
    Shown("CV04", "flat at the peak rate, done rather than a cooldown", look.held_rate, ("pass converged",)),
    Shown("CV05", "flat, 20 evaluations, called learning", partial(look.flat, noise=0.0075, rows=0), SAID),
    Shown("CV05", "settled from a third on, called learning", look.settled, SAID),
    Shown("CV07", "train loss without stairs", partial(look.stairs, drop=0.0), FAIL),
    Shown("CV07", "the rate drops at every edge", partial(look.stairs, drop=0.1, rate_drops=True), FAIL),
    Shown("CV07", "rows sorted by difficulty, the same order each epoch", look.sorted_rows, FAIL),
    Shown("CV08", "held-out rows as hard as the training rows", partial(look.beside, share=0.0), ALARM),
    Shown("CV08", "held-out rows easier by 3 %", partial(look.beside, share=0.03), ALARM),
    Shown("CV08", "held-out rows easier by 10 %", partial(look.beside, share=0.1), ALARM),
    Shown("CV09", "a cosine run that came to its end", look.whole_cosine, ALARM),
    Shown("CV09", "a constant rate", look.constant, ALARM),
    Shown("CV10", "a fall of 5 % in all, train noise of 3 %", partial(look.slight, fall=0.05), ALARM),
    Shown("CV10", "a fall of 2 % in all, train noise of 3 %", partial(look.slight, fall=0.02), ALARM),
    Shown("PF01", "accuracy climbs, the chosen answers keep their probability", look.good_pairs, ALARM),
    Shown("PF01", "a ceiling of noisy labels, the chosen answers keep theirs", look.ceiling, FAIL),
    Shown("PF01", "chosen rewards fall a little while accuracy climbs", look.drifting_pairs, FAIL),
    Shown("RL01", "reward climbs, nothing drifts", look.good_reward, ALARM),
    Shown("RL01", "reward climbs, answers grow by half because the task asks for it", look.longer, ALARM),
    Shown("RL01", "a settled reward, nothing drifts", look.settled_reward, FAIL),
)  # fmt: skip


def one(place: int, seed: int) -> str:
    """The status of a check on one run, and the last part of its message's key."""
    shown = SHOWN[place]
    check = next(c for c in CHECKS if c.code == shown.code)
    found = run_checks((check,), Case(shown.build(seed), Params()))[0]
    return f"{found.status.value} {found.message.key.rpartition('.')[2]}"


def main(argv: list[str]) -> None:
    """Measure all rows and write them, unless only some were asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench alarms", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--only", default="", help="codes that begin so; nothing is written then")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args(argv)
    rows = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for place, shown in enumerate(SHOWN):
            if not shown.code.startswith(options.only):
                continue
            found = list(pool.map(partial(one, place), range(options.seeds), chunksize=16))
            rows.append(row := _row(shown, found))
            low, high = row["share"][1:]
            print(f"{shown.code}  {shown.name:70}  {row['share'][0]:6.1%} [{low:.1%}, {high:.1%}]  {row['status']}")
    if not options.only:
        OUT.write_text(json.dumps({"seeds": options.seeds, "rows": rows}, indent=1) + "\n", encoding="utf-8")


def _row(shown: Shown, found: list[str]) -> dict[str, object]:
    alarms = sum(status.startswith(shown.false) for status in found)
    return {
        "code": shown.code,
        "shown": {"en": shown.name, "zh": CHINESE[shown.name]},
        "false": list(shown.false),
        "n": len(found),
        "share": [alarms / len(found), *wilson(alarms, len(found))],
        "status": {status: found.count(status) for status in sorted(set(found))},
    }
