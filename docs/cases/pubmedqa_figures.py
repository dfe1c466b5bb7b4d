"""The figures of docs/cases/pubmedqa.md: losses and answers of one variant over its steps, from results.json alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from doneness.report.palette import fill, stroke
from doneness.report.sheet import Panel, panel_width, sheet
from doneness.report.svg import Svg, element
from doneness.report.ticks import Scale, labelled, linear_ticks

WIDTH = 960
_TALL, _TOP, _LEFT, _RIGHT, _FOOT, _SIZE = 190.0, 12.0, 44.0, 14.0, 52.0, 12.0

WORDS = {
    "en": {
        "mean": "Mean loss, all target tokens",
        "label": "Loss of the label token",
        "explanation": "Loss of the explanation",
        "fixed": "Loss of the words Decision:",
        "accuracy": "Accuracy of the label",
        "f1": "Macro-F1 of the label",
        "train": "train, raw",
        "smoothed": "train, smoothed ({keep:g})",
        "eval": "evaluation",
        "guess": "guessing by frequency: {value}",
        "always": "always {label}: {value}",
        "axis": "step; axis {low} to {high}, {zero}",
        "zero": "from zero",
        "not_zero": "not from zero",
        "recommended": "recommended: step {step}",
        "asked": "asked: step {step}",
        "label-only": "Label only",
        "explained": "Explanation, then label",
    },
    "zh": {
        "mean": "平均损失（全部目标 token）",
        "label": "标签 token 的损失",
        "explanation": "解释的损失",
        "fixed": "固定词 Decision: 的损失",
        "accuracy": "标签准确率",
        "f1": "标签宏平均 F1",
        "train": "训练，原始",
        "smoothed": "训练，平滑（{keep:g}）",
        "eval": "验证",
        "guess": "按频率猜：{value}",
        "always": "总答 {label}：{value}",
        "axis": "步；纵轴 {low} 到 {high}，{zero}",
        "zero": "从零开始",
        "not_zero": "不从零开始",
        "recommended": "推荐：第 {step} 步",
        "asked": "询问：第 {step} 步",
        "label-only": "只有标签",
        "explained": "先解释，后标签",
    },
}


@dataclass(frozen=True)
class Plot:
    """What one panel shows.

    Attributes:
        points: (step, value, low, high), joined thinly.
        level: a horizontal line, and what it says.
        raw, line: values of steps 1, 2, …, as pale dots and as a line; with `names` of the three.
        share: whether values are shares, on an axis from 0 to 1.
    """

    title: str
    points: Sequence[tuple[int, float, float, float]]
    level: tuple[float, str] | None = None
    raw: Sequence[float] = ()
    line: Sequence[float] = ()
    names: tuple[str, ...] = ()
    share: bool = False


def figure(results: dict[str, Any], variant: str, lang: str) -> str:
    """All panels of a variant as one stand-alone SVG."""
    words, told = WORDS[lang], results["variants"][variant]
    width = panel_width(WIDTH, 3, 250)
    # What was asked and is not recommended is not called so.
    word = words["recommended" if told["asked"] == told["recommended"] else "asked"]
    chosen = (told["asked"], word.format(step=told["asked"]))
    steps = told["run"]["planned_steps"]
    panels = [
        Panel(_drawn(plot, width, steps, chosen, words), plot.title) for plot in _plots(results, told, variant, words)
    ]
    return sheet(panels, WIDTH, words[variant])


def _plots(results: dict[str, Any], told: dict[str, Any], variant: str, words: dict[str, str]) -> list[Plot]:
    guess = results["labels"]["held_out"]
    third = "explanation" if variant == "explained" else "fixed"
    means = [(e["step"], e["loss"], *e["interval"]) for e in told["evals"]]

    def span(name: str) -> list[tuple[int, float, float, float]]:
        of = [(e["step"], e["spans"][name]) for e in told["evals"]]
        return [(step, each["loss"], *each["interval"]) for step, each in of]

    def answers(name: str) -> list[tuple[int, float, float, float]]:
        return [(e["step"], e[name], *e[f"{name}_interval"]) for e in told["label"]]

    names = (words["train"], words["smoothed"].format(keep=results["smoothing"]), words["eval"])
    always = {
        key: words["always"].format(label=guess["always"], value=f"{guess[key]:.2f}") for key in ("accuracy", "f1")
    }
    return [
        Plot(words["mean"], means, None, told["train"], told["smoothed"], names),
        Plot(words["label"], span("label"), (guess["nats"], words["guess"].format(value=f"{guess['nats']:.3f}"))),
        Plot(words[third], span(third)),
        Plot(words["accuracy"], answers("accuracy"), (guess["accuracy"], always["accuracy"]), share=True),
        Plot(words["f1"], answers("f1"), (guess["f1"], always["f1"]), share=True),
    ]


def _drawn(plot: Plot, width: float, steps: int, chosen: tuple[int, str], words: dict[str, str]) -> str:
    svg = Svg(width, _TOP + _TALL + _FOOT)
    low, high = _limits(plot)
    x = Scale(0, steps, _LEFT, width - _RIGHT)
    y = Scale(low, high, _TOP + _TALL, _TOP)
    _axes(svg, x, y, steps, words)
    # Up to the labels, which stand where it would pass.
    top = y.stop + 16 * len(_labels(plot, chosen)) + 4
    svg.line([(x(chosen[0]), y.start), (x(chosen[0]), top)], opacity="0.8", **stroke("chosen", 5))
    raw = [(x(i + 1), y(min(max(v, low), high))) for i, v in enumerate(plot.raw)]
    svg.dots(raw, opacity="0.5", **stroke("train", 4))
    svg.line([(x(i + 1), y(min(v, high))) for i, v in enumerate(plot.line)], **stroke("train-ink", 2.2))
    if plot.level:
        svg.line(
            [(x.start, y(plot.level[0])), (x.stop, y(plot.level[0]))], stroke_dasharray="5 4", **stroke("muted", 1.4)
        )
    svg.line([(x(p[0]), y(min(p[1], high))) for p in plot.points], opacity="0.7", **stroke("eval", 1.2))
    for step, value, under, over in plot.points:
        svg.line([(x(step), y(max(under, low))), (x(step), y(min(over, high)))], **stroke("eval", 1.2))
        svg.add("circle", cx=x(step), cy=y(min(value, high)), r=3, **fill("eval"))
    _said(svg, plot, x, y, chosen)
    return svg.done(element("title", plot.title))


def _limits(plot: Plot) -> tuple[float, float]:
    """An axis that holds every point; of a first fall so deep that it hides the rest, the top is cut by `_drawn`."""
    if plot.share:
        return 0.0, 1.0
    values = [v for p in plot.points for v in p[1:]] + [*plot.raw, *plot.line] + ([plot.level[0]] if plot.level else [])
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or 0.1
    return max(0.0, low - room), high + room


def _axes(svg: Svg, x: Scale, y: Scale, steps: int, words: dict[str, str]) -> None:
    for value, text in labelled(y.low, y.high, False):
        svg.line([(x.start, y(value)), (x.stop, y(value))], **stroke("grid"))
        svg.add("text", text, x=x.start - 6, y=y(value) + 4, text_anchor="end", font_size=_SIZE, **fill("muted"))
    for step in linear_ticks(0, steps, 4):
        svg.line([(x(step), y.start), (x(step), y.start + 4)], **stroke("edge"))
        at = {"x": x(step), "y": y.start + 18, "text_anchor": "middle", "font_size": _SIZE}
        svg.add("text", f"{step:g}", **at, **fill("muted"))
    zero = words["zero" if y.low == 0 else "not_zero"]
    text = words["axis"].format(low=f"{y.low:.2f}", high=f"{y.high:.2f}", zero=zero)
    svg.add("text", text, x=x.start, y=y.start + 36, font_size=_SIZE - 1, **fill("muted"))


def _labels(plot: Plot, chosen: tuple[int, str]) -> list[tuple[str, str]]:
    said = list(zip(("dots", "line", "points"), plot.names, strict=False))
    said += [("level", plot.level[1])] if plot.level else []
    return [*said, ("chosen", chosen[1])]


def _said(svg: Svg, plot: Plot, x: Scale, y: Scale, chosen: tuple[int, str]) -> None:
    """Direct labels: what each mark is, at the top right, where no panel of these has marks."""
    for i, (kind, text) in enumerate(_labels(plot, chosen)):
        at = y.stop + 12 + 16 * i
        ink = {"dots": "train-ink", "line": "train-ink", "points": "eval-ink", "level": "muted", "chosen": "chosen-ink"}
        svg.add("text", text, x=x.stop - 27, y=at, text_anchor="end", font_size=_SIZE, **fill(ink[kind]))
        _key(svg, kind, x.stop - 20, at - 4)


def _key(svg: Svg, kind: str, left: float, at: float) -> None:
    """A piece of the mark itself, twenty pixels wide."""
    if kind == "dots":
        svg.dots([(left + 3, at), (left + 10, at), (left + 17, at)], opacity="0.5", **stroke("train", 4))
    elif kind == "line":
        svg.line([(left, at), (left + 20, at)], **stroke("train-ink", 2.2))
    elif kind == "points":
        svg.line([(left, at), (left + 20, at)], opacity="0.7", **stroke("eval", 1.2))
        svg.add("circle", cx=left + 10, cy=at, r=3, **fill("eval"))
    elif kind == "level":
        svg.line([(left, at), (left + 20, at)], stroke_dasharray="5 4", **stroke("muted", 1.4))
    else:
        svg.line([(left + 10, at - 6), (left + 10, at + 6)], opacity="0.8", **stroke("chosen", 5))
