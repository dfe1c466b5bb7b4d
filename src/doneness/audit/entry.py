"""One row as checks see it: its texts, and the forms of them that several checks need, each made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

from doneness.audit.columns import digest
from doneness.audit.languages import language_of
from doneness.audit.masking import private
from doneness.data import Row, normalise
from doneness.data.text import tokens

TRAIN, EVAL = "train", "eval"
T = TypeVar("T")
_LOOKED_AT, _LOOKED_AT_WORDS = 400, 60  # by which a language is told


def named(file: str, line: int) -> int | str:
    """A row's line; where there are several files or data sets, their name before it."""
    return f"{file}:{line}" if file else line


class once(Generic[T]):  # used as a decorator
    """A property that is computed when first asked for; that of `functools` takes a lock each time (until 3.12)."""

    def __init__(self, made: Callable[[Any], T]) -> None:
        self._made = made
        self.__doc__ = made.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> once[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> once[T] | T:
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._made(instance)
        return value


class Entry:
    """One row that can be used.

    Attributes:
        side: TRAIN or EVAL.
        place: among the rows of its side that can be used, from 0.
        row: the row.
        rejected: the worse answer of a pair; None elsewhere.
        source: which file or data set of several, from 0; `file` its name, where there are several.
        context: everything said before the answer, the system turn apart; empty for a text.
        answer: what carries loss.
    """

    def __init__(
        self, side: str, place: int, row: Row, rejected: str | None = None, source: int = 0, file: str = ""
    ) -> None:
        self.side, self.place, self.row, self.rejected, self.source = side, place, row, rejected, source
        self.file = file
        turns = row.turns
        self.answer = turns[-1].content
        if len(turns) == 2 and turns[0].role == "user":
            self.context = turns[0].content
        else:
            self.context = row.context

    @property
    def train(self) -> bool:
        """Whether it is trained on."""
        return self.side == TRAIN

    @property
    def at(self) -> int | str:
        """What a person finds the row by, see `named`."""
        return named(self.file, self.row.line)

    @once
    def question(self) -> str:
        """The normal form of the context."""
        return normalise(self.context)

    @once
    def key(self) -> int:
        """A hash of the question; of a text that has none, of the text; 0 for nothing at all."""
        text = self.question or self.normal_answer
        return digest(text) if text else 0

    @once
    def normal_answer(self) -> str:
        """The normal form of the answer."""
        return normalise(self.answer)

    @once
    def system(self) -> str:
        """The normal form of the system turn; empty without one."""
        said = [turn.content for turn in self.row.turns[:-1] if turn.role == "system"]
        return normalise("\n".join(said)) if said else ""

    @once
    def spoken(self) -> tuple[str, str]:
        """The languages of answer and question, see `language_of`; that of the question where the answer's is known."""
        said = language_of(self.answer[:_LOOKED_AT], _first_words(self.normal_answer))
        if not said or not self.context:
            return said, ""
        return said, language_of(self.context[:_LOOKED_AT], _first_words(self.question))

    @once
    def private(self) -> list[tuple[str, int, int]]:
        """What should not be shown of `whole`, see `masking.private`."""
        return list(private(self.whole))

    @once
    def low(self) -> str:
        """The answer in small letters."""
        return self.answer.lower()

    @once
    def words(self) -> list[str]:
        """The words of the answer's normal form; CJK text in runs without gaps."""
        return self.normal_answer.split()

    @once
    def tokens(self) -> list[str]:
        """The words of the answer's normal form; CJK text in single characters."""
        return tokens(self.normal_answer)

    @once
    def vocabulary(self) -> frozenset[str]:
        """The different words of the answer."""
        return frozenset(self.words)

    @once
    def asked(self) -> list[str]:
        """The words of the question's normal form."""
        return self.question.split()

    @once
    def texts(self) -> tuple[str, ...]:
        """Every turn, and the rejected answer of a pair."""
        said = tuple(turn.content for turn in self.row.turns)
        return said if self.rejected is None else (*said, self.rejected)

    @once
    def whole(self) -> str:
        """All turns in one text."""
        return "\n".join(self.texts)


def _first_words(normal: str) -> list[str]:
    return normal.split(None, _LOOKED_AT_WORDS)[:_LOOKED_AT_WORDS]
