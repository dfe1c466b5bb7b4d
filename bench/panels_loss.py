"""The choice on planted panels with a loss beside the goal, best where the goal is, before it, after it, or anywhere.

Only panels in which the goal decides: some checkpoint is shown better than base in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.panels_planted import Planted
from doneness.core import Action, Diagnosis, SweetSpot, Verdict, say
from doneness.probe.choice import explain, goal_of, ruled_out
from doneness.probe.table import allowed
from doneness.runs import Checkpoint, Run
from doneness.runs.probes import ProbeTable

WORLDS = ("at the goal's best", "1 or 2 checkpoints before it", "1 or 2 checkpoints after it", "anywhere")
WAYS = ("goal alone", "goal, then loss among its equals", "ours", "loss alone")


def with_loss(seed: int, planted: Sequence[Planted], table: ProbeTable, true: Any, harm: Any) -> dict[str, Any] | None:
    """What each way to choose brings in each world; None where the goal does not decide.

    Args:
        seed: of the panel.
        planted: its behaviours, the goal first.
        true: gain of each checkpoint by row, zero where it does true harm.
        harm: whether it does.
    """
    found = goal_of(table)
    if found is None:
        return None
    goal, among = planted[0].scored, found[1]
    generator = np.random.default_rng([seed, 91])
    run = Run("planted", checkpoints=tuple(Checkpoint(s, None, exists=True) for s in goal.steps if s))
    row: dict[str, Any] = {"oracle": float(true[1:].max()), "worlds": {}, "said": {}}
    for world in WORLDS:
        spot = _spot(world, planted[0].gain[1:], goal.steps[1:], generator)
        out = ruled_out(table, spot.steps)
        left = [s for s in among.equal if s not in out]
        both = [s for s in left if s in spot.steps]
        by_loss = [s for s in spot.steps if s not in out]
        # As `doneness probe` makes its table: it knows what is tied in loss.
        told = allowed(goal, table, spot.steps)
        if told is None:
            return None
        here = replace(table, standings={**table.standings, goal.measure.behaviour.name: told})
        steps = {
            "goal alone": left[0] if left else None,
            "goal, then loss among its equals": (both or left or [None])[0],
            "ours": explain(_diagnosis(spot, by_loss), run, here, out).step,
            "loss alone": by_loss[0] if by_loss else None,
        }
        rows = {way: goal.steps.index(step) if step is not None else 0 for way, step in steps.items()}
        row["worlds"][world] = {
            way: {"true": float(true[k]) if k else 0.0, "harm": bool(k and harm[k]), "place": k}
            for way, k in rows.items()
        }
        gain = float(planted[0].gain[rows["ours"]])
        if steps["ours"] == told.picked:
            row["said"][world] = {"naive": told.naive - gain, "honest": told.honest - gain,
                                  "held": bool(told.interval[0] <= gain <= told.interval[1])}  # fmt: skip
    return row


def _spot(world: str, gain: Any, steps: tuple[int, ...], generator: np.random.Generator) -> SweetSpot:
    """Where the loss is best, with at most one neighbour on each side that is tied with it."""
    best = int(np.argmax(gain >= gain.max() - 1e-12))
    away = int(generator.integers(1, 3))
    anywhere = int(generator.integers(0, len(steps)))
    at = {WORLDS[0]: best, WORLDS[1]: best - away, WORLDS[2]: best + away, WORLDS[3]: anywhere}[world]
    at = min(max(at, 0), len(steps) - 1)
    first, last = at - int(generator.integers(0, 2)), at + int(generator.integers(0, 2))
    tied = steps[max(first, 0) : last + 1]
    return SweetSpot(tied[0], tied[-1], tied, steps[at])


def _diagnosis(spot: SweetSpot, by_loss: Sequence[int]) -> Diagnosis:
    step = by_loss[0] if by_loss else None
    return Diagnosis(
        "planted",
        Verdict.CONVERGED,
        say("probe.choice.no_spot"),
        Action.STOP,
        (),
        sweet_spot=spot,
        recommended_step=step,
    )


def summed_loss(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Regret, harm and place by world and way, and how much more regret than the goal alone has, in the same panels."""
    found: dict[str, Any] = {"panels": len(rows)}
    for world in WORLDS:
        regret = {w: np.array([r["oracle"] - r["worlds"][world][w]["true"] for r in rows]) for w in WAYS}
        found[world] = {
            way: {
                "regret": float(regret[way].mean()),
                "more": float((regret[way] - regret["goal alone"]).mean()),
                "more_error": float((regret[way] - regret["goal alone"]).std() / np.sqrt(len(rows))),
                "harmful": float(np.mean([r["worlds"][world][way]["harm"] for r in rows])),
                "place": float(np.mean([r["worlds"][world][way]["place"] for r in rows])),
            }
            for way in WAYS
        }
        said = [r["said"][world] for r in rows if world in r["said"]]
        found[world]["said"] = {
            "n": len(said),
            "held": float(np.mean([each["held"] for each in said])),
            **{
                kind: {"mean": float(np.mean(off)), "error": float(np.std(off) / np.sqrt(len(off)))}
                for kind in ("naive", "honest")
                for off in [[each[kind] for each in said]]
            },
        }
    return found
