"""What loss so many parameters and tokens should reach by a published law, so that "stuck" and "normal" part.

L(N, D) = E + A / N^α + B / D^β, nats per token, N parameters and D tokens seen, none of them twice.

Source: the form and a first fit, Hoffmann et al., "Training compute-optimal large language models", arXiv 2203.15556,
approach 3; the fit used here, Besiroglu et al., "Chinchilla scaling: a replication attempt", arXiv 2404.10102, who
found the first one's intervals impossible. Both are of one text collection (mostly English) and one tokenizer (32,000
pieces), and of the end of runs whose learning rate had come down.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

# What a token of that tokenizer is taken to hold of English text, in bytes; ours, not the paper's.
REFERENCE_BYTES = 4.2
_TEXT = 0.05  # sd of what other text and its cleaning change, as a share of the loss; ours
_UNANNEALED = 0.12  # nats that lowering the rate to zero may still bring; the cooldowns of arXiv 2408.11029
_Z90 = 1.6449


@dataclass(frozen=True, slots=True)
class Law:
    """One fit.

    Attributes:
        name: of its authors.
        floor, size, data: E, A and B, nats per token.
        alpha, beta: exponents of parameters and of tokens.
        error: standard error of E, nats per token.
    """

    name: str
    floor: float
    size: float
    data: float
    alpha: float
    beta: float
    error: float

    def of_size(self, parameters: float) -> float:
        """What too few parameters cost, nats per token."""
        return self.size / math.pow(parameters, self.alpha)

    def of_data(self, tokens: float) -> float:
        """What too few tokens cost, nats per token."""
        return self.data / math.pow(tokens, self.beta)

    def loss(self, parameters: float, tokens: float) -> float:
        """The loss, nats per token."""
        return self.floor + self.of_size(parameters) + self.of_data(tokens)


BESIROGLU = Law("Besiroglu et al. 2024", 1.8172, 482.01, 2085.43, 0.3478, 0.3658, 0.03)
HOFFMANN = Law("Hoffmann et al. 2022", 1.69, 406.4, 410.7, 0.34, 0.28, 0.03)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the law expects, in nats per token of the tokenizer at hand.

    Attributes:
        loss: expected.
        low, high: its 90 % interval.
        floor, of_size, of_data: its parts.
        other: what the first fit expects.
        next_tenth: how much it falls while a tenth more tokens are seen.
        tenfold: how much ten times the tokens would bring.
    """

    loss: float
    low: float
    high: float
    floor: float
    of_size: float
    of_data: float
    other: float
    next_tenth: float
    tenfold: float

    def word(self, loss: float) -> str:
        """below, within or above: where a measured loss lies.

        Raises:
            ValueError: no finite number above zero, which a loss in nats a token is.
        """
        if not 0 < loss < math.inf:
            raise ValueError(f"no loss in nats a token: {loss}")
        return "below" if loss < self.low else "above" if loss > self.high else "within"


def expected(
    parameters: float, tokens: float, bytes_per_token: float | None = None, annealed: bool | None = None
) -> Expected:
    """What the law expects of a model and its tokens.

    The interval holds the standard error of E, the other published fit, a spread of 5 % for other text, and, unless
    the learning rate has come down, what lowering it would still bring.

    Args:
        parameters: of the model, all of them.
        tokens: seen so far, each once.
        bytes_per_token: of the run's own text and tokenizer; a loss per byte does not depend on how text is cut. None
            takes 4.2, that of the law.
        annealed: whether the learning rate has come down to zero; None where nobody knows.

    Raises:
        ValueError: a count that is not above zero.
    """
    if not (parameters > 0 and tokens > 0 and (bytes_per_token is None or bytes_per_token > 0)):
        raise ValueError("parameters, tokens and bytes per token must be above zero")
    ratio = 1.0 if bytes_per_token is None else bytes_per_token / REFERENCE_BYTES
    seen = tokens * ratio
    best, first = (law.loss(parameters, seen) for law in (BESIROGLU, HOFFMANN))
    half = _Z90 * math.hypot(BESIROGLU.error, _TEXT * best)
    late = 0.0 if annealed else _UNANNEALED
    return Expected(
        loss=ratio * best,
        low=ratio * (min(best, first) - half),
        high=ratio * (max(best, first) + half + late),
        floor=ratio * BESIROGLU.floor,
        of_size=ratio * BESIROGLU.of_size(parameters),
        of_data=ratio * BESIROGLU.of_data(seen),
        other=ratio * first,
        next_tenth=ratio * (BESIROGLU.of_data(seen) - BESIROGLU.of_data(1.1 * seen)),
        tenfold=ratio * (BESIROGLU.of_data(seen) - BESIROGLU.of_data(10.0 * seen)),
    )


def count_of(text: str) -> float:
    """A count as people write it: 1.1e9, 1.1B, 50M, 20k, 50e6x1000.

    Raises:
        ValueError: it cannot be read, or is not above zero.
    """
    found = 1.0
    for part in text.lower().replace("×", "x").split("x"):
        part = part.strip()
        if "," in part:
            # 1,000,000 groups thousands; 1,1 is a decimal somewhere, and elsewhere eleven.
            if not re.fullmatch(r"[0-9]{1,3}(?:,[0-9]{3})+[kmbgt]?", part):
                raise ValueError(text)
            part = part.replace(",", "")
        unit = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}.get(part[-1:], 1.0)
        found *= float(part[:-1] if unit != 1.0 else part) * unit
    if not (found > 0 and math.isfinite(found)):
        raise ValueError(text)
    return found
