"""How long six checkpoints take to answer 32 questions, by five ways of asking.

    python -m bench probe --data FILE [--work FOLDER] [--rounds N]

FILE is PubMedQA with explanations. The checkpoints are trained once and kept in FOLDER. Every round runs all ways, in
turn the first; each way begins with nothing loaded. A ratio is taken within a round, so that a machine that is slower
in one round is slower for all.

    plain      every checkpoint loaded anew, one prompt after the other, transformers' generate
    batched    base loaded once, adapters swapped, batches of 16, transformers' generate
    ours       our engine without drafts
    drafted    our engine, each checkpoint's answers as drafts for the next one's
    allocated  as drafted, through the allocation of `doneness probe`, the base model asked as well: what can no longer
               change the choice is left out; the choice is held against that of all answers

With --more once also: rows of several adapters in one batch; our engine with adapters beside the weights; and both
`batched` and `drafted` with twice as many prompts at once.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from bench.probe_allocated import allocated, chosen_of_all, tied_in_loss
from bench.probe_page import page
from bench.probe_setup import STEPS, items, prepare, prompts
from bench.probe_ways import Asked, Ids, Setup, batched, drafted, mixed, ours, plain, timed, unmerged

WAYS: dict[str, Callable[[Setup, Asked], None]] = {
    "plain": plain, "batched": batched, "ours": ours, "drafted": drafted, "allocated": allocated,
}  # fmt: skip
MORE: dict[str, Callable[[Setup, Asked], None]] = {
    "mixed": mixed,
    "unmerged": unmerged,
    "batched, twice": lambda setup, found: batched(replace(setup, batch=2 * setup.batch), found),
    "drafted, twice": lambda setup, found: drafted(replace(setup, rows=2 * setup.rows), found),
}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench probe", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="FILE", help="pubmedqa_explain.jsonl")
    parser.add_argument("--work", type=Path, default=Path("/tmp/doneness-probe"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--batch", type=int, default=16, help="prompts at once, by transformers")
    parser.add_argument("--rows", type=int, default=16, help="prompts at once, by our engine")
    parser.add_argument("--steps", type=int, nargs="*", default=list(STEPS))
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=[*WAYS, *MORE])
    parser.add_argument("--more", action="store_true")
    parser.add_argument("--abstracts", action="store_true", help="prompts with their abstracts, 370 tokens longer")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    parser.add_argument("--from", dest="told", type=Path, help="a probe.json: write its page, measure nothing")
    options = parser.parse_args(argv)
    if options.told is None and (options.data is None or not options.data.is_file()):
        print("probe: needs --data FILE, PubMedQA with explanations; left out")
        return
    found = measure(options) if options.told is None else json.loads(options.told.read_text(encoding="utf-8"))
    text = page(found)
    print("\n".join(text))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "probe.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (options.out / "probe.md").write_text("\n".join(text) + "\n", encoding="utf-8")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All rounds, and what they come to."""
    import torch

    from doneness.models import demo_model, load_tokenizer

    torch.set_num_threads(options.threads)
    checkpoints = {s: f for s, f in prepare(options.data, options.work).items() if s in options.steps}
    tokenizer = load_tokenizer(str(demo_model()))
    asked = items(options.data, options.prompts, options.abstracts)
    setup = Setup(
        demo_model(), checkpoints, prompts(tokenizer, asked), options.tokens, options.batch, options.rows, asked,
        tied_in_loss(options.work),
    )  # fmt: skip
    ways = {name: (WAYS | MORE)[name] for name in options.ways}
    rounds: list[dict[str, Asked]] = []
    for number in range(options.rounds):
        names = list(ways)
        # Each way is first, last and in between in turn.
        names = names[number % len(names) :] + names[: number % len(names)]
        rounds.append({name: _told(number, name, timed(ways[name], setup)) for name in names})
    once = {name: _told(0, name, timed(way, setup)) for name, way in MORE.items()} if options.more else {}
    return {
        "about": _about(options, setup, tokenizer),
        "ways": {name: _way([each[name] for each in rounds]) for name in ways},
        "once": {name: _way([each]) for name, each in once.items()},
        "ratios": _ratios(rounds, list(ways)),
        "pairs": _pairs(rounds[0].get("drafted")),
        "choice": _choice(setup, rounds[0]),
        "same": {name: _same(setup, rounds[0], name) for name in ways if name not in ("batched", "allocated")},
    }


def _told(number: int, name: str, asked: Asked) -> Asked:
    print(
        f"round {number + 1}, {name}: {asked.seconds:.1f} s, cpu {asked.cpu:.1f} s, {asked.tokens} tokens", flush=True
    )
    return asked


def _about(options: argparse.Namespace, setup: Setup, tokenizer: Any) -> dict[str, Any]:
    import peft
    import torch
    import transformers

    import doneness

    lengths = [len(prompt) for prompt in setup.prompts]
    shared = next((k for k, each in enumerate(zip(*setup.prompts, strict=False)) if len(set(each)) > 1), min(lengths))
    return {
        "doneness": doneness.__version__, "python": platform.python_version(), "torch": torch.__version__,
        "transformers": transformers.__version__, "peft": peft.__version__, "threads": options.threads,
        "rounds": options.rounds, "steps": list(setup.checkpoints), "prompts": len(setup.prompts),
        "prompt_tokens": sum(lengths) / len(lengths), "shared_tokens": shared, "limit": setup.limit,
        "batch": setup.batch, "rows": setup.rows, "abstracts": options.abstracts, "vocabulary": len(tokenizer),
    }  # fmt: skip


def _way(rounds: Sequence[Asked]) -> dict[str, Any]:
    """One way over all rounds."""
    seconds = [each.seconds for each in rounds]
    return {
        "seconds": median(seconds), "low": min(seconds), "high": max(seconds),
        "cpu": median([each.cpu for each in rounds]), "tokens": rounds[0].tokens,
        "by_step": {str(s): median([each.by_step[s] for each in rounds]) for s in rounds[0].by_step},
    }  # fmt: skip


def _ratios(rounds: Sequence[Mapping[str, Asked]], names: Sequence[str]) -> list[dict[str, Any]]:
    """How many times longer the first two ways take than each of ours, in the same round."""
    found = []
    for slow in ("plain", "batched"):
        for fast in (name for name in names if name not in ("plain", "batched") and slow in names):
            wall = [each[slow].seconds / each[fast].seconds for each in rounds]
            cpu = [each[slow].cpu / each[fast].cpu for each in rounds]
            found.append({
                "slow": slow, "fast": fast, "ratio": median(wall), "low": min(wall), "high": max(wall),
                "cpu": median(cpu),
            })  # fmt: skip
    return found


def _pairs(asked: Asked | None) -> list[dict[str, Any]]:
    """Tokens that a row says in a forward, by neighbours; without drafts it is one."""
    if asked is None:
        return []
    steps = list(asked.turns)
    rows = []
    for before, step in zip([None, *steps], steps, strict=False):
        tokens, turns = asked.turns[step]
        rows.append({"from": before, "to": step, "tokens": tokens, "turns": turns, "per_forward": tokens / turns})
    return rows


def _same(setup: Setup, found: Mapping[str, Asked], name: str) -> dict[str, Any]:
    """How many answers are those of `batched` token for token, and how near a tie the others parted at."""
    if "batched" not in found:
        return {}
    theirs, mine = found["batched"].answers, found[name].answers
    apart = [(step, i) for step in mine for i in range(len(setup.prompts)) if mine[step][i] != theirs[step][i]]
    gaps = _gaps(setup, [(step, i, theirs[step][i], mine[step][i]) for step, i in apart])
    count = len(mine) * len(setup.prompts)
    return {"answers": count, "equal": count - len(apart), "gaps": gaps}


def _gaps(setup: Setup, apart: Sequence[tuple[int, int, Ids, Ids]]) -> list[dict[str, Any]]:
    """The distance of the two logits at the first token in which two answers differ."""
    import torch

    from bench.probe_ways import _base
    from doneness.models.switch import Switch

    found = []
    switch = Switch(lambda: _base(setup), setup.checkpoints)
    for step, i, one, other in apart:
        at = next(k for k in range(min(len(one), len(other))) if one[k] != other[k])
        with torch.inference_mode():
            logits = switch.to(step)(torch.tensor([[*setup.prompts[i], *one[:at]]]), logits_to_keep=1).logits[0, -1]
        gap = abs(float(logits[one[at]] - logits[other[at]]))
        rank = int((logits > min(logits[one[at]], logits[other[at]])).sum())
        found.append({"step": step, "prompt": i, "at": at, "gap": gap, "rank": rank})
    return found


def _choice(setup: Setup, found: Mapping[str, Asked]) -> dict[str, Any]:
    """What the allocation would keep and what all answers would, with what was asked for it."""
    whole = next((found[name] for name in ("drafted", "ours", "batched") if name in found), None)
    if "allocated" not in found or whole is None:
        return {}
    mine = found["allocated"]
    return {"allocated": mine.chosen, "all": chosen_of_all(setup, whole), "tied": list(setup.tied), **mine.told}
