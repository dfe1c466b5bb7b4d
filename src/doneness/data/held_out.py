"""Rows to be judged on, held out of the training file where the user has no others: by question, never by row.

Rows that share a conversation, document or question id are one group, else those that share their first
question; groups whose rows are near-duplicates are joined. A group goes to one side as a whole. Which side, its
own words decide, by a hash, so that a row stays on its side when the file grows or is put into another order.

Joining could chain half a set together (in MedQuAD, documents and the questions they share join 3,014 of
16,407 rows). A joined group is therefore kept small, the most alike joined first; of the near pairs that then
lie across the split one row is left out, and counted, so that none remains.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from doneness.data.near_duplicates import near_pairs, normalise
from doneness.data.rows import Row
from doneness.data.select import stratified

TOP = 0.15  # the largest share; smaller ones are its halvings, so that a growing file changes it rarely
CAP = 0.20  # never more of the rows
MOST = 0.9  # however many are asked for
_LEAST = 8  # rows; fewer held out would show nothing
_JOINED, _LEAST_JOINED = 0.1, 8  # of what is held out; rows
_WHOLE = 0.1  # of all rows: a larger group is never held out


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The two sides of a split.

    Attributes:
        train, eval: rows of each side, in the order of the file; no pair across is near-duplicate. Rows of one
            group in `eval` carry its name as their cluster.
        share: the share of groups aimed at.
        groups, all_groups: held out, and in all.
        joined: rows whose group was joined with another for near-duplicates.
        near_train, near_eval: rows left out of each side, as near-duplicates of the other.
        large: rows in groups too large to be held out; they are trained on.
        seed: of the assignment.
        digest: of the held-out rows' words, whatever their order.
    """

    train: tuple[Row, ...]
    eval: tuple[Row, ...]
    share: float
    groups: int
    all_groups: int
    joined: int
    near_train: int
    near_eval: int
    large: int
    seed: int
    digest: str


def share_for(count: int, wanted: int) -> float:
    """The share to hold out of `count` for about `wanted`: 15 %, or a halving of it, by whichever comes nearest."""
    halvings: int = round(math.log2(max(TOP * count / max(wanted, 1), 1.0)))
    return float(TOP / 2**halvings)


def hold_out(
    rows: Sequence[Row], wanted: int, seed: int, unit: Literal["rows", "groups", "asked"] = "rows", share: float = 0.0
) -> HeldOut | None:
    """Split `rows`; at most a fifth of them is held out, or what is asked for.

    Args:
        rows: what to split.
        wanted: about how many to hold out.
        seed: of the assignment.
        unit: what `wanted` counts. Groups are what statistics count; not more than two rows for each are held out on
            average, as scoring them takes time. Rows that somebody asked for ("asked") are held out to the nearest
            whole group, where "rows" takes a round share of about so many.
        share: of the groups to hold out, in place of `wanted`; 0 leaves it to that.

    Returns:
        The split; None where fewer than two groups, or than eight rows that nobody asked for fewer of, would be held
        out.
    """
    base = [_group(row) for row in rows]
    sizes = Counter(base)
    least = min(_LEAST, max(2, round(share * len(rows)))) if share else _LEAST
    exactly = 0
    if unit == "asked" and not share:
        exactly, least = min(wanted, int(MOST * len(rows))), min(_LEAST, wanted)
    cap = max(CAP, share, exactly / max(len(rows), 1))
    if not share:
        share = exactly / max(len(rows), 1) if exactly else share_for(len(rows), wanted)
    if unit == "groups":
        share = min(share_for(len(sizes), wanted), share_for(len(rows), 2 * wanted))
    texts = [normalise(row.context) for row in rows]
    pairs = near_pairs([row.context for row in rows])
    most = max(_LEAST_JOINED, int(_JOINED * share * len(rows)))
    leader = _joined(sizes, [(base[i], base[j], value) for i, j, value in pairs], most, seed)
    names = [leader[key] for key in base]
    chosen = _chosen(Counter(names), seed, _Wanted(share, exactly, least, cap))
    held = {place for place, name in enumerate(names) if name in chosen}
    gone = _across(texts, [(i, j) for i, j, _ in pairs], held)
    kept = [place for place in sorted(held) if place not in gone]
    if len(kept) < least or len({names[place] for place in kept}) < 2:
        return None
    judged = tuple(_clustered(kept, rows, names))
    return HeldOut(
        train=tuple(row for place, row in enumerate(rows) if place not in held and place not in gone),
        eval=judged,
        share=share,
        groups=len({names[place] for place in kept}),
        all_groups=len(set(names)),
        joined=sum(leader[key] != key or joined > 1 for key, joined in _members(base, leader)),
        near_train=len(gone - held),
        near_eval=len(gone & held),
        large=sum(size for size in Counter(names).values() if size > _WHOLE * len(rows)),
        seed=seed,
        digest=_digest(judged),
    )


def reduced(split: HeldOut, rows: int, seed: int) -> HeldOut:
    """`split` with `rows` of the held-out rows, kinds in proportion; the others are used on neither side.

    0, or no fewer than there are, leaves it as it is.
    """
    if rows == 0 or rows >= len(split.eval):
        return split
    kept = stratified(split.eval, rows, seed)
    return replace(split, eval=kept, groups=len({row.cluster or row.id for row in kept}), digest=_digest(kept))


def _group(row: Row) -> str:
    if row.cluster is not None:
        return f"cluster {row.cluster}"
    first = next(turn.content for turn in row.turns if turn.role == "user" and turn.content.strip())
    # A first turn of punctuation alone is no question: what follows tells such rows apart.
    return f"question {normalise(first) or row.context}"


def _drawn(key: str, seed: int) -> tuple[int, float]:
    """Two independent draws by a group's name: its rank among those joined with it, and its place from 0 to 1."""
    digest = hashlib.blake2b(f"{seed}\0{key}".encode("utf-8", "replace"), digest_size=16).digest()
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big") / 2**64


def _joined(sizes: Mapping[str, int], pairs: Iterable[tuple[str, str, float]], most: int, seed: int) -> dict[str, str]:
    """Each group's leader, after joining near groups up to `most` rows, the most alike first.

    The leader is drawn by its words, whatever the order of the file.
    """
    parent = {key: key for key in sizes}
    weight = dict(sizes)

    def root(key: str) -> str:
        while parent[key] != key:
            parent[key] = key = parent[parent[key]]
        return key

    for a, b, _ in sorted(pairs, key=lambda pair: (-pair[2], *sorted(pair[:2]))):
        one, two = root(a), root(b)
        if one == two or weight[one] + weight[two] > most:
            continue
        if _drawn(two, seed) < _drawn(one, seed):
            one, two = two, one
        parent[two] = one
        weight[one] += weight[two]
    return {key: root(key) for key in sizes}


def _members(base: Sequence[str], leader: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """(group, number of groups it was joined into one with, itself among them) of every row."""
    together = Counter(leader.values())
    return ((key, together[leader[key]]) for key in base)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A share of the groups, or so many rows exactly; at least and at most so many."""

    share: float
    rows: int
    least: int
    cap: float


def _chosen(sizes: Mapping[str, int], seed: int, wanted: _Wanted) -> set[str]:
    """The groups drawn below the share; a few more where that is next to nothing, never more than the cap."""
    total = sum(sizes.values())
    able = sorted((_drawn(key, seed)[1], key) for key, size in sizes.items() if size <= _WHOLE * total or size == 1)
    chosen: set[str] = set()
    count = 0
    for drawn, key in able:
        enough = count >= wanted.least and len(chosen) >= 2
        if (count >= wanted.rows if wanted.rows else drawn >= wanted.share) and enough:
            break
        if count + sizes[key] <= wanted.cap * total:
            chosen.add(key)
            count += sizes[key]
    return chosen


def _across(texts: Sequence[str], pairs: Iterable[tuple[int, int]], held: set[int]) -> set[int]:
    """Rows to leave out so that no near pair lies across: a held-out row with several partners, else its partner.

    So each held-out row costs one row at most.
    """
    places: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        if text:
            places.setdefault(text, []).append(place)
    # One text stands for its copies, so a pair of texts is a pair of all their rows.
    near: dict[str, set[str]] = {text: {text} for text in places}
    for i, j in pairs:
        near[texts[i]].add(texts[j])
        near[texts[j]].add(texts[i])
    gone: set[int] = set()
    for place in sorted(held):
        partners = [p for text in near.get(texts[place], ()) for p in places[text] if p not in held]
        gone |= {place} if len(partners) > 1 else set(partners)
    return gone


def _clustered(kept: Sequence[int], rows: Sequence[Row], names: Sequence[str]) -> Iterator[Row]:
    """The held-out rows; those of one group are not independent, and say so."""
    together = Counter(names[place] for place in kept)
    for place in kept:
        name = names[place]
        mark = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=6).hexdigest()
        yield replace(rows[place], cluster=f"group {mark}") if together[name] > 1 else rows[place]


def _digest(rows: Iterable[Row]) -> str:
    words = sorted("\x1f".join(f"{turn.role}:{turn.content}" for turn in row.turns) for row in rows)
    return hashlib.blake2b("\x1e".join(words).encode("utf-8", "replace"), digest_size=12).hexdigest()
