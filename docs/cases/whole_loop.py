r"""The whole loop of docs/cases/whole-loop.md: fine-tune, probe, vote, pairs, DPO, probe again.

    python docs/cases/whole_loop.py --work FOLDER     # everything that is not there yet, then results.json

Everything is done by the commands that a reader types; what they print is kept. Only the votes are not a person's: a
rule that sees what a reviewer sees (the question, the reference, two answers, and not whose they are) stands in for
one, and is entered as a simulated reviewer. An interrupted work goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from doneness.probe.declines import declines
from doneness.probe.overlap import rouge_l
from doneness.probe.suite import Probe, load_suite

HOME = Path(__file__).with_name("whole-loop")
SLIPS = 0.1  # share of votes that are cast against the rule
NEAR = 0.05  # of ROUGE-L, within which two answers are called alike
MOST = 400
RATE = "3e-4"
NAME = "Rule"
_ANSWERLESS = ("invented", "unknown")


def main() -> int:
    """Do what is not done yet, and keep what was printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    work = parser.parse_args().work
    run, new = work / "demo" / "run", work / "demo" / "run-dpo"
    told: dict[str, Any] = {}
    if not (run / "report.html").is_file():
        _typed(["demo", "--folder", str(work / "demo")], work)
    asked = ["probe", str(run), "--questions", "0", "--max-new-tokens", "40", "--everything"]
    _typed(asked, work)
    told["votes"] = vote(run, load_suite(work / "demo" / "data" / "en" / "probes.jsonl"))
    train = ["align", str(run), f"optimizer.learning_rate={RATE}", "schedule.epochs=2", "probes.max_new_tokens=40"]
    if not (run / "pairs.jsonl").is_file():
        _typed(["pairs", str(run)], work)
    _typed(train, work)
    for lang in ("en", "zh"):
        shown = {
            "probe": asked,
            "status": ["review", str(run), "--status"],
            "pairs": ["pairs", str(run)],
            "align": train,
        }
        told[lang] = {name: _typed(line, work, lang) for name, line in shown.items()}
    told["rows"] = [json.loads(line) for line in (run / "pairs.jsonl").read_text(encoding="utf-8").splitlines()][:3]
    told["table"] = json.loads((new / "probes" / "table.json").read_text(encoding="utf-8"))["cells"]
    HOME.mkdir(exist_ok=True)
    (HOME / "results.json").write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 0


def vote(run: Path, probes: tuple[Probe, ...]) -> dict[str, Any]:
    """Vote by the rule, as often as is not done yet; how often each verdict was given."""
    from doneness.workflows.review import export_votes, next_pair, record_vote, status

    by_prompt = {probe.prompt: probe for probe in probes}
    begun = status(run).votes
    generator = random.Random(17 + begun)
    for _ in range(begun, MOST):
        shown = next_pair(run, NAME, kind="simulated")
        if shown is None:
            break
        verdict = by_rule(by_prompt[shown.prompt], shown.left, shown.right)
        if generator.random() < SLIPS:
            verdict = generator.choice([v for v in ("1", "2") if v != verdict])
        record_vote(run, shown.token, verdict, reviewer=NAME)
    file = run / "votes.jsonl"
    export_votes(run, file)
    lines = file.read_text(encoding="utf-8").splitlines()
    return dict(Counter(json.loads(line)["verdict"] for line in lines))


def by_rule(probe: Probe, left: str, right: str) -> str:
    """The verdict on two answers.

    To what does not exist or cannot be known the right answer is to say so. Elsewhere an answer that holds what the
    question asks for beats one that does not, whatever its words; then the one that is more like the reference does.
    Both wrong is "bad".
    """
    if probe.sort in _ANSWERLESS:
        one, two = declines(left), declines(right)
    else:
        one, two = probe.right(left), probe.right(right)
    if one != two:
        return "1" if one else "2"
    if not one:
        return "bad"
    apart = rouge_l(left, probe.reference) - rouge_l(right, probe.reference) if probe.reference else 0.0
    return "tie" if abs(apart) <= NEAR else "1" if apart > 0 else "2"


def _typed(line: list[str], work: Path, lang: str = "en") -> dict[str, str]:
    """A command as a user types it, and what it printed."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "COLUMNS": "110", "DONENESS_LANG": lang}
    asked = [sys.executable, "-W", "ignore", "-m", "doneness", *line]
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr or done.stdout)
    print(done.stdout[-400:], flush=True)
    return {
        "command": " ".join(["doneness", *line]).replace(f"{work}/", ""),
        "printed": done.stdout.replace(f"{work}/", ""),
    }


if __name__ == "__main__":
    sys.exit(main())
