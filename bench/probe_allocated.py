"""The way of asking that leaves out what can no longer change the choice, and whether the choice is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.probe_ways import Asked, Setup, _base, ends_of

FIRST = 16  # questions that every checkpoint answers before any is left out


def allocated(setup: Setup, found: Asked) -> None:
    """As `drafted`, through `doneness probe`'s own allocation: base and checkpoints, question by question."""
    from doneness.probe.allocation import Aim, Rounds, allocate
    from doneness.probe.asking import Asking
    from doneness.probe.panel import Alone, Panel
    from doneness.probe.store import Store
    from doneness.probe.torch_engine import TorchEngine

    engine = TorchEngine(lambda: _base(setup), setup.checkpoints, setup.rows)
    probes = _probes(setup)
    asking = Asking(max_new_tokens=setup.limit, batch_size=setup.rows)
    weights = {0: "base"} | {step: f"step-{step}" for step in setup.checkpoints}
    panel = Panel(Alone(lambda: engine), probes, asking, Store(None), weights)
    told = allocate(panel, tuple(setup.checkpoints), Aim(tied=setup.tied), Rounds(first=FIRST))
    ends = ends_of(engine.tokenizer)
    for step in setup.checkpoints:
        given = [panel.store.get(panel.key(step, probe, "answer")) for probe in probes]
        found.answers[step] = [[*g["ids"], *([] if g["capped"] else ends[:1])] for g in given if g is not None]
    last = told.rounds[-1].steps if told.rounds else tuple(setup.checkpoints)
    found.chosen = chosen(setup, panel.answers((0, *last)), last)
    found.told = told.to_dict() | {"asked": {str(s): len(found.answers[s]) for s in setup.checkpoints}}


def chosen(setup: Setup, answers: Mapping[int, Sequence[Any]], steps: Sequence[int]) -> dict[str, Any]:
    """The step that the rule of `doneness probe` picks from these answers, and how sure it is of it."""
    from doneness.probe.behaviours import MEASURES
    from doneness.probe.foresight import foresee
    from doneness.probe.scoring import score

    probes = _probes(setup)
    common = set.intersection(*({answer.id for answer in answers[step]} for step in (0, *steps)))
    asked = [probe for probe in probes if probe.id in common]
    deciding = [m for m in MEASURES if m.behaviour.goal or m.behaviour.guard]
    some = {step: list(answers[step]) for step in (0, *steps)}
    scored = [each for m in deciding if (each := score(m, asked, some)) is not None]
    found = foresee(scored, steps, [len(probes)] * len(scored), setup.tied)
    if found is None:
        return {"step": None, "share": 0.0, "questions": len(asked)}
    step, share = found.likeliest
    return {"step": step, "share": share, "questions": len(asked)}


def chosen_of_all(setup: Setup, asked: Asked) -> dict[str, Any]:
    """The step that is picked where every checkpoint and the base model answered everything.

    The base model's answers are asked for here, outside of any way's time: only the allocation needs them.
    """
    from doneness.models import load_tokenizer
    from doneness.probe.torch_engine import TorchEngine
    from doneness.runs.probes import Answer

    engine = TorchEngine(lambda: _base(setup), setup.checkpoints, setup.rows)
    said = engine.greedy(0, setup.prompts, setup.limit, None)
    probes, tokenizer = _probes(setup), load_tokenizer(str(setup.base))
    ends = set(ends_of(tokenizer))
    answers = {
        0: [Answer(p.id, 0, a.text, a.tokens, a.confidence, a.capped) for p, a in zip(probes, said, strict=True)]
    }
    for step, each in asked.answers.items():
        texts = [tokenizer.decode([t for t in ids if t not in ends]).strip() for ids in each]
        answers[step] = [
            Answer(p.id, step, text, len(ids), 0.0, ids[-1] not in ends)
            for p, text, ids in zip(probes, texts, each, strict=True)
        ]
    return chosen(setup, answers, tuple(setup.checkpoints))


def _probes(setup: Setup) -> tuple[Any, ...]:
    from doneness.probe.suite import Probe

    return tuple(
        Probe(f"q{at:03d}", "task", question, reference, (), metric="rouge_l")
        for at, (question, reference) in enumerate(setup.items)
    )


def tied_in_loss(work: Path) -> tuple[int, ...]:
    """Steps of the run that its held-out loss cannot tell from the best, in the order in which they would be kept."""
    from doneness.workflows.check import check

    (_, diagnosis), *_ = check(work / "run")
    return diagnosis.sweet_spot.steps if diagnosis.sweet_spot else ()
