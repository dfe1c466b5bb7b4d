"""Section 4: one question with its answers from base to the last checkpoint; the others behind a fold."""

from __future__ import annotations

from html import escape

from doneness.core import tr
from doneness.report.numbers import count
from doneness.report.view import AnswerRow, Piece, QuestionRow, ReportView

LONGEST = 3000
_TAGS = {"same": "{}", "new": "<ins>{}</ins>", "gone": "<del>{}</del>"}


def answers(view: ReportView, room: int) -> str:
    """The section in at most `room` bytes; questions that do not fit are counted, not shown."""
    if not view.questions:
        return ""
    chosen = view.curve.chosen
    first = _question(view.questions[0], chosen, folded=False)
    left = room - len(first.encode())
    by_title: dict[str, list[str]] = {}
    dropped = 0
    for row in view.questions[1:]:
        markup = _question(row, chosen, folded=True)
        left -= len(markup.encode())
        if left < 0:
            dropped += 1
        else:
            by_title.setdefault(row.title, []).append(markup)
    groups = "".join((f"<h4>{escape(t)}</h4>" if t else "") + "".join(items) for t, items in by_title.items())
    shown = sum(len(items) for items in by_title.values())
    fold = ""
    if shown:
        more = escape(tr("report.answer.more", n=shown))
        fold = f'<details class="more"><summary>{more}</summary><h3 class="unseen">{more}</h3>{groups}</details>'
    if dropped:
        fold += f'<p class="note">{escape(tr("report.answer.left_out", n=dropped))}</p>'
    return (
        f'<section id="answers"><h2>{escape(tr("report.head.answers"))}</h2>'
        f'<p class="lead">{escape(tr("report.lead.answers"))}</p>{first}{fold}</section>\n'
    )


def _question(row: QuestionRow, chosen: int | None, folded: bool) -> str:
    prompt, reference = escape(_cut(row.prompt)), escape(_cut(row.reference))
    known = f'<p class="reference"><b>{escape(tr("report.table.reference"))}</b> {reference}</p>' if reference else ""
    body = known + '<ol class="answers">' + "".join(_answer(a, a.step == chosen) for a in row.answers) + "</ol>"
    if folded:
        return f'<details class="question"><summary>{prompt}</summary>{body}</details>'
    kind = f'<span class="kind">{escape(row.title)}</span> ' if row.title else ""
    return f'<article class="question">{kind}<h3>{prompt}</h3>{body}</article>'


def _answer(answer: AnswerRow, kept: bool) -> str:
    name = tr("report.answer.base") if answer.step == 0 else tr("report.answer.step", step=count(answer.step))
    keep = f' <em class="keep">{escape(tr("report.answer.kept"))}</em>' if kept else ""
    facts = [tr(f"report.answer.{answer.change}"), tr("report.answer.tokens", n=count(answer.tokens))]
    if answer.capped:
        facts.append(tr("report.answer.capped"))
    meta = escape(" · ".join(facts))
    return (
        f'<li class="{answer.change}{" chosen" if kept else ""}"><div class="who"><b>{escape(name)}</b>{keep}'
        f"<small>{meta}</small></div><p>{_pieces(answer.pieces)}</p></li>"
    )


def _pieces(pieces: tuple[Piece, ...]) -> str:
    out: list[str] = []
    left = LONGEST
    total = sum(len(p.text) for p in pieces)
    for piece in pieces:
        text = piece.text[:left]
        left -= len(text)
        # A mark ends with its word; the space after it belongs to the line.
        word = text.rstrip(" ")
        out.append(_TAGS[piece.kind].format(escape(word)) + text[len(word) :] if word else text)
        if left <= 0 and total > LONGEST:
            out.append(f'<span class="note">{escape(tr("report.answer.cut", n=count(total - LONGEST)))}</span>')
            break
    return "".join(out)


def _cut(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return text[:LONGEST] + tr("report.answer.cut", n=count(len(text) - LONGEST))
