"""Which of the judgements suits a run: likelihood, preference, or reinforcement."""

from __future__ import annotations

from doneness.diagnose.case import Case

_REINFORCED = {"grpo", "ppo", "rloo"}
_PAIRS = ("rewards/chosen", "rewards/accuracies")
_REWARDS = {"train/reward", "train/objective/rlhf_reward", "train/objective/scores", "train/ppo/mean_scores"}


def suits(code: str, case: Case) -> bool:
    """Whether a check is about this kind of run at all: what cannot apply is not "not checked" either."""
    if code == "PF01":
        return case.preference and not reinforced(case)
    return code != "RL01" or reinforced(case)


def reinforced(case: Case) -> bool:
    """Whether the run is reinforcement learning: a reward of its own answers, and no pairs."""
    if not case.preference:
        return False
    if any(name.endswith(_PAIRS) for name in case.run.series):
        return False
    return str(case.run.meta.get("method", "")).lower() in _REINFORCED or not _REWARDS.isdisjoint(case.run.series)
