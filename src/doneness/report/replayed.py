"""Shows what stopping rules would have done: a table of rules, a table of runs, and what it means."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from doneness.core import tr
from doneness.report.many import shortened
from doneness.report.numbers import ABSENT, between, count, duration, percent, plain
from doneness.stopping import Replayed
from doneness.stopping.summary import FEWEST, HARM, Mean, RuleSummary

_ALL = 0.98  # a rule that runs more of the steps than this saves nothing worth a word
_WIDEST = 24


def rules_table(rules: Sequence[RuleSummary]) -> RenderableType:
    """One row a rule; means over runs, their 95 % intervals under them."""
    table = _table("rule", "stopped", "share_run", "forgone", "harmed", "saved")
    for rule in rules:
        table.add_row(
            rule.rule,
            f"{rule.stopped}/{rule.runs}",
            _cell(rule.share_run, 0),
            _cell(rule.forgone_share, 2).append(_nats(rule.forgone), style="dim"),
            str(rule.harmed),
            _saved(rule),
        )
    return table


def runs_of_rules(names: Sequence[str], outcomes: Sequence[Sequence[Replayed]]) -> RenderableType:
    """One row for each run and rule; the run is named in the first of its rows."""
    table = _table("run", "rule", "stop", "share_run", "forgone", "saved")
    if len(names) == 1:
        table = _table("rule", "stop", "share_run", "forgone", "saved")
    for name, rows in zip(names, outcomes, strict=True):
        for index, each in enumerate(rows):
            cells = [
                each.rule,
                ABSENT if each.stop_step is None else count(each.stop_step),
                percent(each.share_run, 0),
                _forgone(each),
                _time(each.saved_steps, each.saved_seconds),
            ]
            first = [] if len(names) == 1 else [shortened(name, _WIDEST) if index == 0 else ""]
            table.add_row(*first, *cells, end_section=index == len(rows) - 1)
    return table


def meaning(rules: Sequence[RuleSummary]) -> str:
    """The sentence that the table comes to."""
    groups, runs = rules[0].groups, rules[0].runs
    if groups < FEWEST:
        return tr("report.replay.few", n=groups, needed=FEWEST)
    sure = [r for r in rules if (high := _high(r.forgone_share)) is not None and high <= HARM]
    saving = [r for r in sure if (r.share_run.value or 1.0) < _ALL]
    if saving:
        best = min(saving, key=lambda r: r.share_run.value or 1.0)
        return tr("report.replay.saves", rule=best.rule, n=runs, harm=percent(HARM, 0), **_numbers(best))
    told = [r for r in rules if r.forgone_share.value is not None and (r.share_run.value or 1.0) < _ALL]
    if not told:
        return tr("report.replay.none_stops", n=runs)
    least = min(told, key=lambda r: r.forgone_share.value or 0.0)
    return tr("report.replay.none_sure", rule=least.rule, n=runs, harm=percent(HARM, 0), **_numbers(least))


def rules_page(rules: Sequence[RuleSummary], grouped: bool) -> RenderableType:
    """Table, sentence, and what the numbers cannot tell."""
    counted = tr(
        "report.replay.grouped" if grouped else "report.replay.counted", runs=rules[0].runs, groups=rules[0].groups
    )
    # Of few there are no intervals, and the sentence says how many they are.
    averaged = [] if rules[0].groups < FEWEST else [Text(counted, style="dim")]
    return Group(
        rules_table(rules),
        Text(),
        Text(meaning(rules)),
        *averaged,
        Text(tr("report.replay.limits"), style="dim"),
    )


def _high(mean: Mean) -> float | None:
    """The upper end that is known: the interval's, or nothing where all runs are alike at nothing."""
    if mean.interval is not None:
        return mean.interval[1]
    return 0.0 if mean.value == 0.0 and mean.n >= FEWEST else None


def _numbers(rule: RuleSummary) -> dict[str, str]:
    share, forgone = rule.share_run, rule.forgone_share
    return {"share": percent(share.value, 0), "forgone": _with_interval(forgone, 2), "saved": count(rule.saved_steps)}


def _with_interval(mean: Mean, digits: int) -> str:
    text = percent(mean.value, digits)
    if mean.interval is None:
        return text
    low, high = (plain(100 * v, digits) for v in mean.interval)
    return f"{text} ({between(low, high)})"


def _cell(mean: Mean, digits: int) -> Text:
    text = Text(percent(mean.value, digits))
    if mean.interval is not None:
        low, high = (plain(100 * v, digits) for v in mean.interval)
        text.append(f"\n{between(low, high)}", style="dim")
    return text


def _nats(mean: Mean) -> str:
    return "" if mean.value is None else "\n" + tr("report.unit.nats", value=plain(mean.value, 4))


def _forgone(each: Replayed) -> str:
    nats = "" if each.forgone is None else tr("report.unit.nats", value=plain(each.forgone, 4))
    return f"{percent(each.forgone_share, 2)}\n{nats}" if nats else percent(each.forgone_share, 2)


def _saved(rule: RuleSummary) -> Text:
    text = Text(tr("report.replay.steps", n=count(rule.saved_steps)))
    if rule.timed and rule.saved_seconds:
        part = "" if rule.timed == rule.runs else " " + tr("report.replay.timed", n=rule.timed)
        text.append(f"\n{duration(rule.saved_seconds)}{part}", style="dim")
    return text


def _time(steps: int, seconds: float | None) -> str:
    text = tr("report.replay.steps", n=count(steps))
    return f"{text}\n{duration(seconds)}" if seconds else text


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        words = name in ("rule", "run")
        table.add_column(
            tr(f"report.replay.head.{name}"), justify="left" if words else "right", overflow="fold", no_wrap=not words
        )
    return table
