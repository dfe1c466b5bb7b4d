"""How far a checkpoint has moved from the base model: mean KL(checkpoint ‖ base) per token, in nats.

Both models read every row once; of the base's hidden states those that predict a target are kept for the next
checkpoint. Their distributions are held against one another a few hundred positions at a time, for with their logits
whole a page of text would take a gigabyte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.models.decode_fit import under, why_not
from doneness.models.decode_slots import attending, inputs
from doneness.models.head import States, block_size
from doneness.models.imports import require
from doneness.models.options import batches, lined
from doneness.models.switch import BASE, Switch

Ids = Sequence[int]
Rows = Sequence[tuple[Ids, Ids]]
_KEPT = 64 * 1024 * 1024  # numbers of the base's states that are kept: 256 MB in float32


class Divergence:
    """KL to the base model for the checkpoints of one run."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._base: dict[Any, list[States]] = {}

    def of(self, step: int, rows: Rows) -> list[float]:
        """Mean KL per target token of every row; 0 for the base itself and for a row without a target.

        Args:
            step: which checkpoint.
            rows: (context, target); a target without a context counts from its second token on.
        """
        if step == BASE:
            return [0.0] * len(rows)
        with require("torch").inference_mode():
            bases = self._of_base(rows)
            own = self._states(step, rows)
            sums = np.zeros(len(rows))
            counts = np.array([len(each) for each in _targets(rows)], dtype=np.int64)
            order = [i for batch in _batches(rows) for i in batch]
            owner = np.repeat(np.array(order, dtype=np.int64), counts[order])
            at = 0
            for mine, its in zip(own, bases, strict=True):
                found = self._compare(step, mine, its)
                np.add.at(sums, owner[at : at + len(found)], found)
                at += len(found)
        return [float(total) / count if count else 0.0 for total, count in zip(sums, counts.tolist(), strict=True)]

    def _of_base(self, rows: Rows) -> list[States]:
        """The base model's states, from the last time where these rows were asked before."""
        key = tuple((tuple(context), tuple(target)) for context, target in rows)
        if key not in self._base:
            self._base[key] = self._states(BASE, rows)
            while len(self._base) > 1 and sum(s.numbers for each in self._base.values() for s in each) > _KEPT:
                del self._base[next(iter(self._base))]
        return self._base[key]

    def _states(self, step: int, rows: Rows) -> list[States]:
        """What the output layer would be given at every place that predicts a target, batch by batch."""
        model = self._switch.to(step)
        base = under(model)
        device = base.get_input_embeddings().weight.device
        whole, targets = [[*c, *t] for c, t in rows], _targets(rows)
        found = []
        for batch in _batches(rows):
            if why_not(model):
                found.append(_padded(model, [whole[i] for i in batch], [targets[i] for i in batch]))
                continue
            with attending(base):
                line, slots = lined([whole[i] for i in batch], device)
                chosen = [line.places[k][targets[i].start - 1 : -1] for k, i in enumerate(batch)]
                place = _tensor(np.concatenate(chosen), device)
                found.append(States.of(base, inputs(slots, line), place * 0, place))
        return found

    def _compare(self, step: int, mine: States, its: States) -> NDArray[np.float64]:
        """KL at every place of one batch."""
        torch = require("torch")
        found = np.zeros(len(mine))
        size = block_size(under(self._switch.base.model))
        # Where the output layer is not the base's own, each model's logits are by its own: they take turns.
        other = BASE if self._switch.is_whole(step) or self._switch.moves_output(step) else step
        for begin in range(0, len(mine), size):
            cut = slice(begin, begin + size)
            p = mine.logits(self._switch.to(step), cut).float().log_softmax(dim=-1)
            q = its.logits(self._switch.to(other), cut).float().log_softmax(dim=-1)
            found[cut] = torch.sum(p.exp() * (p - q), dim=-1).double().cpu().numpy()
        # Rounding may leave a KL of nothing a hair below it.
        return np.maximum(found, 0.0)


def _targets(rows: Rows) -> list[range]:
    return [range(max(len(context), 1), max(len(context) + len(target), 1)) for context, target in rows]


def _batches(rows: Rows) -> list[list[int]]:
    whole, targets = [[*c, *t] for c, t in rows], _targets(rows)
    return list(batches(whole, [i for i in range(len(rows)) if len(targets[i])]))


def _padded(model: Any, whole: Sequence[Ids], targets: Sequence[range]) -> States:
    """The same for a model that is not run over rows in line."""
    torch = require("torch")
    device = next(model.parameters()).device
    width = max(len(row) for row in whole)
    ids, mask = (torch.zeros((len(whole), width), dtype=torch.long) for _ in range(2))
    for i, each in enumerate(whole):
        ids[i, : len(each)] = torch.tensor(list(each))
        mask[i, : len(each)] = 1
    row = np.repeat(np.arange(len(whole)), [len(each) for each in targets])
    place = np.concatenate([np.arange(each.start, each.stop) - 1 for each in targets])
    given = {"input_ids": ids.to(device), "attention_mask": mask.to(device), "use_cache": False}
    return States.of(model, given, _tensor(row, device), _tensor(place, device))


def _tensor(values: NDArray[np.int64], device: Any) -> Any:
    return require("torch").from_numpy(values).to(device)
