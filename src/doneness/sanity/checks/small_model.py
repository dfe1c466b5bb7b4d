"""SA09: a model too small for the rows."""

from __future__ import annotations

from doneness.core import Check, Finding, Status
from doneness.sanity.bits import bits_held
from doneness.sanity.findings import finding, learnt, needs_run, told
from doneness.sanity.measured import Measured


def small_model(measured: Measured) -> Finding:
    """Find a model that cannot hold what the rows say, whatever of it is trained.

    *What it finds*: a run that did not learn its rows by heart, with a model of fewer bits than the targets.

    *How*: as SA06, over all parameters of the model.

    *Source*: as SA06.
    """
    have, need = bits_held(measured.gradient.total), measured.targets.bits
    bad = need > have and not learnt(measured)
    numbers = {
        "have": have / 1000.0,
        "need": need / 1000.0,
        "total": measured.gradient.total,
        "rows": measured.targets.rows,
        "fit": max(1, int(measured.targets.rows * have / need)) if need else measured.targets.rows,
    }
    tried = told(next(iter(measured.tried("rows")), None)) if bad else None
    share = need / have if have else 0.0
    status = Status.FAIL if bad else Status.PASS
    return finding("SA09", status, numbers, value=share, n=measured.targets.rows, threshold=1.0, tried=tried)


CHECK = Check("SA09", small_model, needs_run)
