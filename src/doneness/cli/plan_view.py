"""A plan on one screen: what it takes, whether it fits, what would, how long, and what to set otherwise."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from doneness.core import Status, tr
from doneness.plan.scaling import Machine

if TYPE_CHECKING:
    from doneness.plan import Memory
    from doneness.plan.relief import Relief
    from doneness.workflows.plan import Planned
    from doneness.workflows.plan_more import More

_GB = 1e9


def as_dict(planned: Planned, more: More | None = None) -> dict[str, Any]:
    """A JSON form; memory in bytes and peak_gb in 10^9 bytes a device, time in seconds."""
    memory, model = planned.memory, planned.model
    spread = planned.place.spread
    found: dict[str, Any] = {
        "model": None if model is None else {
            "name": model.name, "shipped_sizes": model.shipped, "parameters": model.shape.parameters,
            "active_parameters": model.shape.active_parameters,
        },
        "budget": asdict(planned.budget),
        "dropped": planned.dropped,
        "eval_rows": planned.eval_rows,
        "eval_tokens": planned.eval_tokens,
        "evaluations": list(planned.looks),
        "checkpoints": list(planned.saves),
        "peak_gb": round(memory.peak_gb, 3) if memory else None,
        "devices": spread.devices,
        "memory": {**asdict(memory), "peak_gb": round(memory.peak_gb, 3)} if memory else None,
        "setup": asdict(planned.setup) if planned.setup else None,
        "tokens_per_second": planned.rate._asdict() if planned.rate else None,
        "seconds": planned.duration._asdict() if planned.duration else None,
        "advice": [finding.to_dict() for finding in planned.advice],
    }  # fmt: skip
    return found | (_more(more) if more is not None else {})


def _more(more: More) -> dict[str, Any]:
    return {
        "card": more.card,
        "fits": more.fit,
        "largest": asdict(more.largest) if more.largest else None,
        "change_first": [
            {"name": r.name, "what": r.what.text(), "cost": r.cost.text(), "saved_gb": round(r.saved / _GB, 3),
             "peak_gb": round(r.together.peak_gb, 3)} for r in more.reliefs
        ],
        "sizes": [
            {"model": c.name, "method": c.method, "peak_gb": round(c.memory.peak_gb, 2)} for c in more.choices
        ],
        "formulas": {f.name: round(f.answer / _GB, 1) for f in more.folk},
        "scaling": [
            {k: v for k, v in asdict(s).items() if k != "reasons"} | {"reasons": [r.text() for r in s.reasons]}
            for s in more.speedups
        ],
        "hours": dict(zip(("low", "mid", "high"), more.hours, strict=False)) or None,
        "cost": dict(zip(("low", "mid", "high"), more.cost, strict=False)) or None,
    }  # fmt: skip


def plan_view(planned: Planned) -> RenderableType:
    """The plan as a table, then what is unusual about it."""
    return Group(_facts(planned, None), *_lines(planned), *_advice(planned))


def whole_view(planned: Planned, more: More, why: bool = False) -> RenderableType:
    """The plan with all that follows from it; `why` shows every setting, with its reason and source."""
    parts: list[RenderableType] = [_facts(planned, more), *_lines(planned)]
    if more.reliefs:
        parts += ["", Text(tr("cli.plan.change_first"), style="bold"), _reliefs(more)]
    if more.choices and more.card is not None:
        parts += ["", Text(tr("cli.plan.sizes"), style="bold"), _sizes(more)]
        parts += [Text(line.text(), style="dim") for line in more.order] if why else []
    if more.speedups:
        parts += [
            "",
            Text(tr("cli.plan.scaling", batch=planned.recipe.optimizer.batch_size), style="bold"),
            _scaling(more, planned.recipe.optimizer.batch_size),
        ]
    if more.folk and planned.setup is not None and planned.setup.method == "full":
        parts += ["", *(Text(each.line.text(), style="dim") for each in more.folk)]
    told = (*more.context, *(more.background if why else ()))
    parts += ["", *(Text(line.text(), style="dim") for line in told)]
    return Group(*parts, *(_settings(planned) if why else _advice(planned)))


def _settings(planned: Planned) -> list[RenderableType]:
    """Every setting that was looked at: what is said of it, and on whose authority."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column(tr("cli.plan.setting"), ratio=3, overflow="fold")
    table.add_column(tr("cli.plan.source"), ratio=2, overflow="fold", style="dim")
    for finding in planned.advice:
        advice = f" {finding.advice.text()}" if finding.advice is not None else ""
        word = Text(tr(f"report.status.{finding.status.value}"))
        table.add_row(finding.code, word, f"{finding.message.text()}{advice}", str(finding.evidence.get("source", "")))
    return ["", table]


def _facts(planned: Planned, more: More | None) -> Table:
    table = Table.grid(padding=(0, 3))
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for name, text in _told(planned):
        table.add_row(tr(f"cli.plan.{name}") if name else "", text)
    if more is not None:
        for name, text in _asked(planned, more):
            table.add_row(tr(f"cli.plan.{name}"), text)
    return table


def _told(planned: Planned) -> list[tuple[str, RenderableType]]:
    model, memory = planned.model, planned.memory
    rows: list[tuple[str, RenderableType]] = []
    if model is not None:
        key = "model_shipped" if model.shipped else "model_own"
        numbers: dict[str, Any] = {
            "name": model.name,
            "billions": model.shape.parameters / float(tr("cli.plan.large_unit")),
            "vocab": model.shape.vocab,
        }
        rows.append(("model_head", tr(f"cli.plan.{key}", **numbers)))
    rows.append(("settings", _settings_line(planned)))
    if planned.told != "nothing":
        rows += _of_rows(planned)
    if memory is not None:
        sizes: dict[str, Any] = {"total": memory.total / _GB, "low": memory.low / _GB, "high": memory.high / _GB}
        rows.append(("memory", tr(f"cli.plan.memory_{memory.how}", **sizes)))
        rows.append(("", _items(planned)))
        rows.append(("trainable", f"{memory.trainable:,}"))
    if planned.duration and planned.rate:
        rows.append(("time", _time(planned)))
    elif planned.place.card and planned.rate is None and planned.told != "nothing" and model is not None:
        rows.append(("time", tr("cli.plan.time_unknown")))
    return rows


def _settings_line(planned: Planned) -> str:
    """What was planned with, in one line."""
    from doneness.workflows.plan import warmup_of

    recipe, setup, found = planned.recipe, planned.setup, planned.budget
    optimizer, method = recipe.optimizer, recipe.method
    micro = setup.micro_batch if setup else optimizer.micro_batch
    cards = planned.place.spread.devices
    numbers: dict[str, Any] = {
        "micro": micro, "times": max(1, round(optimizer.batch_size / micro / cards)), "batch": optimizer.batch_size,
        "seq": recipe.data.max_length, "cards": cards, "method": method.kind, "rank": method.rank,
        "alpha": f"{method.alpha:g}", "rate": _rate(optimizer.learning_rate),
    }  # fmt: skip
    step = tr("cli.plan.step_cards" if cards > 1 else "cli.plan.step_card", **_only(numbers, "micro", "times", "batch"),
              **(_only(numbers, "cards") if cards > 1 else {}))  # fmt: skip
    how = "full" if method.kind == "full" else "adapters"
    names = ("seq", "rate", "method") + (("rank", "alpha") if how == "adapters" else ())
    said = tr(f"cli.plan.settings_{how}", step=step, **_only(numbers, *names))
    if planned.told == "nothing":
        return said
    return tr("cli.plan.settings_run", settings=said, epochs=found.epochs, warmup=warmup_of(recipe, found))


def _only(numbers: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: numbers[name] for name in names}


def _rate(rate: float) -> str:
    """As recipes have it: 1.5e-4."""
    digits, _, power = f"{rate:.1e}".partition("e")
    return f"{digits.removesuffix('.0')}e{int(power)}"


def _of_rows(planned: Planned) -> list[tuple[str, RenderableType]]:
    found = planned.budget
    counts: dict[str, Any] = {"rows": found.rows, "eval": planned.eval_rows, "dropped": planned.dropped}
    tokens: dict[str, Any] = {
        "tokens": found.total_tokens, "targets": found.total_target_tokens, "padding": found.padding_share,
        "truncated": found.truncated, "longest": found.longest,
    }  # fmt: skip
    told_mean = planned.lengths is None or planned.lengths.most < planned.lengths.longest
    key = "tokens_text" if planned.told == "counted" else "tokens_most" if told_mean else "tokens_bound"
    steps: dict[str, Any] = {"steps": found.steps, "each": found.steps_per_epoch, "epochs": found.epochs}
    return [
        ("rows_head", tr("cli.plan.rows_text", **counts)),
        ("tokens_head", tr(f"cli.plan.{key}", **tokens)),
        ("steps", tr("cli.plan.steps_text", **steps)),
        ("looks", _few((0, *planned.looks)) if planned.looks else "-"),
        ("saves", _few(planned.saves)),
    ]


def _time(planned: Planned) -> str:
    mid, low, high = planned.duration or (0.0, 0.0, 0.0)
    rate = planned.rate.mid if planned.rate else 0.0
    if planned.rate_of == "measured":
        return tr("cli.plan.time_text", mid=mid / 60, low=low / 60, high=high / 60, rate=rate)
    if mid < 7200:
        return tr("cli.plan.time_minutes", mid=mid / 60, low=low / 60, high=high / 60, rate=rate, cards=_cards(planned))
    hours: dict[str, Any] = {"hours": mid / 3600, "low_hours": low / 3600, "high_hours": high / 3600}
    return tr("cli.plan.time_reckoned", **hours, rate=rate, cards=_cards(planned))


def _cards(planned: Planned) -> str:
    """The cards whose arithmetic the time is reckoned from."""
    from doneness.plan.cards import cards_of

    names = cards_of(planned.place.card)
    return names[0] if len(names) == 1 else tr("cli.plan.cards_from_to", low=names[0], high=names[-1], n=len(names))


def _asked(planned: Planned, more: More) -> list[tuple[str, RenderableType]]:
    from doneness.plan.cards import card_bytes

    rows: list[tuple[str, RenderableType]] = []
    if more.fit is not None and more.card is not None and planned.memory is not None:
        numbers: dict[str, Any] = {
            "card": planned.place.card,
            "gb": more.card / _GB,
            "sold": card_bytes(planned.place.card) / _GB,
            "high": planned.memory.high / _GB,
        }
        tight = not more.fit and planned.memory.total <= more.card
        word = "yes" if more.fit else "tight" if tight else "no"
        style = {"yes": "green", "tight": "yellow", "no": "red"}[word]
        rows.append(("fits", Text(tr(f"cli.plan.fits_{word}", **numbers), style=style)))
    if more.largest is not None:
        most = more.largest
        models = tr("cli.plan.between_models").join(_model(method, word) for method, word in most.models.items())
        key = "largest_lora" if most.rank else "largest_full" if most.micro_batch else "largest_none"
        numbers = {"rows": most.micro_batch, "seq": most.seq, "rank": most.rank}
        rows.append(("largest", tr(f"cli.plan.{key}", **numbers, models=models)))
    if more.cost:
        rows.append(("cost", tr("cli.plan.cost_text", low=more.cost[0], mid=more.cost[1], high=more.cost[2])))
    return rows


def _few(steps: tuple[int, ...]) -> str:
    shown = [f"{step:,}" for step in steps]
    return ", ".join(shown if len(shown) <= 14 else [*shown[:11], "…", *shown[-2:]])


def _items(planned: Planned) -> Table:
    """Items and gigabytes, largest first, as many columns as a screen bears."""
    table = Table.grid(padding=(0, 2))
    memory = planned.memory
    items = sorted((memory.items if memory else {}).items(), key=lambda item: -item[1])
    shown = [(tr(f"plan.item.{name}"), f"{size / _GB:,.2f}") for name, size in items if size >= 5e6]
    for _ in range(3):
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
    for at in range(0, len(shown), 3):
        cells = [cell for pair in shown[at : at + 3] for cell in pair]
        table.add_row(*cells, *[""] * (6 - len(cells)))
    return table


def _reliefs(more: More) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name, right in (
        ("change", False),
        ("saves_gb", True),
        ("peak_gb", True),
        ("fits_head", False),
        ("costs", False),
    ):
        table.add_column(tr(f"cli.plan.{name}"), justify="right" if right else "left", overflow="fold")
    for each in more.reliefs:
        table.add_row(each.what.text(), f"{each.saved / _GB:,.1f}", f"{each.together.peak_gb:,.1f}",
                      _fit_word(each, more), each.cost.text())  # fmt: skip
    return table


def _fit_word(each: Relief, more: More) -> Text:
    fit = more.card is not None and each.together.high <= more.card
    tight = not fit and _tight(each.together, more)
    style = "green" if fit else "yellow" if tight else "red"
    return Text(tr("cli.plan.yes" if fit else "cli.plan.hardly" if tight else "cli.plan.no"), style=style)


def _tight(memory: Memory, more: More) -> bool:
    """Whether it fits only if nothing goes beyond what is likely."""
    return more.card is not None and memory.total <= more.card


def _model(method: str, word: str) -> str:
    from doneness.plan.shapes import WORDS

    return tr("cli.plan.largest_model" if word else "cli.plan.largest_no_model", name=WORDS.get(word, word),
              method=method)  # fmt: skip


def _sizes(more: More) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(tr("cli.plan.size"))
    methods = list(dict.fromkeys(choice.method for choice in more.choices))
    for method in methods:
        table.add_column(f"{method}, GB", justify="right")
    for word in dict.fromkeys(choice.word for choice in more.choices):
        own = [choice for choice in more.choices if choice.word == word]
        cells = []
        for choice in own:
            fit = more.card is not None and choice.memory.high <= more.card
            mark = tr("cli.plan.yes" if fit else "cli.plan.hardly" if _tight(choice.memory, more) else "cli.plan.no")
            cells.append(Text(f"{choice.memory.peak_gb:,.1f} {mark}", style="green" if fit else "dim"))
        table.add_row(own[0].name, *cells)
    return table


def _scaling(more: More, batch: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("cards_head", "rows_a_step", "speed", "efficiency", "step_seconds", "steps_head"):
        table.add_column(tr(f"cli.plan.{name}"), justify="right")
    table.add_column(tr("cli.plan.pays"), overflow="fold")
    for each in more.speedups:
        why = tr("cli.plan.between_reasons").join(reason.text() for reason in each.reasons)
        word = tr("cli.plan.yes" if each.pays else "cli.plan.no")
        machines = -(-each.devices // Machine().cards)
        cards = tr("cli.plan.machines", cards=each.devices, machines=machines) if machines > 1 else str(each.devices)
        table.add_row(cards, f"{batch * each.devices:,}", f"{each.speed:.2f}", f"{each.efficiency:.0%}",
                      f"{each.step:.2f}", f"{each.steps:,}", f"{word}{': ' + why if why else ''}")  # fmt: skip
    return table


def _lines(planned: Planned) -> list[RenderableType]:
    return [Text(line.text()) for line in planned.lines]


def _advice(planned: Planned) -> list[RenderableType]:
    """Only what deserves a second look; the rest is in --json."""
    from doneness.report.terminal import findings_table

    unusual = tuple(f for f in planned.advice if f.status not in (Status.PASS, Status.SKIPPED))
    return ["", findings_table(unusual)] if unusual else []
