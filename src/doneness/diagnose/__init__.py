"""Judges a run: checks with their evidence, one verdict, the sweet spot and what to do next."""

from __future__ import annotations

import sys
from types import ModuleType

from doneness.diagnose.case import Case, LossTable
from doneness.diagnose.params import Params
from doneness.diagnose.suite import CHECKS, diagnose
from doneness.diagnose.sweet_spot import Recommendation, recommend, sweet_spot

__all__ = ["CHECKS", "Case", "LossTable", "Params", "Recommendation", "diagnose", "recommend", "sweet_spot"]


class _Callable(ModuleType):
    """This folder and the function of its name share `doneness.diagnose`: whichever came there first can be called."""

    __call__ = staticmethod(diagnose)


sys.modules[__name__].__class__ = _Callable
