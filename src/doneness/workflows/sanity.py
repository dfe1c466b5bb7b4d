"""Can a pipeline learn at all: a few of its rows learnt by heart, and what is to blame where they are not."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from doneness.config import Recipe, dump_recipe
from doneness.core import DataError, Finding, Message, Status, launched, say, tr
from doneness.data import Row
from doneness.runs import read
from doneness.runs.atomic import write_text
from doneness.runs.journal import FILE
from doneness.sanity import Measured, Outcome, causes, judge, outcome_of
from doneness.workflows.base import load_base
from doneness.workflows.rows import encode_recipe_rows, encoding_lines, read_recipe_rows
from doneness.workflows.stage_rows import StageRows, encode_stage_rows, read_stage_rows, stage_lines
from doneness.workflows.train import at_home, finished, refuse_foreign_folder, train_rows

if TYPE_CHECKING:
    from doneness.models import Encoded, LoadedModel
    from doneness.train.callback import Watcher

SUFFIX, RESULT = "-sanity", "sanity.json"
MOST, LEAST = 1000, 16  # rows
_AT_CHANCE = 0.5  # nats a token below chance that a model without training may seem to know
_JUDGED = 256  # of them, at every evaluation
_SAID = 4  # answers generated freely

Told = Callable[[Message], None]


@dataclass(frozen=True)
class Said:
    """An answer that the trained model was let to give freely: the row's own, and the model's."""

    question: str
    wanted: str
    given: str


@dataclass(frozen=True)
class Sane:
    """What came out.

    Attributes:
        folder: of the run.
        rows: that were to be learnt.
        outcome: how the run ended; None where nothing could be trained.
        measured: everything behind the findings; None where they were read from an earlier run.
        findings: SA01 to SA09.
        said: some answers given freely.
    """

    folder: Path
    rows: int
    outcome: Outcome | None
    measured: Measured | None
    findings: tuple[Finding, ...]
    said: tuple[Said, ...] = ()

    @property
    def causes(self) -> tuple[Finding, ...]:
        """What was found, the likeliest cause first."""
        return causes(self.findings)

    @property
    def learns(self) -> bool:
        """Whether the rows were learnt by heart."""
        return self.outcome is not None and self.outcome.word == "learnt"

    @property
    def passed(self) -> bool:
        """Whether the rows were learnt and nothing grave was found beside."""
        return self.learns and not any(f.status in (Status.FAIL, Status.ERROR) for f in self.findings)

    @property
    def headline(self) -> Message:
        """How it ended."""
        found = self.outcome
        if found is None or self.measured is None or self.measured.trace is None:
            unread = self.measured is not None and not self.measured.gradient.known
            return say("sanity.outcome.unread" if unread else "sanity.outcome.nothing")
        return say(f"sanity.outcome.{found.word}", rows=self.rows, steps=int(self.measured.trace.looks[-1]))

    @property
    def cause_line(self) -> Message | None:
        """The likeliest cause; None where it learns and nothing was found."""
        if not self.causes:
            # What is only not done yet needs no cause.
            waiting = self.outcome is not None and self.outcome.word in ("learnt", "closing")
            return None if waiting else self._base_at_chance or say("sanity.outcome.no_cause")
        first = self.causes[0]
        return say(f"sanity.outcome.{'data' if self.learns else 'cause'}", code=first.code, summary=first.message)

    @property
    def _base_at_chance(self) -> Message | None:
        """Adapters bend what a model knows: on random weights there is nothing to bend."""
        if self.measured is None or self.measured.setting.method == "full":
            return None
        base, chance = self.measured.levels.base, math.log(max(self.measured.tokens.vocabulary, 2))
        return say("sanity.outcome.untrained", base=base, chance=chance) if base >= chance - _AT_CHANCE else None

    def to_dict(self) -> dict[str, Any]:
        """A JSON form."""
        found = self.outcome
        return {
            "folder": str(self.folder),
            "rows": self.rows,
            "learns": self.learns,
            "passed": self.passed,
            "headline": self.headline.text(),
            "outcome": None if found is None else {name: getattr(found, name) for name in found.__slots__},
            "cause": self.causes[0].code if self.causes else None,
            "findings": [finding.to_dict() for finding in self.findings],
            "answers": [{"question": s.question, "wanted": s.wanted, "given": s.given} for s in self.said],
        }


@dataclass(frozen=True)
class Case:
    """A pipeline that is ready: its recipe, rows, and how its model is made.

    Attributes:
        recipe: of the sanity run.
        train: encoded rows to learn.
        texts: rows as text, by id; empty where they are no questions.
        answers: tokens of the answers as texts; 0 where rows are no answers.
        make: makes the model anew, with its method applied.
    """

    recipe: Recipe
    train: Sequence[Encoded]
    texts: dict[str, Row]
    answers: int
    make: Callable[[], LoadedModel]


def sanity_recipe(recipe: Recipe, rows: int, epochs: float) -> Recipe:
    """The recipe of the sanity run: the same model, method, template, masks and optimizer, on few rows.

    The rate stays at its peak after warm-up; dropout and weight decay, which forbid learning by heart, are off.
    """
    have = recipe.data.train_rows
    return replace(
        recipe,
        run=replace(recipe.run, folder=recipe.run.folder.rstrip("/") + SUFFIX, mode="train"),
        method=replace(recipe.method, dropout=0.0),
        data=replace(recipe.data, train_rows=min(rows, have) if have else rows),
        optimizer=replace(recipe.optimizer, weight_decay=0.0),
        schedule=replace(recipe.schedule, kind="constant", epochs=epochs, max_steps=0),
        evaluation=replace(recipe.evaluation, spans=()),
        stopping=replace(recipe.stopping, enabled=True, on_stop="stop", span="", goal="behaviour"),
        checkpoints=replace(recipe.checkpoints, with_evaluations=False, every=0, keep_gb=1e-9),
        health=replace(recipe.health, every=min(recipe.health.every or 10, 10)),
        probes=replace(recipe.probes, suite=""),
        report=replace(recipe.report, trackers=()),
    )


def refuse_unfit(recipe: Recipe) -> None:
    """What neither a sanity run nor a ladder is made for.

    Raises:
        DataError: a stage without answers or texts, or several processes.
    """
    if recipe.run.stage not in ("sft", "pretrain"):
        raise DataError(tr("sanity.fault.stage", stage=recipe.run.stage))
    if launched.processes() > 1:
        raise DataError(tr("sanity.fault.processes"))


def sanity_run(
    recipe: Recipe, watcher: Watcher, told: Told = lambda message: None, rows: int = MOST, epochs: float = 10.0
) -> Sane:
    """Learn a few rows of `recipe` by heart, in a folder beside its run; resumed like any run.

    Args:
        recipe: of the pipeline.
        watcher: sees the run as it goes.
        told: given what is to be known before.
        rows: how many at most; of the training rows, kinds in proportion.
        epochs: passes over them.

    Raises:
        DonenessError: data, model or folder cannot be used, or the stage has no answers to reproduce.
        KeyboardInterrupt: interrupted; everything is saved.
    """
    refuse_unfit(recipe)
    if not LEAST <= rows <= MOST or not epochs > 0:
        raise DataError(tr("sanity.fault.rows", rows=rows, least=LEAST, most=MOST))
    recipe = at_home(sanity_recipe(recipe, rows, epochs))
    folder = Path(recipe.run.folder)
    if finished(folder) is None:
        # What was measured before may lie there, where nothing could be trained.
        (folder / RESULT).unlink(missing_ok=True)
    refuse_foreign_folder(folder, dump_recipe(recipe))
    case = prepare(recipe, told)
    if len(case.train) < LEAST:
        raise DataError(tr("sanity.fault.few", rows=len(case.train), least=LEAST))
    told(say("sanity.begin", rows=len(case.train), epochs=epochs, folder=str(folder), seed=recipe.run.seed))
    return examine(case, watcher)


def prepare(recipe: Recipe, told: Told) -> Case:
    """Rows read, picked and encoded, and the model loaded."""
    sft = recipe.run.stage == "sft"
    rows = read_recipe_rows(recipe) if sft else read_stage_rows(recipe)
    first = load_base(recipe, told)
    held: list[LoadedModel] = [first]

    def make() -> LoadedModel:
        from doneness.train.method import apply_method

        loaded = _without_dropout(held.pop() if held else load_base(recipe))
        return replace(loaded, model=apply_method(loaded.model, recipe.method, recipe.run.seed))

    if isinstance(rows, StageRows):
        encoded = encode_stage_rows(first.tokenizer, rows, recipe)
        for line in stage_lines(rows, encoded, recipe):
            told(line)
        return Case(recipe, encoded.train.rows, {}, 0, make)
    encoded = encode_recipe_rows(first.tokenizer, rows, recipe.data)
    for line in encoding_lines(first.tokenizer, rows, encoded, recipe.data):
        told(line)
    texts = {row.id: row for row in rows.train.rows}
    answers = sum(_said_tokens(first.tokenizer, texts[e.id], recipe, e.rewritten) for e in encoded.train.rows)
    return Case(recipe, encoded.train.rows, texts, answers, make)


def examine(case: Case, watcher: Watcher) -> Sane:
    """Measure, train until it is decided, and look for the cause where it does not learn."""
    from doneness.train.arguments import total_steps
    from doneness.train.loop import TrainingRows
    from doneness.train.measuring import measure
    from doneness.train.overfit import OverfitRule, trace_of

    recipe, folder = case.recipe, Path(case.recipe.run.folder)
    loaded = case.make()
    measured = measure(recipe, loaded, case.train, case.answers)
    said: tuple[Said, ...] = ()
    if measured.gradient.moving:
        planned = total_steps(recipe, len(case.train))
        judged = _judged(case.train, recipe.run.seed)
        rows = TrainingRows(_kept(case.train), _kept(judged))
        began = (folder / FILE).is_file() and finished(folder) is not None
        recipe = replace(recipe, evaluation=replace(recipe.evaluation, every=max(1, round(planned / 10))))
        trained = train_rows(recipe, rows, loaded, OverfitRule(measured.levels.floor, planned), watcher)
        run = read(folder)[0]
        trace = trace_of(run, planned)
        measured = replace(measured, trace=trace)
        if trace.level.size and trace.looks[0] == 0:
            measured = replace(measured, levels=replace(measured.levels, base=float(trace.level[0])))
        # A run that had ended before left its weights in a checkpoint, not in this model.
        said = () if began or trained.already else _say(case, loaded, judged)
    found = outcome_of(measured)
    if found is None or found.word != "learnt":
        from doneness.train.cures import tried

        del loaded
        measured = measured.with_trials(tried(recipe, case.make, case.train, measured))
    sane = Sane(folder, len(case.train), found, measured, judge(measured), said)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / RESULT, json.dumps(sane.to_dict(), ensure_ascii=False, indent=2) + "\n")
    return sane


def _judged(rows: Sequence[Encoded], seed: int) -> list[Encoded]:
    """The rows that are scored at every evaluation, the same ones each time."""
    order = np.random.default_rng(seed).permutation(len(rows))[:_JUDGED]
    return [rows[i] for i in order]


def _kept(rows: Sequence[Encoded]) -> Any:
    from doneness.models import EncodedRows

    return EncodedRows(tuple(rows), 0, 0)


def _say(case: Case, loaded: LoadedModel, judged: Sequence[Encoded]) -> tuple[Said, ...]:
    """Some answers as the trained model gives them, unled."""
    from doneness.models import answer_all

    asked = [row for row in judged if row.id in case.texts and len(row.answers) == 1][:_SAID]
    if not asked:
        return ()
    longest = max(row.targets for row in asked)
    given = answer_all(loaded.model, loaded.tokenizer, [row.ids[: row.start] for row in asked], longest)
    texts = [case.texts[row.id] for row in asked]
    return tuple(Said(t.prompt, t.answer.strip(), g.text.strip()) for t, g in zip(texts, given, strict=True))


def _said_tokens(tokenizer: Any, row: Row, recipe: Recipe, last: bool) -> int:
    """Tokens of the answers that are to be learnt, as texts alone."""
    turns = [turn for turn in row.turns if turn.role == "assistant" and (turn.more or {}).get("weight") != 0]
    if recipe.data.answers == "last" or last:
        turns = turns[-1:]
    return sum(len(tokenizer(turn.content, add_special_tokens=False)["input_ids"]) for turn in turns)


def _without_dropout(loaded: LoadedModel) -> LoadedModel:
    """The model with its own dropout off: it would forbid learning by heart."""
    for module in loaded.model.modules():
        if type(module).__name__ == "Dropout":
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0
    return loaded
