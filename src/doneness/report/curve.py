"""The curve's numbers: everything a figure draws, in steps, before anything is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from doneness.core import Action, Diagnosis, tr
from doneness.curves.paired import paired_effect
from doneness.curves.robust import trend
from doneness.curves.windowed import Window, usual_window
from doneness.report.decisions import decisions, folded
from doneness.report.thin import thin
from doneness.runs import LEARNING_RATE, ExampleLosses, Run, of_span, span_names
from doneness.runs.run import Floats

AXES = ("step", "tokens", "targets", "epoch", "time")
_MOST_EPOCHS = 200
_MOST_WINDOWS = 1000
_MOST_OF_TREND = 500  # points drawn of a trend, highest and lowest of each stretch among them
_LARGEST = 1e30  # what is beyond is no loss that can be drawn


@dataclass(frozen=True)
class Line:
    """A value over steps, with a band where it has one; all of one length, all finite."""

    step: Floats
    value: Floats
    low: Floats | None = None
    high: Floats | None = None


@dataclass(frozen=True, slots=True)
class EvalPoint:
    """One evaluation: loss in nats per target token, its 95 % interval where examples were recorded."""

    step: int
    loss: float
    low: float | None = None
    high: float | None = None
    n: int = 0


@dataclass(frozen=True, slots=True)
class Flag:
    """A decision to draw: a few words for the figure, the full sentence for whoever asks."""

    step: int
    text: str
    reason: str


@dataclass(frozen=True)
class Curve:
    """One run as a figure shows it.

    Attributes:
        raw: logged training losses that are numbers.
        broken: steps whose logged loss (train or eval) was NaN or infinite.
        checkpoints: step → whether it still lies on disk.
        epochs: (number of the epoch that ends, step of its end); of more than 200 every so many.
        forecast: the fan, from the last evaluation to the horizon.
        axes: x-axis name → (steps, values) that place a step on that axis; only axes with data.
        window: what the trend is a local line over; the same however long the run is.
        breaks: steps at which the trend is interrupted, because too little was logged around them.
        span: the target tokens that the evaluations are of; "" for all.
        per_token: whether the losses are known to be nats per target token: examples were recorded, with their
            tokens. The loss of a pair is of no token.
    """

    raw: Line
    broken: tuple[int, ...]
    trend: Line | None
    evals: tuple[EvalPoint, ...]
    rate: Line | None
    checkpoints: Mapping[int, bool]
    sweet: tuple[int, int] | None
    chosen: int | None
    epochs: tuple[tuple[int, float], ...]
    flags: tuple[Flag, ...]
    forecast: Line | None
    last: int
    planned: int | None
    axes: Mapping[str, tuple[Floats, Floats]]
    window: Window | None = None
    breaks: tuple[float, ...] = ()
    span: str = ""
    per_token: bool = False

    @property
    def pieces(self) -> list[slice]:
        """The stretches of the trend that are drawn without interruption."""
        if self.trend is None:
            return []
        edges = np.searchsorted(self.trend.step, self.breaks).tolist()
        return [slice(a, b) for a, b in pairwise([0, *edges, self.trend.step.size]) if b > a]

    def place(self, axis: str, steps: Iterable[float]) -> list[float]:
        """Where `steps` lie on `axis`; beyond the log, at the average rate so far."""
        known, values = self.axes[axis]
        at = np.asarray(list(steps), dtype=np.float64)
        inside = np.interp(at, known, values)
        rate = values[-1] / known[-1] if known[-1] else 0.0
        placed: list[float] = np.where(at > known[-1], values[-1] + (at - known[-1]) * rate, inside).tolist()
        return placed


def curve(run: Run, diagnosis: Diagnosis, chosen: int | None) -> Curve:
    """Collect what the figures of `run` draw; `chosen` is the step of the checkpoint to keep.

    The evaluations are those of the tokens that the verdict rests on.
    """
    run = judged_run(run, diagnosis)
    raw, lost = _finite(run, "train/loss")
    rate, _ = _finite(run, LEARNING_RATE)
    evals, lost_evals = eval_points(run)
    spot = diagnosis.sweet_spot
    axes = axes_of(run)
    planned = run.number("planned_steps")
    line, window, breaks = _trend(raw)
    return Curve(
        raw=raw,
        broken=tuple(sorted({*lost, *lost_evals})),
        trend=line,
        evals=evals,
        rate=rate if rate.step.size else None,
        checkpoints={c.step: c.exists for c in run.checkpoints},
        sweet=(spot.first, spot.last) if spot else None,
        chosen=chosen,
        epochs=_epochs(axes),
        flags=_flags(run),
        forecast=_fan(diagnosis, evals),
        last=run.last_step,
        planned=int(planned) if planned else None,
        axes=axes,
        window=window,
        breaks=breaks,
        span=diagnosis.span,
        per_token=bool(diagnosis.span) or any(bool((e.tokens > 1).any()) for e in run.examples[-1:]),
    )


def judged_run(run: Run, diagnosis: Diagnosis) -> Run:
    """The run with the losses that the verdict rests on as its evaluation losses: all, or those of one span."""
    return of_span(run, diagnosis.span) if diagnosis.span and diagnosis.span in span_names(run) else run


def eval_points(run: Run) -> tuple[tuple[EvalPoint, ...], tuple[int, ...]]:
    """The evaluations with their intervals, and the steps whose loss is not a number."""
    series = run.evals
    if series is None:
        return (), ()
    examples = {e.step: e for e in run.examples}
    good, bad = [], []
    for step, loss in zip(series.step.tolist(), series.value.tolist(), strict=True):
        if not abs(loss) <= _LARGEST:
            bad.append(step)
            continue
        half, n = half_width(examples.get(step))
        if half is None:
            good.append(EvalPoint(step, loss, n=n))
        else:
            good.append(EvalPoint(step, loss, loss - half, loss + half, n))
    return tuple(good), tuple(bad)


def half_width(losses: ExampleLosses | None) -> tuple[float | None, int]:
    """Half of the 95 % interval of one evaluation's mean loss, and its number of examples."""
    if losses is None:
        return None, 0
    n = int(losses.ids.size)
    if n < 2 or not np.isfinite(losses.nll).all() or losses.tokens.sum() <= 0:
        return None, n
    # Against a reference of zero the paired effect is the token-weighted mean itself.
    clusters = None if losses.cluster is None else losses.cluster.tolist()
    found = paired_effect(losses.nll, np.zeros(n), losses.tokens, clusters)
    low, high = found.interval(0.95)
    half = (high - low) / 2
    return (half, found.n) if 0 < half <= _LARGEST else (None, found.n)


def _finite(run: Run, name: str) -> tuple[Line, tuple[int, ...]]:
    series = run.series.get(name)
    if series is None:
        return Line(np.empty(0), np.empty(0)), ()
    keep = np.abs(series.value) <= _LARGEST
    lost = tuple(int(s) for s in series.step[~keep])
    return Line(series.step[keep].astype(np.float64), series.value[keep]), lost


def _trend(raw: Line) -> tuple[Line | None, Window | None, tuple[float, ...]]:
    """The trend, the window it is taken over, and where it is interrupted."""
    window = usual_window(raw.step, raw.value)
    if window is None:
        return None, None, ()
    # A line of more windows than pixels cannot be seen: very long logs double the window, and the legend says so.
    while raw.step[-1] - raw.step[0] > _MOST_WINDOWS * window.width:
        window = Window(2.0 * window.width, 2 * window.rows)
    found = trend(raw.step, raw.value, width=window.width)
    columns = [np.asarray(c, dtype=np.float64) for c in (found.x, found.mid, found.low, found.high)]
    keep = (np.abs(np.stack(columns)) <= _LARGEST).all(axis=0)
    if keep.sum() < 2:
        return None, None, ()
    columns = [c[keep] for c in columns]
    gaps = np.flatnonzero(np.diff(columns[0]) > window.width / 4.0)
    shown = thin(np.arange(columns[0].size, dtype=np.float64), columns[1], _MOST_OF_TREND)[0].astype(np.int64)
    breaks = tuple(((columns[0][gaps] + columns[0][gaps + 1]) / 2.0).tolist())
    return Line(*(c[shown] for c in columns)), window, breaks


def axes_of(run: Run) -> dict[str, tuple[Floats, Floats]]:
    """x-axis name → (steps, values) that place a step on that axis; only axes with data."""
    end = float(max(run.last_step, 1))
    found = {"step": (np.array([0.0, end]), np.array([0.0, end]))}
    for axis in AXES[1:]:
        steps, values = _places(run, axis)
        per_epoch = run.number("steps_per_epoch")
        if axis == "epoch" and steps.size < 2 and per_epoch:
            steps, values = np.array([0.0, end]), np.array([0.0, end / per_epoch])
        # A log may round its epochs or restart its clock; an axis must not run backwards.
        values = np.maximum.accumulate(values)
        if steps.size > 1 and values[-1] > 0:
            found[axis] = (steps, values)
    return found


def _places(run: Run, axis: str) -> tuple[Floats, Floats]:
    """Steps, ascending, and where each lies on `axis`; the evaluation's word counts where both logged a step."""
    columns = [s for name in ("eval/loss", "train/loss") if (s := run.series.get(name)) is not None]
    told = [(s.step.astype(np.float64), s.axis(axis)) for s in columns]
    step = np.concatenate([*(t[0][np.isfinite(t[1])] for t in told), [0.0]])
    place = np.concatenate([*(t[1][np.isfinite(t[1])] for t in told), [0.0]])
    steps, first = np.unique(step, return_index=True)
    return steps, place[first]


def _epochs(axes: Mapping[str, tuple[Floats, Floats]]) -> tuple[tuple[int, float], ...]:
    if "epoch" not in axes:
        return ()
    steps, epochs = axes["epoch"]
    # A run that ends a rounding error before its last epoch has still finished it.
    whole = int(np.floor(epochs[-1] + 0.01))
    # More hairlines than pixels draw nothing; a damaged log may speak of a billion epochs.
    every = max(-(-whole // _MOST_EPOCHS), 1)
    return tuple((k, float(np.interp(k, epochs, steps))) for k in range(every, whole + 1, every))


def _flags(run: Run) -> tuple[Flag, ...]:
    stretches = folded(decisions(run)[0])
    return tuple(
        Flag(s.first, tr("report.figure.flag", action=s.action, step=s.first, verdict=s.verdict), s.reason)
        for s in stretches
        if s.action_key != Action.CONTINUE.value
    )


def _fan(diagnosis: Diagnosis, evals: tuple[EvalPoint, ...]) -> Line | None:
    cast = diagnosis.forecast
    if cast is None:
        return None
    columns = [np.asarray(c, dtype=np.float64) for c in (cast.steps, cast.mean, cast.low, cast.high)]
    if len(columns[0]) < 2 and evals and cast.horizon > evals[-1].step:
        # Without a drawn fan, the interval of the gain at the horizon is still known.
        last, low, high = evals[-1], *cast.interval
        columns = [
            np.array(pair, dtype=np.float64)
            for pair in (
                (last.step, cast.horizon),
                (last.loss, last.loss - cast.gain),
                (last.loss, last.loss - high),
                (last.loss, last.loss - low),
            )
        ]
    if len({c.size for c in columns}) != 1 or columns[0].size < 2:
        return None
    keep = (np.abs(np.stack(columns)) <= _LARGEST).all(axis=0)
    return Line(*(c[keep] for c in columns)) if keep.sum() > 1 else None
