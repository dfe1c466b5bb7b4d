"""Null adapters: as large as the checkpoint's own, pointing nowhere; and what reads as no more than they do."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from doneness.core import DataError
from doneness.probe.asking import CHEAP, Asking
from doneness.probe.measure import Measure
from doneness.probe.null import CONFIG, WEIGHTS, kept_trained, null_readings, write_null
from doneness.probe.panel import Alone, Panel
from doneness.probe.store import Store
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour

torch = pytest.importorskip("torch")
A, B = "base_model.model.q_proj.lora_A.weight", "base_model.model.q_proj.lora_B.weight"


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(1)
    tensors = {
        A: torch.randn(4, 24, generator=generator),
        B: 0.1 * torch.randn(16, 4, generator=generator),
        "base_model.model.norm.weight": torch.ones(8),
    }
    folder = tmp_path / "checkpoint-8"
    folder.mkdir()
    save_file(tensors, str(folder / WEIGHTS))
    (folder / CONFIG).write_text('{"peft_type": "LORA"}')
    return folder


def product(folder: Path) -> torch.Tensor:
    from safetensors.torch import load_file

    tensors = load_file(str(folder / WEIGHTS))
    return tensors[B] @ tensors[A]


@pytest.mark.parametrize("kind", ["shuffled", "random"])
def test_a_null_adapter_is_as_large_and_points_elsewhere(adapter: Path, tmp_path: Path, kind: str) -> None:
    own, null = product(adapter), product(write_null(adapter, tmp_path / "null", 1, kind))
    assert float(null.norm()) == pytest.approx(float(own.norm()), rel=1e-5)
    cosine = float((own * null).sum() / own.norm() ** 2)
    assert abs(cosine) < 0.25
    same, other = (product(write_null(adapter, tmp_path / f"n{s}", s, kind)) for s in (1, 2))
    assert torch.equal(null, same)
    assert not torch.equal(null, other)
    if kind == "shuffled":
        spectra = [torch.linalg.svdvals(each)[:4] for each in (own, null)]
        assert torch.allclose(*spectra, rtol=1e-4)


def test_what_is_no_pair_stays_and_none_is_an_error(adapter: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    out = write_null(adapter, tmp_path / "null", 3)
    assert kept_trained(adapter) == 1
    assert (out / CONFIG).read_text() == (adapter / CONFIG).read_text()
    assert torch.equal(load_file(str(out / WEIGHTS))["base_model.model.norm.weight"], torch.ones(8))
    save_file({"norm": torch.ones(2)}, str(adapter / WEIGHTS))
    with pytest.raises(DataError, match="no LoRA matrices"):
        write_null(adapter, tmp_path / "other", 1)
    save_file({A: torch.ones(4, 24), B: torch.ones(16, 4)}, str(adapter / WEIGHTS))
    assert kept_trained(adapter) == 0


PROBES = tuple(Probe(f"t{i}", "text", "", "", (), asks=("nll",), text=f"text {i}") for i in range(12))
NLL = Measure(
    Behaviour("reference_nll", "lower", "nats", 0.01, False),
    lambda probe, answer: None if answer.nll is None else answer.nll / answer.nll_tokens,
    binary=False,
    needs=("nll",),
)
WRITTEN = Measure(
    Behaviour("length", "none", "tokens", 3.0, False), lambda probe, answer: float(answer.tokens), binary=False
)


def told(step: int, shift: float) -> list[Answer]:
    return [
        Answer(p.id, step, "", 0, 0.0, False, nll=30.0 + i + 10 * shift, nll_tokens=10) for i, p in enumerate(PROBES)
    ]


def test_a_change_no_larger_than_noise_is_not_beyond_it() -> None:
    nulls = [told(-1 - i, shift) for i, shift in enumerate((0.02, 0.05, -0.01, 0.04))]
    for shift, beyond in ((0.06, False), (-1.2, True), (0.9, True)):
        (found,) = null_readings((NLL, WRITTEN), PROBES, {0: told(0, 0.0), 8: told(8, shift)}, nulls, 8)
        assert found.beyond is beyond
        assert found.n == 4
        assert found.z == pytest.approx((found.value - found.mean) / found.sd)
    assert null_readings((NLL,), PROBES, {0: told(0, 0.0), 8: told(8, 0.1)}, nulls[:1], 8) == ()


def test_nulls_that_are_all_alike_leave_only_what_is_not() -> None:
    nulls = [told(-1, 0.0), told(-2, 0.0)]
    same, other = (
        null_readings((NLL,), PROBES, {0: told(0, 0.0), 8: told(8, shift)}, nulls, 8)[0] for shift in (0.0, 0.5)
    )
    assert (same.z, same.beyond) == (0.0, False)
    assert (other.z, other.beyond) == (math.inf, True)


def test_one_null_adapter_in_twenty_is_beyond_the_others() -> None:
    generator = np.random.default_rng(4)
    beyond = 0
    for _ in range(300):
        shifts = generator.normal(0, 0.1, 6)
        nulls = [told(-1 - i, s) for i, s in enumerate(shifts[1:])]
        beyond += null_readings((NLL,), PROBES, {0: told(0, 0.0), 8: told(8, shifts[0])}, nulls, 8)[0].beyond
    assert 0.02 < beyond / 300 < 0.09


class Losses:
    """An engine that knows losses alone."""

    tokenizer = None

    def losses(self, step: int, rows: object) -> list[tuple[float, int]]:
        return [(float(-step), 2) for _ in rows]  # type: ignore[attr-defined]


def test_null_adapters_are_asked_the_cheap_questions_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import doneness.probe.asking as asking

    monkeypatch.setattr(asking, "_rows", lambda engine, job: [((), (1, 2)) for _ in job.probes], raising=False)
    probes = (*PROBES, Probe("k", "knowledge", "?", "", (("right",),)))
    store = Store(None)
    made: list[int] = []

    def opened() -> Losses:
        made.append(1)
        return Losses()

    for _ in range(2):
        panel = Panel(Alone(opened), probes, Asking(batch_size=5), store, {0: "base", 1: "one", 2: "two"})  # type: ignore[arg-type]
        assert panel.ask((1, 2), asks=CHEAP)
        found = list(panel.answers((1, 2), partial=True).values())
    assert made == [1]  # asked once: the second time everything is known
    assert [len(each) for each in found] == [12, 12]
    assert {a.step for a in found[1]} == {2}
    assert found[1][0].nll is not None
