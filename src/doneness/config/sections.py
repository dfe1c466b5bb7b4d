"""Sections of the recipe that single stages have: reinforcement and distillation, with a reason for each default."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class GrpoSection:
    """grpo: the answers that the model samples itself, and how it learns from what they are worth.

    Defaults are those of TRL's GRPOConfig, but for beta: DeepSeek-R1's (arXiv 2501.12948) and MedicalGPT's.
    """

    generations: int = field(default=8, metadata={"low": 2, "high": 1024})
    """Answers to each question, which are held against each other. optimizer.batch_size counts answers: 16 of them are
    two questions a step."""
    max_new_tokens: int = field(default=512, metadata={"low": 1})
    """Longest answer; it comes on top of data.max_length, which limits the question."""
    temperature: float = field(default=1.0, metadata={"low": 0.0, "above": True, "high": 100.0})
    """Temperature that answers are sampled at."""
    top_p: float = field(default=1.0, metadata={"low": 0.0, "above": True, "high": 1.0})
    """Sample among the likeliest tokens that have this much of the probability; 1 takes all."""
    beta: float = field(default=0.001, metadata={"low": 0.0})
    """What moving away from the model before the run costs; 0 has no reference, and then nothing tells how far the
    model has moved."""
    loss: str = field(default="dapo", metadata={"choices": ("dapo", "grpo", "bnpo", "dr_grpo")})
    """How tokens' losses are added up, by TRL's names: dapo and bnpo weigh all tokens alike, grpo all answers, dr_grpo
    divides by max_new_tokens."""
    scale: str = field(default="group", metadata={"choices": ("group", "batch", "none")})
    """What rewards are divided by: the standard deviation among the answers to a question, of all, or nothing."""
    eval_answers: int = field(default=1, metadata={"low": 1, "high": 1024})
    """Answers to each held-out question: 1 is the likeliest answer; of several, sampled as in training, the mean reward
    counts."""


@dataclass(frozen=True)
class RewardsSection:
    """grpo: what an answer is worth, the weighted sum of these rewards."""

    use: tuple[str, ...] = ("exact",)
    """Rewards, each as name or name=weight: exact (the answer is the row's), format (it has the form of pattern),
    length (see below), or a function of your own as file.py:function, with the arguments that TRL gives one. A list, or
    by commas. The first three lie between 0 and 1."""
    pattern: str = ""
    """format: a regular expression that the whole answer has to match, line breaks included; empty means
    <think>…</think><answer>…</answer>."""
    length_target: int = field(default=0, metadata={"low": 0})
    """length: tokens that an answer should have; the reward falls from 1 evenly to 0 where it is off by as many."""
    length_cap: int = field(default=0, metadata={"low": 0})
    """length: tokens that an answer must not pass; over the last fifth before, the reward falls from 1 to 0 (DAPO,
    arXiv 2503.14476). One of the two is given."""


@dataclass(frozen=True)
class DistillSection:
    """distill: what is learnt from a teacher.

    on_policy, beta and temperature are those of generalised knowledge distillation (arXiv 2306.13649), with the
    defaults of TRL's GKDConfig, temperature apart.
    """

    teacher: str = ""
    """The teacher: a folder in Hugging Face format, a .gguf file, or a hub name."""
    kind: str = field(default="logits", metadata={"choices": ("logits", "hidden", "text")})
    """logits: its probabilities of every next token; hidden: its hidden states beside the answers' own loss; text: the
    answers that it writes, learnt as sft learns them (also where its tokens are others than the student's)."""
    bits: int = field(default=0, metadata={"choices": (0, 4, 8)})
    """Keep the teacher's linear layers in 4 or 8 bits; 0 keeps them as they are."""
    beta: float = field(default=0.5, metadata={"low": 0.0, "high": 1.0})
    """logits: 0 is the divergence from the teacher to the student (KL), 1 the reverse, between them Jensen-Shannon."""
    temperature: float = field(default=1.0, metadata={"low": 0.0, "above": True, "high": 100.0})
    """logits: both sides' logits are divided by it."""
    on_policy: float = field(default=0.5, metadata={"low": 0.0, "high": 1.0})
    """logits: share of the steps in which the student's own answers, sampled then, take the place of the rows'."""
    own_temperature: float = field(default=1.0, metadata={"low": 0.0, "above": True, "high": 100.0})
    """logits: temperature that the student's own answers are sampled at."""
    answer_weight: float = field(default=0.0, metadata={"low": 0.0})
    """logits: weight of the answers' own loss beside the divergence."""
    hidden_weight: float = field(default=1.0, metadata={"low": 0.0, "above": True})
    """hidden: weight of the distance of hidden states beside the answers' own loss."""
    layers: tuple[str, ...] = ()
    """hidden: which of the student's layers follow which of the teacher's, "3=12", counted from 1; empty takes four,
    evenly spread, the last among them."""
    max_new_tokens: int = field(default=512, metadata={"low": 1})
    """text and on_policy: longest answer written."""
    sampling: float = field(default=0.0, metadata={"low": 0.0, "high": 100.0})
    """text: temperature that the teacher's answers are sampled at; 0 takes the likeliest."""
