"""Guesses for the next tokens, from what a neighbouring checkpoint answered to the same prompt.

Checkpoints of one run say much the same. The old answer is followed token by token; at the first difference it is
picked up again where the last tokens said occur in it, or else in the prompt, which answers often quote, or in the
answer itself; with no such place, one word may have been put for another, and the old answer is followed one token
further on. Beside that stand the phrases of all answers so far: a run teaches turns of speech that come again and
again. How often guesses of each kind turn out right is learnt while answers are made, and tells which to follow and
how far ahead it is worth guessing.
"""

from __future__ import annotations

from collections.abc import Sequence

from doneness.models.draft_phrases import Phrases

_LONGEST = 8  # tokens compared backwards
_NEAR = 12  # tokens around the place where the old answer was left in which one token alone counts as its place
_STREAKS = (0, 1, 2, 4, 8)  # right guesses in a row, from which on another chance counts
# The chance of a guess before any was seen, by kind, at the first of a streak; and as how many guesses that counts.
_START = {"old": 0.8, "near": 0.5, "swapped": 0.4, "prompt": 0.5}
_WEIGHT = 6.0
_KEPT = 0.995  # of what was seen, at every guess: checkpoints grow more alike as a run goes on
_LEAST = 0.02  # a phrase less likely than this is followed no further
_SHARES = 4  # parts of the range of how often a phrase went on so


class Rates:
    """How often guesses are right of late, by where they come from and what speaks for them.

    Attributes:
        phrases: of all answers so far.
    """

    def __init__(self) -> None:
        self.phrases = Phrases()
        self._right: dict[tuple[str, int], float] = {}
        self._seen: dict[tuple[str, int], float] = {}

    def of(self, kind: str, streak: int) -> float:
        """The chance of a guess after `streak` right ones."""
        part = _part(streak)
        # Who was right a few times in a row mostly goes on to be.
        return self._chance((kind, part), 1.0 - (1.0 - _START[kind]) / (1.0 + part))

    def note(self, kind: str, streak: int, right: bool) -> None:
        """A guess was right, or not."""
        self._note((kind, _part(streak)), right)

    def of_phrase(self, length: int, share: float) -> float:
        """The chance that a phrase of so many tokens goes on as it did in this share of its uses."""
        return self._chance((f"phrase {length}", int(share * _SHARES)), share)

    def note_phrase(self, length: int, share: float, right: bool) -> None:
        """A phrase went on so, or not."""
        self._note((f"phrase {length}", int(share * _SHARES)), right)

    def _chance(self, key: tuple[str, int], start: float) -> float:
        return (self._right.get(key, 0.0) + _WEIGHT * start) / (self._seen.get(key, 0.0) + _WEIGHT)

    def _note(self, key: tuple[str, int], right: bool) -> None:
        self._right[key] = _KEPT * self._right.get(key, 0.0) + right
        self._seen[key] = _KEPT * self._seen.get(key, 0.0) + 1.0


def _part(streak: int) -> int:
    return sum(streak >= least for least in _STREAKS) - 1


class Draft:
    """Guesses for one answer."""

    def __init__(self, old: Sequence[int], prompt: Sequence[int], rates: Rates) -> None:
        """Follow an old answer.

        Args:
            old: its tokens, with the one that ended it where it ended.
            prompt: the question's.
            rates: shared by all answers of a run.
        """
        # Small models come back to what they said: the prompt grows by the answer.
        self._texts = (list(old), list(prompt))
        self._said = self._texts[1]
        self._rates = rates
        self._text, self._at, self._kind, self._streak = 0, 0, "old", 0
        self._left = 0  # where the old answer was followed last

    def ahead(self, most: int) -> list[tuple[int, float]]:
        """At most so many tokens, and of each the chance that it and all before it are right."""
        followed, phrased = self._followed(most), self._phrased(most)
        return max(followed, phrased, key=lambda guesses: sum(chance for _, chance in guesses))

    def told(self, token: int) -> None:
        """The answer went on with this token, guessed or not."""
        phrase = self._rates.phrases.next(self._said)
        if phrase is not None:
            self._rates.note_phrase(phrase.length, phrase.share, phrase.token == token)
        guessed = self._followed(1)
        self._said.append(token)
        self._rates.phrases.add(self._said)
        if guessed:
            right = guessed[0][0] == token
            self._rates.note(self._kind, self._streak, right)
            self._at += 1
            if self._text == 0:
                self._left = self._at
            if right:
                self._streak += 1
                return
        self._pick_up()

    def _followed(self, most: int) -> list[tuple[int, float]]:
        chance, found = 1.0, []
        for k, token in enumerate(self._texts[self._text][self._at : self._at + most]):
            chance *= self._rates.of(self._kind, self._streak + k)
            found.append((token, chance))
        return found

    def _phrased(self, most: int) -> list[tuple[int, float]]:
        found: list[tuple[int, float]] = []
        chance, said = 1.0, self._said[-_LONGEST:]
        while len(found) < most and (guess := self._rates.phrases.next(said)) is not None:
            chance *= self._rates.of_phrase(guess.length, guess.share)
            if chance < _LEAST:
                break
            found.append((guess.token, chance))
            said = [*said[1:], guess.token]
        return found

    def _pick_up(self) -> None:
        """Find where the answer goes on: the place that agrees with most of the tokens said last."""
        self._streak = 0
        old, prompt = (self._best(text) for text in self._texts)
        if old[0] >= 2 and old[0] >= prompt[0]:
            self._text, self._at, self._kind = 0, old[1], "old"
        elif prompt[0] >= 2:
            self._text, self._at, self._kind = 1, prompt[1], "prompt"
        elif old[0] == 1 and abs(old[1] - self._left) <= _NEAR:
            self._text, self._at, self._kind = 0, old[1], "near"
        else:
            self._text, self._at, self._kind = 0, self._left, "swapped"

    def _best(self, text: list[int]) -> tuple[int, int]:
        """How many of the last tokens agree at the best place of a text, and what comes next there."""
        said, best = self._said, (0, 0, 0)
        for end in range(1, len(text)):
            if text[end - 1] != said[-1]:
                continue
            length = 1
            while length < min(_LONGEST, end, len(said)) and text[end - 1 - length] == said[-1 - length]:
                length += 1
            best = max(best, (length, -abs(end - self._left), end))
        return best[0], best[2]
