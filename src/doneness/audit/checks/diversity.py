"""AU23: how many different questions there really are."""

from __future__ import annotations

from typing import Any

import numpy as np

from doneness.audit.check import DataCheck
from doneness.audit.clusters import Spread, spread, vectors
from doneness.audit.columns import mixed
from doneness.audit.entry import Entry
from doneness.audit.findings import EXAMPLES, finding, too_few
from doneness.audit.illustrate import excerpt
from doneness.audit.sample import Sample
from doneness.audit.subject import Subject
from doneness.audit.tally import Tally
from doneness.core import Finding, Status

_SAMPLE, _LEAST = 1500, 50
_WARN = 0.1


class Different(Tally):
    """A sample of the rows: repeats of a question count."""

    def begin(self) -> None:
        """Room for the sample."""
        self.sample = Sample(_SAMPLE)

    def see(self, entry: Entry) -> None:
        """Offer one row."""
        self.n += 1
        text = entry.context or entry.answer
        # The place makes the key of each row its own, so that a repeated question stands in the sample as often as it
        # does.
        self.sample.offer(mixed(entry.key, entry.place + 1), entry.place, text)


def diversity(subject: Subject) -> Finding:
    """Say how many rows the rows are worth.

    *What it finds*: the effective number of different questions in a sample of at most 1,500 rows, the clusters
    that they fall into, and what a row of each cluster is worth. WARN where the rows are worth less than a tenth of
    their number.

    *How*: each question as a vector: weighted hashes of its words (CJK: character pairs), or an embedding
    where one was asked for. The effective number is exp(-mean ln of the mean similarity to all), the diversity of order
    one (Leinster and Cobbold, Ecology 93, 2012); clusters gather around a row at a similarity of 0.5.

    *Source*: what carries over is the diversity of prompts, not their number (Zhou et al., "LIMA", NeurIPS 2023, §5;
    Friedman and Dieng, "The Vendi score", TMLR 2023).
    """
    seen, n = subject[Different], subject.train.count
    texts = seen.sample.texts
    if len(texts) < _LEAST:
        return too_few("AU23", len(texts), _LEAST)
    embed = subject.embed
    said = [text for _, text in texts]
    found = spread(embed(said) if embed is not None else vectors(said), calibrated=embed is not None)
    worth = found.effective / len(texts)
    return finding(
        "AU23",
        Status.WARN if worth < _WARN else Status.PASS,
        {"sample": len(texts), "effective": round(found.effective), "share": worth, "n": n,
         "clusters": len(found.sizes), "largest": int(found.sizes[0]) / len(texts)},
        value=worth,
        n=len(texts),
        threshold=_WARN,
        examples=_examples(subject, found, texts),
        by="embedding" if embed is not None else "words",
    )  # fmt: skip


def _examples(subject: Subject, found: Spread, texts: list[tuple[int, str]]) -> list[dict[str, Any]]:
    shown = []
    for k in range(min(EXAMPLES, len(found.sizes))):
        rows = np.flatnonzero(found.cluster == k)
        place, text = texts[int(found.leaders[k])]
        shown.append(
            {
                "train_row": subject.train.named([place])[0],
                "rows": len(rows),
                "worth": round(float(found.worth[k]), 2),
                "question": excerpt(text),
            }
        )
    return shown


CHECK = DataCheck("AU23", diversity, tally=Different)
