"""From votes to a trained model: DPO from the chosen checkpoint, and the same probes before and after.

The checkpoint is merged into its base model first, so that it is the reference of DPO, and step 0 of the new run: the
column "base" of its probe table is the model before. Questions that the pairs come from are not in that table.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from doneness.config import ProbesSection, Recipe, build_recipe
from doneness.core import DonenessError, Message, say, tr
from doneness.data import read_preferences
from doneness.data.near_duplicates import near_pairs
from doneness.review import read_book
from doneness.runs.atomic import write_text
from doneness.runs.probes import load_table
from doneness.workflows.asked_in import asked_in, suite_asked
from doneness.workflows.check import Judged
from doneness.workflows.export import Export, export_run
from doneness.workflows.pairs import FILE, make_pairs
from doneness.workflows.train import Trained, finished, recipe_of, train_run

if TYPE_CHECKING:
    from doneness.probe.panel import Progress
    from doneness.probe.suite import Probe
    from doneness.train.callback import Watcher

PROBES = "align-probes"
LEAST = 8  # pairs
_ADAPTER = "adapter_config.json"
_TRAINED = "trained.json"  # by name of the new run's folder, the hash of its pairs
_STAGES = ("sft", "distill", "pretrain", "dpo", "orpo", "kto", "grpo")
_KEPT = {
    "run": ("seed", "threads"),
    "data": ("system", "max_length", "cut", "on_long"),
    "optimizer": ("name", "batch_size", "micro_batch", "gradient_checkpointing"),
    "evaluation": ("batch_size",),
}


@dataclass(frozen=True)
class Align:
    """What to align, and how.

    Attributes:
        pairs: file of pairs; None for pairs.jsonl in the run folder, made where there is none.
        out: folder of the new run; None for RUN-dpo beside it.
        step: to begin from; None for the one that the run's evidence chooses.
        overrides: "section.key=value" of the new run's recipe.
    """

    pairs: Path | None = None
    out: Path | None = None
    step: int | None = None
    overrides: Sequence[str] = ()


@dataclass(frozen=True)
class Begun:
    """What an alignment begins with.

    Attributes:
        recipe: of the new run.
        step: of the checkpoint.
        model: folder of the checkpoint as a model.
        pairs: how many.
        lines: what is to be known before training.
    """

    recipe: Recipe
    step: int
    model: Path
    pairs: int
    lines: tuple[Message, ...]


def begin(run: Path, asked: Align) -> Begun:
    """Make the pairs, the model and the recipe; nothing is trained.

    Raises:
        DonenessError: no run of ours, nothing to begin from, no votes, or too few pairs.
    """
    recipe = recipe_of(run)
    if recipe is None:
        raise DonenessError(tr("review.align.no_run", path=str(run)))
    if recipe.run.stage not in _STAGES:
        raise DonenessError(tr("review.align.stage", path=str(run), stage=recipe.run.stage))
    file = asked.pairs or run / FILE
    if asked.pairs is None and not file.is_file():
        make_pairs(run)
    kept = read_preferences(file)
    if len(kept) < LEAST:
        raise DonenessError(tr("review.align.few", path=str(file), pairs=len(kept), least=LEAST))
    step, model = _model(run, asked.step)
    out = asked.out or run.resolve().with_name(f"{run.resolve().name}-dpo")
    _refuse_other_pairs(run, out, file)
    numbers = {"pairs": len(kept), "path": str(model), "folder": str(out)}
    lines = [say("review.align.begins", checkpoint=say("review.checkpoint", step=step), **numbers)]
    lines += _preferred(run, step) if asked.step is None else []
    lines += _not_in(run, file) if asked.pairs is None else []
    aligned = _recipe(recipe, file, model, out, asked.overrides)
    # Also of a suite that the overrides name, questions that the pairs come from are not asked.
    probes = replace(aligned.probes, suite=aligned.probes.suite or suite_asked(run))
    suite, line = _suite(run, replace(recipe, probes=probes), [row.prompt for row in kept.rows])
    lines.append(line)
    aligned = replace(aligned, probes=suite)
    return Begun(aligned, step, model, len(kept), tuple(lines))


def align_run(begun: Begun, watcher: Watcher, told: Callable[[Message], None] = lambda message: None) -> Trained:
    """Train what was begun; resumes what was broken off, keeps what is finished."""
    return train_run(begun.recipe, watcher, told)


def probe_aligned(begun: Begun, progress: Progress | None = None) -> Judged | None:
    """The probe table of the new run, whose base is the model before; None where there is no question to ask."""
    if not begun.recipe.probes.suite:
        return None
    from doneness.workflows.probe import probe_run

    return probe_run(Path(begun.recipe.run.folder), begun.recipe.probes, progress)


def _model(run: Path, step: int | None) -> tuple[int, Path]:
    """The checkpoint to begin from, as a model: merged where it is an adapter."""
    from doneness.runs import read
    from doneness.workflows.check import judge

    judged = judge(read(run)[0])
    wanted = judged.kept if step is None else step
    there = {c.step: c.path for c in judged.run.checkpoints if c.exists and c.path is not None}
    place = there.get(wanted) if wanted is not None else None
    if wanted is not None and place is not None and not (place / _ADAPTER).is_file():
        return wanted, place
    merged = run / f"export-{wanted}-merged"
    if place is not None and wanted is not None and (merged / "config.json").is_file():
        return wanted, merged
    # What is missing, unknown or not recommended is refused there, with what to do.
    done = export_run(run, Export(step, merge=True))
    return done.step, done.folder


def _preferred(run: Path, step: int) -> list[Message]:
    """A line where the votes have settled on another checkpoint."""
    from doneness.workflows.review import status

    try:
        found = status(run)
    except DonenessError:  # pairs from elsewhere, and no review here
        return []
    if not found.settled.done or found.leader in (0, step):
        return []
    names = {"leader": found.leader, "checkpoint": step}
    told = {name: say("review.checkpoint", step=each) for name, each in names.items()}
    return [say("review.align.votes_prefer", **told, step=found.leader)]


def _refuse_other_pairs(run: Path, out: Path, pairs: Path) -> None:
    """A run that is finished is not trained again: its table must not pass for one of pairs that came since."""
    known, now = run / PROBES / _TRAINED, hashlib.sha256(pairs.read_bytes()).hexdigest()
    try:
        told: dict[str, str] = dict(json.loads(known.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # the first time, or somebody else's words
        told = {}
    if finished(out) and told.get(out.name, now) != now:
        raise DonenessError(tr("review.align.other_pairs", folder=str(out), path=str(pairs)))
    write_text(known, json.dumps(told | {out.name: now}))


def _not_in(run: Path, pairs: Path) -> list[Message]:
    """A line where votes were cast after the pairs were written."""
    with read_book(run) as book:
        votes = book.votes() if book is not None else ()
    written = datetime.fromtimestamp(pairs.stat().st_mtime, UTC).isoformat(timespec="milliseconds")
    newer = sum(vote.at > written and vote.reviewer.kind != "judge" for vote in votes)
    return [say("review.align.pairs_old", path=str(pairs), votes=newer, folder=str(run))] if newer else []


def _recipe(before: Recipe, pairs: Path, model: Path, out: Path, overrides: Sequence[str]) -> Recipe:
    """DPO's recipe: the model's and the machine's settings as they were, everything else as is usual for DPO."""
    raw: dict[str, Any] = {
        section: {key: getattr(getattr(before, section), key) for key in keys} for section, keys in _KEPT.items()
    }
    raw["run"] |= {"folder": str(out), "stage": "dpo"}
    raw["model"] = asdict(before.model) | {"path": str(model.resolve())}
    raw["method"] = asdict(before.method) | {"adapter": ""}
    raw["data"] |= {"train": str(pairs.resolve())}
    raw["report"] = asdict(before.report)
    raw["probes"] = asdict(before.probes)
    return build_recipe(raw, overrides)


def _suite(run: Path, recipe: Recipe, prompts: Sequence[str]) -> tuple[ProbesSection, Message]:
    """The probe questions that no pair comes from, as a suite of their own, and what to say of them.

    Of a run that was probed they are those that it was asked, however many the recipe names.
    """
    if not recipe.probes.suite:
        return recipe.probes, say("review.align.no_suite")
    from doneness.probe.opening import open_suite
    from doneness.probe.suite import choose_questions

    suite = open_suite(recipe.probes.suite, asked_in(run, recipe.probes.suite))
    table = load_table(run)
    known = {question.id for question in table.questions} if table is not None else set()
    probes = tuple(probe for probe in suite.probes if probe.id in known)
    probes = probes or choose_questions(suite.probes, recipe.probes.questions, recipe.run.seed)
    asked = [probe.prompt for probe in probes]
    trained = {i for i, _, _ in near_pairs(asked, list(dict.fromkeys(prompts)))}
    left = [probe for place, probe in enumerate(probes) if place not in trained]
    if not left:
        return replace(recipe.probes, suite=""), say("review.align.nothing_left")
    folder = run / PROBES
    head = {"name": suite.name, "temperature": suite.temperature, "max_new_tokens": suite.max_new_tokens}
    head |= {"lang": suite.lang, "behaviours": list(suite.behaviours)}
    head |= {} if suite.guards is None else {"guards": list(suite.guards)}
    write_text(folder / "questions.jsonl", "".join(_line(probe) for probe in left))
    write_text(folder / "suite.toml", tomli_w.dumps(head | {"files": [{"path": "questions.jsonl"}]}))
    section = replace(recipe.probes, suite=str((folder / "suite.toml").resolve()), questions=0)
    return section, say("review.align.asked", left=len(left), all=len(probes))


def _line(probe: Probe) -> str:
    """A question as our own suites have it."""
    told = {name: value for name, value in asdict(probe).items() if value not in ("", (), None, 0) or name == "correct"}
    told |= {"behaviour": told.pop("sort"), "prompt": probe.prompt}
    if probe.correct is None:
        told.pop("correct", None)
    return json.dumps(told, ensure_ascii=False) + "\n"
