from __future__ import annotations

from collections.abc import Callable

import pytest

from doneness.core import Finding, run_checks
from doneness.diagnose import CHECKS, Case, Params
from doneness.runs import Run


@pytest.fixture
def judge() -> Callable[..., Finding]:
    """Run one check by its code."""

    def one(code: str, run: Run, params: Params | None = None) -> Finding:
        check = next(c for c in CHECKS if c.code == code)
        return run_checks((check,), Case(run, params or Params()))[0]

    return one
