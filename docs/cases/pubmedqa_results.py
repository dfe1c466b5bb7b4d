"""Everything measured for docs/cases/pubmedqa.md as one JSON object: means, intervals, sizes, seeds, versions."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pubmedqa_rows import LABELS, SEED, VARIANTS, Item

from doneness.core import Diagnosis, Message, SpanVerdict
from doneness.core.catalogue import speaking
from doneness.curves.shares import paired_share_difference, wilson
from doneness.diagnose.spans import guessing as guessing_of
from doneness.report.three_ways import smoothed
from doneness.runs import TRAIN_LOSS, ExampleLosses, Run
from doneness.workflows.check import check
from doneness.workflows.rules import params_of
from doneness.workflows.train import recipe_of

if TYPE_CHECKING:
    from pubmedqa import Place

KEEP = 0.9  # what the smoothing of the training loss keeps of its old value
_DRAWS = 2000  # of a bootstrap
_PARTS = ("train", "held_out", "test")
_TOLD = ("label", "fixed", "explanation", "end")  # the spans whose verdicts are told
_OWN = ("label", "fixed", "explanation", "first", "rest", "end")

Floats = NDArray[np.float64]


def collect(place: Place, asked: dict[str, int]) -> dict[str, Any]:
    """All figures of the case; they are computed here, and only written down elsewhere.

    Args:
        place: where trainings and scores lie.
        asked: the step of each variant whose checkpoint was asked the test rows; `recommended` stands beside it.
    """
    own = place.picked.held_out[: place.size.own]
    return {
        "seed": SEED,
        "machine": {"cpu": _cpu(), "threads": place.size.threads},
        "command": "python docs/cases/pubmedqa.py --data FOLDER",
        "smoothing": KEEP,
        "bootstrap": _DRAWS,
        "ids": {part: [item.id for item in getattr(place.picked, part)] for part in _PARTS},
        "labels": {part: guessing(getattr(place.picked, part)) for part in _PARTS} | {"own": guessing(own)},
        "variants": {variant: _variant(place, variant, asked[variant]) for variant in VARIANTS},
    }


def guessing(items: Sequence[Item]) -> dict[str, Any]:
    """What knowing nothing but the labels' frequencies is worth on these rows."""
    count = Counter(item.label for item in items)
    label, most = count.most_common(1)[0]
    n = len(items)
    share = np.array([count[each] / n for each in LABELS if count[each]])
    always = np.full(n, LABELS.index(label))
    return {
        "rows": n,
        "count": {each: count[each] for each in LABELS},
        "always": label,
        "accuracy": _rounded(most / n),
        "f1": _rounded(macro_f1(np.array([LABELS.index(item.label) for item in items]), always)),
        "nats": _rounded(abs(float((share * np.log(share)).sum()))),
    }


def macro_f1(true: NDArray[np.int64], said: NDArray[np.int64]) -> float:
    """The mean of the F1 of yes, no and maybe; one that is neither true nor said anywhere is left out."""
    found = []
    for label in range(len(LABELS)):
        hits = int(((true == label) & (said == label)).sum())
        either = int((true == label).sum() + (said == label).sum())
        if either:
            found.append(2 * hits / either)
    return float(np.mean(found))


def ratio_interval(total: Floats, size: NDArray[np.int64]) -> list[float]:
    """Bootstrap interval over rows of Σ total / Σ size, 95 %."""
    rows = np.random.default_rng(SEED).integers(0, total.size, (_DRAWS, total.size))
    sums = total[rows].sum(axis=1) / np.maximum(size[rows].sum(axis=1), 1)
    return [_rounded(float(q)) for q in np.quantile(sums, (0.025, 0.975))]


def answers(told: dict[str, Any]) -> dict[str, Any]:
    """What a pass of `pubmedqa_scores` comes to, with intervals over its rows."""
    true = np.array([LABELS.index(label) for label in told["labels"]])
    log_p = np.array(told["log_p"])
    said = log_p.argmax(axis=1)
    draws = np.random.default_rng(SEED).integers(0, true.size, (_DRAWS, true.size))
    f1 = [macro_f1(true[rows], said[rows]) for rows in draws]
    right, n = int((true == said).sum()), int(true.size)
    loss = -log_p[np.arange(n), true]
    return {
        "n": n,
        "accuracy": _rounded(right / n),
        "accuracy_interval": [_rounded(each) for each in wilson(right, n)],
        "f1": _rounded(macro_f1(true, said)),
        "f1_interval": [_rounded(float(q)) for q in np.quantile(f1, (0.025, 0.975))],
        "said": {label: int((said == i).sum()) for i, label in enumerate(LABELS)},
        "loss": _rounded(float(loss.mean())),
        "loss_interval": ratio_interval(loss, np.ones(n, dtype=np.int64)),
        "seconds": told["seconds"],
    }


def _variant(place: Place, variant: str, asked: int) -> dict[str, Any]:
    run, _ = check(place.run(variant))[0]
    steps = sorted({*place.size.scored, asked})
    train = run.series[TRAIN_LOSS].value
    meta = run.meta
    scored = [{"step": s, **answers(_read(place.scores(variant, "held_out", s)))} for s in steps]
    parts = ("test", "own", "reference") if variant == "explained" else ("test",)
    judged = _judged(place, variant)
    return {
        "run": {key: meta[key] for key in ("planned_steps", "steps_per_epoch", "train_tokens", "train_targets")}
        | {"trainable_parameters": meta["trainable_parameters"], "versions": meta["versions"]}
        | {"seconds": _rounded(float(run.series[TRAIN_LOSS].time[-1]), 1)},
        "train": [_rounded(float(v)) for v in train],
        "smoothed": [_rounded(float(v)) for v in smoothed(train, KEEP)],
        "evals": [_evaluation(each) for each in run.examples],
        "label": scored,
        "label_losses_differ_by": max(_apart(place, run, variant, s) for s in steps),
        "last_epoch": _last_epoch(run, train),
        "share_of_tokens": _token_shares(run.examples[-1]),
        "against_guess": {"asked": _guess(run.until(asked)), "last": _guess(run)},
        "asked": asked,
        "recommended": judged["verdict"]["recommended"],
        **{part: _pair(place, variant, part, asked) for part in parts},
        **judged,
    }


def _pair(place: Place, variant: str, part: str, asked: int) -> dict[str, Any]:
    """Base model and the step asked on the same rows, and the difference of their accuracies.

    The part `reference` is made of those evaluation rows for which the model also wrote its own explanation.
    """
    if part == "reference":
        told = [_cut(_read(place.scores(variant, "held_out", step)), place.size.own) for step in (0, asked)]
    else:
        told = [_read(place.scores(variant, part, step)) for step in (0, asked)]
    right = [[LABELS[int(np.argmax(p))] == y for p, y in zip(t["log_p"], t["labels"], strict=True)] for t in told]
    most = Counter(told[0]["labels"]).most_common(1)[0][0]
    always = [label == most for label in told[0]["labels"]]
    return {
        "base": answers(told[0]),
        "asked": answers(told[1]),
        "asked_less_base": [_rounded(each) for each in paired_share_difference(right[1], right[0])],
        "asked_less_always": [_rounded(each) for each in paired_share_difference(right[1], always)],
    }


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _cut(told: dict[str, Any], rows: int) -> dict[str, Any]:
    return told | {key: told[key][:rows] for key in ("ids", "labels", "log_p")}


def _last_epoch(run: Run, train: Floats) -> dict[str, Any]:
    """Each line at the evaluation nearest to where the last epoch began, and at the end."""
    begin = run.meta["planned_steps"] - run.meta["steps_per_epoch"]
    first = min(run.examples, key=lambda each: (abs(each.step - begin), each.step))
    last = run.examples[-1]
    line = smoothed(train, KEEP)
    ends = {"smoothed": (line[first.step - 1], line[-1]), "mean": (first.mean, last.mean)}
    ends["label"] = (first.spans["label"].mean, last.spans["label"].mean)
    numbers = {name: [_rounded(float(v)) for v in pair] for name, pair in ends.items()}
    return {"steps": [first.step, last.step], **numbers}


def _token_shares(each: ExampleLosses) -> dict[str, float]:
    """What part of all target tokens each span is."""
    whole = int(each.tokens.sum())
    return {name: _rounded(int(s.tokens.sum()) / whole) for name, s in each.spans.items() if name in _TOLD}


def _guess(run: Run) -> dict[str, Any]:
    """The label's loss less what guessing by frequency costs on the same rows, with its paired 95 % interval."""
    found = guessing_of(run)
    if found is None:
        raise ValueError(f"{run.name}: labels are too few or too many to hold them against a guess")
    interval = [_rounded(each) for each in found.interval]
    return {"loss": _rounded(found.loss), "guess": _rounded(found.cost), "interval": interval}


def _evaluation(each: ExampleLosses) -> dict[str, Any]:
    spans = {name: each.spans[name] for name in _OWN if name in each.spans and int(each.spans[name].tokens.sum())}
    return {
        "step": each.step,
        "loss": _rounded(each.mean),
        "interval": ratio_interval(each.nll, each.tokens),
        "spans": {
            name: {"loss": _rounded(s.mean), "interval": ratio_interval(s.nll, s.tokens), "tokens": int(s.tokens.sum())}
            for name, s in spans.items()
        },
    }


def _apart(place: Place, run: Run, variant: str, step: int) -> float:
    """The largest difference between a label's loss in training's own evaluation and in the pass over the options."""
    told = _read(place.scores(variant, "held_out", step))
    asked = {i: -p[LABELS.index(y)] for i, y, p in zip(told["ids"], told["labels"], told["log_p"], strict=True)}
    examples = next(each for each in run.examples if each.step == step)
    losses = dict(zip(examples.ids.tolist(), examples.spans["label"].nll.tolist(), strict=True))
    return _rounded(max(abs(losses[i] - asked[i]) for i in asked), 6)


def _judged(place: Place, variant: str) -> dict[str, Any]:
    """The verdict by the label, which decides here, and what it would be if the mean over all tokens did."""
    folder = place.run(variant)
    run, found = check(folder)[0]
    recipe = recipe_of(folder)
    if recipe is None:
        raise FileNotFoundError(folder)
    _, whole = check(folder, replace(params_of(recipe.stopping), span="all"))[0]
    decided = [e for e in run.events if e.kind == "decision"]
    return {
        "verdict": _verdict(found) | {"spans": [_span(each) for each in found.spans if each.name in _TOLD]},
        "by_mean": _verdict(whole),
        "decisions": [{"step": e.step, **_decision(e)} for e in decided],
    }


def _verdict(found: Diagnosis) -> dict[str, Any]:
    spot = found.sweet_spot
    return {
        "verdict": found.verdict.value,
        "action": found.action.value,
        "span": found.span,
        "recommended": found.recommended_step,
        "sweet_spot": None if spot is None else list(spot.steps),
        "headline": said(found.headline),
        "advice": None if found.advice is None else said(found.advice),
        "readings": [said(each) for each in found.readings],
    }


def _span(each: SpanVerdict) -> dict[str, Any]:
    numbers = {key: _rounded(v) if isinstance(v, float) else v for key, v in each.to_dict().items()}
    interval = None if each.interval is None else [_rounded(v) for v in each.interval]
    return numbers | {"interval": interval, "headline": said(each.headline)}


def said(message: Message) -> dict[str, str]:
    """A sentence in both languages."""
    texts = {}
    for lang in ("en", "zh"):
        with speaking(lang):
            texts[lang] = message.text()
    return texts


def _decision(event: Any) -> dict[str, Any]:
    return {key: event.data.get(key) for key in ("action", "verdict", "recommended_step")}


def _cpu() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _rounded(value: float, digits: int = 4) -> float:
    return round(value, digits)
