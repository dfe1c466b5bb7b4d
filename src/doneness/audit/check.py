"""A check on data: what it remembers of the rows, how it judges that, and for which stages of training."""

from __future__ import annotations

from dataclasses import dataclass

from doneness.audit.subject import Subject
from doneness.audit.tally import Tally
from doneness.core import Check
from doneness.data.stream import STAGES

EVERY = frozenset(STAGES)
ANSWERED = EVERY - {"pretrain", "grpo"}  # rows whose answers are learnt from
ASKED = EVERY - {"pretrain"}
PAIRS = frozenset(("dpo", "orpo", "reward"))


@dataclass(frozen=True)
class DataCheck(Check[Subject]):
    """One check on data.

    Attributes:
        tally: what looks at the rows as they pass; None where the columns of all rows are enough.
        both: whether evaluation rows pass it, too.
        stages: of training that it has something to say about.
    """

    tally: type[Tally] | None = None
    both: bool = False
    stages: frozenset[str] = EVERY
