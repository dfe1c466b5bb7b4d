"""The sentences of docs/cases/pubmedqa.md that depend on what was measured; each has a branch for either outcome.

`[[said name]]` or `[[said name variant]]` in page.en.in and page.zh.in stands for one of `SAID`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CLOSE = 0.05  # nats a token: what costs no more is as good as learnt

_TEXTS = {
    "en": {
        "which.recommended": "step {asked}, which doneness recommends",
        "which.base": "step {asked}, the last; doneness recommends the base model",
        "which.none": "step {asked}, the last; doneness recommends no checkpoint",
        "which.gone": "step {asked}, the last; doneness recommends step {recommended}, of which no checkpoint is left",
        "levels.apart": "Judged by its level, as such a plot invites one to, {low} is the better run: its mean ends at "
        "{least:.3f}, that of {high} at {most:.3f}.",
        "levels.alike": "Judged by its level, as such a plot invites one to, neither is the better run: both means end "
        "at {least:.3f}.",
        "fixed.learnt": "from step {step} on neither costs more than {close:g} nats a token, and they pull the mean "
        "down whatever becomes of the label",
        "fixed.not": "even so one of the two still costs {worst:.3f} nats a token at the end",
        "free.above": "at the end it costs {loss:.3f} nats a token and holds the mean, {mean:.3f}, up",
        "free.below": "at the end it costs {loss:.3f} nats a token and does not hold the mean, {mean:.3f}, up",
        "carried": "what it was {steps} steps before still counts {share:.0%}",
        "moved.down": "fell from {first:.3f} to {last:.3f}",
        "moved.up": "rose from {first:.3f} to {last:.3f}",
        "hours": "{hours:.1f} hours for the two trainings, on a machine that may have done other work",
        "label-only": "the label alone",
        "explained": "the explanation with the label",
    },
    "zh": {
        "which.recommended": "第 {asked} 步，即 doneness 推荐的检查点",
        "which.base": "第 {asked} 步，即最后一步；doneness 推荐的是基座模型",
        "which.none": "第 {asked} 步，即最后一步；doneness 没有推荐任何检查点",
        "which.gone": "第 {asked} 步，即最后一步；doneness 推荐第 {recommended} 步，但那里没有检查点",
        "levels.apart": "照这种图引人去做的那样只看高低，{low}更好：它的平均损失停在 {least:.3f}，"
        "{high}停在 {most:.3f}。",
        "levels.alike": "照这种图引人去做的那样只看高低，两者不分上下：平均损失都停在 {least:.3f}。",
        "fixed.learnt": "从第 {step} 步起两者每个 token 都不超过 {close:g} nat，不管标签学得如何都把平均值拉低",
        "fixed.not": "尽管如此，到结束时其中一种每个 token 仍要付 {worst:.3f} nat",
        "free.above": "结束时每个 token 要付 {loss:.3f} nat，高于平均值 {mean:.3f}，把平均值撑高",
        "free.below": "结束时每个 token 要付 {loss:.3f} nat，不高于平均值 {mean:.3f}，并没有把平均值撑高",
        "carried": "{steps} 步之前的值仍占 {share:.0%}",
        "moved.down": "从 {first:.3f} 降到 {last:.3f}",
        "moved.up": "从 {first:.3f} 升到 {last:.3f}",
        "hours": "两次训练共 {hours:.1f} 小时，机器可能同时在做别的事",
        "label-only": "只答标签的那次",
        "explained": "先解释的那次",
    },
}


def said(results: dict[str, Any], lang: str, name: str, variant: str = "label-only") -> str:
    """A sentence, or a part of one, as the results have it.

    Raises:
        KeyError: there is none of that name, or the results lack what it tells.
    """
    key, numbers = SAID[name](results, variant)
    texts = _TEXTS[lang]
    return texts[key].format(**{k: texts.get(v, v) if isinstance(v, str) else v for k, v in numbers.items()})


def _which(results: dict[str, Any], variant: str) -> tuple[str, dict[str, Any]]:
    told = results["variants"][variant]
    asked, recommended = told["asked"], told["recommended"]
    if recommended is None:
        kind = "none"
    elif recommended == 0:
        kind = "base"
    else:
        kind = "recommended" if recommended == asked else "gone"
    return f"which.{kind}", {"asked": asked, "recommended": recommended}


def _levels(results: dict[str, Any], variant: str) -> tuple[str, dict[str, Any]]:
    ends = {name: told["evals"][-1]["loss"] for name, told in results["variants"].items()}
    low, high = sorted(ends, key=ends.__getitem__)
    alike = abs(ends[low] - ends[high]) < 0.0005  # what three decimals show
    numbers = {"low": low, "high": high, "least": ends[low], "most": ends[high]}
    return "levels.alike" if alike else "levels.apart", numbers


def _fixed(results: dict[str, Any], variant: str) -> tuple[str, dict[str, Any]]:
    worst = [(e["step"], max(e["spans"][span]["loss"] for span in ("fixed", "end"))) for e in _evals(results, variant)]
    # From where on, not where once: a single low evaluation is not learnt.
    late = [step for i, (step, _) in enumerate(worst) if all(loss <= CLOSE for _, loss in worst[i:])]
    return "fixed.learnt" if late else "fixed.not", {
        "step": min(late, default=0),
        "close": CLOSE,
        "worst": worst[-1][1],
    }


def _free(results: dict[str, Any], variant: str) -> tuple[str, dict[str, Any]]:
    last = _evals(results, variant)[-1]
    loss, mean = last["spans"]["explanation"]["loss"], last["loss"]
    return "free.above" if loss > mean else "free.below", {"loss": loss, "mean": mean}


def _carried(results: dict[str, Any], variant: str) -> tuple[str, dict[str, Any]]:
    steps = results["variants"][variant]["run"]["steps_per_epoch"]
    return "carried", {"steps": steps, "share": results["smoothing"] ** steps}


def _explaining(results: dict[str, Any], variant: str) -> tuple[str, dict[str, Any]]:
    first, last = (_evals(results, variant)[i]["spans"]["explanation"]["loss"] for i in (0, -1))
    return "moved.down" if last < first else "moved.up", {"first": first, "last": last}


def _hours(results: dict[str, Any], variant: str) -> tuple[str, dict[str, Any]]:
    return "hours", {"hours": sum(told["run"]["seconds"] for told in results["variants"].values()) / 3600.0}


def _evals(results: dict[str, Any], variant: str) -> list[dict[str, Any]]:
    evals: list[dict[str, Any]] = results["variants"][variant]["evals"]
    return evals


SAID: dict[str, Callable[[dict[str, Any], str], tuple[str, dict[str, Any]]]] = {
    "which": _which,
    "levels": _levels,
    "fixed": _fixed,
    "free": _free,
    "carried": _carried,
    "explaining": _explaining,
    "hours": _hours,
}
