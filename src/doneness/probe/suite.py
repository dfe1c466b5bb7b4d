"""Probe questions: what is asked, and what a right answer holds."""

from __future__ import annotations

import hashlib
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path

from doneness.core import DataError, tr

_CJK = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Probe:
    """One question.

    Attributes:
        sort: what kind of question: knowledge, emergency, invented, false_premise, unknown.
        contains: groups of alternatives; a right answer holds one of every group.
    """

    id: str
    sort: str
    prompt: str
    reference: str
    contains: tuple[tuple[str, ...], ...]
    source: str = ""

    @property
    def answerable(self) -> bool:
        """Whether a refusal would be wrong."""
        return self.sort in ("knowledge", "emergency")

    def right(self, answer: str) -> bool:
        """Whether the answer holds one alternative of every group; never for a probe without groups."""
        return bool(self.contains) and all(any(_holds(answer, a) for a in group) for group in self.contains)


def _holds(answer: str, alternative: str) -> bool:
    if _CJK.search(alternative):
        return alternative in answer
    # At the start of a word; Chinese writes numbers and Latin names right behind its own characters.
    return re.search(rf"(?<![^\W\u3400-\u9fff]){re.escape(alternative)}", answer, re.IGNORECASE) is not None


def load_suite(path: str | Path) -> tuple[Probe, ...]:
    """Read a JSONL file of probes.

    Raises:
        DataError: missing, empty, or a line that is no probe.
    """
    place = Path(path)
    try:
        lines = place.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(tr("probe.unreadable", path=str(place), reason=str(error))) from error
    probes = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            groups = tuple(tuple(str(a) for a in group) for group in item.get("contains", ()))
            probes.append(
                Probe(
                    str(item["id"]),
                    item["behaviour"],
                    item["prompt"],
                    item.get("reference", ""),
                    groups,
                    item.get("source", ""),
                )
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(tr("probe.bad_line", path=str(place), line=number, reason=repr(error))) from error
    if not probes:
        raise DataError(tr("probe.empty", path=str(place)))
    return tuple(probes)


def choose_questions(probes: tuple[Probe, ...], n: int, seed: int) -> tuple[Probe, ...]:
    """`n` probes with every sort in proportion (at least two of each that there is); all for n = 0."""
    if n == 0 or n >= len(probes):
        return probes
    by_sort: dict[str, list[Probe]] = {}
    for probe in probes:
        by_sort.setdefault(probe.sort, []).append(probe)
    generator = random.Random(seed)
    for sort in by_sort.values():
        generator.shuffle(sort)
    exact = {s: n * len(p) / len(probes) for s, p in by_sort.items()}
    share = {s: max(min(2, len(p)), int(exact[s])) for s, p in by_sort.items()}
    while sum(share.values()) > n and max(share.values()) > 2:
        share[max(share, key=lambda s: share[s])] -= 1
    while sum(share.values()) < n:  # the largest remainders first
        open_to_more = [s for s in share if share[s] < len(by_sort[s])]
        share[max(open_to_more, key=lambda s: exact[s] - share[s])] += 1
    picked = {p.id for s, group in by_sort.items() for p in group[: share[s]]}
    return tuple(p for p in probes if p.id in picked)


def fingerprint(probes: tuple[Probe, ...]) -> str:
    """A hash of what is asked: ids and prompts, not how it is scored."""
    text = json.dumps([(p.id, p.prompt) for p in probes], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
