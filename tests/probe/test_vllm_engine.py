"""The engine over a stand-in for vLLM: names, parameters and results are those of vLLM 0.33's sources."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, TypedDict

import pytest
from tests.probe.engines import Letters

from doneness.core import DonenessError, MissingExtraError
from doneness.probe.vllm_engine import VllmEngine

END = ord("#")


class TokensPrompt(TypedDict, total=False):
    """vllm.inputs.llm.TokensPrompt"""

    prompt_token_ids: list[int]


@dataclass
class SamplingParams:
    """vllm.sampling_params.SamplingParams, those of its fields that are used here, with their defaults and checks."""

    n: int = 1
    temperature: float = 1.0
    seed: int | None = None
    stop_token_ids: list[int] | None = None
    max_tokens: int | None = 16
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    detokenize: bool = True

    def __post_init__(self) -> None:
        assert self.n >= 1 and self.temperature >= 0 and (self.max_tokens or 1) >= 1
        assert self.n == 1 or self.temperature > 0, "n must be 1 when using greedy sampling"


@dataclass(frozen=True)
class LoRARequest:
    """vllm.lora.request.LoRARequest"""

    lora_name: str
    lora_int_id: int
    lora_path: str = ""

    def __post_init__(self) -> None:
        assert self.lora_int_id >= 1 and self.lora_path


@dataclass
class Logprob:
    """vllm.logprobs.Logprob"""

    logprob: float
    rank: int | None = None
    decoded_token: str | None = None


@dataclass
class CompletionOutput:
    """vllm.outputs.CompletionOutput"""

    index: int
    text: str
    token_ids: Sequence[int]
    cumulative_logprob: float | None
    logprobs: list[dict[int, Logprob]] | None
    finish_reason: str | None = None


@dataclass
class RequestOutput:
    """vllm.outputs.RequestOutput"""

    prompt_token_ids: list[int]
    prompt_logprobs: list[dict[int, Logprob] | None] | None
    outputs: list[CompletionOutput] = field(default_factory=list)


class LLM:
    """vllm.LLM: keyword-only but for the model; what is not named there goes to EngineArgs."""

    made: ClassVar[list[dict[str, Any]]] = []
    asked: ClassVar[list[tuple[Any, SamplingParams, LoRARequest | None]]] = []

    def __init__(self, model: str, *, dtype: str = "auto", seed: int = 0, **kwargs: Any) -> None:
        assert set(kwargs) <= {"enable_lora", "max_loras", "max_lora_rank", "max_cpu_loras"}
        assert kwargs.get("max_lora_rank", 8) in (1, 8, 16, 32, 64, 128, 256, 320, 512)
        assert kwargs.get("max_cpu_loras", 1) >= kwargs.get("max_loras", 1)
        self.lora = bool(kwargs.get("enable_lora"))
        LLM.made.append({"model": model, "dtype": dtype, **kwargs})

    def generate(
        self,
        prompts: Sequence[TokensPrompt],
        sampling_params: SamplingParams | None = None,
        *,
        use_tqdm: bool = True,
        lora_request: LoRARequest | None = None,
    ) -> list[RequestOutput]:
        assert sampling_params is not None and (lora_request is None or self.lora)
        LLM.asked.append((prompts, sampling_params, lora_request))
        return [self._answer(p["prompt_token_ids"], sampling_params, lora_request) for p in prompts]

    def _answer(self, ids: list[int], params: SamplingParams, request: LoRARequest | None) -> RequestOutput:
        step = 0 if request is None else request.lora_int_id
        told: list[dict[int, Logprob] | None] | None = None
        if params.prompt_logprobs is not None:
            told = [None, *({i: Logprob(-0.5 - step)} for i in ids[1:])]
        outputs = []
        for k in range(params.n):
            said = [*map(ord, f"{step}{'abc'[k]}"), END][: params.max_tokens]
            sure = [{i: Logprob(math.log(0.5)), 7: Logprob(-9.0)} for i in said]
            ended = said[-1] in (params.stop_token_ids or ())
            reason = "stop" if ended else "length"
            logprobs = sure if params.logprobs is not None else None
            outputs.append(CompletionOutput(k, "", said, None, logprobs, reason))
        return RequestOutput(ids, told, outputs)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> VllmEngine:
    stand_in, lora, request = ModuleType("vllm"), ModuleType("vllm.lora"), ModuleType("vllm.lora.request")
    stand_in.LLM, stand_in.SamplingParams, stand_in.TokensPrompt = LLM, SamplingParams, TokensPrompt  # type: ignore[attr-defined]
    request.LoRARequest = LoRARequest  # type: ignore[attr-defined]
    for name, module in (("vllm", stand_in), ("vllm.lora", lora), ("vllm.lora.request", request)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("doneness.models.stop_ids", lambda tokenizer: [END])
    LLM.made.clear()
    LLM.asked.clear()
    return VllmEngine("base/model", {8: adapter(tmp_path, 8, 12), 4: adapter(tmp_path, 4, 8)}, Letters(), "bfloat16")


def adapter(folder: Path, step: int, rank: int, **more: Any) -> Path:
    place = folder / f"checkpoint-{step}"
    place.mkdir()
    (place / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": rank, **more}))
    return place


def test_the_base_model_is_made_once_for_all_adapters(engine: VllmEngine) -> None:
    assert LLM.made == [
        {
            "model": "base/model",
            "dtype": "bfloat16",
            "enable_lora": True,
            "max_lora_rank": 16,
            "max_loras": 1,
            "max_cpu_loras": 2,
        }
    ]
    assert engine.steps() == (0, 4, 8)


def test_each_step_is_answered_by_its_own_adapter(engine: VllmEngine) -> None:
    found = {step: engine.greedy(step, [[1, 2], [3]], 8) for step in (0, 4, 8)}
    assert {step: [a.text for a in some] for step, some in found.items()} == {
        0: ["0a"] * 2,
        4: ["1a"] * 2,
        8: ["2a"] * 2,
    }
    one = found[4][0]
    assert (one.tokens, one.capped, one.ids) == (2, False, (ord("1"), ord("a")))
    assert one.confidence == pytest.approx(0.5)
    assert [None if r is None else (r.lora_name, Path(r.lora_path).name) for _, _, r in LLM.asked] == [
        None,
        ("step-4", "checkpoint-4"),
        ("step-8", "checkpoint-8"),
    ]
    assert all(p.temperature == 0.0 and p.stop_token_ids == [END] for _, p, _ in LLM.asked)
    assert engine.greedy(4, [[1]], 2)[0].capped
    assert not engine.greedy(4, [[1]], 3)[0].capped


def test_samples_are_drawn_with_the_seed_that_was_given(engine: VllmEngine) -> None:
    assert [[a.text for a in each] for each in engine.sampled(8, [[1], [2]], 8, 3, 0.7, 11)] == [["2a", "2b", "2c"]] * 2
    params = LLM.asked[-1][1]
    assert (params.n, params.temperature, params.seed) == (3, 0.7, 11)


def test_likelihoods_are_sums_over_the_target_alone(engine: VllmEngine) -> None:
    assert engine.losses(4, [((1, 2), (3, 4, 5)), ((), (6, 7, 8)), ((1,), (2,))]) == [(4.5, 3), (3.0, 2), (1.5, 1)]
    assert engine.options(0, [(1, 2), (3,)], [[(4,), (5, 6)], [(7,)]]) == [[-0.5, -1.0], [-0.5]]
    assert LLM.asked[-1][1].prompt_logprobs == 0


def test_what_vllm_does_not_measure_is_said(engine: VllmEngine) -> None:
    for ask in (lambda: engine.divergence(4, []), lambda: engine.perturbed(4, [], 0.1, 1, 0)):
        with pytest.raises(DonenessError, match="torch"):
            ask()


@pytest.mark.parametrize(
    "config",
    [{"peft_type": "LORA", "r": 8, "use_dora": True}, {"peft_type": "LORA", "r": 8, "modules_to_save": ["lm_head"]},
     {"peft_type": "LORA", "r": 600}, {"peft_type": "IA3", "r": 8}, {"peft_type": "LORA", "r": "x"}, None],
)  # fmt: skip
def test_adapters_that_it_would_not_load_as_trained_are_refused(
    engine: VllmEngine, tmp_path: Path, config: dict[str, Any] | None
) -> None:
    place = tmp_path / "checkpoint-12"
    place.mkdir()
    if config is not None:
        (place / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(DonenessError):
        VllmEngine("base/model", {12: place}, Letters())


def test_without_vllm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    monkeypatch.delitem(sys.modules, "vllm")
    import importlib.util

    if importlib.util.find_spec("vllm") is not None:
        pytest.skip("vLLM is installed")
    with pytest.raises(MissingExtraError, match="vllm"):
        VllmEngine("base/model", {}, Letters())
