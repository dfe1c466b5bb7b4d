"""What a loader is: the keys by which a public set is known, and how one of its rows becomes questions."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from doneness.probe.suite import Probe

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Loader:
    """One public set.

    Attributes:
        name: by which it can be asked for; ids begin with it.
        keys: every row has these.
        probes: the questions of a row, of which `number` counts from 1; none for one that asks nothing.
        test: what the keys leave open.
    """

    name: str
    keys: frozenset[str]
    probes: Callable[[Item, int], Iterable[Probe]]
    test: Callable[[Item], bool] = lambda item: True

    def knows(self, item: Item) -> bool:
        """Whether a row looks like one of this set."""
        return self.keys <= set(item) and self.test(item)


def text_of(item: Item, key: str) -> str:
    """A text that must be there.

    Raises:
        KeyError: it is not.
        TypeError: something else is.
        ValueError: it is empty.
    """
    value = item[key]
    if not isinstance(value, str):
        raise TypeError(f"{key}: {type(value).__name__}")
    if not value.strip():
        raise ValueError(f"{key} = {value!r}")
    return value.strip()


def choice(
    ident: str,
    question: str,
    options: Mapping[str, str],
    right: str,
    *,
    sort: str = "choice",
    lang: str = "en",
    source: str = "",
    cluster: str = "",
) -> Probe:
    """A multiple-choice question whose options are scored as answers: their texts, not their letters.

    Letters ask a model to know the form; small models score by chance on them whatever they know.

    Raises:
        ValueError: fewer than two options.
        KeyError: the right one is not among them.
    """
    names = list(options)
    if len(names) < 2:
        raise ValueError("options")
    if right not in options:
        raise KeyError(right)
    texts = tuple(str(options[n]).strip() for n in names)
    correct = names.index(right)
    return Probe(
        ident,
        sort,
        question,
        texts[correct],
        (),
        source=source,
        asks=("options",),
        options=texts,
        correct=correct,
        cluster=cluster,
        lang=lang,
    )


def shuffled(texts: Iterable[str], seed: str) -> list[str]:
    """The same texts in an order that depends on `seed` alone, so that the right one is not always the first."""
    found = list(texts)
    random.Random(seed).shuffle(found)
    return found


def said_plainly(ident: str, sort: str, prompt: str, reference: str = "", **more: Any) -> Probe:
    """A question that is answered freely."""
    return Probe(ident, sort, prompt, reference, more.pop("contains", ()), **more)
