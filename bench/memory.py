"""How well memory is foretold: simulated steps against real ones, and both engines against published measurements.

    python -m bench memory                                   # what bench/results/memory.json lacks
    python -m bench memory --again "tiny, lora" …            # these once more
    python -m bench memory --canifinetune ~/v/bin/canifinetune --published

1. Twenty configurations and more, up to 1.2 billion parameters: the peak of live tensors in the second real step of the
   trainer on a CPU, against the same step simulated without the numbers. 5 % is the bar.
2. Published measurements on GPUs, against formula and simulation: within 10 % or 1 GB, whichever is larger. Beside
them what
   canifinetune, accelerate estimate-memory and DeepSpeed's estimators answer.
3. Parameters of all shipped sizes, counted in the model classes themselves.
"""

from __future__ import annotations

import argparse
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import doneness
from bench.memory_page import page
from bench.memory_published import MEASURED, compared, too_large
from bench.memory_steps import CASES, measured

_KEYS = ("about", "steps", "published", "too_large", "sizes")


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench memory", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--again", nargs="*", default=[], metavar="CASE", help="cases to take once more; none: those missing"
    )
    parser.add_argument("--published", action="store_true", help="the published measurements once more")
    parser.add_argument("--sizes", action="store_true", help="count the shipped sizes once more")
    parser.add_argument("--canifinetune", metavar="PROGRAM", help="its command, where it is installed")
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    options = parser.parse_args(argv)
    place = options.out / "memory.json"
    found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8")) if place.is_file() else {}
    options.out.mkdir(parents=True, exist_ok=True)
    found["about"] = {name: version(name) for name in ("torch", "transformers", "peft", "trl", "bitsandbytes")} | {
        "doneness": doneness.__version__, "python": platform.python_version()
    }  # fmt: skip

    def keep() -> None:
        told = {key: found[key] for key in _KEYS if key in found}
        place.write_text(json.dumps(told, indent=1, default=float) + "\n", encoding="utf-8")

    known = {row["name"]: row for row in found.get("steps", [])}
    for case in CASES:
        if case.name not in known or case.name in options.again:
            known[case.name] = measured(case.name)
            print(f"{case.name}: {known[case.name]['error']:+.2%}", flush=True)
            found["steps"] = [known[each.name] for each in CASES if each.name in known]
            keep()
    taken = {row["name"] for row in found.get("published", []) if row["simulated"] is not None}
    untaken = any(case.name not in taken for case in MEASURED)
    if options.published or untaken or "published" not in found:
        found["published"] = compared(options.canifinetune, [] if options.published else found.get("published", []))
        keep()
    found["too_large"] = too_large()
    if options.sizes or "sizes" not in found:
        found["sizes"] = sizes()
    keep()
    text = page(found)
    print("\n".join(text))
    (options.out / "memory.md").write_text("\n".join(text) + "\n", encoding="utf-8")


def sizes() -> list[dict[str, Any]]:
    """Parameters of every shipped model: by its sizes, and as the class counts them."""
    from doneness.plan import ModelShape
    from doneness.plan.fake_model import meta_model
    from doneness.plan.shapes import shipped

    rows = []
    for name, config in shipped().items():
        counted = sum(p.numel() for p in meta_model(config).parameters())
        rows.append({"name": name, "ours": ModelShape.from_config(config).parameters, "counted": counted})
    return rows


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
