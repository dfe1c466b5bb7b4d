"""The report's section on spans: a little curve for each, with its verdict, and the numbers as a table."""

from __future__ import annotations

from html import escape

from doneness.core import tr
from doneness.report.numbers import count, plain
from doneness.report.palette import fill, stroke
from doneness.report.prose import prose
from doneness.report.svg import Svg, element, text_width
from doneness.report.ticks import Scale
from doneness.report.view import ReportView, SpanRow

_WIDTH, _HEIGHT = 230.0, 132.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 14.0, 184.0, 12.0, 104.0
_SIZE = 11.0
_COLUMNS = ("loss_now", "lowest", "at", "change_first", "interval", "n", "tokens_of")


def spans(view: ReportView) -> str:
    """Losses by what the tokens are; empty where the log has none."""
    if not view.spans:
        return ""
    small = "".join(f"<figure>{_panel(row)}<figcaption>{_caption(row)}</figcaption></figure>" for row in view.spans)
    heads = "".join(f'<th scope="col">{escape(tr(f"report.table.{name}"))}</th>' for name in ("span", *_COLUMNS))
    body = "".join(_table_row(row) for row in view.spans)
    label = escape(tr("report.head.spans"))
    return (
        f'<section id="spans"><h2>{label}</h2><p class="lead">{escape(tr("report.lead.spans"))}</p>'
        f'<div class="multiples">{small}</div>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table class="spans">'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div></section>\n"
    )


def _caption(row: SpanRow) -> str:
    decides = f' <small class="keep">{escape(tr("report.span.decides"))}</small>' if row.decides else ""
    word = f'<span class="word v-{row.verdict}">{escape(row.verdict_word)}</span>'
    return f"{escape(row.title)}{decides}<br>{word}"


def _table_row(row: SpanRow) -> str:
    numbers = (row.loss, row.best, row.best_step, row.change, row.interval, row.n, row.tokens)
    cells = "".join(
        f'<td class="n" data-label="{escape(tr(f"report.table.{name}"))}">{escape(text)}</td>'
        for name, text in zip(_COLUMNS, numbers, strict=True)
    )
    guess = tr("report.figure.alt_join") + prose(row.guess) if row.guess else ""
    name = f'<th scope="row">{escape(row.title)}</th>'
    # The sentence stands under its numbers, over the whole width: in a column it would be a ribbon.
    told = f'<td colspan="{len(_COLUMNS) + 1}">{prose(row.headline)}{guess}</td>'
    return f'<tr>{name}{cells}</tr><tr class="said">{told}</tr>'


def _panel(row: SpanRow) -> str:
    """The span's evaluations over the steps, each panel on its own scale, named at both ends."""
    svg = Svg(_WIDTH, _HEIGHT)
    shown = row.points
    values = [v for p in shown for v in (p.loss, p.low, p.high) if v is not None]
    values += [row.baseline] if row.baseline is not None else []
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = 0.06 * (high - low) or max(abs(high), 1e-3) * 0.1
    x = Scale(0.0, float(max((p.step for p in shown), default=1)) or 1.0, _LEFT, _RIGHT)
    y = Scale(low - room, high + room, _BOTTOM, _TOP)
    for edge in (y.low, y.high):
        svg.line([(_LEFT - 8, y(edge)), (_RIGHT + 8, y(edge))], **stroke("grid"))
    if row.baseline is not None and shown:
        at = y(row.baseline)
        svg.line([(_LEFT - 8, at), (_RIGHT + 8, at)], stroke_dasharray="4 3", **stroke("muted"))
        # Named at the end from which the curve is farther away.
        left = abs(shown[0].loss - row.baseline) > abs(shown[-1].loss - row.baseline)
        above = (shown[0] if left else shown[-1]).loss < row.baseline
        place = {"x": _LEFT - 8, "text_anchor": "start"} if left else {"x": _RIGHT + 8, "text_anchor": "end"}
        beside = at - 4 if above or at + _SIZE + 2 > _BOTTOM else at + _SIZE + 1
        svg.add("text", tr("report.span.guessing"), y=beside, font_size=_SIZE, **place, **fill("muted"))
    for p in shown:
        if p.low is not None and p.high is not None:
            svg.line([(x(p.step), y(p.low)), (x(p.step), y(p.high))], **stroke("eval", 1.2))
    svg.line([(x(p.step), y(p.loss)) for p in shown], opacity="0.7", **stroke("eval", 1.2))
    for p in shown:
        svg.add("circle", cx=x(p.step), cy=y(p.loss), r=2.4, **fill("eval"))
    _names(svg, x, y, row)
    told = ", ".join(f"{count(p.step)}: {plain(p.loss)}" for p in (shown[:1] + shown[-1:]))
    words = f"{row.title}: {row.verdict_word}, {told}"
    return svg.done(element("title", words), role="img", aria_label=words, cls="small")


def _names(svg: Svg, x: Scale, y: Scale, row: SpanRow) -> None:
    if not row.points:
        return
    first, last = row.points[0], row.points[-1]
    end = min(max(y(last.loss) + 4, _TOP + 6), _BOTTOM + 2)
    svg.add("text", plain(last.loss), x=x(last.step) + 9, y=end, font_size=_SIZE, **fill("eval-ink"))
    for place, anchor in ((first.step, "start"), (last.step, "end")):
        text = tr("report.table.base") if place == 0 else count(place)
        at = max(x(place) - 8, 0.0) if anchor == "start" else max(x(place) + 8, text_width(text, _SIZE))
        svg.add("text", text, x=at, y=_HEIGHT - 10, text_anchor=anchor, font_size=_SIZE, **fill("muted"))
