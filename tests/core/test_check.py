from __future__ import annotations

from doneness.core import Check, Finding, Status, healthy, run_checks, say

GOOD = Finding("XX01", Status.PASS, say("probe.choice.only", step=1), value=1.0, interval=(0.5, 1.5), n=10)


def raising(subject: object) -> Finding:
    raise ZeroDivisionError("planted")


def test_the_runner_alone_makes_skipped_and_error() -> None:
    checks = [
        Check[object]("XX01", lambda s: GOOD),
        Check[object]("XX02", lambda s: GOOD, missing=lambda s: say("probe.choice.not_probed")),
        Check[object]("XX03", raising),
    ]
    checks.append(Check[object]("XX04", lambda s: GOOD, missing=lambda s: say(str(1 // 0))))
    found = run_checks(checks, object())
    assert [f.status for f in found] == [Status.PASS, Status.SKIPPED, Status.ERROR, Status.ERROR]
    assert "planted" in found[2].summary
    assert "XX02" in found[1].summary


def test_absence_and_crashes_are_never_health() -> None:
    for status in Status:
        checks = [Check[object]("XX01", lambda s: GOOD, required=True)]
        finding = Finding("XX01", status, GOOD.message)
        assert healthy(checks, [finding]) is (status in (Status.PASS, Status.WARN))
    assert not healthy([Check[object]("XX01", lambda s: GOOD, required=True)], [])


def test_a_finding_survives_json() -> None:
    assert Finding.from_dict(GOOD.to_dict()) == GOOD
