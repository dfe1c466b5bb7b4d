"""What `python -m bench beside` found, as Markdown: its own page, and the parts for users' pages."""

from __future__ import annotations

from typing import Any

from bench.beside_words import WORDS


def page(found: dict[str, Any]) -> list[str]:
    """The whole page; each part where it was measured."""
    lines = ["# Beside LLaMA-Factory", ""]
    if found["cases"]:
        lines += [*trainings(found, WORDS["en"]), *changes(found["cases"]), ""]
    if "examples" in found:
        lines += examples_table(found["examples"])
    return lines


# The trainings


def trainings(found: dict[str, Any], words: dict[str, str]) -> list[str]:
    """Three tables: rows, before the first step, after the last."""
    cases = found["cases"]
    return [
        words["versions"].format(**found["versions"]), "",
        *rows_table(cases, words), "", *before_table(cases, words), "", *after_table(cases, words), "",
    ]  # fmt: skip


def rows_table(cases: dict[str, Any], words: dict[str, str]) -> list[str]:
    """Tokens and labels."""
    lines = [words["rows_title"], "", words["rows_head"], "|---|---|---|---|---|"]
    for name, case in cases.items():
        for each in case["rows"]:
            train, held = each["train"], each["eval"]
            rows, same, tokens, targets = (train[k] + held[k] for k in ("theirs", "same", "tokens", "targets"))
            all_of = f"{same:,} {words['of']} {rows:,}"
            lines.append(f"| {name} | {each['cutoff_len']} | {all_of} | {tokens:,} | {targets:,} |")
    return lines


def before_table(cases: dict[str, Any], words: dict[str, str]) -> list[str]:
    """Losses before the first step."""
    lines = [words["before_title"], "", words["before_head"], "|---|---|---|---|---|"]
    for name, case in cases.items():
        of = case["before"]
        if "worst_row" in of:
            both = f"{of['ours']:.6f} | {of['theirs']:.6f} | {words['of_a_row'].format(apart=of['worst_row'])}"
        else:
            mine, other = (", ".join(f"{value:.3f}" for value in of[who]) for who in ("ours", "theirs"))
            both = f"{mine} | {other} | {words['of_the_value'].format(apart=of['worst'])}"
        lines.append(f"| {name} | {of['rows']} | {both} |")
    return [*lines, "", words["before_note"]]


def after_table(cases: dict[str, Any], words: dict[str, str]) -> list[str]:
    """Losses after the last step."""
    steps = " / ".join(str(n) for n in sorted({case.get("steps", 30) for case in cases.values()}))
    lines = [words["after_title"].format(steps=steps), "", words["after_head"], "|---|---|---|---|---|---|"]
    for name, case in cases.items():
        of, same = case["after"], case["same_seed"]
        mine, other = (", ".join(f"{loss:.5f}" for loss in of[who]) for who in ("ours", "theirs"))
        spread = words["one_seed"] if of["sd"] is None else f"{of['sd']:.1e}"
        apart = ", ".join(f"{each:+.1e}" for each in of["differences"])
        apart += words["more_than"] if of["holds"] is False else ""
        course = ", ".join(f"{same[key]:.1e}" for key in ("first_step", "worst_step"))
        lines.append(f"| {name} | {mine} | {other} | {spread} | {apart} | {course} |")
    return lines


def changes(cases: dict[str, Any]) -> list[str]:
    """What was changed in the example files."""
    lines = ["## What was changed in the files", ""]
    for name, case in cases.items():
        said = ", ".join(f"`{key}: {_value(value)}`" for key, value in case["changed"].items() if value is not None)
        gone = ", ".join(f"`{key}`" for key, value in case["changed"].items() if value is None)
        lines.append(f"- **{name}** (`{case['file']}`): {said}" + (f"; without {gone}" if gone else "") + ".")
    return lines


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# The example files


def examples_table(found: dict[str, Any]) -> list[str]:
    """The example files, one a line."""
    words = WORDS["en"]
    lines = ["## All of its example files", "", _count(found, words), "", "| file | here |", "|---|---|"]
    return [*lines, *(f"| `{_short(each['file'])}` | {_outcome(each, words)} |" for each in found["files"])]


def _count(found: dict[str, Any], words: dict[str, str]) -> str:
    numbers = {"of": found["of"], "others": len(found["others"]), "accepted": found["accepted"]}
    return words["count"].format(**numbers, images=found["rows_refused"])


def _outcome(each: dict[str, Any], words: dict[str, str]) -> str:
    if "refused" in each:
        return "refused: " + _few(each["refused"]["en"], words)
    rows = each.get("rows_refused") or ("rows on the hub" if each["rows"] is None else f"{each['rows']:,} rows")
    return f"{each['stage']}, {each['method']}; {rows}"


def _short(file: str) -> str:
    return file.removeprefix("examples/")


def _few(faults: list[str], words: dict[str, str]) -> str:
    more = words["more"].format(n=len(faults) - 2) if len(faults) > 2 else ""
    return words["between"].join(faults[:2]) + more


def reasons(found: dict[str, Any], language: str) -> list[str]:
    """The example files for users: how many, why the others are refused, and which are taken."""
    words, why = WORDS[language], dict[str, list[str]]()
    for each in found["files"]:
        if "refused" in each:
            why.setdefault(_few(each["refused"][language], words), []).append(_short(each["file"]))
    taken = ", ".join(f"`{_short(each['file'])}`" for each in found["files"] if "stage" in each)
    rows = [f"| {reason} | {', '.join(f'`{name}`' for name in names)} |" for reason, names in why.items()]
    return [_count(found, words), "", words["why_head"], "|---|---|", *rows, "", words["taken"].format(files=taken)]


def put_into(text: str, part: str, lines: list[str]) -> str:
    """A page for users with one of its parts made anew, between `<!-- begin: part -->` and `<!-- end: part -->`."""
    begin, end = f"<!-- begin: {part} -->", f"<!-- end: {part} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"the page has no {begin} … {end}")
    return before + "\n".join([begin, "", *lines, "", end]) + after
