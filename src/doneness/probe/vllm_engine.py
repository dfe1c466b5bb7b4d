"""vLLM as an engine: the base model once, every checkpoint's adapter as a request to it.

Written against the sources of vLLM 0.33 and tested against a stand-in with the signatures found there; it has not been
run on a GPU. vLLM decodes with kernels of its own, so its greedy answers are those of the same model up to rounding and
not token for token those of transformers: all checkpoints of a table are asked by one engine.

It takes LoRA adapters as PEFT saves them, without modules trained whole, without DoRA, of a rank up to 512. KL to base
and losses under weight noise need whole distributions and the weights, and are left to the engine in torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.core import DonenessError, UnreadableError, tr
from doneness.core.extras import optional
from doneness.probe.engine import Answered, Ids
from doneness.probe.weights import ADAPTER

_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # those that vLLM is built for


class VllmEngine:
    """An `Engine` over vLLM.

    Args:
        model: folder or hub name of the base model.
        checkpoints: adapter folders by step.
        tokenizer: the one that the run was trained with, as transformers loads it.
        dtype: by vLLM's names.

    Raises:
        MissingExtraError: vLLM is not installed.
        DonenessError: a checkpoint that is no plain LoRA adapter.
    """

    def __init__(self, model: str, checkpoints: Mapping[int, Path], tokenizer: Any, dtype: str = "auto") -> None:
        from doneness.models import stop_ids

        vllm = optional("vllm", "vllm")
        requests = optional("vllm.lora.request", "vllm")
        ranks = [_rank(path) for path in checkpoints.values()]
        adapters: dict[str, Any] = {}
        if ranks:
            rank = next(r for r in _RANKS if r >= max(ranks))
            adapters = {"enable_lora": True, "max_lora_rank": rank, "max_loras": 1, "max_cpu_loras": len(ranks)}
        self._sampling = vllm.SamplingParams
        self._prompt = vllm.TokensPrompt
        self._model = vllm.LLM(model, dtype=dtype, **adapters)
        self.tokenizer = tokenizer
        self._stops = stop_ids(tokenizer)
        self._adapters = {
            step: requests.LoRARequest(f"step-{step}", number, str(path))
            for number, (step, path) in enumerate(sorted(checkpoints.items()), start=1)
        }

    def steps(self) -> tuple[int, ...]:
        """The steps that can be asked; 0 is the base model."""
        return (0, *self._adapters)

    def greedy(
        self,
        step: int,
        prompts: Sequence[Ids],
        max_new_tokens: int,
        drafts: Sequence[Ids] | None = None,
        progress: Answered | None = None,
    ) -> list[Any]:
        """The likeliest answers; drafts are not used, as vLLM keeps its own pace."""
        found = self._ask(step, prompts, self._params(max_new_tokens, temperature=0.0))
        if progress is not None:
            progress(len(prompts))
        return [self._generated(each.outputs[0]) for each in found]

    def sampled(
        self, step: int, prompts: Sequence[Ids], max_new_tokens: int, count: int, temperature: float, seed: int
    ) -> list[list[Any]]:
        """Several answers drawn at a temperature."""
        params = self._params(max_new_tokens, temperature=temperature, n=count, seed=seed)
        return [[self._generated(o) for o in each.outputs] for each in self._ask(step, prompts, params)]

    def options(self, step: int, prompts: Sequence[Ids], options: Sequence[Sequence[Ids]]) -> list[list[float]]:
        """Log-likelihoods in nats, one request an option; vLLM's prefix cache shares the question."""
        rows = [(prompt, option) for prompt, each in zip(prompts, options, strict=True) for option in each]
        sums = iter([-nll for nll, _ in self.losses(step, rows)])
        return [[next(sums) for _ in each] for each in options]

    def losses(self, step: int, rows: Sequence[tuple[Ids, Ids]]) -> list[tuple[float, int]]:
        """NLL of every target in nats, and its tokens."""
        params = self._sampling(max_tokens=1, temperature=0.0, prompt_logprobs=0, detokenize=False)
        found = self._ask(step, [[*context, *target] for context, target in rows], params)
        return [
            _nll(each.prompt_logprobs, context, target) for each, (context, target) in zip(found, rows, strict=True)
        ]

    def divergence(self, step: int, rows: Sequence[tuple[Ids, Ids]]) -> list[float]:
        """Not to be had of vLLM.

        Raises:
            DonenessError: always.
        """
        raise DonenessError(tr("probing.vllm_cannot", what="kl"))

    def perturbed(
        self, step: int, rows: Sequence[tuple[Ids, Ids]], radius: float, draws: int, seed: int
    ) -> NDArray[np.float64]:
        """Not to be had of vLLM.

        Raises:
            DonenessError: always.
        """
        raise DonenessError(tr("probing.vllm_cannot", what="flatness"))

    def _params(self, limit: int, **more: Any) -> Any:
        # One log-probability a token: that of the token chosen, before temperature.
        return self._sampling(max_tokens=limit, stop_token_ids=self._stops, logprobs=0, **more)

    def _ask(self, step: int, prompts: Sequence[Ids], params: Any) -> list[Any]:
        asked = [self._prompt(prompt_token_ids=list(ids)) for ids in prompts]
        request = self._adapters[step] if step else None
        found: list[Any] = self._model.generate(asked, params, use_tqdm=False, lora_request=request)
        return found

    def _generated(self, output: Any) -> Any:
        """One answer, up to the token that ended it."""
        from doneness.models import Generated

        ids = list(output.token_ids)
        sure = [float(np.exp(each[i].logprob)) for i, each in zip(ids, output.logprobs or (), strict=False)]
        length = next((k for k, i in enumerate(ids) if i in self._stops), len(ids))
        text = self.tokenizer.decode(ids[:length], skip_special_tokens=True).strip()
        counted = sure[: length + 1]
        confidence = sum(counted) / len(counted) if counted else 0.0
        capped = output.finish_reason == "length" and length == len(ids)
        return Generated(text, length, confidence, capped, tuple(ids[:length]))


def _nll(told: Any, context: Ids, target: Ids) -> tuple[float, int]:
    """Summed over the target; the first token of all has nothing before it and no probability."""
    places = range(max(1, len(context)), len(context) + len(target))
    ids = [*context, *target]
    return -sum(float(told[place][ids[place]].logprob) for place in places), len(places)


def _rank(checkpoint: Path) -> int:
    """The adapter's largest rank.

    Raises:
        UnreadableError: its configuration is damaged.
        DonenessError: not an adapter that vLLM loads as it was trained.
    """
    place = checkpoint / ADAPTER
    if not place.is_file():
        raise DonenessError(tr("probing.vllm_adapter", path=str(checkpoint)))
    try:
        config = json.loads(place.read_text(encoding="utf-8"))
        ranks = [int(config["r"]), *map(int, (config.get("rank_pattern") or {}).values())]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableError(tr("probing.adapter_damaged", path=str(place), reason=str(error))) from error
    whole = config.get("modules_to_save") or config.get("use_dora") or config.get("lora_bias")
    if config.get("peft_type") != "LORA" or whole or max(ranks) > _RANKS[-1]:
        raise DonenessError(tr("probing.vllm_adapter", path=str(checkpoint)))
    return max(ranks)
