"""What the probes found, as it lies in a run folder.

probes/answers/step-00000032.jsonl   every answer of one checkpoint (step 0 is the base model)
probes/table.json                    behaviours × checkpoints, with intervals
probes/choice.json                   which checkpoint, and why
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from doneness.core import Message, UnreadableError, tr
from doneness.runs.atomic import write_text
from doneness.runs.typed import built, fits

FOLDER = "probes"
BASE = 0
NULLS = 10**9  # steps of null adapters begin here: no run has so many


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
        samples: further answers to the same prompt, sampled.
        turns: answers to the user turns that follow.
        options: summed log-likelihood of every option, nats.
        option_tokens: how many tokens each option has.
        nll: summed NLL in nats of the reference after the prompt, or of the text that is only scored.
        nll_tokens: how many tokens that sum is over.
        kl: mean KL(checkpoint || base) per token on that same text, nats.
        shaken: as `nll`, under noise on the trained weights, one value a draw; empty where nothing was trained.
        asked: a digest of the question as it was put; empty in files from before it was kept.
    """

    id: str
    step: int
    text: str
    tokens: int
    confidence: float
    capped: bool
    samples: tuple[str, ...] = ()
    turns: tuple[str, ...] = ()
    options: tuple[float, ...] = ()
    option_tokens: tuple[int, ...] = ()
    nll: float | None = None
    nll_tokens: int = 0
    kl: float | None = None
    shaken: tuple[float, ...] = ()
    asked: str = ""

    def stored(self) -> dict[str, Any]:
        """As it is written down: floats with six digits after the point, and nothing of what was not asked."""
        data: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.default is MISSING or value != each.default:
                data[each.name] = _rounded(value)
        return data


UNDECIDED = ("unsure", "leaning", "promising")  # marks that more questions would settle


@dataclass(frozen=True, slots=True)
class Cell:
    """One behaviour of one checkpoint.

    Attributes:
        mark: against base: "better" and "worse" (shown, corrected for all other cells of the table), "same" (no harm
            larger than the margin), "promising" and "leaning" (better, worse at 95 % by itself, not once corrected),
            "unsure", "changed"
            (where neither direction is better), or "base".
        diff, diff_interval: paired difference to base on the same prompts, with its own 95 % interval.
        p: two-sided p-value of that difference (exact McNemar for shares, paired t for means, bootstrap for other
            statistics; whole clusters where questions belong together), by itself; None for base and below two pairs.
        p_table: the same after Holm's correction over all comparisons with base in the table.
        needs: how many questions would tell, where `mark` is one of UNDECIDED and that can be said.
        clusters: how many independent groups the questions fall into, where those are fewer than the questions.
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
    p_table: float | None = None
    needs: int | None = None
    clusters: int | None = None


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A row of the table: its name (title at catalogue key probe.<name>.title), direction and unit.

    Attributes:
        better: "higher", "lower" or "none".
        unit: "share" (0 to 1), "tokens", "nats" or "ratio".
        margin: the harm that still counts as the same, in the unit of the value.
        guard: whether harm vetoes a checkpoint.
        group: "task", "honesty", "safety", "form" or "memory"; empty where nobody said.
        goal: whether it is what the run is trained for, so that a gain in it decides between checkpoints.
    """

    name: str
    better: str
    unit: str
    margin: float
    guard: bool
    group: str = ""
    goal: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A probe question as it was asked."""

    id: str
    behaviour: str
    prompt: str
    reference: str


@dataclass(frozen=True, slots=True)
class Turning:
    """The first checkpoint from which on a behaviour is shown worse than its best, by more than its margin.

    Attributes:
        step: that checkpoint.
        low, high: 95 % interval, steps of checkpoints, of where it begins to be worse by more than the margin.
        best: where it was best.
        loss_best, loss_here: evaluation loss in nats at the best and at `step`, where the run has both.
    """

    step: int
    low: int | None = None
    high: int | None = None
    best: int | None = None
    loss_best: float | None = None
    loss_here: float | None = None

    @property
    def loss_fell(self) -> bool | None:
        """Whether the loss went on falling meanwhile; None where it is not known."""
        if self.loss_best is None or self.loss_here is None:
            return None
        return self.loss_here < self.loss_best


@dataclass(frozen=True, slots=True)
class Standing:
    """The checkpoints among themselves in one behaviour: which are as good as the best, and what picking one brings.

    Attributes:
        candidates: steps that were to choose from, by step; base is none of them.
        best: the one with the best value.
        tied: those that cannot be told from it at 5 %, all pairs of candidates held together (max-T), best included.
        equal: those of the tied whose value is no worse than the best's by more than half the margin.
        picked: the earliest of the equal that is tied in loss, else of the near that is, else of the equal.
        naive: mean difference of `picked` to base on the questions it was picked by.
        honest: the same where one half of the questions picks and the other half reports, averaged over many halves.
        interval: 95 % interval of `honest`.
        n: questions.
        near: those of the tied whose value is no worse than the best's by more than the margin; None in files from
            before they were kept.
    """

    candidates: tuple[int, ...]
    best: int
    tied: tuple[int, ...]
    equal: tuple[int, ...]
    picked: int
    naive: float
    honest: float
    interval: tuple[float, float]
    n: int
    near: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class NullReading:
    """One behaviour of one checkpoint beside random adapters of the same size.

    Attributes:
        value: the checkpoint's.
        mean, sd: of the random adapters.
        n: how many of them.
        z: (value − mean) / sd; infinite where they are all alike and the checkpoint is not.
        beyond: whether one more random adapter would show as much only once in twenty.
    """

    behaviour: str
    step: int
    value: float
    mean: float
    sd: float
    n: int
    z: float
    beyond: bool


@dataclass(frozen=True)
class ProbeTable:
    """Behaviours × checkpoints.

    Attributes:
        turning: by behaviour, where it goes off; None where it does not.
        standings: by behaviour that is a goal, the checkpoints among themselves.
        nulls: readings beside random adapters, where such were asked.
        strict: whether a guard that cannot tell rules a checkpoint out too.
        goal: the behaviour that was asked for to decide; None leaves it to those that say so themselves.
    """

    steps: tuple[int, ...]
    behaviours: tuple[Behaviour, ...]
    cells: tuple[Cell, ...]
    questions: tuple[Question, ...]
    turning: Mapping[str, Turning | None]
    standings: Mapping[str, Standing] = field(default_factory=dict)
    nulls: tuple[NullReading, ...] = ()
    strict: bool = False
    goal: str | None = None

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
        goal: the behaviour whose gain decided, where one did.
        undecided: guards that cannot tell at `step`, each with the number of questions that would; empty for none.
    """

    step: int | None
    checkpoint: str | None
    reasons: tuple[Message, ...]
    tied: tuple[int, ...] = ()
    vetoed: Mapping[int, Message] | None = None
    goal: str | None = None
    undecided: Mapping[str, int | None] = field(default_factory=dict)


def answers_path(run: Path, step: int) -> Path:
    """Where the answers of one checkpoint lie."""
    return run / FOLDER / "answers" / f"step-{step:08d}.jsonl"


def save_answers(run: Path, step: int, answers: list[Answer], head: Mapping[str, Any]) -> None:
    """Write one checkpoint's answers atomically; `head` says under which settings they were given."""
    lines = [json.dumps({"settings": dict(head)}, ensure_ascii=False, sort_keys=True)]
    lines += [json.dumps(a.stored(), ensure_ascii=False) for a in answers]
    text, path = "\n".join(lines) + "\n", answers_path(run, step)
    if not (path.is_file() and path.read_bytes() == text.encode()):  # one that stays the same keeps its date
        write_text(path, text)


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
            turning={name: _turning(found) for name, found in data["turning"].items()},
            standings={name: built(Standing, s) for name, s in data.get("standings", {}).items()},
            nulls=tuple(built(NullReading, n) for n in data.get("nulls", ())),
            strict=_checked(data.get("strict", False), bool, "strict"),
            goal=_checked(data.get("goal"), str | None, "goal"),
        )


def save_choice(run: Path, choice: Choice) -> None:
    """Write probes/choice.json."""
    data = {
        "step": choice.step,
        "checkpoint": choice.checkpoint,
        "reasons": [m.to_dict() for m in choice.reasons],
        "tied": list(choice.tied),
        "vetoed": {str(step): m.to_dict() for step, m in (choice.vetoed or {}).items()},
        "goal": choice.goal,
        "undecided": dict(choice.undecided),
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
            goal=_checked(data.get("goal"), str | None, "goal"),
            undecided={str(n): _checked(v, int | None, "undecided") for n, v in data.get("undecided", {}).items()},
        )


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    return [_rounded(v) for v in value] if isinstance(value, tuple) else value


def _turning(found: Any) -> Turning | None:
    """A turning point; older files hold its step alone."""
    if found is None:
        return None
    return built(Turning, {"step": found} if isinstance(found, int) else found)


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
