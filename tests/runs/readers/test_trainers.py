"""Output folders of trainers that build on Hugging Face's: axolotl, MedicalGPT, ms-swift."""

from __future__ import annotations

import json
from pathlib import Path

import reader_logs as logs

from doneness.runs import Run, read

AXOLOTL = """base_model: meta-llama/Llama-3.1-8B  # the base
adapter: lora
lora_r: 16
rl: {rl}
datasets:
  - path: mhenrichsen/alpaca_2k_test
    type: alpaca
val_set_size: 0.05
micro_batch_size: 2
gradient_accumulation_steps: 4
num_epochs: 3
warmup_steps: 10
seed: 42
"""
SWIFT = [
    {"loss": 2.5, "token_acc": 0.5, "learning_rate": 1e-4, "grad_norm": 1.5, "epoch": 0.05, "step": "5/100"},
    {"loss": 2.25, "token_acc": 0.55, "learning_rate": 1e-4, "grad_norm": 1.25, "epoch": 0.1, "step": "10/100"},
    {"eval_loss": 2.0, "eval_token_acc": 0.6, "eval_runtime": 1.5, "epoch": 0.1, "step": "10/100"},
    {"loss": 2.0, "token_acc": 0.6, "learning_rate": 9e-5, "grad_norm": 1.0, "epoch": 0.15, "step": "15/100"},
]


def one(path: Path) -> Run:
    runs = read(path)
    assert len(runs) == 1
    return runs[0]


def swift_lines() -> str:
    out = ""
    for row in SWIFT:
        more = {
            "global_step/max_steps": row["step"],
            "percentage": "5.00%",
            "elapsed_time": "1m 5s",
            "memory(GiB)": 9.5,
        }
        out += json.dumps({k: v for k, v in row.items() if k != "step"} | more) + "\n"
    return out


def test_axolotl_keeps_its_configuration_beside_the_checkpoints(tmp_path: Path) -> None:
    for step in (10, 20):
        logs.put(tmp_path / f"checkpoint-{step}" / "trainer_state.json", logs.state(logs.rows(step)))
    logs.put(tmp_path / "axolotl_config.yaml", AXOLOTL.format(rl=""))
    logs.put(
        tmp_path / "debug.log", "[2026-01-01 00:00:00,000] [INFO] [axolotl.train] [PID:1] {'loss': 9.0, 'epoch': 1}\n"
    )
    logs.put(tmp_path / "config.json", '{"architectures": ["LlamaForCausalLM"], "vocab_size": 128256}')
    for place in (tmp_path, tmp_path / "checkpoint-20"):
        run = one(place)
        expected = {
            "model": "meta-llama/Llama-3.1-8B",
            "lora_rank": 16,
            "batch_size": 4,  # the state's own count goes before the configuration's
            "accumulation": 4,
            "warmup_steps": 10,
            "seed": 42,
            "planned_steps": 30,
            "vocab_size": 128256,
        }
        assert {k: run.meta.get(k) for k in expected} == expected
        assert "method" not in run.meta
        assert run.last_step == 20
    logs.put(tmp_path / "axolotl_config.yaml", AXOLOTL.format(rl="dpo"))
    assert one(tmp_path).meta["method"] == "dpo"


def test_axolotl_before_its_first_checkpoint_has_its_log_alone(tmp_path: Path) -> None:
    text = "[2026-01-01 00:00:00,000] [INFO] [axolotl.train.execute_training:205] [PID:1] Starting trainer...\n"
    for step in range(1, 9):
        text += f"\r {step}%|█ | {step}/90 [00:0{step}<10:00,  1.00it/s]\x1b[A\n"
        loss = round(3 - 0.125 * step, 3)
        text += f"{{'loss': {loss}, 'grad_norm': 1.5, 'learning_rate': 0.0001, 'ppl': 9.5, 'epoch': {step / 30:.2f}}}\n"
    logs.put(tmp_path / "axolotl_config.yaml", AXOLOTL.format(rl=""))
    logs.put(tmp_path / "debug.log", text)
    run = one(tmp_path)
    assert run.train is not None
    assert run.train.step.tolist() == list(range(1, 9))
    assert run.train.value[0] == 2.875
    assert run.meta["planned_steps"] == 90


def test_medicalgpt_tells_the_rows_and_the_last_evaluation(tmp_path: Path) -> None:
    log = [*logs.rows(30), {"epoch": 3.0, "step": 30, "total_flos": 1e15, "train_loss": 2.5, "train_runtime": 60.0}]
    logs.put(tmp_path / "trainer_state.json", logs.state(log))
    logs.put(tmp_path / "checkpoint-20" / "trainer_state.json", logs.state(logs.rows(20)))
    results = {"train_loss": 2.5, "train_runtime": 60.0, "train_samples": 120}
    logs.put(tmp_path / "train_results.json", json.dumps(results))
    final = {"eval_loss": 2.625, "eval_samples": 40, "perplexity": 13.8}
    logs.put(tmp_path / "all_results.json", json.dumps(results | final))
    run = one(tmp_path)
    expected = {
        "planned_steps": 30,
        "train_rows": 120,
        "eval_rows": 40,
        "final_eval_loss": 2.625,
        "train_seconds": 60.0,
    }
    assert {k: run.meta.get(k) for k in expected} == expected
    assert "train/train_loss" not in run.series
    assert [c.step for c in run.checkpoints] == [20]


def test_medicalgpt_prints_its_metrics_twice(tmp_path: Path) -> None:
    text = "2026-01-01 00:00:00.000 | INFO | __main__:main:1100 - *** Train ***\n"
    for step in range(1, 13):
        text += f"\r {step}%|\x1b[32m█\x1b[0m| {step}/12 [00:{step:02d}<00:30,  1.00s/it]"
        if step % 2 == 0:
            text += (
                f"\r{{'loss': {3 - 0.125 * step}, 'grad_norm': 1.5, 'learning_rate': 2e-05, 'epoch': {step / 6:.2f}}}\n"
            )
        if step % 6 == 0:
            text += f"{{'eval_loss': {2.75 - step / 16}, 'eval_runtime': 1.5123, 'epoch': {step / 6:.2f}}}\n"
    text += "{'train_runtime': 12.3456, 'train_samples_per_second': 9.7, 'train_loss': 2.25, 'epoch': 2.0}\n"
    text += (
        "2026-01-01 00:00:12.000 | DEBUG | __main__:main:1122 - Training metrics: {'train_runtime': 12.3456, "
        "'train_samples_per_second': 9.72, 'train_loss': 2.25, 'epoch': 2.0, 'train_samples': 120}\n"
    )
    text += "\r 10%|█ | 1/10 [00:00<00:01,  9.00it/s]\r{'eval_loss': 1.9375, 'eval_runtime': 1.4, 'epoch': 2.0}\n"
    text += (
        "2026-01-01 00:00:14.000 | DEBUG | __main__:main:1150 - Eval metrics: {'eval_loss': 1.9375, "
        "'eval_runtime': 1.4002, 'epoch': 2.0, 'eval_samples': 40, 'perplexity': 6.94}\n"
    )
    run = one(logs.put(tmp_path / "run_sft.log", text))
    assert run.train is not None
    assert run.train.step.tolist() == [2, 4, 6, 8, 10, 12]
    assert run.evals is not None
    assert run.evals.step.tolist() == [6, 12]
    assert run.evals.value.tolist() == [2.375, 1.9375]
    assert run.meta["planned_steps"] == 12


def test_medicalgpts_own_loop_prints_sentences(tmp_path: Path) -> None:
    text = "".join(
        f"2026-01-01 00:00:00.000 | INFO | __main__:main:1000 - Step {s}: loss = {3 - 0.125 * s:.4f}, lr = 2.00e-05\n"
        + (
            f"2026 | INFO | __main__:main:1030 - Step {s}: eval_loss = 2.5000, perplexity = 12.18\n"
            if s % 4 == 0
            else ""
        )
        for s in range(1, 13)
    )
    run = one(logs.put(tmp_path / "train.log", text))
    assert run.train is not None
    assert run.train.step.tolist() == list(range(1, 13))
    assert run.train.value[0] == 2.875
    assert run.evals is not None
    assert run.evals.step.tolist() == [4, 8, 12]
    assert run.series["train/learning_rate"].value[0] == 2e-5


def test_swift_writes_its_planned_steps_into_each_row(tmp_path: Path) -> None:
    file = logs.put(tmp_path / "v0-20260101" / "logging.jsonl", swift_lines())
    arguments = {"model": "Qwen/Qwen3-8B", "model_type": "qwen3", "rlhf_type": "kto", "lora_rank": 8, "max_steps": -1}
    logs.put(file.parent / "args.json", json.dumps(arguments))
    for place in (tmp_path, file):
        run = one(place)
        assert run.name == "v0-20260101"
        assert run.train is not None
        assert run.train.step.tolist() == [5, 10, 15]
        assert run.train.time.tolist() == [65.0, 65.0, 65.0]
        assert run.evals is not None
        assert run.evals.step.tolist() == [10]
        facts = {k: run.meta.get(k) for k in ("planned_steps", "model", "method", "lora_rank")}
        assert facts == {"planned_steps": 100, "model": "Qwen/Qwen3-8B", "method": "kto", "lora_rank": 8}


def test_a_cut_swift_log_keeps_its_rows_and_its_plan(tmp_path: Path) -> None:
    run = one(logs.put(tmp_path / "logging.jsonl", swift_lines()[:-30]))
    assert run.train is not None
    assert run.train.step.tolist() == [5, 10]
    assert run.meta["planned_steps"] == 100
    assert run.notes
