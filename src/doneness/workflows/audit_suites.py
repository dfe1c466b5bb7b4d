"""What training rows are compared with: the built-in probes, and suites of the user's own in any form of questions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from doneness.audit import Question
from doneness.core import DataError
from doneness.data import Reading
from doneness.data.stream import stream


def questions(suites: Iterable[str | Path], builtin: bool = True) -> tuple[Question, ...]:
    """Every question of the suites; one that comes twice is taken once.

    Args:
        suites: JSONL files of probes, or any data with questions.
        builtin: also those that come with doneness.

    Raises:
        DataError: a file cannot be read.
    """
    found: dict[str, Question] = {}
    for each in (*(q for suite in suites for q in _given(Path(suite))), *(_builtin() if builtin else ())):
        found.setdefault(each.prompt, each)
    return tuple(found.values())


def _given(path: Path) -> Iterable[Question]:
    from doneness.probe.suite import load_suite

    try:
        return [Question(p.id, p.prompt, p.reference, path.name) for p in load_suite(path)]
    except DataError:
        rows = [each.row for each in stream(path, "grpo", Reading("skip")) if each.row is not None]
        if not rows:
            raise
        return [Question(row.id, row.prompt, row.answer, path.name) for row in rows]


def _builtin() -> Iterable[Question]:
    homes = [resources.files("doneness.probe") / "suites"]
    homes += [resources.files("doneness.data") / "demo" / lang for lang in ("en", "zh")]
    for home in homes:
        if not home.is_dir():
            continue
        for file in sorted(home.iterdir(), key=lambda each: each.name):
            if file.name.endswith(".jsonl") and (file.name == "probes.jsonl" or "demo" not in str(home)):
                yield from _lines(file.name, file.read_text(encoding="utf-8"))


def _lines(name: str, text: str) -> Iterable[Question]:
    for line in text.split("\n"):
        if line.strip():
            item = json.loads(line)
            if isinstance(item.get("prompt"), str) and item["prompt"].strip():
                yield Question(str(item.get("id", "")), item["prompt"], str(item.get("reference") or ""), name)
