"""Answers to many prompts at once, by a loop of our own.

Rows that have ended make room for the next prompt, what prompts begin with alike is read once, and guesses are checked
many at a time.

Every token is the model's own choice after all that stands before it, as in transformers' `generate`: a guess is kept
only where the model would have said it, so that guesses change how fast an answer comes and never what it is. Sums in
forwards of other shapes are rounded otherwise, and where two tokens are within that of one another either may come.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from doneness.models.decode_cost import Costs, worth
from doneness.models.decode_pack import Pending, alike, pack
from doneness.models.decode_slots import Slots, attending, forward
from doneness.models.imports import require

# Tokens of a forward, but for the first row of it: what longer prompts need of memory is bounded by it.
_LINE = 4096
_WINDOW = 24  # guesses of a row at most
_ROOM = 256  # tokens by which prompts may always differ in length

# Chooses tokens: logits (places, vocabulary), and of each place which prompt and which token of the answer it is.
# Returns the tokens, and what probability the model gives them.
Pick = Callable[[Any, Sequence[tuple[int, int]]], tuple[list[int], list[float]]]


class Said(NamedTuple):
    """What a row said: tokens, the one that ends it included; the probability of each; whether it ended by itself."""

    ids: list[int]
    sure: list[float]
    ended: bool


@dataclass
class Tally:
    """What it took.

    Attributes:
        forwards: of the whole batch.
        turns: of rows: a row that is in a forward and says something counts once; without guesses as many as tokens.
        tokens: said.
        guessed, kept: tokens of drafts that were checked, and those that were right.
        read: tokens that went through the model.
        seconds: in the model.
    """

    forwards: int = 0
    turns: int = 0
    tokens: int = 0
    guessed: int = 0
    kept: int = 0
    read: int = 0
    seconds: float = 0.0


class Guesser(Protocol):
    """What proposes tokens for one row."""

    def ahead(self, most: int) -> list[tuple[int, float]]:
        """Tokens that may come next, and of each the chance that it and all before it do."""
        ...

    def told(self, token: int) -> None:
        """The next token is this."""
        ...


@dataclass(frozen=True)
class Task:
    """What is asked of a decoding.

    Attributes:
        prompts: token ids; none is empty.
        stops: tokens that end an answer.
        limit: tokens of an answer at most.
        rows: prompts that are answered at once.
        pick: chooses the tokens.
        guessers: of every prompt, or None where nothing is guessed.
        progress: called with the number of answers done.
    """

    prompts: Sequence[Sequence[int]]
    stops: frozenset[int]
    limit: int
    rows: int
    pick: Pick
    guessers: Sequence[Guesser] | None = None
    progress: Callable[[int], None] | None = None


@dataclass
class _Row:
    index: int
    ids: list[int]
    begin: int
    cached: int
    guesser: Guesser | None
    sure: list[float] = field(default_factory=list)
    ended: bool = False


def likeliest(logits: Any, places: Sequence[tuple[int, int]]) -> tuple[list[int], list[float]]:
    """The first of the likeliest tokens, and its probability."""
    logits = logits.float()
    top, chosen = logits.max(dim=-1)
    # All in place: at a vocabulary of 152,000 a copy of a few hundred places is worth avoiding.
    sure = logits.sub_(top[:, None]).exp_().sum(dim=-1).reciprocal_()
    return chosen.tolist(), sure.tolist()


def decode(model: Any, task: Task, costs: Costs, tally: Tally) -> list[Said]:
    """Answer every prompt; in the order of the prompts.

    Args:
        model: a transformers model in evaluation mode, under its adapters, that `fits`.
        task: what is asked.
        costs: of forwards on this machine; learns more.
        tally: counts what it took.
    """
    said: dict[int, Said] = {}
    with require("torch").inference_mode(), attending(model):
        for some in _by_length(task):
            _Decoding(model, task, costs, tally, said).run(some)
    return [said[i] for i in range(len(task.prompts))]


def _by_length(task: Task) -> list[list[int]]:
    """Prompts by length, in parts where they differ much: every row of a cache has room for its longest."""
    parts: list[list[int]] = []
    room = 0
    for i in sorted(range(len(task.prompts)), key=lambda i: (len(task.prompts[i]), list(task.prompts[i]))):
        length = len(task.prompts[i]) + task.limit
        if not parts or length > room:
            parts.append([])
            room = 2 * length + _ROOM
        parts[-1].append(i)
    return parts


class _Decoding:
    """One decoding: its cache, the rows that are at it, and the prompts that wait."""

    def __init__(self, model: Any, task: Task, costs: Costs, tally: Tally, said: dict[int, Said]) -> None:
        self.model, self.task, self.costs, self.tally, self.said = model, task, costs, tally, said
        self.torch = require("torch")
        self.device = model.get_input_embeddings().weight.device
        self.waiting: list[int] = []
        self.rows: list[_Row] = []
        self.held: dict[int, list[int]] = {}  # what each stretch of the cache holds

    def run(self, prompts: list[int]) -> None:
        """Answer these prompts, by their numbers; the answers are in `said`."""
        self.waiting = prompts[::-1]
        longest = max(len(self.task.prompts[i]) for i in prompts)
        self.slots = Slots(min(self.task.rows, len(prompts)), longest + self.task.limit)
        while self.waiting or self.rows:
            self._admit()
            self._forward()
            self._leave()

    def _admit(self) -> None:
        """Fill the free rows, as far as the line is long, with what the cache already holds of their prompts."""
        room = _LINE - len(self.rows)
        fresh: list[_Row] = []
        while self.waiting and len(self.rows) + len(fresh) < self.slots.rows and (room > 0 or not self.rows + fresh):
            index = self.waiting.pop()
            ids = list(self.task.prompts[index])
            room -= len(ids)
            guesser = self.task.guessers[index] if self.task.guessers else None
            fresh.append(_Row(index, ids, len(ids), 0, guesser))
        # Sorted, what they share among each other is seen from one to the next.
        fresh.sort(key=lambda row: row.ids)
        for row in fresh:
            self._take(row)

    def _take(self, row: _Row) -> None:
        """Give a row its place, and what another row has of its prompt; its last token is always read."""
        place = len(self.rows)
        best, source = 0, place
        for other, ids in self.held.items():
            common = min(alike(ids, row.ids), row.begin - 1)
            if common > best or (common == best and other == place):
                best, source = common, other
        if best and source != place:
            self.slots.copy(source, place, best)
        row.cached = best
        self.held[place] = row.ids[:best]
        self.rows.append(row)

    def _forward(self) -> None:
        """Read what is new, check what is guessed, and let every row say what it can."""
        begun = time.perf_counter()
        new = [row.ids[row.cached : row.cached + _LINE] for row in self.rows]
        speaks = [row.cached + len(each) == len(row.ids) for row, each in zip(self.rows, new, strict=True)]
        guesses = self._guesses(new, speaks)
        pending = self._pending([[*each, *more] for each, more in zip(new, guesses, strict=True)])
        line = pack(pending, self.slots.capacity, self.device)
        # The logits after the last token that is sure, and after every guess.
        asked = [
            places[len(each) - 1 :] if speaking else places[:0]
            for places, each, speaking in zip(line.places, new, speaks, strict=True)
        ]
        keep = [int(place) for places in asked for place in places]
        owners = [
            (row.index, len(row.sure) + k) for row, places in zip(self.rows, asked, strict=True)
            for k in range(len(places))
        ]  # fmt: skip
        logits = forward(
            self.model, self.slots, line, self.torch.tensor(keep, dtype=self.torch.long, device=self.device)
        )
        tokens, sure = self.task.pick(logits, owners) if keep else ([], [])
        at = 0
        for row, each, more, places in zip(self.rows, new, guesses, asked, strict=True):
            row.cached += len(each)
            if len(places):
                self._hear(row, more, tokens[at : at + len(places)], sure[at : at + len(places)])
            at += len(places)
        seconds = time.perf_counter() - begun
        self.costs.note(line.tokens.shape[1], seconds)
        self.tally.forwards += 1
        self.tally.read += line.tokens.shape[1]
        self.tally.seconds += seconds

    def _guesses(self, new: list[list[int]], speaks: list[bool]) -> list[list[int]]:
        """The guesses of each row that are worth checking."""
        if self.task.guessers is None:
            return [[] for _ in self.rows]
        ahead: list[list[tuple[int, float]]] = []
        for row, speaking in zip(self.rows, speaks, strict=True):
            left = self.task.limit - len(row.sure) - 1
            able = row.guesser is not None and speaking and left > 0
            ahead.append(row.guesser.ahead(min(left, _WINDOW)) if able and row.guesser is not None else [])
        chances = [[chance for _, chance in each] for each in ahead]
        counts = worth(chances, sum(len(each) for each in new), self.costs)
        return [[token for token, _ in each[:count]] for each, count in zip(ahead, counts, strict=True)]

    def _pending(self, lines: list[list[int]]) -> list[Pending]:
        """The rows' new tokens; those that several rows begin with are read once."""
        pending = [
            Pending(place, row.cached, line) for place, (row, line) in enumerate(zip(self.rows, lines, strict=True))
        ]
        fresh = [i for i, row in enumerate(self.rows) if not row.sure]
        for start in {self.rows[i].cached for i in fresh}:
            same = [i for i in fresh if self.rows[i].cached == start]
            for k, i in itertools.pairwise(same):
                if self.rows[k].ids[:start] == self.rows[i].ids[:start]:
                    pending[i] = replace(pending[i], like=k, shared=alike(lines[k], lines[i]))
        return pending

    def _hear(self, row: _Row, guesses: list[int], tokens: list[int], sure: list[float]) -> None:
        """Take the model's tokens as far as the guesses before them were right."""
        self.tally.turns += 1
        self.tally.guessed += len(guesses)
        for k, token in enumerate(tokens):
            self.tally.tokens += 1
            row.ids.append(token)
            row.sure.append(sure[k])
            if row.guesser is not None:
                row.guesser.told(token)
            row.ended = token in self.task.stops
            right = k < len(guesses) and guesses[k] == token
            self.tally.kept += right
            if row.ended or len(row.sure) == self.task.limit or not right:
                break
        # All but the last token said were read.
        row.cached = len(row.ids) - 1

    def _leave(self) -> None:
        """Rows that have ended go; the last moves into the gap."""
        for place in reversed(range(len(self.rows))):
            row = self.rows[place]
            self.held[place] = row.ids[: row.cached]
            if not row.ended and len(row.sure) < self.task.limit:
                continue
            self.said[row.index] = Said(row.ids[row.begin :], row.sure, row.ended)
            last = self.rows.pop()
            if last is not row:
                self.slots.copy(len(self.rows), place, last.cached)
                self.rows[place] = last
                self.held[place] = self.held[len(self.rows)]
            if self.task.progress:
                self.task.progress(len(self.said))
