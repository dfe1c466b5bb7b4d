"""Plants each fault of a pipeline with several seeds and counts which cause is named: `python -m bench sanity`."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from doneness.testing.faults import FAULTS, plant, taught_model
from doneness.workflows.sanity import examine, prepare, sanity_recipe
from doneness.workflows.train import at_home

RESULTS = Path(__file__).parent / "results"


class Silent:
    """A watcher that looks away."""

    def __getattr__(self, name: str) -> Any:
        return lambda *told: None


def measure(seeds: int, faults: Sequence[str]) -> list[dict[str, Any]]:
    """Which causes were named, fault by fault and seed by seed."""
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        for seed in range(seeds):
            home = Path(place) / str(seed)
            model = taught_model(home / "taught", seed)
            for fault in faults:
                begun = time.monotonic()
                recipe, after = plant(fault, home / fault, model, seed)
                own = at_home(sanity_recipe(recipe, 1000, recipe.schedule.epochs))
                sane = examine(after(prepare(own, lambda line: None)), Silent())
                named = [cause.code for cause in sane.causes]
                found.append({
                    "fault": fault, "seed": seed, "wanted": FAULTS[fault], "named": named, "passed": sane.passed,
                    "outcome": sane.outcome.word if sane.outcome else "nothing",
                    "seconds": round(time.monotonic() - begun, 1),
                })  # fmt: skip
                print(f"{fault} {seed}: {', '.join(named) or '-'}", flush=True)
    return found


def page(rows_of_all: list[dict[str, Any]]) -> str:
    """The table of confusion, in Markdown."""
    lines = [
        "# Planted faults, and the causes named", "",
        "`python -m bench sanity`: each fault planted in a tiny pipeline (about 29,000 parameters, 16 to 30 rows),",
        "with as many seeds as the table counts. `masked_70`: 70 % of the answers carry loss on their last token",
        "alone; `permuted_60`, `permuted_25`: that share of 256 ids dealt anew; `norms`: all is frozen but the norms;",
        "`beyond`: an id that the embedding has no row for.", "",
        "| planted | cause | named first | named at all | called fit | first causes named |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for fault, code in FAULTS.items():
        rows = [row for row in rows_of_all if row["fault"] == fault]
        if not rows:
            continue
        n = len(rows)
        first = Counter(row["named"][0] if row["named"] else "-" for row in rows)
        told = ", ".join(f"{name} {count}" for name, count in first.most_common())
        hit = sum(bool(row["named"]) and row["named"][0] == code for row in rows)
        among = sum(code in row["named"] for row in rows)
        fit = sum(row["passed"] for row in rows)
        shown = (f"{hit} of {n}", f"{among} of {n}") if code else ("", "")
        lines.append(f"| {fault} | {code or 'none'} | {shown[0]} | {shown[1]} | {fit} of {n} | {told} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Run and write results/sanity.json and .md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--faults", nargs="*", choices=FAULTS, default=list(FAULTS), help="these alone, anew")
    options = parser.parse_args(arguments)
    file = RESULTS / "sanity.json"
    known = json.loads(file.read_text(encoding="utf-8"))["rows"] if file.is_file() else []
    rows = [row for row in known if row["fault"] not in options.faults] + measure(options.seeds, options.faults)
    RESULTS.mkdir(exist_ok=True)
    file.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "sanity.md").write_text(page(rows), encoding="utf-8")
    print(page(rows))


if __name__ == "__main__":
    main()
