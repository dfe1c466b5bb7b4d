"""What an audit looks at, and by which measure."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from doneness.core import Message, say
from doneness.data import Row, Rows, normalise


@dataclass(frozen=True, slots=True)
class AuditParams:
    """The measures of the audit; shares are of rows, 0 to 1.

    Attributes:
        near: similarity from which two questions count as one (see `data.near_duplicates`).
        template_share: largest share that one template may have.
        epochs: planned passes over the training rows; repeats multiply them.
        max_tokens: tokens a row may have before the trainer cuts it; needs `DataSets.lengths`.
        max_chars: characters a row may have, for want of a tokenizer.
        min_rows: below so many rows no share is judged.
    """

    near: float = 0.8
    template_share: float = 0.05
    epochs: float = 1.0
    max_tokens: int | None = None
    max_chars: int | None = None
    min_rows: int = 20


@dataclass(frozen=True)
class DataSets:
    """The data of one run.

    Attributes:
        train: rows to train on.
        eval: rows held out; None where there are none.
        probes: (id, prompt) of the questions that checkpoints are asked.
        params: the measures.
        lengths: tokens of each training row in order, as the run's tokenizer counts them; None
            where none was handed in.
    """

    train: Rows
    eval: Rows | None = None
    probes: tuple[tuple[str, str], ...] = ()
    params: AuditParams = field(default_factory=AuditParams)
    lengths: tuple[int, ...] | None = None

    @cached_property
    def train_questions(self) -> tuple[str, ...]:
        """The normal form of everything before each training answer."""
        return tuple(normalise(row.context) for row in self.train)

    @cached_property
    def eval_questions(self) -> tuple[str, ...]:
        """The same of the evaluation rows; empty without any."""
        return tuple(normalise(row.context) for row in self.eval or ())

    @property
    def rows(self) -> tuple[Row, ...]:
        """Training and evaluation rows together."""
        return (*self.train, *(self.eval or ()))


def needs_eval(subject: DataSets) -> Message | None:
    """What is missing where a check compares with evaluation rows."""
    return None if subject.eval is not None and len(subject.eval) else say("audit.no_eval")


def needs_probes(subject: DataSets) -> Message | None:
    """What is missing where a check compares with probes."""
    return None if subject.probes else say("audit.no_probes")
