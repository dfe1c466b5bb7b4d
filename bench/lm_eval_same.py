"""python -m bench.lm_eval_same --lm-eval PYTHON [--items N]: multiple choice beside lm-evaluation-harness.

The same model, items and texts, once through its command line, once through our engine: the log-likelihood of every
option, `acc` and `acc_norm`. lm-eval has an environment of its own:

    python3 -m venv .venv-lmeval && .venv-lmeval/bin/pip install -c constraints.txt 'lm_eval[hf]==0.4.13'
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from doneness.probe.opening import open_suite
from doneness.probe.suite import Probe

RESULTS = Path(__file__).parent / "results"
TOLERANCE = 1e-4  # nats, of a summed log-likelihood
_TASK = """task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {file}
test_split: test
output_type: multiple_choice
doc_to_text: query
doc_to_choice: choices
doc_to_target: gold
target_delimiter: "{delimiter}"
metric_list:
  - metric: acc
  - metric: acc_norm
metadata:
  version: 1
"""


def parts(items: int) -> dict[str, tuple[list[Probe], bool]]:
    """Items by name, and whether they are put through the chat template."""
    built_in = [p for name in ("general-en", "medical-en", "general-zh", "medical-zh")
                for p in open_suite(name).probes if p.options]  # fmt: skip
    found: dict[str, tuple[list[Probe], bool]] = {
        "built_in_plain": (built_in, False),
        "built_in_chat": (built_in[::2], True),
    }
    folder = Path(__file__).parents[2] / "shared" / "data" / "probes"
    for name, file in (("cmmlu_medical", "cmmlu_medical_zh.jsonl"), ("medqa", "medqa_usmle_test_1273.jsonl")):
        if (folder / file).is_file():
            every = [p for p in open_suite(str(folder / file)).probes if p.options]
            short = sorted(every, key=lambda p: len(p.prompt))[: 4 * items : 4]  # a CPU is asked
            found[name] = (short, False)
    return found


def query(probe: Probe, chat: bool) -> str:
    """The text before an option."""
    return probe.prompt if chat else f"Question: {probe.prompt}\nAnswer:"


def theirs(python: str, model: Path, work: Path, name: str, probes: Sequence[Probe], chat: bool) -> dict[str, Any]:
    """What lm-eval finds, through its own command line."""
    file = work / f"{name}.jsonl"
    docs = [{"query": query(p, chat), "choices": p.options, "gold": p.correct} for p in probes]
    file.write_text("".join(json.dumps(doc, ensure_ascii=False) + "\n" for doc in docs), encoding="utf-8")
    (work / f"{name}.yaml").write_text(_TASK.format(name=name, file=file, delimiter=" "), encoding="utf-8")
    command = [python, "-m", "lm_eval", "--model", "hf", "--model_args", f"pretrained={model},dtype=float32",
               "--tasks", name, "--include_path", str(work), "--device", "cpu", "--batch_size", "8",
               "--log_samples", "--output_path", str(work / "out")]  # fmt: skip
    begun = time.perf_counter()
    done = subprocess.run(
        [*command, *(["--apply_chat_template"] if chat else [])],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(work / "cache")},
    )
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    took = time.perf_counter() - begun
    (samples,) = (work / "out").rglob(f"samples_{name}_*.jsonl")
    rows = sorted((json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()),
                  key=lambda row: row["doc_id"])  # fmt: skip
    lls = [[float(response[0][0]) for response in row["resps"]] for row in rows]
    return {"lls": lls, "acc": [row["acc"] for row in rows], "acc_norm": [row["acc_norm"] for row in rows], "s": took}


def ours(model: Path, probes: Sequence[Probe], chat: bool) -> dict[str, Any]:
    """What our engine and behaviours find."""
    from doneness.models import load_model
    from doneness.models.render import head_text, text_ids
    from doneness.probe.joined import joined_options
    from doneness.probe.options import chosen
    from doneness.probe.torch_engine import TorchEngine
    from doneness.runs.probes import Answer

    begun = time.perf_counter()
    engine = TorchEngine(lambda: load_model(str(model), dtype="float32", device="cpu"), {}, 16)
    tokenizer = engine.tokenizer
    pairs = []
    for probe in probes:
        head = query(probe, chat)
        if chat:
            head = head_text(tokenizer, [{"role": "user", "content": head}])
        options = probe.options if chat else [f" {text}" for text in probe.options]
        pairs.append(joined_options(lambda text: text_ids(tokenizer, text), head, options))
    lls = engine.options(0, [head for head, _ in pairs], [options for _, options in pairs])
    took = time.perf_counter() - begun
    answers = [Answer(p.id, 0, "", 0, 0.0, False, options=tuple(ll)) for p, ll in zip(probes, lls, strict=True)]
    acc = [float(chosen(a) == p.correct) for p, a in zip(probes, answers, strict=True)]
    norm = [float(chosen(a, p) == p.correct) for p, a in zip(probes, answers, strict=True)]
    return {"lls": lls, "acc": acc, "acc_norm": norm, "s": took}


def compared(name: str, chat: bool, one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The two beside each other."""
    gaps = [abs(a - b) for x, y in zip(one["lls"], other["lls"], strict=True) for a, b in zip(x, y, strict=True)]
    n = len(one["lls"])
    row: dict[str, Any] = {"part": name, "chat": chat, "items": n, "options": len(gaps), "largest": max(gaps)}
    for metric in ("acc", "acc_norm"):
        row[metric] = {"ours": sum(one[metric]) / n, "theirs": sum(other[metric]) / n}
        row[f"{metric}_same"] = sum(a == b for a, b in zip(one[metric], other[metric], strict=True))
    row["seconds"] = {"ours": round(one["s"], 1), "theirs": round(other["s"], 1)}
    return row


def page(found: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = [
        "# Multiple choice beside lm-evaluation-harness",
        "",
        f"Written by `python -m bench.lm_eval_same`; {found['model']}, float32, CPU; lm-eval {found['lm_eval']}.",
        f"Largest difference of an option's log-likelihood in nats (at most {TOLERANCE:g} is wanted), `acc` (ours",
        "`choice`) and `acc_norm` (ours `choice_norm`), and on how many items the two agree. Seconds include loading;",
        "theirs also its start; they are no comparison of speed: the machine did other work beside them.",
        "",
        "| items | n | options | chat template | largest difference | acc ours / theirs | same "
        "| acc_norm ours / theirs | same | seconds ours / theirs |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in found["parts"]:
        a, b, s = r["acc"], r["acc_norm"], r["seconds"]
        lines.append(
            f"| {r['part']} | {r['items']} | {r['options']} | {'yes' if r['chat'] else 'no'} | {r['largest']:.1e} | "
            f"{a['ours']:.3f} / {a['theirs']:.3f} | {r['acc_same']} | {b['ours']:.3f} / {b['theirs']:.3f} | "
            f"{r['acc_norm_same']} | {s['ours']} / {s['theirs']} |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both, compare, write the results; 1 where they differ."""
    from doneness.models import demo_model

    parser = argparse.ArgumentParser(prog="python -m bench.lm_eval_same")
    parser.add_argument("--lm-eval", required=True, help="the Python of an environment with lm_eval")
    parser.add_argument("--items", type=int, default=100, help="of each public set")
    parser.add_argument("--only", default="", help="one part; what was found of the others stays")
    options = parser.parse_args(arguments)
    version = subprocess.run(
        [options.lm_eval, "-c", "from importlib.metadata import version; print(version('lm_eval'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    file = RESULTS / "lm-eval.json"
    before = json.loads(file.read_text(encoding="utf-8"))["parts"] if options.only and file.is_file() else []
    kept = [row for row in before if row["part"] != options.only]
    found: dict[str, Any] = {"model": demo_model().name, "lm_eval": version, "parts": kept}
    for name, (probes, chat) in parts(options.items).items():
        if options.only not in ("", name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            other = theirs(options.lm_eval, demo_model(), Path(folder), name, probes, chat)
        found["parts"].append(compared(name, chat, ours(demo_model(), probes, chat), other))
        print(json.dumps(found["parts"][-1]), flush=True)
    file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "lm-eval.md").write_text(page(found), encoding="utf-8")
    fine = all(r["largest"] <= TOLERANCE and r["acc_same"] == r["acc_norm_same"] == r["items"] for r in found["parts"])
    return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
