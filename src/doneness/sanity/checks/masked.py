"""SA03: answers that carry no loss."""

from __future__ import annotations

from doneness.core import Check, Finding, Message, Status, say
from doneness.sanity.findings import finding, told
from doneness.sanity.measured import Measured

# Written alone a text has a token or so more or fewer than within a row, and the token that ends an answer adds one:
# that explains some per cent of a short answer. A quarter of all answers gone is a fault of what is learnt.
WARN, FAIL = 0.9, 0.75


def masked(measured: Measured) -> Finding:
    """Find answers most of whose tokens carry no loss.

    *What it finds*: labels that leave out the answer, or rows cut so short that little of it is left.

    *How*: tokens that carry loss against the tokens that the tokenizer makes of the answers' texts alone; less than
    90 % is a warning, less than three quarters fails. Answers that the recipe leaves out (`answers =
    "last"`) do not count.

    *Source*: our own; a template's mask that does not find the assistant's turn does this silently.
    """
    found = measured.targets
    share = found.targets / found.answers
    # What was cut away is no fault of the mask.
    cut = found.lost / found.answers
    status = Status.FAIL if share < FAIL else Status.WARN if share < WARN else Status.PASS
    key = "cut" if status is not Status.PASS and cut >= (1.0 - share) / 2.0 else None
    numbers = {"targets": found.targets, "answers": found.answers, "share": share, "lost": found.lost, "n": found.rows}
    tried = told(next(iter(measured.tried("unmasked")), None))
    return finding("SA03", status, numbers, value=share, key=key, n=found.rows, threshold=FAIL, tried=tried)


def _needs_answers(measured: Measured) -> Message | None:
    return None if measured.targets.answers else say("sanity.no_answers")


CHECK = Check("SA03", masked, _needs_answers)
