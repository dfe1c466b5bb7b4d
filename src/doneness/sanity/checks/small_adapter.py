"""SA06: an adapter too small for the rows."""

from __future__ import annotations

from doneness.core import Check, Finding, Message, Status, say
from doneness.sanity.bits import bits_held
from doneness.sanity.findings import finding, learnt, needs_run, told
from doneness.sanity.measured import Measured


def small_adapter(measured: Measured) -> Finding:
    """Find adapters that cannot hold what the rows say, over a model that could.

    *What it finds*: a run that did not learn its rows by heart, whose adapters have fewer bits than the targets.

    *How*: two bits a trained parameter against what the targets say, which is the smaller of the untrained model's
    loss on them and their size when compressed (LZMA over token ids): an upper bound, so that a need just above what
    there is may still fit. After ten passes a parameter holds rather one bit.

    *Source*: two bits a parameter: Allen-Zhu and Li, "Physics of language models: part 3.3", ICLR 2025; low rank and
    capacity: Schulman et al., "LoRA without regret", 2025.
    """
    have, need = bits_held(measured.gradient.trained), measured.targets.bits
    # Where the whole model is too small, the adapter is not what lacks.
    small = need > have and bits_held(measured.gradient.total) >= need
    bad = small and not learnt(measured)
    numbers = {
        "have": have / 1000.0,
        "need": need / 1000.0,
        "trained": measured.gradient.trained,
        "rank": measured.setting.rank,
        "share": need / have if have else 0.0,
    }
    tried = told(next(iter(measured.tried("adapter")), None)) if bad else None
    share = need / have if have else 0.0
    key = "enough" if small and not bad else None
    status = Status.FAIL if bad else Status.PASS
    return finding("SA06", status, numbers, value=share, key=key, n=measured.targets.rows, threshold=1.0, tried=tried)


def _needs_adapter(measured: Measured) -> Message | None:
    if not measured.gradient.trained:
        return say("sanity.no_run")
    return needs_run(measured) if measured.setting.method != "full" else say("sanity.no_adapter")


CHECK = Check("SA06", small_adapter, _needs_adapter)
