"""Numpy in, numbers out: paired tests, noise, robust trends, forecasts. Knows no Run."""

from doneness.curves.crossfit import CrossFit, Noise, half_of, worse_than_best
from doneness.curves.forecast import LossForecast, forecast
from doneness.curves.noise import trajectory_noise
from doneness.curves.paired import PairedEffect, minimum_detectable, paired_effect, rows_needed
from doneness.curves.robust import Kendall, Slope, Trend, mann_kendall, theil_sen, trend
from doneness.curves.schedule import Rate, read_rate
from doneness.curves.student import t_cdf, t_quantile

__all__ = [
    "CrossFit",
    "Kendall",
    "LossForecast",
    "Noise",
    "PairedEffect",
    "Rate",
    "Slope",
    "Trend",
    "forecast",
    "half_of",
    "mann_kendall",
    "minimum_detectable",
    "paired_effect",
    "read_rate",
    "rows_needed",
    "t_cdf",
    "t_quantile",
    "theil_sen",
    "trajectory_noise",
    "trend",
    "worse_than_best",
]
