"""Verdicts by what the tokens are: which span decides, what each span says, and where they part.

The mean over all target tokens settles when its many easy tokens have, and stays high when free text counts
in it; either way it may say nothing of the few tokens that matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from doneness.core import Action, Message, SpanVerdict, Verdict, say
from doneness.curves import paired_effect
from doneness.diagnose import phrases
from doneness.diagnose.phrases import Talk
from doneness.runs import SPAN_LOSS, Run, span_names

ALL = "all"
_ROWS, _EVALS = 4, 2  # fewer examples or evaluations carry no verdict
_MOST_LABELS, _ROWS_A_LABEL = 12, 5  # beyond, the frequencies themselves are guesses
_SAYS = (Verdict.CONVERGED, Verdict.LEARNING, Verdict.OVERFITTING)


def deciding(run: Run, wanted: str) -> str:
    """The span that decides; "" for all target tokens.

    The one wanted, where the run records it; where none is wanted the label, where four examples have one.
    """
    known = span_names(run)
    if wanted == ALL or (wanted and wanted not in known):
        return ""
    if wanted:
        return wanted
    return "label" if "label" in known and _enough(run, "label") else ""


def judged(run: Run, name: str, every: bool = True) -> tuple[str, ...]:
    """The spans to judge: those with four examples and two evaluations, and `name` in any case.

    Not `every` one means `name` alone, or the label where no span decides: it may say otherwise.
    """
    wanted = span_names(run) if every else () if name else tuple({"label"} & set(span_names(run)))
    return tuple(dict.fromkeys([*(each for each in wanted if _enough(run, each)), *([name] if name else [])]))


def headline(talk: Talk, name: str, other: Talk | None) -> Message:
    """The headline of the run; it says which span decides, and where the mean and the label say otherwise.

    Args:
        talk: what decides.
        name: the span that it is about, "" for all target tokens.
        other: the whole where a span decides, the label (where there is one) where the whole does.
    """
    told = phrases.headline(talk)
    if name:
        told = say("diagnose.span.headline", span=word(name), headline=told)
    if other is None or not _parts(talk, other):
        return told
    key = "diagnose.span.mean_differs" if name else "diagnose.span.label_differs"
    return say("diagnose.both", first=told, second=say(key, verdict=say(f"diagnose.span.says.{other.verdict.value}")))


def word(name: str) -> Message:
    """What a span is called in a sentence."""
    return say(f"diagnose.span.name.{name}") if name in _NAMED else say("diagnose.span.name.own", name=name)


def verdicts(run: Run, talks: Mapping[str, Talk]) -> tuple[SpanVerdict, ...]:
    """A verdict for each span that was judged."""
    guess = guessing(run) if "label" in talks else None
    return tuple(
        _verdict(name, talk, guess.cost if guess and name == "label" else None)
        for name, talk in talks.items()
        if talk.case.loss.size
    )


@dataclass(frozen=True, slots=True)
class Guess:
    """What always guessing the label by its frequency would cost.

    Attributes:
        cost: entropy of the labels' frequencies in the evaluation rows, nats a label.
        loss: the model's summed loss of a label at the last evaluation, nats.
        interval: 95 % interval of `loss` − `cost`, paired over rows (or conversations).
        labels, rows: how many.
    """

    cost: float
    loss: float
    interval: tuple[float, float]
    labels: int
    rows: int


def guessing(run: Run) -> Guess | None:
    """The model's label losses held against the guess; None where labels are unknown, one, many or rare."""
    last = run.examples[-1] if run.examples else None
    texts, span = (None, None) if last is None else (last.groups.get("label"), last.spans.get("label"))
    if last is None or texts is None or span is None:
        return None
    has = (span.tokens > 0) & (texts != "") & np.isfinite(span.nll)
    labels, index, count = np.unique(texts[has], return_inverse=True, return_counts=True)
    rows = int(has.sum())
    if not 2 <= labels.size <= min(_MOST_LABELS, rows // _ROWS_A_LABEL):
        return None
    cost = -np.log(count / rows)[index]
    clusters = None if last.cluster is None else last.cluster[has].tolist()
    effect = paired_effect(span.nll[has], cost, np.ones(rows), clusters)
    return Guess(float(cost.mean()), float(span.nll[has].mean()), effect.interval(0.95), int(labels.size), rows)


def readings(run: Run) -> tuple[Message, ...]:
    """That the labels are no better than guessed, where it is not certain that they are."""
    found = guessing(run)
    if found is None or found.interval[1] < 0.0:
        return ()
    numbers = {"loss": found.loss, "guess": found.cost, "labels": found.labels, "rows": found.rows}
    return (say("diagnose.span.guessed", **numbers),)


_NAMED = frozenset(("label", "explanation", "reasoning", "first", "rest", "end"))


def _enough(run: Run, name: str) -> bool:
    """Four examples with a token of the span and two evaluations; means alone are taken at their word."""
    if not run.examples:
        column = run.series.get(SPAN_LOSS + name)
        return column is not None and int(np.isfinite(column.value).sum()) >= _EVALS
    counts = [int((e.spans[name].tokens > 0).sum()) for e in run.examples if name in e.spans]
    return len(counts) >= _EVALS and counts[-1] >= _ROWS


def _parts(one: Talk, other: Talk) -> bool:
    """Whether two verdicts part: one done and the other not, or one overfitting."""
    if other.verdict not in _SAYS or one.verdict is other.verdict:
        return False
    if one.verdict is Verdict.UNDECIDED:
        return other.verdict is not Verdict.LEARNING
    done = one.action is not Action.CONTINUE and other.action is not Action.CONTINUE
    return one.verdict in _SAYS and (not done or Verdict.OVERFITTING in (one.verdict, other.verdict))


def _verdict(name: str, talk: Talk, baseline: float | None) -> SpanVerdict:
    case, table = talk.case, talk.case.table
    best = int(np.argmin(case.loss))
    effect = None if table is None else table.effect(-1, 0)
    last = case.run.examples[-1] if case.run.examples else None
    return SpanVerdict(
        name=name,
        verdict=talk.verdict,
        headline=phrases.headline(talk),
        loss=float(case.loss[-1]),
        best=float(case.loss[best]),
        best_step=int(case.step[best]),
        change=float(case.loss[-1] - case.loss[0]) if effect is None else effect.diff,
        interval=None if effect is None or effect.n < 2 else effect.interval(0.95, case.noise),
        n=int(last.ids.size) if effect is None and last is not None else effect.n if effect is not None else 0,
        tokens=0 if last is None else int(last.tokens.sum()),
        per_row=float("nan") if last is None else float(last.nll.mean()),
        baseline=baseline,
    )
