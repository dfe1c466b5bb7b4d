"""All checks over one data set, in order of their codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from doneness.audit.auditor import Auditor
from doneness.audit.check import DataCheck
from doneness.audit.checks import (
    abstentions,
    certainty,
    chat_marks,
    conflicting_answers,
    contradictions,
    cut_answers,
    damage,
    diversity,
    exact_leak,
    exact_repeats,
    form,
    grounding,
    held_out,
    judged,
    knowledge,
    labels,
    language,
    leftovers,
    lengths,
    mixture,
    near_leak,
    near_repeats,
    overlap,
    pairs,
    probe_leak,
    same_answers,
    secrets,
    skipped_rows,
    target_tokens,
    template,
    toxicity,
    void_answers,
)
from doneness.audit.entry import EVAL, TRAIN
from doneness.audit.subject import DataSets, Question
from doneness.core import Finding, Status, say
from doneness.data import Row, Rows
from doneness.data.stream import Streamed

CHECKS: tuple[DataCheck, ...] = (
    exact_leak.CHECK,
    near_leak.CHECK,
    probe_leak.CHECK,
    exact_repeats.CHECK,
    near_repeats.CHECK,
    conflicting_answers.CHECK,
    skipped_rows.CHECK,
    template.CHECK,
    lengths.CHECK,
    abstentions.CHECK,
    held_out.CHECK,
    damage.CHECK,
    target_tokens.CHECK,
    chat_marks.CHECK,
    cut_answers.CHECK,
    labels.CHECK,
    mixture.CHECK,
    form.CHECK,
    knowledge.CHECK,
    grounding.CHECK,
    contradictions.CHECK,
    certainty.CHECK,
    diversity.CHECK,
    leftovers.CHECK,
    secrets.CHECK,
    language.CHECK,
    toxicity.CHECK,
    overlap.CHECK,
    void_answers.CHECK,
    same_answers.CHECK,
    pairs.CHECK,
    judged.CHECK,
)

# A crash is worse than a fault found: nobody knows what it hides.
_ORDER = (Status.ERROR, Status.FAIL, Status.WARN, Status.UNSURE, Status.SKIPPED, Status.PASS)


def audit(subject: DataSets, checks: Iterable[DataCheck] = CHECKS) -> tuple[Finding, ...]:
    """Every finding on rows that are in memory, in order of the codes."""
    held = subject.eval
    probes = [each if isinstance(each, Question) else Question(*each) for each in subject.probes]
    path = None if held is None else held.path
    auditor = Auditor(subject.params, tuple(checks), subject.train.path, path, probes)
    auditor.subject.lengths = subject.lengths
    for side, rows in ((TRAIN, subject.train), (EVAL, held)):
        for row in rows.rows if rows is not None else ():
            auditor.see(side, Streamed(0, row.line, row))
        for line, reason in (rows.skipped if rows is not None else {}).items():
            auditor.see(side, Streamed(0, line, None, say("audit.reason", reason=reason), blank=True))

    def fetch(side: str, places: set[int]) -> Mapping[int, Row]:
        rows: Rows | None = subject.train if side == TRAIN else held
        return {place: rows.rows[place] for place in places} if rows is not None else {}

    return auditor.judge(fetch)


def worst(findings: Iterable[Finding]) -> Status:
    """The gravest status: ERROR, FAIL, WARN, UNSURE, SKIPPED, PASS. No finding at all is UNSURE."""
    found = {finding.status for finding in findings}
    return next((status for status in _ORDER if status in found), Status.UNSURE)
