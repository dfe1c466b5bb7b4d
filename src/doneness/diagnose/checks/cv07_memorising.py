"""CV07: the train loss falls because the same rows come again.

What it finds: a staircase in the train loss, a drop at every epoch edge beyond the trend within the
epochs. The model then remembers rows it has seen, and from the second epoch on its train loss is no
estimate of what it does on others. In the first epoch every row is new and the train loss an honest
reading (CV05), unless the data hold doubles.

How: robust lines on both sides of each edge, of equal reach; the drops are summed, with an interval
that allows for the rows' noise and its autocorrelation. Called memorising where the sum is more than
1 % of the loss, it or its largest member is certain (one-sided p < 0.00135, both tested, each edge
half a percent granted to the curve's bend), and the loss stays down in the epoch that follows. Edges
at which the learning rate jumps do not count. With evaluations on held-out rows this is context: they
decide. Without any, nothing is said of overfitting, of a best checkpoint, or of going on.

Source: fast.ai/posts/2023-09-04-learning-jumps (the observation); false alarms and power were measured
on synthetic runs.
"""

from __future__ import annotations

from doneness.core import Check, Finding, Message, Status, Where, say
from doneness.curves import Staircase
from doneness.curves.staircase import LEAST
from doneness.diagnose import epochs
from doneness.diagnose.case import Case

CODE = "CV07"
_SMALL = 0.05  # of the loss: a staircase that is surely smaller is called none


def _missing(case: Case) -> Message | None:
    if case.preference:
        return say("diagnose.missing.likelihood")
    if not case.train[1].size:
        return say("diagnose.missing.train")
    return say("diagnose.missing.epochs") if epochs.done(case) is None else None


def _judge(case: Case) -> Finding:
    done, column = epochs.done(case), case.run.train
    assert done is not None
    assert column is not None
    if done <= 1.0 + 1e-6:
        return Finding(CODE, Status.PASS, say("diagnose.cv07.first", epoch=done), n=int(case.train[1].size))
    found = epochs.drops(case, column, LEAST)
    if found is None:
        few = say("diagnose.cv07.few", epoch=done, needed=LEAST)
        return Finding(CODE, Status.UNSURE, few, n=int(case.train[1].size))
    return _finding(case, found)


def _finding(case: Case, found: Staircase) -> Finding:
    low, high = found.interval()
    scale = found.level or 1.0
    numbers = {
        "fall": found.total / scale,
        "low": low / scale,
        "high": min(high / scale, 1.0),  # a loss has no more to lose than all of it
        "rise": -found.total / scale,
        "edges": len(found.drops),
        "rows": found.rows,
    }
    status, key, advice = Status.UNSURE, "diagnose.cv07.unsure", None
    if epochs.certain(found):
        alone = case.loss.size == 0
        status, key = (Status.FAIL, "memorising") if alone else (Status.WARN, "context")
        key = f"diagnose.cv07.{key}"
        advice = say("diagnose.cv07.advice") if alone else None
    elif high < _SMALL * scale:
        status, key = Status.PASS, "diagnose.cv07.rises" if found.total < 0.0 else "diagnose.cv07.fine"
    step = epochs.edge_step(case, found.drops[0].edge)
    evidence = {
        "z": found.z,
        "p": found.p(),
        "drops": [[d.edge, d.size / scale, d.se / scale] for d in found.drops],
        "correlation": found.correlation,
        "stayed": found.stayed[0] / scale,
    }
    limit, where = epochs.MATTERS * scale, Where(step=step)
    return Finding(
        CODE, status, say(key, **numbers), found.total, (low, high), limit, found.rows, where, advice, evidence
    )


CHECK: Check[Case] = Check(CODE, _judge, _missing)
