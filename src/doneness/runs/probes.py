"""What the probes found, as it lies in a run folder.

probes/answers/step-00000032.jsonl   every answer of one checkpoint (step 0 is the base model)
probes/table.json                    behaviours × checkpoints, with intervals
probes/choice.json                   which checkpoint, and why
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from doneness.core import Message, UnreadableError
from doneness.runs.atomic import write_text

FOLDER = "probes"
BASE = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of one checkpoint.

    Attributes:
        id: probe id.
        step: checkpoint's step; 0 is the base model.
        text: the answer, special tokens apart.
        tokens: its length.
        confidence: mean over its tokens of the probability given to the token chosen, 0 to 1.
        capped: it ran into the limit on new tokens.
    """

    id: str
    step: int
    text: str
    tokens: int
    confidence: float
    capped: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """One behaviour of one checkpoint.

    Attributes:
        mark: against base: "better", "same" (no harm larger than the margin), "worse", "unsure",
            "changed" (where neither direction is better), or "base".
        diff, diff_interval: paired difference to base on the same prompts.
    """

    behaviour: str
    step: int
    value: float
    interval: tuple[float, float]
    n: int
    mark: str
    diff: float | None = None
    diff_interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A row of the table: its name (title at catalogue key probe.<name>.title), direction and unit.

    Attributes:
        better: "higher", "lower" or "none".
        unit: "share" (0 to 1) or "tokens".
        margin: the harm that still counts as the same, in the unit of the value.
        guard: whether harm vetoes a checkpoint.
    """

    name: str
    better: str
    unit: str
    margin: float
    guard: bool


@dataclass(frozen=True, slots=True)
class Question:
    """A probe question as it was asked."""

    id: str
    behaviour: str
    prompt: str
    reference: str


@dataclass(frozen=True)
class ProbeTable:
    """Behaviours × checkpoints; `turning` is the first step from which a behaviour is worse than its best."""

    steps: tuple[int, ...]
    behaviours: tuple[Behaviour, ...]
    cells: tuple[Cell, ...]
    questions: tuple[Question, ...]
    turning: Mapping[str, int | None]

    def cell(self, behaviour: str, step: int) -> Cell | None:
        """One cell, or None where that checkpoint was not asked."""
        return next((c for c in self.cells if c.behaviour == behaviour and c.step == step), None)


@dataclass(frozen=True)
class Choice:
    """The checkpoint to keep.

    Attributes:
        step: its step; None where nothing can be recommended.
        checkpoint: its path, relative to the run folder.
        reasons: why this one and not another, in order of weight.
        tied: steps whose loss is statistically tied with the best.
        vetoed: steps that a behaviour guard ruled out, with the reason.
    """

    step: int | None
    checkpoint: str | None
    reasons: tuple[Message, ...]
    tied: tuple[int, ...] = ()
    vetoed: Mapping[int, Message] | None = None


def answers_path(run: Path, step: int) -> Path:
    """Where the answers of one checkpoint lie."""
    return run / FOLDER / "answers" / f"step-{step:08d}.jsonl"


def save_answers(run: Path, step: int, answers: list[Answer], head: Mapping[str, Any]) -> None:
    """Write one checkpoint's answers atomically; `head` says under which settings they were given."""
    lines = [json.dumps({"settings": dict(head)}, ensure_ascii=False, sort_keys=True)]
    lines += [json.dumps(asdict(a), ensure_ascii=False) for a in answers]
    write_text(answers_path(run, step), "\n".join(lines) + "\n")


def load_answers(run: Path, step: int) -> tuple[dict[str, Any], list[Answer]] | None:
    """Settings and answers of one checkpoint, or None where it was not asked."""
    path = answers_path(run, step)
    if not path.exists():
        return None
    try:
        with path.open(encoding="utf-8", newline="\n") as handle:
            head = json.loads(next(handle))["settings"]
            return head, [Answer(**json.loads(line)) for line in handle]
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise UnreadableError(f"{path}: damaged ({error}); delete it and run doneness probe again") from error


def save_table(run: Path, table: ProbeTable) -> None:
    """Write probes/table.json."""
    write_text(run / FOLDER / "table.json", json.dumps(asdict(table), ensure_ascii=False, indent=1) + "\n")


def load_table(run: Path) -> ProbeTable | None:
    """Read probes/table.json, or None where the run was not probed."""
    data = _json(run / FOLDER / "table.json")
    if data is None:
        return None
    return ProbeTable(
        steps=tuple(data["steps"]),
        behaviours=tuple(Behaviour(**b) for b in data["behaviours"]),
        cells=tuple(Cell(**{**c, **_pairs(c, "interval", "diff_interval")}) for c in data["cells"]),
        questions=tuple(Question(**q) for q in data["questions"]),
        turning=data["turning"],
    )


def save_choice(run: Path, choice: Choice) -> None:
    """Write probes/choice.json."""
    data = {
        "step": choice.step,
        "checkpoint": choice.checkpoint,
        "reasons": [m.to_dict() for m in choice.reasons],
        "tied": list(choice.tied),
        "vetoed": {str(step): m.to_dict() for step, m in (choice.vetoed or {}).items()},
    }
    write_text(run / FOLDER / "choice.json", json.dumps(data, ensure_ascii=False, indent=1) + "\n")


def load_choice(run: Path) -> Choice | None:
    """Read probes/choice.json, or None where nothing was chosen."""
    data = _json(run / FOLDER / "choice.json")
    if data is None:
        return None
    return Choice(
        step=data["step"],
        checkpoint=data["checkpoint"],
        reasons=tuple(Message.from_dict(m) for m in data["reasons"]),
        tied=tuple(data["tied"]),
        vetoed={int(step): Message.from_dict(m) for step, m in data["vetoed"].items()},
    )


def _pairs(cell: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: tuple(cell[name]) if cell.get(name) else None for name in names}


def _json(path: Path) -> Any:
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UnreadableError(f"{path}: damaged ({error})") from error
