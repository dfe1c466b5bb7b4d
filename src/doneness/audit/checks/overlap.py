"""AU28: passages of the probes that stand in training rows."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.audit.check import DataCheck
from doneness.audit.entry import Entry
from doneness.audit.findings import EXAMPLES, finding
from doneness.audit.illustrate import Ask, excerpt
from doneness.audit.subject import Subject, needs_probes
from doneness.audit.tally import Tally
from doneness.core import Finding, Status
from doneness.data import normalise
from doneness.data.sketch import Sketcher
from doneness.data.text import tokens

_FOUR, _EIGHT = b"\1" * 4, b"\1" * 8
_RUN = 8  # words; characters of CJK text count as words, twice as many of them make a run
_RUN_CJK = 13
_ENOUGH = 0.5  # of a probe's runs in one row
_COMMON = 3  # probes: a run in more of them is how the suite asks


class Overlap(Tally):
    """Probes of which half the runs of words stand in one row."""

    made = ("sketcher", "runs", "owner", "sizes", "vocabulary")

    def begin(self) -> None:
        """Gather the runs of all probes."""
        self.sketcher = Sketcher()
        self.hits: dict[int, list[Any]] = {}  # probe → place and side of the first row, share of its runs, rows
        runs, owner = [], []
        self.vocabulary: set[str] = set()
        for place, probe in enumerate(self.probes):
            normal = normalise(f"{probe.prompt} {probe.reference}")
            self.vocabulary.update(normal.split() if normal.isascii() else tokens(normal))
            found = np.unique(self._runs(normal))
            runs.append(found)
            owner.append(np.full(len(found), place))
        every = np.concatenate([*runs, np.empty(0, np.uint64)])
        owners = np.concatenate([*owner, np.empty(0, np.int64)])
        _, back, times = np.unique(every, return_inverse=True, return_counts=True)
        own = times[back] <= _COMMON
        order = np.argsort(every[own], kind="stable")
        self.runs, self.owner = every[own][order], owners[own][order].astype(np.int64)
        self.sizes = np.bincount(self.owner, minlength=len(self.probes))

    def see(self, entry: Entry) -> None:
        """Compare one row with all probes."""
        self.n += 1
        if not self.runs.size:
            return
        plain = entry.question.isascii() and entry.normal_answer.isascii()
        parts = [*entry.asked, *entry.words] if plain else [*tokens(entry.question), *entry.tokens]
        # Where no eight words in a row are words of the probes, no run of theirs can stand; nor where no four of every
        # second word are, which is soon seen.
        known = self.vocabulary.__contains__
        if _FOUR not in bytes(map(known, parts[1::2])) or _EIGHT not in bytes(map(known, parts)):
            return
        found = self._coded(parts, plain)
        if not found.size:
            return
        first = np.searchsorted(self.runs, found)
        at = np.minimum(first, self.runs.size - 1)
        there = self.runs[at] == found
        if not there.any():
            return
        shared: Counter[int] = Counter()
        for run in np.unique(found[there]):
            begin, end = np.searchsorted(self.runs, [run, run + np.uint64(1)])
            shared.update(self.owner[begin:end].tolist())
        close = [(probe, count / int(self.sizes[probe])) for probe, count in shared.items()]
        close = [(probe, share) for probe, share in close if share >= _ENOUGH and shared[probe] >= 2]
        for probe, share in close:
            hit = self.hits.setdefault(probe, [entry.place, entry.at, 0.0, 0])
            hit[3] += 1
            if share > hit[2]:
                hit[:3] = [entry.place, entry.at, share]
        if close:
            self.flags.add(entry)

    def _runs(self, normal: str) -> NDArray[np.uint64]:
        return self._coded(normal.split() if normal.isascii() else tokens(normal), normal.isascii())

    def _coded(self, parts: list[str], plain: bool) -> NDArray[np.uint64]:
        width = _RUN if plain else _RUN_CJK
        if len(parts) < width:
            return np.empty(0, np.uint64)
        codes = self.sketcher.token_hashes(parts)
        mixed = np.zeros(len(codes) - width + 1, np.uint64)
        for k in range(width):
            mixed = mixed * np.uint64(0x100000001B3) + codes[k : len(codes) - width + 1 + k]
        return mixed ^ (mixed >> np.uint64(29))


def overlap(subject: Subject) -> Finding:
    """Find probes whose words stand in the training rows, wherever in them.

    *What it finds*: probes (built-in suites and those given) of which at least half of all runs of eight words (of CJK
    text: 13 characters), right answer included, stand in one training row, in its question or its answer.

    *How*: hashed runs; a run that more than three probes share is how the suite asks and does not count. AU03 compares
    whole questions and finds rewordings; this finds quotations.

    *Source*: n-gram overlap as in the GPT-3 paper's appendix C (Brown et al., 2020, 13-grams) and the Llama-2 paper's
    A.6.
    """
    seen, n = subject[Overlap], len(subject.probes)
    subject.flag("AU28", seen.flags.train)
    count = len(seen.hits)
    order = sorted(seen.hits.items(), key=lambda item: (-item[1][2], item[0]))
    suites = Counter(subject.probes[probe].suite for probe in seen.hits)
    return finding(
        "AU28",
        Status.FAIL if count > max(1, 0.01 * n) else Status.WARN if count else Status.PASS,
        {"count": count, "n": n, "share": count / n, "rows": len(seen.flags.train)},
        value=count / n,
        n=n,
        threshold=0.0,
        rows=subject.train.lines(seen.flags.train[:1000]),
        examples=(
            {
                "probe": subject.probes[probe].id,
                "train_row": line,
                "share": round(share, 2),
                "asked": excerpt(subject.probes[probe].prompt),
                "train": Ask("train", place),
            }
            for probe, (place, line, share, _) in order[:EXAMPLES]
        ),
        suites=dict(suites),
    )


CHECK = DataCheck("AU28", overlap, missing=needs_probes, tally=Overlap)
