"""A model that was to be trained whole, and is mostly frozen."""

from __future__ import annotations

from doneness.sanity.bits import bits_held
from doneness.sanity.measured import Measured
from doneness.sanity.outcome import outcome_of

_PART = 0.1  # of the parameters: norms are some thousandths, a layer of a dozen near a tenth
_LITTLE = 0.5  # of the way down


def mostly_frozen(measured: Measured) -> bool:
    """Whether method.kind = full trains less than a tenth of the parameters, and the run shows it.

    It shows where the rows were not learnt, and the loss came less than half of the way or two bits a trained parameter
    are fewer than the answers say.
    """
    found, ended = measured.gradient, outcome_of(measured)
    if measured.setting.method != "full" or ended is None or ended.word == "learnt":
        return False
    little = ended.gone < _LITTLE or bits_held(found.trained) < measured.targets.bits
    return found.trained < _PART * found.total and little
