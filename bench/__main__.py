"""python -m bench [planted | alarms | verdicts | stop | sanity | paired | panels | review | overhead | large | fuzz |
kills | beside | train | probe | memory | advice | audit | web …]."""

from __future__ import annotations

import sys

from bench import (
    advice,
    alarms,
    audit,
    beside,
    fuzz,
    kills,
    large,
    memory,
    overhead,
    paired,
    panels,
    planted,
    probe,
    review,
    sanity_faults,
    stop,
    train,
    web,
)
from bench.verdicts import cli as verdicts

BENCHES = {
    "planted": planted.main,
    "alarms": alarms.main,
    "verdicts": verdicts.main,
    "stop": stop.main,
    "sanity": sanity_faults.main,
    "paired": paired.main,
    "panels": panels.main,
    "review": review.main,
    "overhead": overhead.main,
    "large": large.main,
    "fuzz": fuzz.main,
    "kills": kills.main,
    "audit": audit.main,
    "beside": beside.main,
    "train": train.main,
    "probe": probe.main,
    "memory": memory.main,
    "advice": advice.main,
    "web": web.main,
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
