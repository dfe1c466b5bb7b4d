"""Answers that were given before there was a store: a folder's files by step, taken over where they still hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from doneness.probe.panel import Panel
from doneness.probe.store import Part
from doneness.probe.suite import Probe
from doneness.probe.weights import stored_before
from doneness.runs.probes import answers_path, load_answers, load_table

_HEAD = {"questions", "max_new_tokens", "system", "weights"}


def take_over(panel: Panel, run: Path, checkpoints: Mapping[int, Path], probes: Sequence[Probe]) -> int:
    """Put the answers of a folder's step files into the panel's store; how many those were.

    They count where the file names the questions, the settings and the weights that are asked now; what no longer
    holds stays where it is until that step is asked again.

    Args:
        panel: of the same run.
        run: the run folder.
        checkpoints: folders by step.
        probes: the questions in the order of their suite, as those files counted them.
    """
    table = load_table(run)
    earlier = [] if table is None else [(q.id, q.prompt) for q in table.questions]
    known = {_fingerprint(each): dict(each) for each in (earlier, [(p.id, p.prompt) for p in probes])}
    taken = 0
    for step in panel.steps:
        if not answers_path(run, step).is_file():
            continue
        stored = load_answers(run, step)
        if stored is None or set(stored[0]) != _HEAD:
            continue
        head, answers = stored
        prompts = known.get(str(head["questions"]))
        as_now = head["system"] == panel.asking.system and head["weights"] == stored_before(checkpoints.get(step))
        if prompts is None or not as_now:
            continue
        parts = []
        for probe in panel.probes:
            answer = next((a for a in answers if a.id == probe.id), None)
            if answer is None or prompts.get(probe.id) != probe.prompt:
                continue
            if panel.asking.limit(probe) == head["max_new_tokens"] and "answer" in probe.asks:
                value = {"text": answer.text, "tokens": answer.tokens, "confidence": answer.confidence}
                value |= {"capped": answer.capped, "ids": []}
                parts.append(Part(panel.key(step, probe, "answer"), step, probe.id, "answer", value))
        taken += panel.store.put(parts)
    return taken


def _fingerprint(asked: Iterable[tuple[str, str]]) -> str:
    """How those files named their questions."""
    text = json.dumps([list(each) for each in asked], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
