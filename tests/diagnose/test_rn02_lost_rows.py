from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from doneness.core import Finding, Status, Verdict
from doneness.diagnose import diagnose
from doneness.runs import Damage, read
from doneness.testing import synthetic as make


def found(damage: Damage) -> tuple[Finding, Verdict]:
    diagnosis = diagnose(replace(make.converged_run(rows=0), damage=damage))
    return next(f for f in diagnosis.findings if f.code == "RN02"), diagnosis.verdict


@pytest.mark.parametrize(
    ("damage", "status"),
    [
        (Damage(), Status.SKIPPED),
        (Damage(0, 500), Status.PASS),
        (Damage(2, 500), Status.PASS),
        (Damage(3, 500), Status.WARN),
        (Damage(100, 500), Status.WARN),
        (Damage(0, 500, cut=True), Status.WARN),
        (Damage(101, 500), Status.FAIL),
        (Damage(101, 500, cut=True), Status.FAIL),
    ],
)
def test_the_share_of_lost_rows_decides(damage: Damage, status: Status) -> None:
    finding, verdict = found(damage)
    assert finding.status is status
    assert (finding.advice is not None) == (status in (Status.WARN, Status.FAIL))
    if status in (Status.WARN, Status.FAIL):
        assert f"{damage.lost:,}" in finding.summary
    if status is Status.FAIL:
        assert verdict is Verdict.UNDECIDED


def test_too_much_damage_is_why_there_is_no_verdict() -> None:
    diagnosis = diagnose(replace(make.converged_run(rows=0), damage=Damage(200, 500)))
    assert diagnosis.headline.args["reason"].key == "diagnose.rn02.grave"
    assert diagnosis.advice is not None
    assert diagnosis.advice.key == "diagnose.rn02.advice"


def test_broken_lines_of_a_file_reach_the_finding(tmp_path: Path) -> None:
    lines = [json.dumps({"step": s, "loss": 2.0 - s / 1000}) for s in range(1, 201)]
    lines[50:60] = [line[:-5] for line in lines[50:60]]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines))
    run = read(path)[0]
    assert run.damage == Damage(10, 200)
    finding = next(f for f in diagnose(run).findings if f.code == "RN02")
    assert finding.status is Status.WARN
    assert "10 of 200" in finding.message.text("en")
