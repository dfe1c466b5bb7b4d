"""The line over a pair: how many pairs have votes, told at once although the ranking is of a moment ago."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from doneness.web.site import Vote
from doneness.web.where import Where
from doneness.workflows.serve import Workflows
from doneness.workflows.serve_jobs import unit
from tests.web.served import write_probed, write_run


def test_every_vote_and_every_vote_taken_back_is_counted_at_once(tmp_path: Path) -> None:
    run, site = write_probed(tmp_path / "probed"), Workflows()
    told: dict[str, Any] = dict(site.next_pair(run, "Ann", "en"))
    assert told["units"] == 0
    for number in (1, 2, 3):
        told = dict(site.record_vote(run, Vote(told["token"], "1", "Ann", {}, ""), "en"))
        assert (told["voted"], told["units"]) == (number, number)
    assert site.undo_vote(run, "Ann", "en")["units"] == 2


def test_what_cannot_be_read_beside_a_run_is_said_in_both_languages(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert unit(Where(tmp_path, "run", "1", True), None)["error"] is None
    (run / "sub").mkdir()
    (run / "sub" / "trainer_state.json").write_text("no JSON")
    found = unit(Where(tmp_path, "run", "2", True), None)
    assert len(found["runs"]) == 1 and "trainer_state.json" in found["error"]["en"]
    assert found["error"]["zh"] != found["error"]["en"] and str(tmp_path) not in found["error"]["en"]


def test_a_loose_log_is_called_by_its_file(tmp_path: Path) -> None:
    rows = "".join(f'{{"step": {s}, "loss": {3 - 0.1 * s}}},' for s in range(1, 9)).rstrip(",")
    (tmp_path / "trainer_state.json").write_text(f'{{"log_history": [{rows}]}}')
    (row,) = unit(Where(tmp_path, "trainer_state.json", "1", False), None)["runs"]
    assert row.name == "trainer_state.json"
