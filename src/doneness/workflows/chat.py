"""One question to several checkpoints, and a conversation with each of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doneness.core import DataError, disk_faults, tr
from doneness.runs.probes import BASE, FOLDER, load_choice
from doneness.workflows.engines import torch_maker
from doneness.workflows.subject import Subject

if TYPE_CHECKING:
    from doneness.models import Generated
    from doneness.probe.engine import Engine

KEPT = "kept.jsonl"
_SORT = "safe"  # answerable, and no right answer is known


@dataclass
class Chat:
    """What was said so far, with each checkpoint by itself.

    Attributes:
        steps: which checkpoints; 0 is the base model.
        system: system turn.
        limit: new tokens per answer.
        asked: what the user said, in order.
        answers: what each checkpoint said to that.
    """

    engine: Engine
    steps: tuple[int, ...]
    system: str
    limit: int
    asked: list[str] = field(default_factory=list)
    answers: dict[int, list[Generated]] = field(default_factory=dict)

    def ask(self, question: str, told: Callable[[int], None] = lambda step: None) -> dict[int, Generated]:
        """Every checkpoint's answer, in the light of what it said before.

        Args:
            question: the next thing that the user says.
            told: hears which step is about to answer.
        """
        from doneness.models import prompt_ids
        from doneness.probe.conversation import turns_of

        found: dict[int, Generated] = {}
        before: tuple[int, ...] = ()
        for step in self.steps:
            told(step)
            said = [answer.text for answer in self.answers.get(step, [])]
            prompt = prompt_ids(self.engine.tokenizer, turns_of(self.system, [*self.asked, question], said))
            # The neighbour's answer is the draft: alike, it is only checked.
            found[step] = self.engine.greedy(step, [prompt], self.limit, [before] if before else None)[0]
            before = found[step].ids
        # Kept once all have answered: a conversation that was interrupted is the one before.
        self.asked.append(question)
        for step, answer in found.items():
            self.answers.setdefault(step, []).append(answer)
        return found

    def begin_anew(self) -> None:
        """Forget what was said."""
        self.asked.clear()
        self.answers.clear()

    def keep(self, place: Path, sort: str = "", answer: str = "") -> str:
        """Store the conversation as a probe in a suite file; its id.

        Args:
            place: a JSONL file, made where it is missing.
            sort: kind of question; by default one that ought to be answered.
            answer: what a right answer holds, where one is known.

        Raises:
            DataError: nothing was asked, no such kind, the kind needs an answer, or it stands there already.
        """
        from doneness.probe.records import read_probes
        from doneness.probe.suite import SORTS

        if not self.asked:
            raise DataError(tr("probing.chat.nothing"))
        sort = sort or ("knowledge" if answer else _SORT)
        if sort not in SORTS:
            raise DataError(tr("probing.chat.sort", sort=sort, known=", ".join(SORTS)))
        name = "kept-" + hashlib.sha256(json.dumps(self.asked).encode()).hexdigest()[:8]
        item: dict[str, Any] = {"id": name, "behaviour": sort, "prompt": self.asked[0]}
        if self.asked[1:]:
            item["then"] = self.asked[1:]
        if answer:
            item |= {"reference": answer, "contains": [[answer]]}
        # Tried apart first, so that what nothing would score is never in the suite.
        line = json.dumps(item, ensure_ascii=False) + "\n"
        known = {probe.id for probe in read_probes(place)} if place.is_file() and place.stat().st_size else set()
        if name in known:
            raise DataError(tr("probing.chat.kept_before", path=str(place), id=name))
        with disk_faults(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            trial = place.with_name(f".{place.name}.{name}")
            trial.write_text(line, encoding="utf-8")
            try:
                read_probes(trial)
            finally:
                trial.unlink()
            before = place.read_bytes()[-1:] if place.is_file() else b""
            with place.open("a", encoding="utf-8") as handle:
                handle.write(line if before in (b"", b"\n") else f"\n{line}")
        return name


def chat_with(subject: Subject, steps: Sequence[int], system: str | None = None, limit: int = 256) -> Chat:
    """A conversation with checkpoints of a run.

    Args:
        subject: the run.
        steps: which; 0 is the base model.
        system: system turn; None takes that of the run.
        limit: new tokens per answer.
    """
    engine = torch_maker(subject, max(1, len(steps)))()
    return Chat(engine, tuple(steps), subject.system if system is None else system, limit)


def usual_steps(subject: Subject) -> tuple[int, ...]:
    """The base model, the checkpoint that was chosen where one was, and the last."""
    choice = load_choice(subject.out)
    chosen = choice.step if choice is not None else None
    steps = {BASE, max(subject.checkpoints)}
    if chosen is not None and chosen in subject.checkpoints:
        steps.add(chosen)
    return tuple(sorted(steps))


def kept_file(subject: Subject) -> Path:
    """Where kept questions lie by default."""
    return subject.out / FOLDER / KEPT
