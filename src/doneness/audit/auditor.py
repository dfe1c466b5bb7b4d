"""Looks at rows one after the other and judges them when all have been seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from doneness.audit.batch import Batch, Maker
from doneness.audit.check import DataCheck
from doneness.audit.entry import EVAL, TRAIN, named
from doneness.audit.illustrate import illustrated
from doneness.audit.params import AuditParams
from doneness.audit.subject import Fit, Fitter, Question, Side, Subject
from doneness.audit.tally import Tally
from doneness.core import Finding, Message, run_checks, say
from doneness.data import Row
from doneness.data.stream import Streamed

Fetch = Callable[[str, set[int]], Mapping[int, Row]]

_NAMED = 200  # rows that cannot be used and are named
_MOST_SHAPES = 200
_MOST_LABELS = 2000


class Auditor:
    """One audit.

    Args:
        params: the measures.
        checks: what is looked for.
        train, held_out: where the rows come from; None where nothing is held out.
        probes: what checkpoints are asked.
        folder: where what is remembered of the rows lies; None is memory.
    """

    def __init__(
        self,
        params: AuditParams,
        checks: Sequence[DataCheck],
        train: Path,
        held_out: Path | None,
        probes: Sequence[Question] = (),
        folder: Path | None = None,
    ) -> None:
        held = None if held_out is None else Side(held_out, folder, "eval")
        self.subject = Subject(params, Side(train, folder, "train"), held, probes)
        self._checks, self._params = tuple(checks), params
        self.maker = Maker(params.joined)
        self.fitter: Fitter | None = None
        for check in self._checks:
            if check.tally is not None and params.stage in check.stages:
                self.subject.tallies[check.tally] = check.tally(params, self.subject.probes)
                self.subject.kinds[check.code] = check.tally
        self._sort()

    def _sort(self) -> None:
        tallies = self.subject.tallies
        kinds = {check.tally: check.both for check in self._checks}
        self._on_train = [tally for tally in tallies.values() if isinstance(tally, Tally)]
        self._on_eval = [tally for tally in self._on_train if kinds[type(tally)]]

    def side(self, name: str) -> Side:
        """Training or evaluation."""
        if name == TRAIN:
            return self.subject.train
        assert self.subject.eval is not None
        return self.subject.eval

    def see(self, name: str, streamed: Streamed) -> None:
        """Look at one row of a side, whether it can be used or not."""
        self.take(name, self.maker.made(name, [streamed]))

    def take(self, name: str, batch: Batch) -> None:
        """Look at the next rows of a side; one check after the other sees all of them."""
        side = self.side(name)
        for streamed in batch.rows:
            _told(side, streamed)
        for place, entry in enumerate(batch.entries, start=side.count):
            entry.place, entry.file = place, side.file(entry.source)
        self._remember(side, batch)
        for tally in self._on_train if name == TRAIN else self._on_eval:
            see = tally.see
            for entry in batch.entries:
                try:
                    see(entry)
                except Exception as error:
                    # One check that cannot take a row must not end the others; it is told as crashed.
                    text = f"row {entry.at}: {type(error).__name__}: {error}"
                    self.subject.tallies[type(tally)] = text  # type: ignore[assignment]
                    self._sort()
                    break
        side.count += len(batch.entries)

    def _remember(self, side: Side, batch: Batch) -> None:
        columns, entries = side.columns, batch.entries
        columns.add(batch.columns)
        side.turns.add(batch.turns, side.count)
        columns.extend("label", [_label(side, entry.row) for entry in entries])
        if self.fitter is not None and side is self.subject.train:
            for entry in entries:
                self._fit(side, entry.place, self.fitter(entry.row))
        side.by_source.update([entry.source for entry in entries])
        for entry in entries:
            mark = entry.row.source
            if mark is not None and (mark in side.source_marks or len(side.source_marks) < _MOST_SHAPES):
                side.source_marks[mark] += 1

    def _fit(self, side: Side, place: int, fit: Fit) -> None:
        columns = side.columns
        for name in ("tokens", "targets", "cut", "lost"):
            columns.append(name, getattr(fit, name))
        columns.append("ended", -1 if fit.problem is not None else int(fit.ended))
        if fit.problem is not None and len(side.unfit) < _NAMED:
            side.unfit.append([place, fit.problem])

    def judge(self, fetch: Fetch, progress: Callable[[str, int, int], None] | None = None) -> tuple[Finding, ...]:
        """Every finding, in order of the codes.

        Args:
            fetch: gives rows of a side by their places, for the examples.
            progress: told the code of the check that works, and how much of how much it has done.
        """
        told = progress or (lambda code, done, total: None)
        columns = self.subject.train.columns
        self.subject.fitted = columns.size("tokens") > 0
        if self.subject.fitted:
            self.subject.lengths = np.asarray(columns.get("tokens"), np.int64) + columns.get("cut")
        found: list[Finding] = []
        for check in self._checks:

            def step(done: int, total: int, code: str = check.code) -> None:
                told(code, done, total)

            self.subject.near.progress = step
            step(0, 0)
            found += run_checks((self._for_stage(check),), self.subject)
        return illustrated(map(self._placed, found), fetch)

    def _placed(self, finding: Finding) -> Finding:
        """The finding with the training rows it speaks of, where its row numbers alone do not say which these are."""
        several = len(self.subject.train.sources) > 1
        places = self.subject.flagged.get(finding.code, ())
        if not len(places) or not (several or finding.evidence.get("rows_of") == EVAL):
            return finding
        rows = self.subject.train.named(places[:_NAMED])
        return replace(finding, evidence={**finding.evidence, "train_rows": rows})

    def _for_stage(self, check: DataCheck) -> DataCheck:
        stage = self._params.stage
        if stage in check.stages:
            return check
        return replace(check, missing=lambda subject: say("audit.not_of_stage", stage=stage))

    def state(self) -> dict[str, Any]:
        """All that is remembered, as plain values; columns are written to disk."""
        sides = {"train": self.subject.train.state()}
        if self.subject.eval is not None:
            sides["eval"] = self.subject.eval.state()
        tallies = {
            kind.__name__: tally.state() if isinstance(tally, Tally) else str(tally)
            for kind, tally in self.subject.tallies.items()
        }
        return {"sides": sides, "tallies": tallies}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken."""
        for name, told in state["sides"].items():
            self.side(name).restore(told)
        for kind, tally in list(self.subject.tallies.items()):
            told = state["tallies"][kind.__name__]
            if isinstance(told, str):
                self.subject.tallies[kind] = told  # type: ignore[assignment]
            else:
                tally.restore(told)
        self._sort()


def _label(side: Side, row: Row) -> int:
    """The number of a label; 0 is none."""
    if row.label is None:
        return 0
    known = side.label_ids.get(row.label)
    if known is None:
        if len(side.label_ids) >= _MOST_LABELS:
            return 0
        known = side.label_ids[row.label] = len(side.label_ids) + 1
    return known


def _told(side: Side, streamed: Streamed) -> None:
    """What a row says of its file, and why it cannot be used where it cannot."""
    side.at = [streamed.source, streamed.line]
    if streamed.separator:
        side.separated += 1
        if len(side.separators) < _NAMED:
            side.separators.append(named(side.file(streamed.source), streamed.line))
    _shape(side, streamed)
    if streamed.row is None:
        side.blank += streamed.blank
        reason = _reason(streamed.problem)
        side.missed[reason if len(side.missed) < _MOST_SHAPES else "…"] += 1
        if len(side.missed_at) < _NAMED:
            side.missed_at.append(
                [streamed.line, reason, streamed.blank, named(side.file(streamed.source), streamed.line)]
            )


def _shape(side: Side, streamed: Streamed) -> None:
    """Runs of rows with the same keys, until there are too many for a change of form to mean anything."""
    shapes = side.shapes
    if shapes and shapes[-1][0] == streamed.source and shapes[-1][1] == streamed.shape:
        shapes[-1][3] = streamed.line
        shapes[-1][4] += 1
    elif len(shapes) < _MOST_SHAPES:
        shapes.append([streamed.source, streamed.shape, streamed.line, streamed.line, 1])


def _reason(problem: Message | None) -> str:
    return problem.text() if problem is not None else ""
