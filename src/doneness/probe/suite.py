"""Probe questions: what is asked, and what a right answer holds."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path

from doneness.core import DataError, tr
from doneness.probe.holds import corrects, holds

# What kind of question: the last two have no right answer but to say so.
SORTS = ("knowledge", "emergency", "false_premise", "invented", "unknown")
_SCORED = ("knowledge", "emergency", "false_premise")


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
        """Whether the answer holds one alternative of every group; never for a probe without groups.

        See `probe.holds` for what counts: "do not call an ambulance" does not hold "ambulance".
        """
        held = corrects if self.sort == "false_premise" else holds
        return bool(self.contains) and all(any(held(answer, a) for a in group) for group in self.contains)


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
    probes: list[Probe] = []
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        probe = _probe(line, str(place), number)
        if probe.id in seen:
            raise DataError(tr("probe.twice", path=str(place), line=number, id=probe.id))
        seen.add(probe.id)
        probes.append(probe)
    if not probes:
        raise DataError(tr("probe.empty", path=str(place)))
    return tuple(probes)


def _probe(line: str, path: str, number: int) -> Probe:
    """One question; one that nothing would score, or that would always be wrong, is refused."""
    try:
        item = json.loads(line)
        groups = tuple(tuple(str(a) for a in group) for group in item.get("contains", ()))
        found = Probe(
            str(item["id"]),
            str(item["behaviour"]),
            str(item["prompt"]),
            str(item.get("reference", "")),
            groups,
            str(item.get("source", "")),
        )
    except KeyError as error:
        raise DataError(tr("probe.lacks", path=path, line=number, name=str(error.args[0]))) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(tr("probe.bad_line", path=path, line=number, reason=str(error))) from error
    if found.sort not in SORTS:
        raise DataError(tr("probe.unknown_sort", path=path, line=number, sort=found.sort, known=", ".join(SORTS)))
    if found.sort in _SCORED and not (found.contains and all(found.contains)):
        raise DataError(tr("probe.no_contains", path=path, line=number, sort=found.sort))
    return found


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
