"""What the probes found, as it lies in a run folder.

probes/answers/step-00000032.jsonl   every answer of one checkpoint (step 0 is the base model)
probes/table.json                    behaviours × checkpoints, with intervals
probes/choice.json                   which checkpoint, and why
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from doneness.core import Message, UnreadableError, tr
from doneness.runs.atomic import write_text
from doneness.runs.typed import built, fits

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
        p: two-sided p-value of that difference (exact McNemar for shares, paired t for means), by
            itself, not corrected for the other cells; None for base and below two pairs.
    """

    behaviour: str
    step: int
    value: float
    interval: tuple[float, float]
    n: int
    mark: str
    diff: float | None = None
    diff_interval: tuple[float, float] | None = None
    p: float | None = None


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
    with _damage(path), path.open(encoding="utf-8", newline="\n") as handle:
        head = json.loads(handle.readline())["settings"]
        if not isinstance(head, dict):
            raise TypeError("settings")
        return head, [built(Answer, json.loads(line)) for line in handle]


def save_table(run: Path, table: ProbeTable) -> None:
    """Write probes/table.json."""
    write_text(run / FOLDER / "table.json", json.dumps(asdict(table), ensure_ascii=False, indent=1) + "\n")


def load_table(run: Path) -> ProbeTable | None:
    """Read probes/table.json, or None where the run was not probed.

    Raises:
        UnreadableError: the file is damaged.
    """
    path = run / FOLDER / "table.json"
    if not path.exists():
        return None
    with _damage(path):
        data = json.loads(path.read_text(encoding="utf-8"))
        return ProbeTable(
            steps=_checked(data["steps"], tuple[int, ...], "steps"),
            behaviours=tuple(built(Behaviour, b) for b in data["behaviours"]),
            cells=tuple(built(Cell, c) for c in data["cells"]),
            questions=tuple(built(Question, q) for q in data["questions"]),
            turning={name: _checked(step, int | None, "turning") for name, step in data["turning"].items()},
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
    """Read probes/choice.json, or None where nothing was chosen.

    Raises:
        UnreadableError: the file is damaged.
    """
    path = run / FOLDER / "choice.json"
    if not path.exists():
        return None
    with _damage(path):
        data = json.loads(path.read_text(encoding="utf-8"))
        return Choice(
            step=_checked(data["step"], int | None, "step"),
            checkpoint=_checked(data["checkpoint"], str | None, "checkpoint"),
            reasons=tuple(_message(m) for m in data["reasons"]),
            tied=_checked(data["tied"], tuple[int, ...], "tied"),
            vetoed={int(step): _message(m) for step, m in data["vetoed"].items()},
        )


def _message(data: Any) -> Message:
    message = Message.from_dict(data)
    _checked(message.key, str, "key")
    return message


def _checked(value: Any, wanted: Any, name: str) -> Any:
    if not fits(value, wanted):
        raise TypeError(name)
    return tuple(value) if isinstance(value, list) else value


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Whatever a damaged file makes readers raise becomes one line that names the file and the way out."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise UnreadableError(tr("errors.probes_damaged", path=str(path), reason=reason)) from error
