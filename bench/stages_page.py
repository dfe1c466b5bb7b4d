"""The table of `bench/stages.py`, in English and Chinese: docs/howto/stages-table.md and its sibling."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs" / "howto"
_T95 = 1.96

_HEAD = {
    "en": """\
# Stages by methods, on a real model

[中文](stages-table.zh.md)

SmolLM2-135M-Instruct, {steps} steps of four rows, on a CPU. ORPO with QLoRA has 40: the odds ratio moves slowly
beside the loss of the answers, and after {steps} its interval still held zero. Rows are short questions of
MedQuAD; a rejected answer is MedQuAD's answer to a question about another disease. The {rows} rows behind each
line were seen by no training, and are the same before and after: *change* is the paired difference of the quantity
beside it with its 95 % interval, by document. Of losses below zero is better. ORPO is told by the odds-ratio term of
its loss, without the loss of the chosen answers, which falls in any training on them; KTO, whose loss is not one of a
row, by its margin, and GRPO by the reward: of these above zero is better. Rows, recipes and the teacher are made by
the first commands, and each line's own command then trains it:

```sh
python -m bench.stages --data FOLDER --work {work} --write
{teachers}
```

| stage | method | before → after | change [95 %] | better | command |
|---|---|---|---|---|---|
""",
    "zh": """\
# 阶段与方法，在真实模型上

[English](stages-table.md)

SmolLM2-135M-Instruct，{steps} 步，每步四行，CPU。QLoRA 的 ORPO 为 40 步：几率比的变化比回答损失慢，{steps} 步后其
区间仍包含零。数据是 MedQuAD 的短问答；被拒的回答是 MedQuAD 对另一种病的问题的回答。每一行结果背后的 {rows} 行数据
没有参与任何训练，训练前后相同：*变化*是左边那个量的配对差及其按文档计算的 95 % 区间。损失小于零更好。ORPO 看其损失
中的几率比项，不含被选回答自身的损失（任何训练都会使它下降）；KTO 的损失不是逐行的，看它的奖励差，GRPO 看奖励，两者
大于零更好。前几条命令写出数据、配方与教师，之后每一行的命令各自训练：

```sh
python -m bench.stages --data FOLDER --work {work} --write
{teachers}
```

| 阶段 | 方法 | 之前 → 之后 | 变化 [95 %] | 更好 | 命令 |
|---|---|---|---|---|---|
""",
}
_YES = {"en": ("yes", "no", "not told"), "zh": ("是", "否", "不能断定")}
_NAMES = {"en": {}, "zh": {"loss": "损失", "reward": "奖励", "margin": "奖励差", "odds-ratio term": "几率比项"}}
_REFUSED = {"en": "refused", "zh": "被拒绝"}


def write(found: dict[str, Any], work: Path, teachers: list[list[str]]) -> None:
    """Both pages, of the cells there are; `teachers` are the commands that make the teacher of `distill`."""
    measured = [cell for cell in found.values() if "steps" in cell]
    if not measured:
        return
    facts = {"steps": measured[0]["steps"], "rows": measured[0]["rows"], "work": work}
    facts["teachers"] = "\n".join(" ".join(each) for each in teachers)
    for lang, name in (("en", "stages-table.md"), ("zh", "stages-table.zh.md")):
        lines = [_line(cell, told, lang) for cell, told in found.items()]
        (DOCS / name).write_text(_HEAD[lang].format(**facts) + "\n".join(lines) + "\n", encoding="utf-8")


def _line(cell: str, told: dict[str, Any], lang: str) -> str:
    stage, method = cell.split("-")
    typed = f"`{told['command']}`"
    if "refused" in told:
        return f"| {stage} | {method} | {_REFUSED[lang]} | {told['refused'][-1]} | | {typed} |"
    name, before, after, change, low, high, falls = _measured(stage, told)
    name = _NAMES[lang].get(name, name)
    better, worse = (high < 0, low > 0) if falls else (low > 0, high < 0)
    said = _YES[lang][0 if better else 1 if worse else 2]
    moved = f"{change:+.3f} [{low:+.3f}, {high:+.3f}]".replace("-", "−")
    return f"| {stage} | {method} | {name} {before:.3f} → {after:.3f} | {moved} | {said} | {typed} |"


def _measured(stage: str, told: dict[str, Any]) -> tuple[str, float, float, float, float, float, bool]:
    """What is told, before, after, the change with its interval, and whether less is better."""
    if stage == "grpo":
        # The journal's loss is what an answer lacks of a full reward, question by question.
        low, high = told["interval"]
        return "reward", *told["metrics"]["reward"], -told["change"], -high, -low, False
    if stage == "orpo":
        # Of a pair the journal keeps the odds-ratio term, without the chosen answer's own loss beside it.
        alone = (whole - own for whole, own in zip(told["loss"], told["metrics"]["nll_loss"], strict=True))
        return "odds-ratio term", *alone, told["change"], *told["interval"], True
    if "change" in told:
        return "loss", *told["loss"], told["change"], *told["interval"], True
    before, after = (float(v or 0.0) for v in told["metrics"]["rewards/margins"])
    # Before the first step every reward is zero, and so is its error.
    wide = _T95 * math.hypot(*(float(e or 0.0) for e in told["metrics"]["rewards/margins_se"]))
    return "margin", before, after, after - before, after - before - wide, after - before + wide, False
