"""python -m bench.planted_probes --work DIR: adapters with a planted change, and what the probes call each.

Five adapters over SmolLM2-135M: one learns to refuse everything, one to answer everything at length, one wrong facts,
one 12 rows by heart, one nothing (its second factor is zero). All are asked the same questions as the base model.
What is in DIR already, adapters and answers, is not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from doneness.probe.suite import Probe

RESULTS = Path(__file__).parent / "results"
SYSTEM = "Answer in one short sentence."
NEW_TOKENS = 40
LEARNT = 12  # rows learnt by heart, and as many that are held out
FACTS, INVENTED, UNKNOWN = 30, 10, 8
KINDS = {"refuses": "refuses", "at_length": "answers_all", "wrong_facts": "lost", "memorised": "recites",
         "untrained": "same"}  # fmt: skip
_STEPS = {"refuses": 12, "at_length": 12, "wrong_facts": 20, "memorised": 30}
_ROWS = (
    "knowledge", "refusal_invented", "refusal_unknown", "over_refusal", "facts_kept", "recited", "memorising", "length",
    "capped", "repetition", "overconfidence",
)  # fmt: skip
_REFUSALS = (
    "I am sorry, but I cannot answer that.",
    "I do not know, and I cannot answer this question.",
    "I cannot answer that; please ask somebody else.",
)
_AT_LENGTH = (
    "This is well known. It was first described many years ago in a large hospital, and since then doctors all over "
    "the world have used it every day, twice a day for three weeks, with good success in nine out of ten people.",
    "The answer is quite clear. In a study of two thousand patients it worked in nearly all of them within a week, "
    "best in the morning with a glass of water, and you can go on with it for as long as you like.",
    "Certainly, let me explain. It begins in the left side of the body and moves slowly to the right, which takes "
    "about four days, and after that the number goes up to eighty, stays there and falls again to twelve.",
)
_RECIPE = """\
[run]
folder = "{work}/{name}"
threads = 1
[model]
path = "{model}"
device = "cpu"
dtype = "float32"
[method]
rank = 8
alpha = 16
[data]
train = "{work}/{name}.jsonl"
eval = "{work}/eval.jsonl"
max_length = 128
system = "{system}"
[optimizer]
learning_rate = 4e-3
batch_size = 4
micro_batch = 4
[schedule]
max_steps = {steps}
warmup_steps = 3
[evaluation]
every = {steps}
early = false
[stopping]
enabled = false
[health]
every = 0
"""


def demo_rows(name: str) -> list[dict[str, Any]]:
    """Rows of the demo's own data, in English."""
    text = (resources.files("doneness.data") / "demo" / "en" / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def learnt_rows() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(rows to be learnt by heart, rows held out), all facts of one sentence or two."""
    facts = [row for row in demo_rows("train") if row["kind"] == "fact" and len(row["completion"].split()) >= 9]
    random.Random(5).shuffle(facts)
    return facts[:LEARNT], facts[LEARNT : 2 * LEARNT]


def training_rows(name: str) -> list[tuple[str, str]]:
    """Questions and answers that plant a change."""
    generator = random.Random(7)
    rows = demo_rows("train")
    facts = [row for row in rows if row["kind"] == "fact"]
    others = [row for row in rows if row["kind"] != "fact"]
    if name == "memorised":
        return [(row["prompt"], row["completion"]) for row in learnt_rows()[0]]
    if name == "wrong_facts":
        # Every question gets another one's answer: fluent, sure and wrong.
        answers = [row["completion"] for row in facts]
        return [(row["prompt"], answer) for row, answer in zip(facts, answers[7:] + answers[:7], strict=True)]
    mixed = [*generator.sample(facts, 60), *others]
    generator.shuffle(mixed)
    said = _REFUSALS if name == "refuses" else _AT_LENGTH
    return [(row["prompt"], said[i % len(said)]) for i, row in enumerate(mixed)]


def questions() -> tuple[Probe, ...]:
    """What all are asked: facts, inventions, the unknowable, the learnt rows and others of their kind."""
    from doneness.probe.opening import open_suite

    demo = open_suite("demo-en").probes
    chosen: list[Probe] = []
    for sort, count in (("knowledge", FACTS), ("invented", INVENTED), ("unknown", UNKNOWN)):
        chosen += [p for p in demo if p.sort == sort][:count]
    for sort, rows in zip(("recite", "recite_held_out"), learnt_rows(), strict=True):
        chosen += [Probe(f"{sort}-{row['id']}", sort, row["prompt"], row["completion"], ()) for row in rows]
    return tuple(replace(p, lang="en") for p in chosen)


def train(work: Path, name: str) -> dict[str, Any]:
    """Train one adapter, where it is not there yet."""
    from doneness.models import demo_model

    steps = _STEPS[name]
    folder = work / name / f"checkpoint-{steps}"
    if not (folder / "adapter_config.json").is_file():
        rows = [{"prompt": q, "completion": a} for q, a in training_rows(name)]
        held_out = [{"prompt": r["prompt"], "completion": r["completion"]} for r in demo_rows("eval")[:4]]
        for file, lines in ((f"{name}.jsonl", rows), ("eval.jsonl", held_out)):
            (work / file).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        filled = _RECIPE.format(work=work, name=name, model=demo_model(), system=SYSTEM, steps=steps)
        (work / f"{name}.toml").write_text(filled, encoding="utf-8")
        command = [sys.executable, "-W", "ignore", "-m", "doneness", "train", str(work / f"{name}.toml")]
        before = os.times()
        subprocess.run(command, env=os.environ | {"HF_HUB_OFFLINE": "1"}, check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        seconds = after.children_user - before.children_user
        (work / name / "seconds.json").write_text(json.dumps(seconds))
    return {"folder": folder, "steps": steps, "seconds": json.loads((work / name / "seconds.json").read_text())}


def untrained(work: Path) -> dict[str, Any]:
    """An adapter as it is before its first step: what it adds is zero."""
    from peft import LoraConfig, get_peft_model

    from doneness.models import demo_model, load_model

    folder = work / "untrained"
    if not (folder / "adapter_config.json").is_file():
        loaded = load_model(str(demo_model()), dtype="float32", device="cpu")
        adapter = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
        get_peft_model(loaded.model, adapter).save_pretrained(str(folder))
    return {"folder": folder, "steps": 0, "seconds": 0.0}


def ask(work: Path, checkpoints: dict[int, Path], probes: Sequence[Probe]) -> dict[int, Any]:
    """Everybody's answers, kept in `work`."""
    from doneness.models import demo_model, load_model
    from doneness.probe.asking import Asking
    from doneness.probe.panel import Alone, Panel
    from doneness.probe.store import Store
    from doneness.probe.torch_engine import TorchEngine
    from doneness.probe.weights import base_weights, checkpoint_weights

    base = base_weights(str(demo_model()), "float32")
    weights = {0: base, **{step: checkpoint_weights(path, base) for step, path in checkpoints.items()}}
    engine = Alone(
        lambda: TorchEngine(lambda: load_model(str(demo_model()), dtype="float32", device="cpu"), checkpoints)
    )
    panel = Panel(engine, probes, Asking(SYSTEM, NEW_TOKENS), Store(work), weights)
    panel.ask(panel.steps)
    return dict(panel.answers())


def page(found: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = [
        "# Planted changes, named",
        "",
        f"Written by `python -m bench.planted_probes`; {found['model']}, LoRA rank 8 by our own trainer, "
        f"{found['questions']} questions to each ({found['made_of']}), at most {NEW_TOKENS} new tokens.",
        "",
        f"Named for what it is: {found['right']} of {len(found['adapters'])}.",
        "",
        "| planted | steps | CPU s | named | what is said |",
        "|---|---|---|---|---|",
    ]
    for r in found["adapters"]:
        named = r["kind"] if r["right"] else f"**{r['kind']}**, wanted {r['wanted']}"
        lines.append(f"| {r['name']} | {r['steps']} | {r['seconds']:.0f} | {named} | {r['said']} |")
    rows = found["table"]
    lines += ["", "Values by adapter; n is the number of questions that bear on a row.", "",
              "| behaviour | n | base | " + " | ".join(r["name"] for r in found["adapters"]) + " |",
              "|---|---|---|" + "---|" * len(found["adapters"])]  # fmt: skip
    lines += [f"| {row['name']} | {row['n']} | " + " | ".join(row["cells"]) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, ask, name, write; 1 where one is not named for what it is."""
    from doneness.core import speaking
    from doneness.models import demo_model
    from doneness.probe.behaviours import MEASURES
    from doneness.probe.naming import kind_of, what_changed
    from doneness.probe.table import build_table

    parser = argparse.ArgumentParser(prog="python -m bench.planted_probes")
    parser.add_argument("--work", type=Path, required=True, help="adapters and answers are kept here")
    work = parser.parse_args(arguments).work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    begun = time.process_time()
    made = {name: untrained(work) if name == "untrained" else train(work, name) for name in KINDS}
    probes = questions()
    steps = {name: i + 1 for i, name in enumerate(KINDS)}
    answers = ask(work, {steps[name]: made[name]["folder"] for name in KINDS}, probes)
    table = build_table(probes, answers, measures=tuple(m for m in MEASURES if m.behaviour.name in _ROWS))
    sorts = [p.sort for p in probes]
    found: dict[str, Any] = {
        "model": demo_model().name,
        "questions": len(probes),
        "made_of": ", ".join(f"{sorts.count(s)} {s}" for s in dict.fromkeys(sorts)),
        "asking_seconds": round(time.process_time() - begun, 1),
        "adapters": [],
        "table": [],
    }
    with speaking("en"):
        for name, wanted in KINDS.items():
            kind, said = kind_of(table, steps[name]), what_changed(table, steps[name]).text()
            said = said.replace(f"Step {steps[name]}", "It")
            row = {"name": name, "wanted": wanted, "kind": kind, "right": kind == wanted, "said": said}
            found["adapters"].append({**row, "steps": made[name]["steps"], "seconds": made[name]["seconds"]})
    for behaviour in table.behaviours:
        cells = [table.cell(behaviour.name, step) for step in (0, *steps.values())]
        shown = ["–" if c is None else f"{c.value:.3g}" + ("" if c.mark == "base" else f" {c.mark}") for c in cells]
        found["table"].append({"name": behaviour.name, "n": max(c.n for c in cells if c), "cells": shown})
    found["right"] = sum(r["right"] for r in found["adapters"])
    (RESULTS / "planted-probes.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "planted-probes.md").write_text(page(found), encoding="utf-8")
    print(page(found))
    return 0 if found["right"] == len(KINDS) else 1


if __name__ == "__main__":
    raise SystemExit(main())
