from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from rich.cells import cell_len

import doneness
from doneness.cli.main import main
from doneness.core import Action, StopDecision, Verdict, say
from doneness.report.replayed import meaning
from doneness.runs import EVAL_LOSS, TRAIN_LOSS, Run, Series
from doneness.stopping import PatienceRule, Replayed, replay
from doneness.stopping.summary import Mean, summarise
from doneness.workflows.replay import parse_rule, replay_all

DIP = (2.0, 1.6, 1.4, 1.3, 1.35, 1.45, 1.25, 1.8, 2.0, 2.2)


def run_of(losses: tuple[float, ...], clock: bool = True) -> Run:
    steps = np.arange(10, 10 * len(losses) + 1, 10)
    time = steps * 6.0 if clock else None
    every = np.arange(1, steps[-1] + 1)
    train = Series.of(every, 3.0 - 0.001 * every, time=every * 6.0 if clock else None)
    return Run("past", series={EVAL_LOSS: Series.of(steps, losses, time=time), TRAIN_LOSS: train})


class CoolsThenStops:
    name = "cools at 20, stops at 60"

    def decide(self, run: Run) -> StopDecision:
        action = Action.COOLDOWN if run.last_step >= 20 else Action.CONTINUE
        action = Action.STOP if run.last_step >= 60 else action
        return StopDecision(
            action, Verdict.CONVERGED, say("stopping.none_yet", step=run.last_step), (), run.last_step, 40
        )


def test_one_rule_gives_decisions_and_several_give_outcomes() -> None:
    run = run_of(DIP)
    assert [d.step for d in doneness.replay(run, PatienceRule(2))] == list(range(10, 101, 10))
    early, late = doneness.replay(run, [PatienceRule(2), PatienceRule(3)])
    assert isinstance(early, Replayed)
    assert (early.rule, early.stop_step, early.recommended_step) == ("patience 2", 60, 40)
    assert (early.best, early.reached) == (1.25, 1.3)
    assert early.forgone == pytest.approx(0.05) and early.forgone_share == pytest.approx(0.04)
    assert (early.share_run, early.saved_steps, early.saved_seconds) == (0.6, 40, 240.0)
    assert (late.stop_step, late.share_run, late.forgone) == (100, 1.0, 0.0)


def test_a_run_that_no_rule_stops_forgoes_and_saves_nothing() -> None:
    (found,) = replay(run_of(tuple(2.0 - 0.1 * i for i in range(10))), [PatienceRule(3)])
    assert (found.stop_step, found.verdict, found.share_run, found.saved_steps) == (None, None, 1.0, 0)
    assert (found.forgone, found.saved_seconds) == (0.0, 0.0)


def test_a_cooldown_does_not_end_a_past_run() -> None:
    (found,) = replay(run_of(DIP), [CoolsThenStops()])
    assert (found.cooldown_step, found.stop_step) == (20, 60)


def test_what_the_log_does_not_tell_stays_unknown() -> None:
    nan = float("nan")
    (found,) = replay(run_of((nan,) * 6, clock=False), [PatienceRule(2)])
    assert found.stop_step == 30
    assert (found.best, found.forgone, found.forgone_share, found.saved_seconds) == (None, None, None, None)
    (rewarding,) = replay(run_of((-1.0, -0.5, -0.4, -2.0)), [PatienceRule(2)])
    assert rewarding.forgone == 1.0 and rewarding.forgone_share is None


def outcomes(*shares: float) -> list[Replayed]:
    one = replay(run_of(DIP), [PatienceRule(2)])[0]
    return [replace(one, best=1.0, reached=1.0 + share) for share in shares]


def test_groups_weigh_the_same_and_are_what_is_resampled() -> None:
    many = summarise(outcomes(*[0.5] * 90, 0.0, 0.0, 0.0, 0.0), ["a"] * 90 + ["b", "c", "d", "e"])
    assert many.groups == 5 and many.runs == 94
    assert many.forgone_share.value == pytest.approx(0.1)
    assert many.forgone_share.interval is not None
    low, high = many.forgone_share.interval
    assert low == 0.0 and 0.2 < high < 0.4
    alone = summarise(outcomes(*[0.5] * 90, 0.0, 0.0, 0.0, 0.0), [str(i) for i in range(94)])
    assert alone.forgone_share.interval is not None
    assert alone.forgone_share.interval[1] - alone.forgone_share.interval[0] < 0.1
    assert summarise(outcomes(0.1, 0.2), ["a", "b"]).forgone_share.interval is None
    assert summarise(outcomes(*[0.1] * 9), list("abcdefghi")).forgone_share.interval is None
    assert many.harmed == 90
    with pytest.raises(ValueError, match="group"):
        summarise([], [])


def test_the_sentence_says_what_the_numbers_allow() -> None:
    base = summarise(outcomes(*[0.001 * i for i in range(8)]), list("abcdefgh"))
    good = replace(base, rule="good", forgone_share=Mean(0.002, (0.0, 0.005), 8), share_run=Mean(0.6, (0.5, 0.7), 8))
    better = replace(good, rule="better", share_run=Mean(0.5, (0.4, 0.6), 8))
    bad = replace(good, rule="bad", forgone_share=Mean(0.05, (0.004, 0.2), 8), share_run=Mean(0.2, (0.1, 0.3), 8))
    idle = replace(good, rule="idle", forgone_share=Mean(0.0, None, 8), share_run=Mean(1.0, None, 8))
    assert "better saves most" in meaning([good, better, bad, idle]) and "50\u00a0%" in meaning([better])
    assert meaning([bad, idle]).startswith("No rule") and "bad" in meaning([bad, idle])
    assert meaning([idle]).startswith("None of these rules would have stopped")
    assert meaning([replace(good, groups=3)]).startswith("Too few")


def state(folder: Path, losses: tuple[float, ...]) -> None:
    folder.mkdir(parents=True)
    rows = [{"step": s, "epoch": s / 50, "loss": 3.0 - 0.01 * s} for s in range(1, 10 * len(losses) + 1)]
    rows += [{"step": 10 * (i + 1), "epoch": (i + 1) / 5, "eval_loss": v} for i, v in enumerate(losses)]
    rows.sort(key=lambda row: row["step"])  # stable: a Trainer logs the loss, then evaluates
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": rows, "max_steps": 10 * len(losses)}))


@pytest.fixture
def past(tmp_path: Path) -> Path:
    for group in range(5):
        for index in range(2):
            tail = tuple(v + 0.01 * group * (i > 5) for i, v in enumerate(DIP))
            state(tmp_path / f"project-{group}" / f"run-{index}", tail)
    state(tmp_path / "project-0" / "short", (2.0, 1.0))
    return tmp_path


def test_folders_are_groups(past: Path) -> None:
    rules = [parse_rule("patience:2")]
    found = replay_all([past], rules)
    assert found.grouped and {each.group for each in found.runs} == {f"project-{i}" for i in range(5)}
    assert [run.name for run in found.left_out] == ["short"]
    assert not replay_all([past / "project-0"], rules).grouped
    by_name = replay_all([past], rules, group=r"(run-\d)")
    assert {each.group for each in by_name.runs} == {"run-0", "run-1"}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_fits_80_columns_in_both_languages(
    lang: str, past: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rules = ["--rule", "patience:2", "--rule", "patience:3:0.01"]
    assert main(["--lang", lang, "replay", str(past), *rules, "--each"]) == 0
    out = capsys.readouterr().out
    assert max(cell_len(line) for line in out.splitlines()) <= 80
    for word in ("patience 2", "patience 3, threshold 0.01", "project-4/run-1"):
        assert word in out
    assert "10/10" in out
    assert main(["--lang", lang, "replay", str(past / "project-0" / "run-0")]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("evidence", "patience 1", "patience 5"))
    assert max(cell_len(line) for line in out.splitlines()) <= 80


def test_json_holds_rules_and_runs(past: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(past), "--rule", "patience:2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "doneness.replay/1"
    (rule,) = found["rules"]
    assert (rule["rule"], rule["runs"], rule["groups"], rule["stopped"]) == ("patience 2", 10, 5, 10)
    assert rule["saved_steps"] == sum(run["rules"][0]["saved_steps"] for run in found["runs"]) == 400
    assert found["left_out"] == [{"run": "short", "evaluations": 2, "reason": "evaluations"}]


def test_json_keeps_to_its_published_schema(past: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--schema"]) == 0
    published = json.loads(capsys.readouterr().out)
    checker = jsonschema.Draft202012Validator(published)
    checker.check_schema(published)
    file = past / "project-1" / "run-0" / "trainer_state.json"
    told = json.loads(file.read_text())
    told["log_history"] += [{"step": 100, "rewards/chosen": 0.1}, {"step": 101, "rewards/chosen": 0.1}]
    file.write_text(json.dumps(told))
    for paths, code in (([past, past / "nowhere"], 2), ([past / "project-0" / "run-0"], 0), ([past / "nowhere"], 2)):
        assert main(["replay", *map(str, paths), "--rule", "patience:2", "--rule", "patience:9", "--json"]) == code
        found = json.loads(capsys.readouterr().out)
        assert [e.message for e in checker.iter_errors(found)] == []
    assert main(["replay", str(past), "--rule", "patience:2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {each["reason"] for each in found["left_out"]} == {"evaluations", "preference"}
    assert found["runs"][0]["group"] and found["rules"][0]["share_run"]["value"]
    found["runs"][0]["rules"][0]["verdict"] = "fine"
    found["more"] = 1
    assert len(list(checker.iter_errors(found))) == 2


@pytest.mark.parametrize("command", ["replay", "compare", "check"])
def test_without_a_path_it_says_what_to_give(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and f"doneness {command} " in err


def test_nothing_to_replay_is_said(past: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(past / "project-0" / "short")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(["replay", str(past / "project-1"), str(past / "nowhere"), "--rule", "patience:1"]) == 2
    got = capsys.readouterr()
    assert "patience 1" in got.out and "nowhere" in got.err


@pytest.mark.parametrize(
    "text",
    [
        "",
        "patience",
        "patience:0",
        "patience:2:x",
        "patience:3:nan",
        "patience:3:inf",
        "patience:1:2:3",
        "evidence:1",
        "hope",
    ],
)
def test_rules_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="patience:3"):
        parse_rule(text)


def test_rules_are_named_by_their_settings() -> None:
    assert [parse_rule(t).name for t in ("evidence", "patience:3", "patience:3:0.01")] == [
        "evidence", "patience 3", "patience 3, threshold 0.01",
    ]  # fmt: skip


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_two_runs_are_described_and_not_averaged(lang: str, past: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lang", lang, "replay", str(past / "project-0"), "--rule", "patience:2"]) == 0
    out = capsys.readouterr().out
    assert ("Too few" if lang == "en" else "不足以") in out
    assert "bootstrap" not in out and "自助抽样" not in out
    assert main(["--lang", lang, "replay", str(past), "--rule", "patience:2"]) == 0
    out = capsys.readouterr().out
    assert "bootstrap" in out or "自助抽样" in out


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_preference_runs_are_left_out_and_counted(lang: str, past: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = past / "project-1" / "run-0" / "trainer_state.json"
    told = json.loads(file.read_text())
    told["log_history"] += [{"step": s, "rewards/chosen": 0.1} for s in range(10, 101, 10)]
    file.write_text(json.dumps(told))
    assert main(["--lang", lang, "replay", str(past / "project-1"), "--rule", "patience:2"]) == 0
    assert ("preference" if lang == "en" else "偏好") in capsys.readouterr().out
    assert main(["replay", str(past / "project-1"), "--rule", "patience:2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["run"], each["reason"]) for each in found["left_out"]] == [("run-0", "preference")]
    assert found["rules"][0]["runs"] == 1
    assert main(["--lang", lang, "replay", str(file)]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and ("preference" if lang == "en" else "偏好") in err
