"""AU08: one sentence behind many questions."""

from __future__ import annotations

from doneness.audit.check import ASKED, DataCheck
from doneness.audit.entry import Entry
from doneness.audit.findings import EXAMPLES, finding, too_few, wilson
from doneness.audit.illustrate import excerpt
from doneness.audit.sample import Sample
from doneness.audit.subject import Subject
from doneness.audit.tally import Tally
from doneness.core import Finding, Status
from doneness.data import follows, largest_template


class Questions(Tally):
    """A sample of the different questions."""

    def begin(self) -> None:
        """Room for `params.sample` questions."""
        self.sample = Sample(self.params.sample)

    def see(self, entry: Entry) -> None:
        """Offer the question."""
        self.n += 1
        if entry.question:
            self.sample.offer(entry.key, entry.place, entry.context)


def template(subject: Subject) -> Finding:
    """Find the template most training questions follow.

    *What it finds*: a sentence with exchanged subjects behind more than `template_share` of the
    different questions.

    *How*: words rare in the set become slots (`data.templates`); repeats count once. Of more than 20,000
    different questions those with the smallest hashes are looked at; the interval is Wilson's.

    *Source*: rows from few templates teach the template: format is learned from some dozen
    examples, and diversity of prompts is what carries over (Zhou et al., "LIMA", NeurIPS 2023, §5).
    An instruction put before every text, as in classification, is one template too and may be meant.
    """
    seen, n = subject[Questions], subject.train.count
    if n < subject.params.min_rows:
        return too_few("AU08", n, subject.params.min_rows)
    places, prompts = zip(*seen.sample.texts, strict=True) if len(seen.sample) else ((), ())
    found = largest_template(prompts)
    limit = subject.params.template_share
    if found is None:
        return finding("AU08", Status.PASS, {"n": n}, value=0.0, n=n, threshold=limit, key="none")
    follow = follows(prompts, found) if found.share > limit else []
    example = excerpt(prompts[follow[0]]) if follow else ""
    lines = subject.train.lines(places[k] for k in follow)
    whole = seen.sample.offered <= len(seen.sample)
    return finding(
        "AU08",
        Status.WARN if found.share > limit else Status.PASS,
        {"skeleton": found.skeleton, "count": found.followers, "share": found.share, "limit": limit,
         "n": len(prompts), "example": example},
        value=found.share,
        n=n,
        threshold=limit,
        interval=None if whole else wilson(found.followers, len(prompts)),
        rows=lines,
        examples=(
            {"train_row": subject.train.named([places[k]])[0], "question": excerpt(prompts[k])}
            for k in follow[:EXAMPLES]
        ),
        skeleton=found.skeleton,
        looked_at=len(prompts),
    )  # fmt: skip


CHECK = DataCheck("AU08", template, tally=Questions, stages=ASKED)
