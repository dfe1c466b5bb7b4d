"""RN02: rows of the log were lost.

What it finds: a log of which rows could not be read (broken lines, records with a wrong checksum,
steps or losses that are no numbers), or one that is cut, so that nobody knows what is missing.

How: the share of lost rows, as the reader counted them; rows that a resume superseded are not lost.
Up to 0.5 % passes: curves are judged by medians, trends and windows of a quarter of the log, which a
hundredth of the rows cannot turn, and as many again may be damaged past being told for rows. Above it is a
warning, and so is a cut of unknown size. Above
20 % fails, and no verdict of health is given: damage comes in stretches, and a fifth of the rows is
most of the latest quarter, on which the verdict rests. A row that is being written while the log is
read is one lost row, and in a log of two hundred rows or more no cause for a warning.

Source: margins are ours, from the widths of the windows that the other checks use.
"""

from __future__ import annotations

from doneness.core import Check, Finding, Message, Status, say
from doneness.diagnose.case import Case

CODE = "RN02"
_NOTABLE, _GRAVE = 0.005, 0.2


def _missing(case: Case) -> Message | None:
    return None if case.run.damage.seen else say("diagnose.missing.count")


def _judge(case: Case) -> Finding:
    damage = case.run.damage
    numbers = {"lost": damage.lost, "rows": damage.seen, "share": damage.share}
    status, key, advice = Status.PASS, "diagnose.rn02.fine", None
    if damage.share > _NOTABLE:
        status, key = Status.WARN, "diagnose.rn02.lost"
    if damage.cut:
        status, key = Status.WARN, "diagnose.rn02.cut"
    if damage.share > _GRAVE:
        status, key = Status.FAIL, "diagnose.rn02.grave"
    if status is not Status.PASS:
        advice = say("diagnose.rn02.advice")
    limit = _GRAVE if status is Status.FAIL else _NOTABLE
    return Finding(CODE, status, say(key, **numbers), damage.share, None, limit, damage.seen, advice=advice)


CHECK: Check[Case] = Check(CODE, _judge, _missing)
