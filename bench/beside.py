"""The same YAML here and in LLaMA-Factory: tokens and labels, the loss before training, the loss after it.

    python -m bench beside --python /path/to/llamafactory/bin/python --repository /path/to/LLaMA-Factory
    python -m bench beside … --only examples        # which of its example files are understood, without training

Two environments, one machine. Three of LLaMA-Factory's example files (LoRA, full, DPO) are changed in what a CPU and a
small model need and in nothing else (see CPU and CASES), and trained by `doneness train` and by LLaMA-Factory itself:

1. Tokens and labels of every row, as LLaMA-Factory's own processing makes them and as ours does.
2. The loss of the same evaluation rows before the first step, row by row.
3. The losses of the training steps, and the loss of the evaluation rows after the last, with several seeds (`--seeds`).
   A seed gives the same order of rows and the same new adapters in both: the difference at the same seed is held
   against what another seed changes, the standard deviation of the loss over seeds.

`--repository` is a checkout, or a bare clone, of LLaMA-Factory: its example files and demo data are read from there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from bench.beside_examples import content, examples
from bench.beside_page import page, put_into, reasons, trainings
from bench.beside_words import WORDS

LIMIT = 1e-4  # nats a token: the most that two implementations of one loss may differ by
STEPS = 30
FIRST_SEED = 42  # LLaMA-Factory's own
THEIRS = Path(__file__).with_name("beside_theirs.py")
# Ours alone: what takes time and changes no result.
OURS = ("checkpoints.with_evaluations=false", "run.preflight=false")
# What a CPU needs; None takes a line out.
CPU: dict[str, Any] = {
    "bf16": False, "use_cpu": True, "preprocessing_num_workers": None, "dataloader_num_workers": 0,
    "logging_steps": 1, "eval_strategy": "steps",
    "per_device_eval_batch_size": 1, "eval_dataset": "held_out", "plot_loss": False, "deepspeed": None,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """An example file, what else is changed in it, and the demo data that rows are held out of."""

    file: str
    changed: dict[str, Any]
    split: str
    held_out: int = 8


CASES = {
    "lora sft": Case(
        "examples/train_lora/qwen3_lora_sft.yaml",
        {"cutoff_len": 96, "gradient_accumulation_steps": 1},
        "alpaca_en_demo",
    ),
    "full sft": Case("examples/train_full/qwen3_full_sft.yaml", {"cutoff_len": 96}, "alpaca_en_demo"),
    "lora dpo": Case(
        "examples/train_lora/qwen3_lora_dpo.yaml", {"cutoff_len": 96, "gradient_accumulation_steps": 1}, "dpo_en_demo"
    ),
}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench beside", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", type=Path, help="of the environment that LLaMA-Factory is installed in")
    parser.add_argument("--repository", type=Path, help="a checkout or bare clone of LLaMA-Factory")
    parser.add_argument("--model", default="", help="SmolLM2-135M-Instruct unless another is named")
    parser.add_argument("--seeds", type=int, default=3, help="how many; those that were trained with before are kept")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--only", help="one of: " + ", ".join((*CASES, "examples")))
    parser.add_argument("--docs", type=Path, help="folder of other-recipes.md, whose tables are made anew")
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    options = parser.parse_args(argv)
    if options.repository is None:
        print("beside: nothing to compare with; see --help")
        return
    place = options.out / "beside.json"
    found = json.loads(place.read_text(encoding="utf-8")) if place.is_file() else {"cases": {}}
    for known in found["cases"].values():
        known |= compared(known["ours"], known["theirs"])
    if options.python:
        found["versions"] = versions(options.python)
    for name, case in CASES.items():
        if options.only in (None, name):
            found["cases"][name] = measure(case, options, found["cases"].get(name, {}))
            _write(place, found)
    if options.only in (None, "examples"):
        found["examples"] = examples(options.repository)
    _write(place, found)
    if options.docs:
        _into_pages(options.docs, found)
    print((options.out / "beside.md").read_text(encoding="utf-8"))


def _write(place: Path, found: dict[str, Any]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    place.with_suffix(".md").write_text("\n".join(page(found)) + "\n", encoding="utf-8")


def _into_pages(docs: Path, found: dict[str, Any]) -> None:
    """The tables of the pages for users, in both languages."""
    for name, language in (("other-recipes.md", "en"), ("other-recipes.zh.md", "zh")):
        text = (docs / name).read_text(encoding="utf-8")
        if found["cases"]:
            text = put_into(text, "trainings", trainings(found, WORDS[language]))
        if "examples" in found:
            text = put_into(text, "examples", reasons(found["examples"], language))
        (docs / name).write_text(text, encoding="utf-8")


# One example file


def measure(case: Case, options: argparse.Namespace, before: dict[str, Any]) -> dict[str, Any]:
    """All three comparisons of one example file; what was measured of it before is kept."""
    import yaml

    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        demo_data(options.repository, case, work / "data")
        written = yaml.safe_load(content(options.repository, case.file))
        own = {"model_name_or_path": _model(options.model), "dataset_dir": str(work / "data")}
        length = {"max_steps": options.steps, "eval_steps": options.steps}
        config = {k: v for k, v in (written | CPU | length | case.changed | own).items() if v is not None}
        found = {"file": case.file, "changed": _changed(written, config)}
        if any(before.get(key) != value for key, value in found.items()):
            before = {}
        long = config | {"cutoff_len": written["cutoff_len"]}
        rows = before.get("rows") or [tokens(each, work, options.python) for each in (long, config)]
        runs = {"ours": before.get("ours", []), "theirs": before.get("theirs", [])}
        for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
            if seed not in [run["seed"] for run in runs["ours"]]:
                runs["ours"].append(run_ours(config, seed, work))
            if seed not in [run["seed"] for run in runs["theirs"]]:
                runs["theirs"].append(run_theirs(config, seed, work, options.python))
    return found | {"steps": options.steps, "rows": rows, **runs} | compared(runs["ours"], runs["theirs"])


def demo_data(repository: Path, case: Case, folder: Path) -> None:
    """Their demo data and registry, its last rows held out under a name of their own."""
    folder.mkdir()
    registry = json.loads(content(repository, "data/dataset_info.json"))
    kept = {name: registry[name] for name in ("identity", "alpaca_en_demo", "dpo_en_demo")}
    for entry in kept.values():
        (folder / entry["file_name"]).write_text(content(repository, f"data/{entry['file_name']}"), encoding="utf-8")
    whole = json.loads((folder / kept[case.split]["file_name"]).read_text(encoding="utf-8"))
    parts = {case.split: whole[: -case.held_out], "held_out": whole[-case.held_out :]}
    kept["held_out"] = kept[case.split] | {"file_name": "held_out.json"}
    for name, rows in parts.items():
        (folder / kept[name]["file_name"]).write_text(json.dumps(rows), encoding="utf-8")
    (folder / "dataset_info.json").write_text(json.dumps(kept), encoding="utf-8")


def _model(name: str) -> str:
    from doneness.models import demo_model

    return name or str(demo_model())


def _changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    paths = {"model_name_or_path": "SmolLM2-135M-Instruct", "dataset_dir": "(a copy of its demo data)"}
    names = [*before, *(name for name in after if name not in before)]
    return {name: paths.get(name, after.get(name)) for name in names if before.get(name) != after.get(name)}


# 1. Tokens and labels


def tokens(config: dict[str, Any], work: Path, python: Path) -> dict[str, Any]:
    """How many rows have the same token ids and the same labels in both."""
    theirs = call(python, "rows", config | {"output_dir": str(work / "rows")}, work)
    ours, found = rows_of(config, work), {"cutoff_len": config["cutoff_len"]}
    for part in ("train", "eval"):
        pairs = list(zip(ours[part], theirs[part], strict=False))
        apart = [i for i, (one, other) in enumerate(pairs) if one != other]
        found[part] = {
            "ours": len(ours[part]), "theirs": len(theirs[part]), "same": len(pairs) - len(apart),
            "tokens": sum(len(ids) for row in theirs[part] for ids in row[::2]),
            "targets": sum(label != -100 for row in theirs[part] for labels in row[1::2] for label in labels),
            "apart": apart[:20],
        }  # fmt: skip
    return found


def rows_of(config: dict[str, Any], work: Path) -> dict[str, list[list[list[int]]]]:
    """Our token ids and labels of the rows that the YAML names."""
    from transformers import AutoTokenizer

    from doneness.config.foreign import translate
    from doneness.models.templates import with_template
    from doneness.workflows.train import _encoded, _read

    recipe = translate([str(_yaml(config | {"output_dir": str(work / "rows")}, work))]).recipe
    tokenizer = AutoTokenizer.from_pretrained(recipe.model.path)
    if recipe.model.template:
        with_template(tokenizer, recipe.model.template)
    encoded, _ = _encoded(tokenizer, _read(recipe), recipe)
    return {"train": [_labelled(row) for row in encoded.train.rows], "eval": [_labelled(r) for r in encoded.eval.rows]}


def _labelled(row: Any) -> list[list[int]]:
    sides = (row.chosen, row.rejected) if hasattr(row, "chosen") else (row,)
    return [list(part) for side in sides for part in (side.ids, side.labels)]


# 2 and 3. Trainings


def run_ours(config: dict[str, Any], seed: int, work: Path) -> dict[str, Any]:
    """Trained by `doneness train`; losses of steps and of evaluation rows."""
    from doneness.runs import read_records
    from doneness.runs.examples import load_examples

    folder = work / f"ours-{seed}"
    path = _yaml(config | {"output_dir": str(folder), "seed": seed}, work)
    command = [sys.executable, "-m", "doneness", "train", str(path), *OURS]
    subprocess.run(command, check=True, env=_environment(work))
    records, _ = read_records(folder / "journal.jsonl")
    evaluations = []
    for each in (r for r in records if r["kind"] == "eval" and r["step"] in (0, config["max_steps"])):
        losses = load_examples(folder / each["file"])
        rows = [[float(nll), int(count)] for nll, count in zip(losses.nll, losses.tokens, strict=True)]
        evaluations.append({"step": each["step"], "loss": each["loss"], "rows": rows, **each.get("metrics", {})})
    return {
        "seed": seed,
        "steps": [r["loss"] for r in records if r["kind"] == "train"],
        "eval": evaluations,
    }


def run_theirs(config: dict[str, Any], seed: int, work: Path, python: Path) -> dict[str, Any]:
    """Trained by LLaMA-Factory; the same."""
    folder = work / f"theirs-{seed}"
    more = {"output_dir": str(folder), "seed": seed, "eval_on_start": True, "overwrite_output_dir": True}
    told = call(python, "train", config | more, work)
    evaluations = []
    for each in told["eval"]:
        metrics = {name.removeprefix("eval_"): value for name, value in each["metrics"].items()}
        one = {"step": each["step"], **metrics}
        if "rows" in each:
            one["rows"] = each["rows"]
            one["loss"] = sum(nll for nll, _ in each["rows"]) / sum(count for _, count in each["rows"])
        evaluations.append(one)
    return {"seed": seed, "steps": [r["loss"] for r in told["log"] if "loss" in r], "eval": evaluations}


def call(python: Path, what: str, config: dict[str, Any], work: Path) -> dict[str, Any]:
    """What the script of their half says."""
    given, out = work / "given.json", work / "said.json"
    given.write_text(json.dumps(config), encoding="utf-8")
    command = [str(python), str(THEIRS), what, str(given), str(out)]
    done = subprocess.run(command, env=_environment(work), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-4000:]}")
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def versions(python: Path) -> dict[str, str]:
    """What was installed, here and there."""
    names = ("llamafactory", "transformers", "trl", "peft", "torch")
    code = f"from importlib.metadata import version; print(', '.join(n + ' ' + version(n) for n in {names}))"
    there = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    here = ", ".join([version("transformers"), *(f"{name} {version(name)}" for name in ("trl", "peft", "torch"))])
    return {"ours": here, "theirs": there}


def _environment(work: Path) -> dict[str, str]:
    """One thread that does not spin, no network; LLaMA-Factory imports torchaudio, which text does not need."""
    stub = work / "stub"
    stub.mkdir(exist_ok=True)
    (stub / "torchaudio.py").touch()
    path = os.pathsep.join(p for p in (str(stub), os.environ.get("PYTHONPATH", "")) if p)
    own = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "HF_HUB_OFFLINE": "1"}
    return {**own, **os.environ, "PYTHONPATH": path, "DISABLE_VERSION_CHECK": "1", "WANDB_DISABLED": "true"}


def _yaml(config: dict[str, Any], work: Path) -> Path:
    import yaml

    path = work / "given.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


# The verdicts


def compared(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> dict[str, Any]:
    """Differences before the first step, step by step, and after the last."""
    return {"before": before(ours[0], theirs[0]), "after": after(ours, theirs), "same_seed": same_seed(ours, theirs)}


def _at(run: dict[str, Any], step: int) -> dict[str, Any]:
    return next(each for each in run["eval"] if each["step"] == step)


def _last(run: dict[str, Any]) -> float:
    """The loss of the evaluation rows after the last step."""
    return float(max(run["eval"], key=lambda each: each["step"])["loss"])


def before(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """The largest difference of a row's loss, nats a target token; of pairs, of the mean log-probabilities."""
    one, other = _at(ours, 0), _at(theirs, 0)
    if "rows" in other:
        apart = max(abs(a[0] / a[1] - b[0] / b[1]) for a, b in zip(one["rows"], other["rows"], strict=True))
        same = [a[1] for a in one["rows"]] == [b[1] for b in other["rows"]]
        return {"ours": one["loss"], "theirs": other["loss"], "rows": len(one["rows"]), "worst_row": apart,
                "holds": same and apart <= LIMIT}  # fmt: skip
    # Of an answer's summed log-probability, some hundred nats: the share is what rounding leaves.
    names = ("logps/chosen", "logps/rejected")
    apart = max([abs(one[name] / other[name] - 1.0) for name in names] + [abs(one["loss"] - other["loss"])])
    return {"ours": [one["loss"], *(one[n] for n in names)], "theirs": [other["loss"], *(other[n] for n in names)],
            "rows": len(one["rows"]), "worst": apart, "holds": apart <= LIMIT}  # fmt: skip


def after(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> dict[str, Any]:
    """The losses in order of seed, ours less theirs at the same seed, and the standard deviation over seeds.

    The latter is that of either side's losses about their own mean, both together; None of one seed. It holds where no
    difference is larger, or none larger than rounding makes it.
    """
    pairs = _pairs(ours, theirs)
    mine, others = [_last(a) for a, _ in pairs], [_last(b) for _, b in pairs]
    differences = [a - b for a, b in zip(mine, others, strict=True)]
    worst, spread = max(map(abs, differences)), None
    if len(pairs) > 1:
        spread = mean([stdev(mine) ** 2, stdev(others) ** 2]) ** 0.5
    holds = True if worst <= LIMIT else None if spread is None else worst <= spread
    return {"seeds": [a["seed"] for a, _ in pairs], "ours": mine, "theirs": others, "differences": differences,
            "sd": spread, "worst": worst, "holds": holds}  # fmt: skip


def same_seed(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> dict[str, Any]:
    """With the same seed: the largest difference of the first step's loss, and of any step's."""
    pairs = _pairs(ours, theirs)
    steps = max(max(abs(x - y) for x, y in zip(a["steps"], b["steps"], strict=False)) for a, b in pairs)
    first = max(abs(a["steps"][0] - b["steps"][0]) for a, b in pairs)
    return {"first_step": first, "worst_step": steps}


def _pairs(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Runs of both with the same seed, in order of it."""
    by_seed = {run["seed"]: run for run in theirs}
    return [
        (run, by_seed[run["seed"]]) for run in sorted(ours, key=lambda run: int(run["seed"])) if run["seed"] in by_seed
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
