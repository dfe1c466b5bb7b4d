"""RL01: what a reinforcement run gains, and whether the reward is being gamed.

What it finds: for GRPO, PPO and RLOO, whether the reward still rises, has settled, has collapsed, or
cannot be told; signs that it is gamed: the reward rises while answers grow or shrink, many are cut, the
policy runs away from its reference, its entropy goes, or only the reward for the form rises; and
that no signal is left, because all answers to a question score the same. The loss starts at zero by nature and
says nothing.

How: the last third of the logged rewards is held against the third before (90 % interval). A gain that
matters is a fifth of the standard deviation of rewards within groups (of the logged rewards, where that is
not logged). Rising: surely above zero. Settled: such a gain is ruled out, after 100 steps. Surely falling
is a warning. Collapsed: surely below the best third by twice that deviation. Signs compare the last third
with the first: length beyond a third more or a quarter less, 5 % of the answers cut and twice as many, KL
above 0.1 and twice that of the middle third, entropy halved, four fifths of the rise from rewards for form.
Over-optimised: settled, with two signs, or one of those beside length and entropy, which change in sound
runs too. No signal: 95 % of the groups score alike.

Source: frac_reward_zero_std, kl, entropy as TRL logs them; the bounds are ours, heuristic.
"""

from __future__ import annotations

import re

import numpy as np

from doneness.core import Check, Finding, Message, Status, Where, say
from doneness.diagnose.case import Case
from doneness.diagnose.gain import LEAST, Gain, last_third
from doneness.diagnose.kinds import reinforced
from doneness.runs import Series

CODE = "RL01"
_MATTERS, _COLLAPSE = 0.2, 2.0  # standard deviations of the reward
_ALIKE = 0.95
_GRAVE = {f"diagnose.rl01.sign_{name}" for name in ("cut", "kl", "form")}
_LENGTHEN, _CUT, _KL, _ENTROPY, _FORM = 4.0 / 3.0, 0.05, 0.1, 0.5, 0.8
_ADVISED = ("gaming", "watched", "over", "collapsed", "no_signal")
_REWARDS = ("train/reward", "train/objective/rlhf_reward", "train/objective/scores", "train/ppo/mean_scores")
_LENGTHS = ("train/completions/mean_length", "train/completion_length")
_KLS = ("train/kl", "train/objective/kl")
_ENTROPIES = ("train/entropy", "train/objective/entropy", "train/policy/entropy_avg")
_FORMS = re.compile(r"format|xml|tag|length|verbos|terminat|json|style")


def _missing(case: Case) -> Message | None:
    if not reinforced(case):
        return say("diagnose.missing.reinforcement")
    return None if _first(case, _REWARDS) is not None else say("diagnose.missing.reward")


def _judge(case: Case) -> Finding:
    column = _first(case, _REWARDS)
    assert column is not None
    value = column.value[np.isfinite(column.value)]
    scale = _scale(case, value)
    gain = last_third(column, 0.02 * scale)
    if gain is None or scale == 0.0:
        few = say("diagnose.rl01.few", rows=int(value.size), needed=3 * LEAST)
        return Finding(CODE, Status.UNSURE, few, n=int(value.size))
    alike = _part(case.run.series.get("train/frac_reward_zero_std"), -1)
    old = case.run.last_step >= case.params.min_steps
    signs = _signs(case)
    status, key = _outcome(gain, _fallen(column, scale), scale, old, signs)
    if alike is not None and alike >= _ALIKE and old:
        status, key = Status.FAIL, "no_signal"
    numbers = {"gain": gain.gain, "low": gain.low, "high": gain.high, "level": gain.level, "step": gain.step}
    numbers |= {"wanted": _MATTERS * scale, "alike": alike if alike is not None else 0.0}
    told = _joined(signs) if signs else None
    message = say(f"diagnose.rl01.{key}", **numbers, **({"signs": told} if told else {}))
    advice = (
        say(f"diagnose.rl01.advice_{key}") if key in ("gaming", "watched", "over", "collapsed", "no_signal") else None
    )
    evidence = {"scale": scale, "alike": alike, "signs": [sign.key for sign in signs]}
    interval, where = (gain.low, gain.high), Where(step=gain.step)
    return Finding(CODE, status, message, gain.gain, interval, _MATTERS * scale, gain.rows, where, advice, evidence)


def _outcome(gain: Gain, fallen: bool, scale: float, old: bool, signs: list[Message]) -> tuple[Status, str]:
    if fallen:
        return Status.FAIL, "collapsed"
    if gain.high < 0.0:
        return Status.WARN, "falling"
    if gain.high < _MATTERS * scale and old:
        # Answers that grow and entropy that falls are usual; alone they prove nothing.
        grave = len(signs) > 1 or any(sign.key in _GRAVE for sign in signs)
        return (Status.FAIL, "over") if grave else (Status.WARN, "watched" if signs else "plateau")
    if signs:
        return Status.WARN, "gaming"
    return (Status.PASS, "rising") if gain.low > 0.0 else (Status.UNSURE, "unsure")


def _fallen(column: Series, scale: float) -> bool:
    """Whether the last third lies below the best of the three by two standard deviations, for certain."""
    value = column.value[np.isfinite(column.value)]
    third = value.size // 3
    parts = [value[-3 * third : -2 * third], value[-2 * third : -third], value[-third:]]
    best = max(parts, key=lambda p: float(p.mean()))
    error = float(np.sqrt((best.var(ddof=1) + parts[-1].var(ddof=1)) / third))
    return float(best.mean() - parts[-1].mean()) - 3.0 * error > _COLLAPSE * scale


def _scale(case: Case, value: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    within = _part(case.run.series.get("train/reward_std"), None)
    if within is not None and within > 0:
        return within
    return float(value.std()) if value.size else 0.0


def _signs(case: Case) -> list[Message]:
    """What changes for the worse beside the reward, last third against the first."""
    series, found = case.run.series, []
    length = _ends(_first(case, _LENGTHS))
    if length is not None and length[0] > 0 and not 1.0 / _LENGTHEN <= length[1] / length[0] <= _LENGTHEN:
        found.append(say("diagnose.rl01.sign_length", first=length[0], last=length[1]))
    cut = _ends(series.get("train/completions/clipped_ratio"))
    if cut is not None and cut[1] > _CUT and cut[1] > 2.0 * cut[0]:
        found.append(say("diagnose.rl01.sign_cut", first=cut[0], last=cut[1]))
    away = _first(case, _KLS)
    now, before = _part(away, -1), _part(away, -2)
    if now is not None and before is not None and now > _KL and now > 2.0 * before:
        found.append(say("diagnose.rl01.sign_kl", first=before, last=now))
    entropy = _ends(_first(case, _ENTROPIES))
    if entropy is not None and entropy[0] > 0 and entropy[1] < _ENTROPY * entropy[0]:
        found.append(say("diagnose.rl01.sign_entropy", first=entropy[0], last=entropy[1]))
    form = _form(case)
    return found if form is None else [*found, form]


def _form(case: Case) -> Message | None:
    """Whether rewards for form bring nearly all of the rise."""
    names = [n for n in case.run.series if re.fullmatch(r"train/rewards/[^/]+(?:/mean)?", n)]
    rises = {n: e[1] - e[0] for n in names if (e := _ends(case.run.series[n])) is not None}
    total = sum(rise for rise in rises.values() if rise > 0)
    form = sum(rise for n, rise in rises.items() if rise > 0 and _FORMS.search(n.lower()))
    if len(rises) < 2 or total <= 0 or form < _FORM * total or form < _MATTERS * _scale(case, np.zeros(0)):
        return None
    return say("diagnose.rl01.sign_form", share=form / total)


def _joined(signs: list[Message]) -> Message:
    told = signs[0]
    for sign in signs[1:]:
        told = say("diagnose.rl01.signs", first=told, second=sign)
    return told


def _first(case: Case, names: tuple[str, ...]) -> Series | None:
    return next((s for n in names if (s := case.run.series.get(n)) is not None and np.isfinite(s.value).any()), None)


def _ends(column: Series | None) -> tuple[float, float] | None:
    """Medians of the first and the last third of the rows."""
    first, last = _part(column, 0), _part(column, -1)
    return None if first is None or last is None else (first, last)


def _part(column: Series | None, which: int | None) -> float | None:
    """Median of one third of the rows (0, 1, 2 or from the end), of all for None; None with too few rows."""
    if column is None:
        return None
    value = column.value[np.isfinite(column.value)]
    if value.size < 3 * LEAST:
        return None
    return float(np.median(value if which is None else np.array_split(value, 3)[which]))


CHECK: Check[Case] = Check(CODE, _judge, _missing)
