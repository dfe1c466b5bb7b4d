"""A deterministic subset that keeps the mixture."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from doneness.data.rows import Row


def _kind(row: Row) -> str | None:
    return row.kind


def stratified(rows: Iterable[Row], n: int, seed: int, key: Callable[[Row], str | None] = _kind) -> tuple[Row, ...]:
    """`n` rows whose kinds keep their shares, shuffled by `seed`.

    Shares are rounded by the largest remainder; equal remainders go to the larger kind, then by
    name. The result depends on the order of `rows` and on `seed` alone.

    Args:
        rows: what to draw from.
        n: how many; all of them, shuffled, where there are fewer.
        seed: of the draw and the order.
        key: the stratum of a row.

    Raises:
        ValueError: n is negative.
    """
    if n < 0:
        raise ValueError(f"n must not be negative, got {n}")
    rows = tuple(rows)
    strata: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        strata.setdefault(key(row) or "", []).append(place)
    rng = np.random.default_rng(seed)
    quota = _largest_remainder({name: len(places) for name, places in strata.items()}, min(n, len(rows)))
    chosen: list[int] = []
    for name in sorted(strata):
        places = strata[name]
        chosen += [places[i] for i in rng.permutation(len(places))[: quota[name]]]
    return tuple(rows[chosen[i]] for i in rng.permutation(len(chosen)))


def _largest_remainder(sizes: dict[str, int], n: int) -> dict[str, int]:
    total = sum(sizes.values())
    quota = {name: n * size // total for name, size in sizes.items()} if total else {}
    # Integer remainders: no rounding of a float decides between two kinds.
    order = sorted(sizes, key=lambda name: (-(n * sizes[name] % total), -sizes[name], name))
    for name in order[: n - sum(quota.values())]:
        quota[name] += 1
    return quota
