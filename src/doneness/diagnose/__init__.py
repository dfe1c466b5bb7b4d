"""Judges a run: checks with their evidence, one verdict, the sweet spot and what to do next."""

from __future__ import annotations

import sys
from collections.abc import Collection
from types import ModuleType

from doneness.core import Diagnosis
from doneness.diagnose.case import Case, LossTable
from doneness.diagnose.params import Params
from doneness.diagnose.suite import CHECKS, diagnose
from doneness.diagnose.sweet_spot import Recommendation, recommend, sweet_spot
from doneness.runs import Run

__all__ = ["CHECKS", "Case", "LossTable", "Params", "Recommendation", "diagnose", "recommend", "sweet_spot"]


class _Callable(ModuleType):
    """This folder and the function of its name share `doneness.diagnose`: whichever came there first can be called."""

    def __call__(
        self,
        run: Run,
        params: Params | None = None,
        until: int | None = None,
        barred: Collection[int] = (),
        span: str | None = None,
        every_span: bool = True,
    ) -> Diagnosis:
        return diagnose(run, params, until, barred, span, every_span)


sys.modules[__name__].__class__ = _Callable
