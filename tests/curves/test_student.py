from __future__ import annotations

import math

import pytest
from scipy import stats

from doneness.curves import t_cdf, t_quantile


@pytest.mark.parametrize("df", [1, 2, 3.7, 10, 59, 1000, 1e7])
@pytest.mark.parametrize("p", [1e-5, 0.025, 0.5, 0.9, 0.99999])
def test_quantile_agrees_with_scipy(df: float, p: float) -> None:
    assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("df", [0.5, 1, 4, 30, 1e7])
@pytest.mark.parametrize("value", [-40.0, -1.3, 0.0, 0.2, 5.0, math.inf, -math.inf])
def test_cdf_agrees_with_scipy(df: float, value: float) -> None:
    assert t_cdf(value, df) == pytest.approx(stats.t.cdf(value, df), abs=1e-7)


def test_what_cannot_be_known_is_nan() -> None:
    assert math.isnan(t_cdf(math.nan, 3))
    assert math.isnan(t_cdf(1.0, 0))
    assert math.isnan(t_quantile(0.9, 0))
    with pytest.raises(ValueError, match="inside"):
        t_quantile(1.0, 3)
