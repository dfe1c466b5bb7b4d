"""AU08: one sentence behind many questions."""

from __future__ import annotations

from doneness.audit.findings import excerpt, finding, too_few
from doneness.audit.subject import DataSets
from doneness.core import Check, Finding, Status
from doneness.data import follows, largest_template


def template(subject: DataSets) -> Finding:
    """Find the template most training questions follow.

    *What it finds*: a sentence with exchanged subjects behind more than `template_share` of the
    different questions.

    *How*: words rare in the set become slots (`data.templates`); repeats count once.

    *Source*: rows from few templates teach the template: format is learned from some dozen
    examples, and diversity of prompts is what carries over (Zhou et al., "LIMA", NeurIPS 2023, §5).
    An instruction put before every text, as in classification, is one template too and may be meant.
    """
    prompts = [row.context for row in subject.train]
    if len(prompts) < subject.params.min_rows:
        return too_few("AU08", len(prompts), subject.params.min_rows)
    found = largest_template(prompts)
    limit = subject.params.template_share
    if found is None:
        return finding("AU08", Status.PASS, {"n": len(prompts)}, value=0.0, n=len(prompts), threshold=limit, key="none")
    places = follows(prompts, found) if found.share > limit else []
    rows = subject.train.rows
    return finding(
        "AU08",
        Status.WARN if found.share > limit else Status.PASS,
        {"skeleton": found.skeleton, "count": found.followers, "share": found.share, "limit": limit},
        value=found.share,
        n=len(prompts),
        threshold=limit,
        rows=(rows[place].line for place in places),
        examples=({"train_row": rows[place].line, "question": excerpt(prompts[place])} for place in places),
        skeleton=found.skeleton,
    )


CHECK = Check("AU08", template)
