"""Which hidden states of a student follow which of a teacher, and how far they are apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from doneness.config.stages import pair_of
from doneness.core import RecipeError, tr

_USUAL = 4  # pairs where the recipe names none


def layer_pairs(asked: Sequence[str], ours: int, theirs: int) -> list[tuple[int, int]]:
    """Pairs of layers, counted from 1: those asked for, else four evenly spread, the last among them.

    Even spacing is TinyBERT's (arXiv 1909.10351).

    Args:
        asked: "3=12", the student's third and the teacher's twelfth.
        ours, theirs: how many layers they have.

    Raises:
        RecipeError: a model has fewer layers.
    """
    found = [pair for text in asked if (pair := pair_of(text)) is not None]
    if not found:
        count = min(_USUAL, ours, theirs)
        return [(round(ours * k / count), round(theirs * k / count)) for k in range(1, count + 1)]
    beyond = [f"{a}={b}" for a, b in found if a > ours or b > theirs]
    if beyond:
        raise RecipeError([tr("train.teacher_layers", layers=", ".join(beyond), ours=ours, theirs=theirs)])
    return found


class Pairs(torch.nn.Module):  # type: ignore[misc]
    """The distance of paired hidden states, through a learnt projection where the widths differ.

    A token's distance is the square of the difference over the square of the teacher's state: deep layers, whose states
    are larger, count no more than others.
    """

    def __init__(self, pairs: Sequence[tuple[int, int]], ours: int, theirs: int, seed: int) -> None:
        super().__init__()
        self.pairs = list(pairs)
        generator = torch.Generator().manual_seed(seed)
        self.maps = torch.nn.ParameterList()
        for _ in pairs if ours != theirs else ():
            self.maps.append(torch.nn.Parameter(torch.randn(theirs, ours, generator=generator) / ours**0.5))

    def forward(self, ours: Sequence[Any], theirs: Sequence[Any], places: Any) -> Any:
        """The distance, summed over tokens, averaged over pairs.

        Args:
            ours, theirs: hidden states of all layers, the embeddings first; each of shape (rows, length, width).
            places: which positions count; shape (rows, length − 1).
        """
        total: Any = 0.0
        for k, (one, other) in enumerate(self.pairs):
            student, teacher = ours[one][:, :-1][places].float(), theirs[other][:, :-1][places].float()
            if len(self.maps):
                student = student @ self.maps[k].T
            apart = (student - teacher).square().sum(-1) / teacher.square().sum(-1).clamp(min=1e-12)
            total = total + apart.sum()
        return total / len(self.pairs)
