"""Numpy in, numbers out: paired tests, noise, robust trends, forecasts. Knows no Run."""

from doneness.curves.crossfit import CrossFit, half_of, worse_than_best
from doneness.curves.forecast import LossForecast, forecast
from doneness.curves.noise import Noise, pooled_noise, trajectory_noise
from doneness.curves.paired import PairedEffect, minimum_detectable, paired_effect, rows_needed
from doneness.curves.robust import Kendall, Slope, Trend, mann_kendall, running_median, theil_sen, trend
from doneness.curves.schedule import Rate, read_rate, told_end
from doneness.curves.staircase import Drop, Staircase, staircase
from doneness.curves.student import t_cdf, t_quantile
from doneness.curves.turning import Turn, convex_fit, critical_turn, turning
from doneness.curves.windowed import Window, usual_window

__all__ = [
    "CrossFit",
    "Drop",
    "Kendall",
    "LossForecast",
    "Noise",
    "PairedEffect",
    "Rate",
    "Slope",
    "Staircase",
    "Trend",
    "Turn",
    "Window",
    "convex_fit",
    "critical_turn",
    "forecast",
    "half_of",
    "mann_kendall",
    "minimum_detectable",
    "paired_effect",
    "pooled_noise",
    "read_rate",
    "rows_needed",
    "running_median",
    "staircase",
    "t_cdf",
    "t_quantile",
    "theil_sen",
    "told_end",
    "trajectory_noise",
    "trend",
    "turning",
    "usual_window",
    "worse_than_best",
]
