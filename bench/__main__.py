"""python -m bench [planted … | verdicts … | large … | fuzz …]."""

from __future__ import annotations

import sys

from bench import fuzz, large, planted
from bench.verdicts import cli as verdicts

BENCHES = {"planted": planted.main, "verdicts": verdicts.main, "large": large.main, "fuzz": fuzz.main}


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
