"""One batch, row by row: from labels and the model's output to summed NLL, target tokens and an identity.

The identity of a row is a hash of its own tokens and labels without padding, so that it does not
depend on order, batch, process or padding, and a row that a sampler repeats is the same row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from doneness.integrations.target_spans import TargetSpans
from doneness.models import require

IGNORED = -100
# Numbers of logits taken to float32 at once: 64 Mi floats are 256 MB.
_AT_ONCE = 64 * 1024 * 1024


class Row(NamedTuple):
    """A row that was scored: its identity, summed NLL in nats, target tokens; and both by span."""

    name: str
    nll: float
    tokens: int
    spans: Mapping[str, tuple[float, int]] = MappingProxyType({})


Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Unusable(Exception):
    """Why a batch tells no losses row by row; `key` names the sentence in the catalogue."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


@dataclass(frozen=True)
class Kind:
    """How a model's labels meet its output.

    Attributes:
        shifted: the output at t predicts the label at t + 1 (causal models); None where nothing tells.
        encoder: labels are a sequence of their own, beside the tokens read.
        pad: the padding token, where known.
    """

    shifted: bool | None
    encoder: bool
    pad: int | None


def kind_of(model: Any) -> Kind:
    """The kind of a model, adapters or not, as transformers tells it."""
    from transformers.loss.loss_utils import LOSS_MAPPING, ForCausalLMLoss

    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    config = getattr(base, "config", None)
    encoder = bool(getattr(config, "is_encoder_decoder", False))
    told = LOSS_MAPPING.get(getattr(base, "loss_type", None) or "")
    pad = getattr(config, "pad_token_id", None)
    shifted = None if told is None else told is ForCausalLMLoss and not encoder
    return Kind(False if encoder else shifted, encoder, pad if isinstance(pad, int) else None)


def rows_of_batch(kind: Kind, inputs: Mapping[str, Any], output: Any, spans: TargetSpans | None = None) -> list[Row]:
    """Identity, summed NLL (nats) and target tokens of each row of a batch that has targets.

    Sequences packed into one row are told apart where position_ids restart or the attention mask
    changes its number; otherwise a packed row is one row.

    Args:
        kind: of the model.
        inputs: what it was called with; labels of shape (rows,) are classes, of shape (rows, length) tokens.
        output: what it answered: logits, or TRL's log_probs with label_mask.
        spans: also sum by these, where targets are tokens.

    Raises:
        Unusable: there are no labels, no logits, or labels of a kind without a likelihood.
    """
    ids, wanted = _read(inputs)
    there = _there(kind, inputs, ids, wanted)
    if wanted.ndim == 1:
        return _classes(ids, wanted, there, output)
    _known(kind, ids, wanted)
    if not kind.shifted:
        return _unshifted(kind, ids, wanted, there, output, spans)
    wanted, part = _parts(inputs, wanted, there)
    row, place = np.nonzero(wanted != IGNORED)
    values = _values(output, row, place - 1, wanted[row, place], ids.shape[1])
    return _summed(_shifted_names(ids, wanted, there, part), part[row, place], values, spans, wanted[row, place])


def identities(kind: Kind, inputs: Mapping[str, Any]) -> list[str]:
    """The identities of the rows of a batch, as `rows_of_batch` gives them; rows without targets among them.

    Raises:
        Unusable: there are no labels, or labels of a kind without a likelihood.
    """
    ids, wanted = _read(inputs)
    there = _there(kind, inputs, ids, wanted)
    if wanted.ndim == 1:
        return _class_names(ids, wanted, there)
    _known(kind, ids, wanted)
    if not kind.shifted:
        return _unshifted_names(kind, ids, wanted, there)
    wanted, part = _parts(inputs, wanted, there)
    return _shifted_names(ids, wanted, there, part)


def _read(inputs: Mapping[str, Any]) -> tuple[Ints, Ints]:
    """Tokens and labels of a batch."""
    torch = require("torch")
    labels: Any = inputs.get("labels")
    tokens: Any = inputs.get("input_ids")
    if labels is None:
        raise Unusable("no_labels")
    usual = torch.is_tensor(labels) and torch.is_tensor(tokens) and not torch.is_floating_point(labels)
    if not usual or labels.ndim not in (1, 2) or tokens.ndim != 2 or inputs.get("shift_labels") is not None:
        raise Unusable("other_kind")
    return _numpy(tokens), _numpy(labels)


def _known(kind: Kind, ids: Ints, wanted: Ints) -> None:
    if kind.shifted is None or (not kind.encoder and wanted.shape != ids.shape):
        raise Unusable("other_kind")


def _parts(inputs: Mapping[str, Any], wanted: Ints, there: Bools) -> tuple[Ints, Ints]:
    """The labels that are predicted, and the number of each token's sequence; shape (rows, length)."""
    first = _first(inputs, there)
    return np.where(there & ~first, wanted, IGNORED), np.cumsum(first).reshape(first.shape) - 1


def _shifted_names(ids: Ints, wanted: Ints, there: Bools, part: Ints) -> list[str]:
    return [_hash(ids[r, p], wanted[r, p]) for r, p in _members(part, there)]


def _class_names(ids: Ints, wanted: Ints, there: Bools) -> list[str]:
    return [_hash(tokens[keep], label[None]) for tokens, keep, label in zip(ids, there, wanted, strict=True)]


def _unshifted_names(kind: Kind, ids: Ints, wanted: Ints, there: Bools) -> list[str]:
    if not kind.encoder:
        wanted = np.where(there, wanted, IGNORED)
    aim = [w[w != IGNORED] if kind.encoder else w[keep] for w, keep in zip(wanted, there, strict=True)]
    return [_hash(tokens[keep], w) for tokens, keep, w in zip(ids, there, aim, strict=True)]


def _classes(ids: Ints, wanted: Ints, there: Bools, output: Any) -> list[Row]:
    row = np.flatnonzero(wanted != IGNORED)
    logits = _field(output, "logits")
    if logits is None or logits.ndim != 2 or logits.shape[1] < 2:
        raise Unusable("no_logits" if logits is None else "other_kind")
    values = _entropies(logits[:, None, :], row, np.zeros_like(row), wanted[row])
    return _summed(_class_names(ids, wanted, there), row, values)


def _unshifted(kind: Kind, ids: Ints, wanted: Ints, there: Bools, output: Any, spans: TargetSpans | None) -> list[Row]:
    logits = _field(output, "logits")
    if logits is None:
        raise Unusable("no_logits")
    if logits.ndim != 3 or tuple(logits.shape[:2]) != wanted.shape:
        raise Unusable("other_kind")
    if not kind.encoder:
        wanted = np.where(there, wanted, IGNORED)
    row, place = np.nonzero(wanted != IGNORED)
    values = _entropies(logits, row, place, wanted[row, place])
    names = _unshifted_names(kind, ids, wanted, there)
    return _summed(names, row, values, spans if kind.encoder else None, wanted[row, place])


def _there(kind: Kind, inputs: Mapping[str, Any], ids: Ints, wanted: Ints) -> Bools:
    """True where a token is one of the row's own, not padding; shape (rows, length)."""
    mask = _plane(inputs.get("attention_mask"), ids)
    if mask is not None:
        return np.asarray(mask != 0, dtype=np.bool_)
    if kind.pad is None or wanted.shape != ids.shape:
        return np.ones(ids.shape, dtype=np.bool_)
    padding = (ids == kind.pad) & (wanted == IGNORED)
    # Padding stands at the end: whatever follows the last token of another kind.
    return np.asarray(np.cumsum(~padding[:, ::-1], axis=1)[:, ::-1] > 0, dtype=np.bool_)


def _first(inputs: Mapping[str, Any], there: Bools) -> Bools:
    """True at the first token of every row, and of every sequence packed into one."""
    first: Bools = there & (np.cumsum(there, axis=1) == 1)
    mask, place = _plane(inputs.get("attention_mask"), there), _plane(inputs.get("position_ids"), there)
    if mask is not None and mask.max(initial=0) > 1:
        first[:, 1:] |= there[:, 1:] & (mask[:, 1:] != mask[:, :-1])
    if place is not None:
        first[:, 1:] |= there[:, 1:] & (place[:, 1:] <= place[:, :-1])
    return first


def _members(part: Ints, there: Bools) -> list[tuple[Ints, Ints]]:
    """Where the tokens of each sequence stand, sequences in their order."""
    row, place = np.nonzero(there)
    number = part[row, place]
    cuts = np.flatnonzero(np.diff(number)) + 1
    return [(r, p) for r, p in zip(np.split(row, cuts), np.split(place, cuts), strict=True) if r.size]


def _plane(value: Any, like: NDArray[Any]) -> Ints | None:
    """A tensor as an array where it has the shape of the tokens; one row for all is spread."""
    if value is None or not hasattr(value, "ndim") or value.ndim != 2 or value.shape[1] != like.shape[1]:
        return None
    found = _numpy(value)
    return np.broadcast_to(found, like.shape) if found.shape[0] in (1, like.shape[0]) else None


def _values(output: Any, row: Ints, place: Ints, wanted: Ints, length: int) -> NDArray[np.float64]:
    """NLL of each target: `place` is where it is predicted. Virtual tokens before the row's own are passed over."""
    fused = _field(output, "log_probs")
    if fused is not None and fused.ndim == 2:
        extra = fused.shape[1] - (length - 1)
        if extra < 0:
            raise Unusable("other_kind")
        chosen = fused[_index(row, fused), _index(place + extra, fused)]
        return -np.asarray(chosen.detach().double().cpu().numpy(), dtype=np.float64)
    logits = _field(output, "logits")
    if logits is None or logits.ndim != 3 or logits.shape[1] < length:
        raise Unusable("no_logits")
    return _entropies(logits, row, place + logits.shape[1] - length, wanted)


def _entropies(logits: Any, row: Ints, place: Ints, wanted: Ints) -> NDArray[np.float64]:
    """Cross-entropy in float32 at chosen positions, block by block; shape of `row`."""
    torch = require("torch")
    size = max(1, _AT_ONCE // int(logits.shape[-1]))
    found = [np.zeros(0)]
    for at in range(0, row.size, size):
        cut = slice(at, at + size)
        block = logits[_index(row[cut], logits), _index(place[cut], logits)].detach().float()
        losses = torch.nn.functional.cross_entropy(block, _index(wanted[cut], logits), reduction="none")
        found.append(losses.double().cpu().numpy())
    return np.concatenate(found)


def _summed(
    names: list[str],
    part: Ints,
    values: NDArray[np.float64],
    spans: TargetSpans | None = None,
    targets: Ints | None = None,
) -> list[Row]:
    nll = np.bincount(part, weights=values, minlength=len(names))
    tokens = np.bincount(part, minlength=len(names))
    rows = [Row(name, float(nll[i]), int(tokens[i])) for i, name in enumerate(names)]
    if spans is not None and targets is not None:
        ends = np.cumsum(tokens)
        # Targets stand row after row: a part's own are together.
        for i in np.flatnonzero(tokens).tolist():
            own = slice(int(ends[i] - tokens[i]), int(ends[i]))
            places = spans.of(names[i], targets[own])
            rows[i] = rows[i]._replace(
                spans={span: (float(values[own][list(at)].sum()), len(at)) for span, at in places.items()}
            )
    return [row for row in rows if row.tokens]


def _hash(tokens: Ints, labels: Ints) -> str:
    digest = hashlib.blake2b(np.ascontiguousarray(tokens, dtype=np.int64).tobytes(), digest_size=12)
    digest.update(b"|" + np.ascontiguousarray(labels, dtype=np.int64).tobytes())
    return digest.hexdigest()


def _field(output: Any, name: str) -> Any:
    if isinstance(output, Mapping):
        found = output.get(name)
    elif isinstance(output, (tuple, list)) and not hasattr(output, name):
        # A plain tuple: the loss first where there is one, then the logits.
        found = next((o for o in output if hasattr(o, "ndim") and o.ndim > 1), None) if name == "logits" else None
    else:
        found = getattr(output, name, None)
    return found if hasattr(found, "detach") else None


def _index(values: Ints, like: Any) -> Any:
    return require("torch").as_tensor(values, device=like.device)


def _numpy(tensor: Any) -> Ints:
    return np.asarray(tensor.detach().cpu().numpy()).astype(np.int64)
