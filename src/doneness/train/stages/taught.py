"""TRL's SFTTrainer with a teacher's words in place of the rows' alone: its probabilities, or its hidden states."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from trl import SFTTrainer

from doneness.config import DistillSection
from doneness.models.together import average_gradients
from doneness.models.written import Sampling, sample_all
from doneness.train.stages.divergence import divergence
from doneness.train.stages.layers import Pairs

_MAPS = "projections.safetensors"


class Taught(SFTTrainer):  # type: ignore[misc]
    """What both have in common: a teacher that is asked, and losses that are summed over target tokens."""

    loss_is_scaled_for_ga = True  # each micro-batch's share of a step is reckoned here, also where its tokens are new

    def __init__(self, *args: Any, teacher: Any, section: DistillSection, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section
        self.teacher = self.accelerator.prepare_model(teacher, evaluation_mode=True)
        self._step, self._micro = -1, 0

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """One micro-batch; what is drawn in it hangs on the seed, the step and its number alone."""
        step = int(self.state.global_step)
        self._micro = self._micro + 1 if step == self._step else 0
        self._step = step
        return super().training_step(model, inputs, num_items_in_batch)

    def _asked(self, inputs: Any) -> tuple[dict[str, Any], Any, Any]:
        """What a model is called with, where target tokens are predicted, and which tokens they are."""
        named = {name: inputs[name] for name in ("input_ids", "attention_mask") if name in inputs}
        labels = inputs["labels"][:, 1:]
        return {**named, "use_cache": False}, labels != -100, labels[labels != -100]

    def _per_item(self, summed: Any, count: int, items: Any) -> Any:
        """A sum over target tokens, divided by those of the whole step; else each micro-batch counts alike."""
        if items is None:
            return summed / max(count, 1) / self.current_gradient_accumulation_steps
        whole = self.accelerator.num_processes if self.args.average_tokens_across_devices else 1
        return summed / torch.as_tensor(items).clamp(min=1) * whole

    def _note(self, count: int, **summed: Any) -> None:
        """Means over the target tokens of all processes."""
        kept = self._metrics["train" if self.model.training else "eval"]
        held = torch.stack([value.detach().float() for value in summed.values()])
        told = self.accelerator.reduce(torch.cat([held, held.new_tensor([count])])).tolist()
        for name, value in zip(summed, told[:-1], strict=True):
            kept[f"distill/{name}"].append(value / max(told[-1], 1))


class LogitsTrainer(Taught):
    """Generalised knowledge distillation (arXiv 2306.13649): the teacher's probabilities, on rows or own answers."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The divergence at every target token, and the answers' own loss where that has a weight."""
        own = self._on_policy() and bool((inputs["labels"] != -100).any())
        if own:
            inputs = self._own_answers(inputs)
            # Their number is not that of the rows' tokens: each micro-batch counts alike.
            num_items_in_batch = None
        asked, places, wanted = self._asked(inputs)
        outputs = model(**asked)
        student = outputs.logits[:, :-1][places]
        with torch.no_grad():
            teacher = self.teacher(**asked).logits[:, :-1][places]
        apart = divergence(student, teacher, self.section.beta, self.section.temperature).sum()
        answers = cross_entropy(student.float(), wanted, reduction="sum")
        count = len(wanted)
        self._note(count, divergence=apart, answers=answers)
        self._metrics["train"]["distill/own"].append(float(own))
        # On own answers there is nothing that would be right.
        total = apart if own else apart + self.section.answer_weight * answers
        loss = self._per_item(total, count, num_items_in_batch)
        return (loss, outputs) if return_outputs else loss

    def _on_policy(self) -> bool:
        """Whether the step at hand is one of the student's own answers; all of its micro-batches are."""
        return random.Random(f"{self.args.seed} {self._step}").random() < self.section.on_policy

    def _own_answers(self, inputs: Any) -> dict[str, Any]:
        """The rows' questions with answers that the student gives now."""
        prompts = [_question(ids, row) for ids, row in zip(inputs["input_ids"], inputs["labels"], strict=True)]
        tokenizer, prompts = self.processing_class, [prompt for prompt in prompts if prompt]
        place = self._step * 1_000_003 + self._micro * 1009 + self.accelerator.process_index
        how = Sampling(self.section.max_new_tokens, self.section.own_temperature, seed=(self.args.seed + place) % 2**31)
        student = self.accelerator.unwrap_model(self.model)
        answers = sample_all(student, tokenizer, prompts, how, len(prompts))
        rows = [(prompt, list(said[0].ids)) for prompt, said in zip(prompts, answers, strict=True)]
        width = max(len(prompt) + len(said) for prompt, said in rows)
        ids = torch.full((len(rows), width), tokenizer.pad_token_id, dtype=torch.long)
        mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
        for i, (prompt, said) in enumerate(rows):
            end = len(prompt) + len(said)
            ids[i, :end], mask[i, :end] = torch.tensor(prompt + said), 1
            labels[i, len(prompt) : end] = torch.tensor(said)
        device = inputs["input_ids"].device
        return {"input_ids": ids.to(device), "attention_mask": mask.to(device), "labels": labels.to(device)}


class HiddenTrainer(Taught):
    """The answers' own loss, and how far chosen hidden states are from the teacher's where an answer is predicted."""

    def __init__(self, *args: Any, pairs: Pairs, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pairs = pairs.to(self.accelerator.device)

    def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        """Projections learn with the model."""
        fresh = self.optimizer is None
        optimizer = super().create_optimizer(*args, **kwargs)
        if fresh and list(self.pairs.parameters()):
            optimizer.add_param_group({"params": list(self.pairs.parameters()), "weight_decay": 0.0})
            # Of several processes each has its own rows; what averages the model's gradients knows nothing of these.
            optimizer.register_step_pre_hook(lambda *ignored: average_gradients(self.pairs.parameters()))
        return optimizer

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """The Trainer clears the gradients of the model alone."""
        if int(self.state.global_step) != self._step:
            self.pairs.zero_grad()
        return super().training_step(model, inputs, num_items_in_batch)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Cross-entropy of the answers, and the weighted distance of hidden states."""
        asked, places, wanted = self._asked(inputs)
        outputs = model(**asked, output_hidden_states=True)
        with torch.no_grad():
            teacher = self.teacher(**asked, output_hidden_states=True).hidden_states
        answers = cross_entropy(outputs.logits[:, :-1][places].float(), wanted, reduction="sum")
        apart = self.pairs(outputs.hidden_states, teacher, places)
        count = len(wanted)
        self._note(count, answers=answers, hidden=apart)
        loss = self._per_item(answers + self.section.hidden_weight * apart, count, num_items_in_batch)
        return (loss, outputs) if return_outputs else loss

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self.args.should_save and list(self.pairs.parameters()):
            from safetensors.torch import save_file

            folder = Path(self._get_output_dir(trial)) / f"checkpoint-{self.state.global_step}"
            save_file({name: value.contiguous() for name, value in self.pairs.state_dict().items()}, folder / _MAPS)

    def _load_from_checkpoint(self, resume_from_checkpoint: Any, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        if list(self.pairs.parameters()):
            from safetensors.torch import load_file

            self.pairs.load_state_dict(load_file(Path(resume_from_checkpoint) / _MAPS))


def _question(ids: Any, labels: Any) -> list[int]:
    """What stands before the last answer of a row; nothing of a row that carries no loss."""
    places = (labels != -100).nonzero().flatten().tolist()
    if not places:
        return []
    begin = places[-1]
    while begin - 1 in places:
        begin -= 1
    return [int(i) for i in ids[:begin].tolist()]
