"""SA07: a tokenizer or a template that is not the model's."""

from __future__ import annotations

import math

from doneness.core import Check, Finding, Message, Status, say
from doneness.sanity.findings import finding
from doneness.sanity.measured import Measured, Tokens

_GAP, _SOME = 2.0, 1.0  # nats between loss and entropy: of another tokenizer, and of a part of one
_WORSE, _SAME = 0.5, 0.3  # nats above chance, which no random weights have; at chance
_VARIED = 2.0  # nats of the answers' own unigram entropy: below, they are labels, which a model may well miss
_UNKNOWN = 0.01  # of the tokens


def tokens(measured: Measured) -> Finding:
    """Find token ids that mean something else to the model, and answers without their marks.

    *What it finds*: ids beyond the model's embedding; an untrained model that is sure of itself and wrong, as with
    another model's tokenizer; unknown tokens; texts begun twice or not at all; answers without an end; marks of the
    template that are not single tokens.

    *How*: a model on its own tokens loses about as much as its predictions' entropy, and one of random weights has
    both at ln V; a loss above ln V and 2 nats above the entropy, or half a nat above ln V, means that it expects
    other tokens. Where it is 1 nat above the entropy and above what a count of the target tokens gives (their
    unigram entropy, at least 2 nats of it), part of the vocabulary may be another's: a warning, as answers of a form
    that the model never gives do the same. Ids, unknown tokens (1 % counts) and marks are counted over the rows.

    *Source*: our own; a calibrated model's cross-entropy equals its entropy in expectation.
    """
    found, rows = measured.tokens, measured.targets.rows
    chance = math.log(found.vocabulary)
    gap = found.surprise - found.entropy
    numbers = {
        "vocabulary": found.vocabulary, "highest": found.highest, "unknown": found.unknown, "chance": chance,
        "surprise": found.surprise, "entropy": found.entropy, "unigram": found.unigram, "n": rows,
    }  # fmt: skip
    key = None
    if found.highest >= found.vocabulary:
        key = "beyond"
    elif found.surprise > chance + (0.0 if gap > _GAP else _WORSE):
        key = "strangers"
    elif found.unknown > _UNKNOWN:
        key = "unknown"
    if key:
        return finding("SA07", Status.FAIL, numbers, value=gap, key=key, n=rows, threshold=_GAP)
    if gap > _SOME and found.surprise > found.unigram >= _VARIED:
        return finding("SA07", Status.WARN, numbers, value=gap, key="some", n=rows, threshold=_SOME)
    marks = _marks(found, rows)
    if marks is not None:
        return finding("SA07", Status.WARN, {**numbers, "what": marks}, value=gap, key="marks", n=rows, threshold=_GAP)
    key = "random" if abs(found.surprise - chance) < _SAME and abs(gap) < _SAME else "pass"
    return finding("SA07", Status.PASS, numbers, value=gap, key=key, n=rows, threshold=_GAP)


def _marks(found: Tokens, rows: int) -> Message | None:
    """The first of the marks that most rows lack or have twice."""
    for name in ("two_begins", "no_begin", "no_end"):
        count = getattr(found, name)
        if count > rows / 2:
            return say(f"sanity.sa07.{name}", count=count, n=rows)
    return say("sanity.sa07.split", marks=", ".join(found.split)) if found.split else None


CHECK = Check("SA07", tokens)
