"""Writes docs/cases/pubmedqa.md, its Chinese twin and their figures from results.json: no number is typed by hand.

The prose is in pubmedqa/page.en.in and page.zh.in. `[[path]]` or `[[path:format]]` stands for a number: keys joined by
dots, `@40` the entry of step 40, `@last` the last. `[[table name]]` and `[[table name variant]]` stand for tables,
`[[sign path]]` for what an interval around zero comes to in words, `[[said name]]` for a sentence of pubmedqa_said.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pubmedqa_figures import figure
from pubmedqa_rows import LABELS, VARIANTS
from pubmedqa_said import said

HOME = Path(__file__).with_name("pubmedqa")
RESULTS = HOME / "results.json"
IMAGES = Path(__file__).parent.parent / "images"
SUFFIX = {"en": "", "zh": ".zh"}
_MARK = "<!-- made by docs/cases/pubmedqa.py from pubmedqa/results.json and pubmedqa/page.{lang}.in -->\n"

HEADS = {
    "en": {
        "label-only": "label only",
        "explained": "with explanation",
        "steps": ("Step", "Mean", "Label", "{third}", "End", "Accuracy", "Macro-F1", "Said yes / no / maybe"),
        "fixed": "`Decision:`",
        "explanation": "Explanation",
        "test": ("Variant", "Step", "Accuracy", "Macro-F1", "Label loss", "Said yes / no / maybe"),
        "own": ("Step", "Explanation", "Accuracy", "Macro-F1", "Label loss", "Said yes / no / maybe"),
        "spans": ("Span", "Loss at the end", "Lowest", "What doneness says of it"),
        "smoothed": ("Variant", "Smoothed train loss", "Mean, evaluation", "Label, evaluation"),
        "decisions": ("Step", "Verdict", "Action"),
        "always": "always {label}",
        "base": "0 (base)",
        "recommended": "{step} (recommended)",
        "asked": "{step} (asked)",
        "own_text": "its own",
        "reference": "the reference’s",
        "at": "{loss:.3f} at step {step}",
        "all": "all target tokens",
        "change": "{first:.3f} → {last:.3f} ({share:+.1%})",
    },
    "zh": {
        "label-only": "只有标签",
        "explained": "带解释",
        "steps": ("步", "平均", "标签", "{third}", "结束符", "准确率", "宏平均 F1", "答 yes / no / maybe"),
        "fixed": "`Decision:`",
        "explanation": "解释",
        "test": ("变体", "步", "准确率", "宏平均 F1", "标签损失", "答 yes / no / maybe"),
        "own": ("步", "解释", "准确率", "宏平均 F1", "标签损失", "答 yes / no / maybe"),
        "spans": ("片段", "结束时的损失", "最低", "doneness 的说法"),
        "smoothed": ("变体", "平滑后的训练损失", "验证平均损失", "验证标签损失"),
        "decisions": ("步", "结论", "动作"),
        "always": "总答 {label}",
        "base": "0（基座）",
        "recommended": "{step}（推荐）",
        "asked": "{step}（询问）",
        "own_text": "自己写的",
        "reference": "参考答案的",
        "at": "第 {step} 步，{loss:.3f}",
        "all": "全部目标 token",
        "change": "{first:.3f} → {last:.3f}（{share:+.1%}）",
    },
}


SIGNS = {
    "en": ("below", "not told apart from", "above"),
    "zh": ("低于", "无法区别于", "高于"),
}


def write_pages() -> list[Path]:
    """Write pages and figures; what was written."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    written = []
    for path, text in (pages(results) | images(results)).items():
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def images(results: dict[str, Any]) -> dict[Path, str]:
    """The figures by their files."""
    return {
        IMAGES / f"pubmedqa-{variant}{suffix}.svg": figure(results, variant, lang) + "\n"
        for variant in VARIANTS
        for lang, suffix in SUFFIX.items()
    }


def pages(results: dict[str, Any]) -> dict[Path, str]:
    """Both pages by their files."""
    return {HOME.parent / f"pubmedqa{suffix}.md": page(results, lang) for lang, suffix in SUFFIX.items()}


def page(results: dict[str, Any], lang: str) -> str:
    """One page: its prose with numbers and tables put in.

    Raises:
        KeyError: it asks for what the results do not have.
    """
    prose = (HOME / f"page.{lang}.in").read_text(encoding="utf-8")

    def put(found: re.Match[str]) -> str:
        what = found[1]
        if what.startswith("table "):
            return table(results, lang, *what.split()[1:])
        if what.startswith("sign "):
            low, high = looked_up(results, what.removeprefix("sign "))
            return SIGNS[lang][0 if high < 0 else 2 if low > 0 else 1]
        if what.startswith("said "):
            return said(results, lang, *what.split()[1:])
        path, _, spec = what.partition(":")
        return format(looked_up(results, path), spec).replace("-", "\u2212" if spec else "-")

    head, _, rest = prose.partition("\n")
    return f"{head}\n\n{_MARK.format(lang=lang)}" + re.sub(r"\[\[([^\[\]]+)\]\]", put, rest)


def looked_up(results: Any, path: str) -> Any:
    """What stands at a path of the results."""
    at = results
    for key in path.split("."):
        if key == "@last":
            at = at[-1]
        elif key.startswith("@"):
            at = next((each for each in at if each["step"] == int(key[1:])), None)
            if at is None:
                raise KeyError(path)
        else:
            at = at[int(key)] if isinstance(at, list) else at[key]
    return at


def table(results: dict[str, Any], lang: str, name: str, variant: str = "") -> str:
    """A Markdown table by its name."""
    heads = HEADS[lang]
    made = {
        "steps": _steps,
        "test": _test,
        "own": _own,
        "spans": _spans,
        "smoothed": _smoothed,
        "decisions": _decisions,
    }
    rows = made[name](results, heads, lang, variant)
    third = heads["explanation" if variant == "explained" else "fixed"]
    head = [each.format(third=third) for each in heads[name]]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _steps(results: dict[str, Any], heads: Any, lang: str, variant: str) -> list[list[str]]:
    told = results["variants"][variant]
    answers = {each["step"]: each for each in told["label"]}
    third = "explanation" if variant == "explained" else "fixed"
    rows = []
    for each in told["evals"]:
        step, spans = each["step"], each["spans"]
        asked = [*_answers(answers[step])[:2], _answers(answers[step])[3]] if step in answers else ["", "", ""]
        name = _asked(told, heads) if step == told["asked"] else heads["base"] if step == 0 else f"{step}"
        losses = [_loss(each), *(_loss(spans[span]) for span in ("label", third, "end"))]
        rows.append([name, *losses, *asked])
    return rows


def _asked(told: dict[str, Any], heads: Any) -> str:
    """The step asked; recommended is said only of what is."""
    return str(heads["recommended" if told["asked"] == told["recommended"] else "asked"].format(step=told["asked"]))


def _test(results: dict[str, Any], heads: Any, lang: str, variant: str) -> list[list[str]]:
    rows = [_always(results["labels"]["test"], heads, 2)]
    for each in VARIANTS:
        told = results["variants"][each]
        for which, step in (("base", heads["base"]), ("asked", _asked(told, heads))):
            rows.append([heads[each], step, *_answers(told["test"][which])])
    return rows


def _own(results: dict[str, Any], heads: Any, lang: str, variant: str) -> list[list[str]]:
    rows = [_always(results["labels"]["own"], heads, 2)]
    told = results["variants"]["explained"]
    for which, step in (("base", heads["base"]), ("asked", _asked(told, heads))):
        rows.append([step, heads["reference"], *_answers(told["reference"][which])])
        rows.append([step, heads["own_text"], *_answers(told["own"][which])])
    return rows


def _always(guess: dict[str, Any], heads: Any, columns: int) -> list[str]:
    said = [guess["rows"] if label == guess["always"] else 0 for label in LABELS]
    found = [f"{guess['accuracy']:.1%}", f"{guess['f1']:.2f}", f"{guess['nats']:.3f}", " / ".join(map(str, said))]
    return [heads["always"].format(label=guess["always"]), *[""] * (columns - 1), *found]


def _answers(each: dict[str, Any]) -> list[str]:
    return [
        f"{each['accuracy']:.1%} ({each['accuracy_interval'][0]:.1%} – {each['accuracy_interval'][1]:.1%})",
        f"{each['f1']:.2f} ({each['f1_interval'][0]:.2f} – {each['f1_interval'][1]:.2f})",
        f"{each['loss']:.3f} ({each['loss_interval'][0]:.3f} – {each['loss_interval'][1]:.3f})",
        " / ".join(str(each["said"][label]) for label in LABELS),
    ]


def _loss(each: dict[str, Any]) -> str:
    return f"{each['loss']:.3f} ({each['interval'][0]:.3f} – {each['interval'][1]:.3f})"


def _spans(results: dict[str, Any], heads: Any, lang: str, variant: str) -> list[list[str]]:
    """Every span by itself, and all target tokens as if they decided."""
    told = results["variants"][variant]
    best = min(told["evals"], key=lambda each: each["loss"])
    rows = [
        [f"`{each['name']}`", each["loss"], each["best"], each["best_step"], each["headline"][lang]]
        for each in told["verdict"]["spans"]
    ]
    rows.append(
        [heads["all"], told["evals"][-1]["loss"], best["loss"], best["step"], told["by_mean"]["headline"][lang]]
    )
    return [[n, f"{at:.3f}", heads["at"].format(loss=low, step=step), says] for n, at, low, step, says in rows]


def _smoothed(results: dict[str, Any], heads: Any, lang: str, variant: str) -> list[list[str]]:
    """How much each line moved over the last epoch."""
    return [
        [heads[each], *(_change(results["variants"][each]["last_epoch"][line], heads) for line in _LINES)]
        for each in VARIANTS
    ]


_LINES = ("smoothed", "mean", "label")


def _change(ends: Sequence[float], heads: Any) -> str:
    first, last = ends
    return str(heads["change"].format(first=first, last=last, share=last / first - 1)).replace("-", "\u2212")


def _decisions(results: dict[str, Any], heads: Any, lang: str, variant: str) -> list[list[str]]:
    return [[str(e["step"]), e["verdict"], e["action"]] for e in results["variants"][variant]["decisions"]]
