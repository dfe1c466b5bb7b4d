from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import reader_logs as logs

from doneness.core import UnreadableError
from doneness.runs import read

NAN = float("nan")


def test_bare_nan_and_infinity_are_values(tmp_path: Path) -> None:
    run = read(logs.put(tmp_path / "x.json", logs.state([{"step": 1, "loss": NAN}, {"step": 2, "loss": math.inf}])))[0]
    assert run.train is not None
    assert math.isnan(run.train.value[0])
    assert run.train.value[1] == math.inf
    assert run.name == "x"


def test_several_evaluation_sets_are_kept_apart(tmp_path: Path) -> None:
    log = [
        {"step": 1, "eval_med/zh_loss": 2.0, "eval_med/zh_runtime": 1.0, "eval_med/zh_f1": 0.5},
        {"step": 1, "eval_gen_loss": 3.0, "eval_gen_runtime": 1.0},
    ]
    run = read(logs.put(tmp_path / "x.json", logs.state(log)))[0]
    assert run.series["eval:med/zh/loss"].value.tolist() == [2.0]
    assert run.series["eval:med/zh/f1"].value.tolist() == [0.5]
    assert run.series["eval:gen/loss"].value.tolist() == [3.0]
    assert run.series["eval/loss"].value.tolist() == [2.0]
    assert any("2 evaluation sets" in n and "med/zh" in n for n in run.notes)


def test_a_plain_eval_loss_comes_before_named_ones_and_the_only_one_needs_no_note(tmp_path: Path) -> None:
    log = [{"step": 1, "eval_loss": 1.0, "eval_a_loss": 2.0, "eval_a_runtime": 1.0, "eval_runtime": 1.0}]
    run = read(logs.put(tmp_path / "x.json", logs.state(log)))[0]
    assert run.series["eval/loss"].value.tolist() == [1.0]
    assert run.series["eval:a/loss"].value.tolist() == [2.0]
    run = read(logs.put(tmp_path / "y.json", logs.state([{"step": 1, "eval_a_loss": 2.0}])))[0]
    assert run.series["eval/loss"].value.tolist() == [2.0]
    assert run.notes == ()


def test_a_metric_called_loss_is_no_evaluation_set(tmp_path: Path) -> None:
    log = [{"step": 1, "eval_loss": 1.0, "eval_sft_loss": 2.0, "eval_runtime": 1.0}]
    run = read(logs.put(tmp_path / "x.json", logs.state(log)))[0]
    assert run.series["eval/sft_loss"].value.tolist() == [2.0]
    assert not any(name.startswith("eval:") for name in run.series)


def test_the_summary_row_is_no_point(tmp_path: Path) -> None:
    log = [*logs.rows(3), {"step": 3, "train_loss": 9.0, "train_runtime": 70.0, "total_flos": 1.0}]
    run = read(logs.put(tmp_path / "x.json", logs.state(log)))[0]
    assert run.train is not None
    assert len(run.train) == 3
    assert "train/train_loss" not in run.series
    assert run.meta["train_seconds"] == 70.0


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_a_cut_file_keeps_the_rows_before_the_cut(tmp_path: Path, cut: float) -> None:
    whole = logs.state(logs.rows(50))
    end = whole.index("]")
    text = whole[: int(end * cut)]
    run = read(logs.put(tmp_path / "trainer_state.json", text))[0]
    assert run.train is not None
    assert run.train.step.tolist() == list(range(1, text.count("}") + 1))
    assert any("cut in the middle" in n for n in run.notes)


def test_a_damaged_row_costs_itself_and_is_told(tmp_path: Path) -> None:
    text = logs.state(logs.rows(40)).replace('"step": 7\n', '"step": 7, x\n').replace('"step": 20\n', '"step" 20\n')
    run = read(logs.put(tmp_path / "trainer_state.json", text))[0]
    assert run.train is not None
    assert run.train.step.tolist() == [s for s in range(1, 41) if s not in (7, 20)]
    assert run.meta["planned_steps"] == 30
    assert any("2 rows (5.0%)" in n for n in run.notes)


def test_a_resume_supersedes_what_came_after_it(tmp_path: Path) -> None:
    log = [*logs.rows(50, 10), *({"step": s, "loss": 9.0} for s in (30, 40))]
    run = read(logs.put(tmp_path / "x.json", logs.state(log)))[0]
    assert run.train is not None
    assert run.train.step.tolist() == [10, 20, 30, 40]
    assert run.train.value.tolist()[2:] == [9.0, 9.0]
    assert [(e.kind, e.step) for e in run.events] == [("resume", 30)]
    assert any("3 earlier rows" in n for n in run.notes)


def test_preference_columns_are_kept_and_tell_the_method(tmp_path: Path) -> None:
    log = [{"step": 1, "loss": 0.69, "rewards/chosen": 0.1, "rewards/rejected": 0.0, "rewards/accuracies": 0.5}]
    run = read(logs.put(tmp_path / "x.json", logs.state(log)))[0]
    assert run.series["train/rewards/accuracies"].value.tolist() == [0.5]
    assert run.meta["method"] == "dpo"
    log = [{"step": 1, "loss": 0.0, "reward": 0.1, "completion_length": 80.0, "kl": 0.01}]
    run = read(logs.put(tmp_path / "y.json", logs.state(log)))[0]
    assert run.meta["method"] == "grpo"
    assert run.series["train/completion_length"].value.tolist() == [80.0]


def test_tokens_and_the_clock_are_taken_where_logged(tmp_path: Path) -> None:
    log = [
        {"step": s, "loss": 1.0, "num_input_tokens_seen": 100 * s, "elapsed_time": "4 days, 5:06:09"} for s in (1, 2)
    ]
    run = read(logs.put(tmp_path / "x.json", logs.state(log)))[0]
    assert run.train is not None
    assert run.train.tokens.tolist() == [100, 200]
    assert run.train.time.tolist() == [4 * 86400 + 5 * 3600 + 6 * 60 + 9] * 2


def test_checkpoints_of_one_run_are_one_run(tmp_path: Path) -> None:
    for step in (10, 20, 30):
        logs.put(tmp_path / "out" / f"checkpoint-{step}" / "trainer_state.json", logs.state(logs.rows(step)))
    runs = read(tmp_path / "out")
    assert len(runs) == 1
    assert runs[0].name == "out"
    assert runs[0].last_step == 30
    assert [c.step for c in runs[0].checkpoints] == [10, 20, 30]
    early = read(tmp_path / "out" / "checkpoint-20")
    assert [r.last_step for r in early] == [20]


def test_one_path_may_hold_two_runs(tmp_path: Path) -> None:
    for step, start in ((10, 5.0), (20, 3.0), (30, 3.0)):
        place = tmp_path / "out" / f"checkpoint-{step}" / "trainer_state.json"
        logs.put(place, logs.state(logs.rows(step, start=start)))
    runs = read(tmp_path / "out")
    assert [r.last_step for r in runs] == [30, 10]
    assert [[c.step for c in r.checkpoints] for r in runs] == [[20, 30], [10]]
    assert runs[1].name == "out/checkpoint-10"


def test_nans_do_not_part_the_checkpoints_of_one_run(tmp_path: Path) -> None:
    log = [{"step": s, "loss": NAN, "grad_norm": NAN} for s in range(1, 5)]
    for step in (2, 4):
        logs.put(tmp_path / f"checkpoint-{step}" / "trainer_state.json", logs.state(log[:step]))
    assert len(read(tmp_path)) == 1


def test_a_broken_checkpoint_log_does_not_hide_the_others(tmp_path: Path) -> None:
    logs.put(tmp_path / "checkpoint-10" / "trainer_state.json", logs.state(logs.rows(10)))
    logs.put(tmp_path / "checkpoint-20" / "trainer_state.json", "")
    run = read(tmp_path)[0]
    assert run.last_step == 10
    assert any("1 checkpoint logs could not be read" in n and "checkpoint-20" in n for n in run.notes)


def test_facts_beside_the_log_are_told_and_pickles_stay_closed(tmp_path: Path) -> None:
    logs.put(tmp_path / "trainer_state.json", logs.state(logs.rows(5)))
    logs.put(tmp_path / "config.json", json.dumps({"architectures": ["QwenForCausalLM"], "vocab_size": 151936}))
    logs.put(tmp_path / "adapter_config.json", json.dumps({"base_model_name_or_path": "a/b", "r": 8}))
    logs.put(tmp_path / "training_args.bin", b"cos\nsystem\n(S'touch owned'\ntR.")
    run = read(tmp_path)[0]
    assert run.meta["vocab_size"] == 151936
    assert run.meta["task"] == "causal-lm"
    assert (run.meta["model"], run.meta["lora_rank"]) == ("a/b", 8)
    assert not (tmp_path / "owned").exists()


def test_what_holds_no_history_is_refused_in_one_line(tmp_path: Path) -> None:
    for content, part in (
        ('{"log_hist', "cut"),
        ('{"a": 1}', "no trainer_state.json"),
        ('{"log_history": [3]}', "nothing"),
    ):
        with pytest.raises(UnreadableError, match=part) as caught:
            read(logs.put(tmp_path / "trainer_state.json", content))
        assert "\n" not in str(caught.value)
