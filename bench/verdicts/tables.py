"""The results as Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Lines = list[str]
_OTHERS = ("large", "fuzz")  # benches of their own whose results are shown where they have been run


def page(found: dict[str, Any], out: Path) -> str:
    """The whole page."""
    about = found["about"]
    lines = [
        "# Verdicts, measured",
        "",
        "Written by `make bench-verdicts`. Rates with Wilson's interval (planted) or a bootstrap by repository "
        "(real runs), both at 95 %.",
        "",
        f"doneness {about['doneness']}, Python {about['python']}, numpy {about['numpy']}"
        + (", beside " + ", ".join(f"{k} {v}" for k, v in about["rivals"].items()) if about["rivals"] else "")
        + ".",
        "",
    ]
    for part, write in PARTS.items():
        if part in found:
            lines += [*write(found[part]), ""]
    for name in _OTHERS:
        path = out / f"{name}.json"
        if path.is_file():
            lines += [f"## {name.capitalize()}", "", *_flat(json.loads(path.read_text(encoding="utf-8"))), ""]
    return "\n".join(lines)


def _flat(value: Any) -> Lines:
    """Another bench's results: its rows as a table where it has rows, else its numbers."""
    rows = value.get("rows") if isinstance(value, dict) else value
    if isinstance(rows, list) and rows and isinstance(rows[0], dict):
        names = list(rows[0])
        return _table(names, [[_short(row.get(n)) for n in names] for row in rows])
    plain = {k: v for k, v in value.items() if not isinstance(v, (list, dict))} if isinstance(value, dict) else {}
    return _table(["what", "value"], [[k, _short(v)] for k, v in plain.items()])


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _table(head: Lines, rows: list[Lines]) -> Lines:
    cells = [[c.replace("|", "/") for c in row] for row in rows]
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in cells)]


def _mean(found: dict[str, Any], digits: int = 1) -> str:
    if found["mean"] is None:
        return "–"
    low, high = found["interval"]
    return f"{_pct(found['mean'], digits)} [{_pct(low, digits)}, {_pct(high, digits)}]"


def _pct(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f} %"


def _rate(found: list[float]) -> str:
    return f"{100 * found[0]:.1f} [{100 * found[1]:.1f}, {100 * found[2]:.1f}]"


def planted(found: dict[str, Any]) -> Lines:
    lines = [
        "## Planted truth",
        "",
        f"{found['seeds']} runs of ours and {found['rival_seeds']} of each other tool a case, the same files. "
        "Shares in %. “Stopped” is converged (ours), “Stopped improving early” (finetune-doctor), a plateau that "
        "lasts to the end (trainspotter), stagnation (losslint). Regret: how much worse than the best the "
        "checkpoint named truly is, the last one where none is named.",
        "",
    ]
    rows = []
    for row in found["rows"]:
        more = [
            f"at any cut {_rate(row['overfitting_at_any_cut'])}" if "overfitting_at_any_cut" in row else "",
            f"dip kept {_rate(row['dip_recommended'])}" if "dip_recommended" in row else "",
            f"slightly worse {100 * row['slightly_worse'][0]:.0f}" if row["slightly_worse"][0] else "",
            f"best {row['best_step']} (is {row['best_is']})" if "best_is" in row else "",
            f"raised {row['raised']}" if row["raised"] else "",
            "; ".join(f"{k or 'nothing'} {v}" for k, v in row["said"].items())
            if row["tool"] == "doneness" or row["part"] in "gh" else "",
        ]  # fmt: skip
        regret = "–" if row["true_regret_of_kept"] is None else _pct(row["true_regret_of_kept"], 2)
        rows.append([row["part"], row["case"], row["truth"], row["tool"], str(row["n"]), _rate(row["overfitting"]),
                     _rate(row["plateau"]), regret, "; ".join(m for m in more if m)])  # fmt: skip
    head = ["", "case", "truth", "tool", "n", "“overfitting”", "“stopped”", "regret", "more"]
    return [*lines, *_table(head, rows)]


def cut(found: dict[str, Any]) -> Lines:
    lines = [
        "## Real runs, cut and asked",
        "",
        f"{found['runs']} distinct runs of {found['repositories']} repositories, each cut at every evaluation from the "
        f"fifth to the last but one: {found['cuts']} cuts. Wrong stop: stop is said while the best loss is still "
        "improved by more than 1 % later in the log. Right stop: stop is said when it is not. Forgone and saved: the "
        "first stop is obeyed. Every repository weighs the same.",
        "",
        *_cuts(found["all"]),
        "",
        f"The Trainer's own logs alone, which the other tools read: {found['trainer_runs']} runs of "
        f"{found['trainer_repositories']} repositories, {found['trainer_cuts']} cuts.",
        "",
        *_cuts(found["trainer_logs"]),
    ]
    raised = {k: len(v) for k, v in found["raised"].items() if v}
    return [*lines, "", f"Raised instead of answering: {raised or 'none'}."]


def _cuts(rows: list[dict[str, Any]]) -> Lines:
    head = ["rule", "wrong stops", "right stops", "forgone, capped at 10 %", "forgone", "runs losing > 1 %",
            "runs stopped", "evaluations saved", "wrong / right by run", "wrong / right by cut"]  # fmt: skip
    return _table(head, [
        [r["rule"], _mean(r["wrong"]), _mean(r["right"]), _mean(r["forgone_capped"]), _mean(r["forgone"]),
         str(r["losing"]), str(r["stopped"]), _mean(r["saved"]),
         f"{_pct(r['wrong_by_run'])} / {_pct(r['right_by_run'])}",
         f"{_pct(r['wrong_pooled'])} / {_pct(r['right_pooled'])}"]
        for r in rows
    ])  # fmt: skip


def front(found: dict[str, Any]) -> Lines:
    rows = []
    for r in found["rules"]:
        kind = "**ours**" if r["ours"] else "knows the end" if r["reference"] else "front" if r["front"] else ""
        rows.append([r["rule"], kind, _mean(r["regret_capped"], 2), _mean(r["steps"]), _mean(r["regret"], 2),
                     _mean(r["gain_lost"]), str(r["losing"])])  # fmt: skip
    head = ["rule", "", "regret, capped at 10 %", "steps run", "regret", "share of the gain lost", "runs losing > 1 %"]
    lines = [
        "## Regret against compute",
        "",
        f"{found['runs']} distinct runs with at least five evaluations, {found['repositories']} repositories that "
        "weigh the same. Front: no other plain rule has both less regret and fewer steps. Figure: verdicts-front.svg.",
        "",
        *_table(head, rows),
        "",
        *_left_out(found["left_out"]),
        "Ours less a plain rule on the same runs (the plain rules are chosen on these runs, which favours them):",
        "",
    ]
    paired = [
        [p["rule"], p["why"], p["against"] or "none", *(
            [f"{_pct(p[k][0], 2)} [{_pct(p[k][1], 2)}, {_pct(p[k][2], 2)}]" for k in ("regret", "steps")]
            if p["against"] else ["–", "–"])]
        for p in found["paired"]
    ]  # fmt: skip
    lines += _table(["rule", "against the plain rule of", "which is", "regret less", "steps less"], paired)
    lines += ["", "The figures in the collection's README, and this code's on the 79 runs counted there:", ""]
    told = [[r["rule"], *(f"{_figure(a)} / {_figure(b)}" for a, b in zip(r["readme"], r["here"], strict=True))]
            for r in found["readme"]]  # fmt: skip
    return [*lines, *_table(["rule", "regret", "gain lost", "steps", "losing"], told)]


def _left_out(found: list[dict[str, Any]]) -> Lines:
    if not found:
        return []
    rows = [
        [r["rule"], _pct(r["allowed"], 0), *(
            f"{_pct(r[k][0], 2)} [{_pct(r[k][1], 2)}, {_pct(r[k][2], 2)}]" for k in ("regret", "steps")),
         ", ".join(f"{name.removeprefix(r['rule']).strip(', ') or 'default'} ({n})" for name, n in r["chosen"].items())]
        for r in found
    ]  # fmt: skip
    return [
        "How sure to be chosen on all repositories but one (least regret within the steps allowed), judged on that "
        "one, each in turn; all else in the rule was chosen on these same runs:",
        "",
        *_table(["rule", "steps allowed", "regret, capped at 10 %", "steps run", "chosen (times)"], rows),
        "",
    ]


def _figure(value: float | None) -> str:
    return "–" if value is None else str(value) if isinstance(value, int) else f"{value:.3f}"


def forecast(found: dict[str, Any]) -> Lines:
    names = {"forecast": "doneness", "last_value": "last value", "power_law": "least-squares power law"}
    rows = [
        [names[k], _pct(v["median_runs"], 2), _pct(v["p90_runs"]),
         f"{_pct(v['median_repositories'], 2)} [{_pct(v['interval'][0], 2)}, {_pct(v['interval'][1], 2)}]"]
        for k, v in found["errors"].items()
    ]  # fmt: skip
    gap = found["forecast_less_last"]
    lines = [
        "## Forecast of the final loss from the first half",
        "",
        f"{found['runs']} runs with at least eight evaluations, {found['repositories']} repositories; absolute error "
        "as a share of the final loss.",
        "",
        *_table(["by", "median, runs", "90th percentile, runs", "median, repositories weighing the same"], rows),
        "",
        f"Median error less that of the last value: {_pct(gap['gap'], 2)} "
        f"[{_pct(gap['interval'][0], 2)}, {_pct(gap['interval'][1], 2)}].",
        "",
    ]
    shares = [
        [words, str(found[k]["n"]), _pct(found[k]["runs"]), _pct(found[k]["repositories"]),
         f"[{_pct(found[k]['interval'][0])}, {_pct(found[k]['interval'][1])}]"]
        for k, words in (("inside", "final inside the nominal 90 % band"), ("below", "final below it"),
                         ("above", "final above it"), ("shown_inside", "inside, of those a diagnosis shows"),
                         ("nearer_than_last", "nearer than the last value"))
    ]  # fmt: skip
    lines += _table(["", "n", "runs", "repositories the same", "interval"], shares)
    lines += ["", f"Half-width of the band, median: {_pct(found['half_width'], 2)} of the final loss.", ""]
    each = [[repo, str(v["runs"]), *(_pct(v[k], 2) for k in names), f"{v['inside']} of {v['runs']}"]
            for repo, v in found["by_repository"].items()]  # fmt: skip
    return [*lines, *_table(["repository", "runs", *names.values(), "inside"], each)]


def reading(found: dict[str, Any]) -> Lines:
    return [
        "## Reading",
        "",
        *_table(["what", "value"], [
            ["files", str(found["files"])],
            ["by format", ", ".join(f"{k} {v}" for k, v in found["by_kind"].items())],
            ["runs in them", str(found["runs"])],
            ["tracebacks", str(len(found["tracebacks"]))],
            ["refused with a reason (tables of runs)", f"{len(found['refused'])} ({found['refused_meant']} meant)"],
            ["counts that differ from the index, unexplained", str(len(found["counts_differ"]))],
            ["counts that differ on purpose", str(len(found["counts_differ_meant"]))],
        ]),
    ]  # fmt: skip


PARTS: dict[str, Callable[[dict[str, Any]], Lines]] = {
    "planted": planted, "cut": cut, "front": front, "forecast": forecast, "reading": reading,
}  # fmt: skip
