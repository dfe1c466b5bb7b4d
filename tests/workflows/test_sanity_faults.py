"""A fault planted in a real pipeline is named first; a healthy one passes. One taught tiny model serves all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.train.conftest import Quiet

from doneness.cli.main import main
from doneness.config import dump_recipe, load_recipe
from doneness.core import DataError
from doneness.runs import read
from doneness.testing.faults import FAULTS, plant, questions, taught_model
from doneness.testing.tiny import write_rows
from doneness.workflows.ladder import Asked, ladder_run
from doneness.workflows.sanity import Sane, examine, prepare, sanity_recipe, sanity_run
from doneness.workflows.train import at_home

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    # `tiny_model` keeps later trainings short; see there.
    return taught_model(tmp_path_factory.mktemp("taught"))


class Impatient(Quiet):
    """Ctrl-C at the second evaluation."""

    def evaluated(self, record: dict[str, Any], decision: Any) -> None:
        if record["step"] == 2:
            raise KeyboardInterrupt


def examined(fault: str, folder: Path, model: Path) -> Sane:
    recipe, after = plant(fault, folder, model)
    own = at_home(sanity_recipe(recipe, 1000, recipe.schedule.epochs))
    return examine(after(prepare(own, lambda line: None)), Quiet())


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "healthy"])
def test_the_planted_fault_is_named_first(fault: str, tmp_path: Path, taught: Path) -> None:
    sane = examined(fault, tmp_path, taught)
    assert not sane.passed
    assert sane.causes[0].code == FAULTS[fault], [c.summary for c in sane.causes]
    assert sane.cause_line is not None
    written = json.loads((sane.folder / "sanity.json").read_text(encoding="utf-8"))
    assert (written["passed"], written["cause"]) == (False, FAULTS[fault])


def test_a_healthy_pipeline_passes_and_its_run_is_a_run(
    tmp_path: Path, taught: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, _ = plant("healthy", tmp_path, taught)
    file = tmp_path / "r.toml"
    file.write_text(dump_recipe(recipe), encoding="utf-8")
    command = ["sanity", str(file), "--epochs", "80", "method.dropout=0.5"]
    with pytest.raises(KeyboardInterrupt):
        sanity_run(load_recipe(str(file), ["method.dropout=0.5"]), Impatient(), epochs=80)
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "Learns: 16 rows by heart" in shown
    assert "without dropout" in shown
    run = read(Path(f"{recipe.run.folder}-sanity"))[0]
    assert run.last_step < 80, "it stops as soon as that is decided"
    assert [e.kind for e in run.events if e.kind in ("resume", "end")] == ["resume", "end"]
    assert float(run.series["eval/exact"].value[-1]) >= 0.75
    # Again: what was trained is kept, and judged alike.
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["passed"], told["cause"], told["rows"]) == (True, None, 16)
    # The law is of pretraining.
    assert main(["sanity", f"{recipe.run.folder}-sanity", "--law", "--json"]) == 2
    assert "run.stage sft, method full" in capsys.readouterr().err


def test_a_ladder_counts_rows_and_seeds(tmp_path: Path, taught: Path) -> None:
    recipe, _ = plant("healthy", tmp_path, taught)
    rows = write_rows(tmp_path / "more.jsonl", questions(48, 3))
    held = write_rows(tmp_path / "held.jsonl", [(f"Also {q}", a) for q, a in questions(12, 9)])
    data = replace(recipe.data, train=str(rows), eval=str(held), hold_out="auto")
    recipe = replace(recipe, data=data, schedule=replace(recipe.schedule, epochs=3.0))
    found = ladder_run(recipe, Asked((8, 16, 99), seeds=2), Quiet())
    assert [(r.rows, r.runs) for r in found.rungs] == [(8, 2), (16, 2), (48, 2)]
    assert found.rungs[0].interval is None
    assert all(r.interval is not None and r.interval[0] < (r.gain or 0.0) < r.interval[1] for r in found.rungs[1:])
    assert found.word in ("rises", "flat", "worse", "unsure")
    assert (found.whole, found.repeats) == (48, 0.0)
    small = read(Path(f"{recipe.run.folder}-ladder") / "8-0")[0]
    assert small.number("planned_steps") == 9, "as many as the largest rung"
    assert ladder_run(recipe, Asked((8, 16, 99), seeds=2), Quiet()).rungs == found.rungs


def test_what_cannot_be_asked_is_refused(tmp_path: Path, taught: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, _ = plant("healthy", tmp_path, taught)
    with pytest.raises(DataError):
        sanity_run(recipe, Quiet(), rows=5)
    with pytest.raises(DataError):
        ladder_run(recipe, Asked((8, 16)), Quiet())
    file = tmp_path / "r.toml"
    file.write_text(dump_recipe(recipe), encoding="utf-8")
    for command in (["sanity"], ["sanity", str(file), "--ladder", "many"], ["sanity", str(file), "run.stage=dpo"],
                    ["sanity", "--law"], ["sanity", "--law", "--parameters", "big", "--tokens", "1"]):  # fmt: skip
        assert main(command) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "run-sanity").exists()


def test_the_law_answers_for_numbers_and_for_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["sanity", "--law", "--parameters", "1.1B", "--tokens", "50e6x1000"]
    for loss, word in (("2.5", "Normal"), ("3.4", "Above"), ("1.5", "Below")):
        assert main([*asked, "--loss", loss]) == 0
        assert word in capsys.readouterr().out
    log = tmp_path / "log.jsonl"
    lines = [{"step": s, "loss": 2.9 - s / 1000, "tokens": s * 1e8} for s in range(1, 400)]
    log.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    assert main(["sanity", str(log), "--law", "--parameters", "1.1B", "--tokens", "4e10", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["word"] == "within"
    assert told["loss"] == pytest.approx(2.53, abs=0.02)
