"""SA08: rows that contradict one another."""

from __future__ import annotations

from doneness.core import Check, Finding, Message, Status, say
from doneness.sanity.findings import finding
from doneness.sanity.measured import Measured
from doneness.sanity.outcome import NEAR_NATS, outcome_of

_SOME = 0.01  # of the rows


def contradictions(measured: Measured) -> Finding:
    """Find rows that are alike up to a target token and then go on differently.

    *What it finds*: the loss that no model gets under and the answers that none can give, because another row asks the
    same and answers otherwise.

    *How*: rows are compared token by token, as the model sees them; the floor is the mean of −ln(share of the rows
    alike so far that go on so). A floor of 0.1 nats per target token, beyond which the loss cannot be called near
    zero, or half of the answers out of reach fails; 1 % of the rows is a warning. That the run came down to the floor
    is judged by SA01.

    *Source*: as AU06, of which this is the form by tokens.
    """
    floor = measured.levels.floor
    share = floor.conflicting / floor.rows if floor.rows else 0.0
    bad = floor.loss >= NEAR_NATS or floor.attainable < 0.5
    status = Status.FAIL if bad else Status.WARN if share > _SOME else Status.PASS
    found = outcome_of(measured)
    numbers = {
        "rows": floor.conflicting, "n": floor.rows, "share": share, "floor": floor.loss,
        "attainable": floor.attainable, "exact": (found.exact or 0.0) if found else 0.0,
    }  # fmt: skip
    return finding("SA08", status, numbers, value=floor.loss, n=floor.rows, threshold=NEAR_NATS)


def _needs_answers(measured: Measured) -> Message | None:
    # Texts that begin alike and go on differently contradict nothing.
    return None if measured.setting.stage == "sft" else say("sanity.no_answers")


CHECK = Check("SA08", contradictions, _needs_answers)
