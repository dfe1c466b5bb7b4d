"""python -m bench [planted | alarms | verdicts | stop | sanity | paired | overhead | large | fuzz | kills | beside |
train …]."""

from __future__ import annotations

import sys

from bench import alarms, beside, fuzz, kills, large, overhead, paired, planted, sanity_faults, stop, train
from bench.verdicts import cli as verdicts

BENCHES = {
    "planted": planted.main,
    "alarms": alarms.main,
    "verdicts": verdicts.main,
    "stop": stop.main,
    "sanity": sanity_faults.main,
    "paired": paired.main,
    "overhead": overhead.main,
    "large": large.main,
    "fuzz": fuzz.main,
    "kills": kills.main,
    "beside": beside.main,
    "train": train.main,
}


def run() -> int:
    name, *rest = sys.argv[1:] or ["all"]
    if name != "all" and name not in BENCHES:
        print(f"no bench named {name}; there are: {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    for each, main in BENCHES.items():
        if name in ("all", each):
            main(rest)
    return 0


if __name__ == "__main__":
    sys.exit(run())
