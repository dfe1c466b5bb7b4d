"""GRPO: the model's own answers, held against each other by their rewards (arXiv 2402.03300)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from doneness.config import GrpoSection
from doneness.core import DonenessError, tr
from doneness.models.prompts import EncodedPrompt
from doneness.models.render import stop_ids
from doneness.models.written import Sampling, sample_all
from doneness.runs import ExampleLosses
from doneness.train.health import ROWS
from doneness.train.stages.base import Scored, Told
from doneness.train.stages.reference import drop_copy
from doneness.train.stages.rewards import Answers, Scorer, mute, rewards_of, summed

OVERTIME = "overtime"  # before the names of rewards whose pattern took too long, in an evaluation's metrics


@dataclass
class Grpo:
    """TRL's GRPO.

    A held-out question's loss is what its answer lacks of a full reward: the sum of the positive weights less the
    reward. Of rewards between 0 and 1 and positive weights it lies between 0 and that sum; it is no likelihood. The
    loss that is trained on says nothing of how good the answers are, and stands about zero.

    Attributes:
        train, held_out: encoded questions.
        section: the recipe's section.
        scorers: what answers are worth.
        batch_size: answers written at once for held-out questions.
        tokenizer: of the model.
        seed: of the sampled answers to held-out questions.
    """

    train: Sequence[EncodedPrompt]
    held_out: Sequence[EncodedPrompt]
    section: GrpoSection
    scorers: Sequence[Scorer]
    batch_size: int
    tokenizer: Any
    seed: int

    def trainer(self) -> type:
        """TRL's GRPOTrainer, asking with our tokens."""
        from doneness.train.stages.policy import PolicyTrainer

        return PolicyTrainer

    def arguments(self, common: dict[str, Any]) -> Any:
        """One generation for each step, of which every answer is used once: the model learns from what it says now."""
        from trl import GRPOConfig

        common = {name: value for name, value in common.items() if name != "train_sampling_strategy"}
        asked = self.section
        return GRPOConfig(
            **common,
            num_generations=asked.generations,
            steps_per_generation=common["gradient_accumulation_steps"],
            max_completion_length=asked.max_new_tokens,
            temperature=asked.temperature,
            top_p=asked.top_p,
            beta=asked.beta,
            loss_type=asked.loss,
            scale_rewards=asked.scale,
            reward_weights=[scorer.weight for scorer in self.scorers],
        )

    def dataset(self) -> list[dict[str, Any]]:
        """What was said, which rewards may look at, and the same as token ids, which the model is asked with."""
        from doneness.train.stages.policy import ASKED

        told = ({key: str(turn[key]) for key in ("role", "content")} for row in self.train for turn in row.messages)
        return [{"prompt": [next(told) for _ in row.messages], ASKED: list(row.ids)} for row in self.train]

    def collator(self) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """None is asked: TRL takes the rows as they are."""
        return lambda rows: {"rows": rows}

    def more(self, model: Any) -> dict[str, Any]:
        """The rewards, and a copy as the reference where there are no adapters to be switched off."""
        from peft import PeftModel

        whole = self.section.beta > 0 and not isinstance(model, PeftModel)
        more = {"reference": copy.deepcopy(model).requires_grad_(False)} if whole else {}
        return {"reward_funcs": [self._told(scorer) for scorer in self.scorers], **more}

    def built(self, trainer: Any) -> None:
        """Of new adapters no copy is needed; and an answer ends with what ends one by the chat template."""
        drop_copy(trainer.model)
        ends = [*dict.fromkeys([*trainer.eos_token_ids, *stop_ids(self.tokenizer)])]
        trainer.unheard = self.refuse_mute
        trainer.eos_token_ids = trainer.generation_config.eos_token_id = trainer.generation_kwargs["eos_token_id"] = (
            ends
        )

    def refuse_mute(self, step: int, rows: Sequence[int], completion_ids: Sequence[Sequence[int]]) -> None:
        """Of a step whose answers no reward says anything of: whether they say anything at all.

        Args:
            step: optimizer steps done.
            rows: of the training rows, the question of each answer.
            completion_ids: the answers.

        Raises:
            DonenessError: they do not, so that nothing would be learnt.
        """
        texts = [self.tokenizer.decode(ids, skip_special_tokens=True) for ids in completion_ids]
        if mute(self.scorers, Answers([self.train[row] for row in rows], texts, completion_ids), self.train):
            names = ", ".join(scorer.name for scorer in self.scorers)
            raise DonenessError(tr("train.reward_mute", names=names, count=len(texts), step=step + 1))

    def count(self, inputs: Mapping[str, Any]) -> tuple[int, int]:
        """Tokens of questions and answers, and those of the answers."""
        answers = int(inputs["completion_mask"].sum())
        return answers + int(inputs["prompt_mask"].sum()), answers

    def score(self, model: Any, step: int, told: Told) -> Scored:
        """What answers to the held-out questions are worth, question by question."""
        asked, n = self.section, len(self.held_out)
        several = asked.eval_answers > 1
        how = Sampling(
            asked.max_new_tokens,
            asked.temperature if several else 0.0,
            asked.top_p,
            asked.eval_answers,
            self.seed + step,
        )
        written = sample_all(model, self.tokenizer, [row.ids for row in self.held_out], how, self.batch_size, told)
        flat = [answer for each in written for answer in each]
        questions = [row for row in self.held_out for _ in range(asked.eval_answers)]
        answers = Answers(questions, [a.text for a in flat], [a.ids for a in flat])
        worth = rewards_of(self.scorers, answers)
        reward = _mean(summed(self.scorers, worth).reshape(n, -1).T)
        if step == 0 and n and bool(np.isnan(reward).all()):
            names = ", ".join(scorer.name for scorer in self.scorers)
            raise DonenessError(tr("train.reward_silent", names=names, count=len(flat)))
        losses = ExampleLosses(
            step,
            np.array([row.id for row in self.held_out], dtype=np.str_),
            sum(scorer.most for scorer in self.scorers) - reward,
            np.ones(n, dtype=np.int64),
            {},
            self._clusters(),
        )
        metrics = {
            "reward": float(_mean(reward)),
            **{f"rewards/{s.name}/mean": float(_mean(worth[:, k])) for k, s in enumerate(self.scorers)},
            "completions/mean_length": float(np.mean([len(a.ids) for a in flat])),
            "completions/clipped_ratio": float(np.mean([not a.ended for a in flat])),
            **{f"{OVERTIME}/{s.name}": float(s.overtime) for s in self.scorers if s.overtime},
        }
        return Scored(losses, float(_mean(losses.nll)), metrics)

    def _told(self, scorer: Scorer) -> Callable[..., list[float | None]]:
        """A reward as TRL calls one."""

        def reward(completion_ids: Any, **more: Any) -> list[float | None]:
            texts = [self.tokenizer.decode(ids, skip_special_tokens=True) for ids in completion_ids]
            passed: dict[str, Any] = {
                key: more[key] for key in ("trainer_state", "log_extra", "log_metric") if key in more
            }
            questions = [self.train[int(row)] for row in more[ROWS]]
            found = scorer.worth(Answers(questions, texts, completion_ids, passed))
            return [None if math.isnan(each) else float(each) for each in found]

        reward.__name__ = scorer.name
        return reward

    def _clusters(self) -> Any:
        if not any(row.cluster is not None for row in self.held_out):
            return None
        return np.array([row.cluster or f"row {row.id}" for row in self.held_out], dtype=np.str_)


def _mean(values: Any) -> Any:
    """Means along the first axis of what is known; NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
