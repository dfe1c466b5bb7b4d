"""Training health in somebody else's Trainer: what its callback can see, and what a hook on the model adds."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from doneness.health import HealthWatch
from doneness.integrations.guard import Guard
from doneness.integrations.monitor import Monitor
from doneness.models import require

_MOST_BATCHES = 1024  # micro-batches whose tokens are held on to between two rows of logs
_SEARCH = 2.0  # seconds that looking for a spike's rows in the data set may take
_AT_ONCE = 1000


class Measuring:
    """Measures one run on the first process; whatever goes wrong ends the measuring and nothing else.

    A hook before the model's forward pass counts tokens and holds on to the batch's token ids, which the
    Trainer holds anyway; only a loss spike has them copied and hashed.
    """

    def __init__(self, model: Any, every: int, monitor: Monitor, guard: Guard, args: Any) -> None:
        """Begin to listen.

        Args:
            model: the module that is called, without wrappers.
            every: steps between two measurements.
            monitor: takes the records.
            guard: tells of errors.
            args: of the Trainer.
        """
        self._monitor, self._guard = monitor, guard
        self._alone = args.world_size == 1 and getattr(args, "n_gpu", 1) <= 1
        accumulation = int(args.gradient_accumulation_steps)
        self._watch = HealthWatch(model, every, monitor.last("health"), accumulation, self._alone)
        self._encoder = bool(getattr(getattr(model, "config", None), "is_encoder_decoder", False))
        self._held: deque[tuple[Any, Any]] = deque(maxlen=_MOST_BATCHES)
        last = monitor.last("train") or {}
        # Where the journal has no count of what came before, ours would be none of the whole run.
        known = "tokens" in last or not last
        self._before = (float(last.get("tokens") or 0), float(last.get("targets") or 0)) if known else None
        self._counts: Any = None  # on the device; fetched only where a record is about to be made of them
        if self._before is not None and self._alone:
            self._watch.pace.start(*self._before)
        self._hook = model.register_forward_pre_hook(self._forward, with_kwargs=True)
        self.on = True

    def step_begin(self, step: int) -> None:
        """Step number `step` begins."""
        self._safely("step_begin", step, lambda: self._watch.begin(step))

    def before_update(self, step: int, optimizer: Any) -> None:
        """Gradients are whole."""
        self._safely("pre_optimizer_step", step, lambda: self._watch.before_update(optimizer))

    def after_update(self, step: int) -> None:
        """The weights have moved."""
        self._safely("optimizer_step", step, self._watch.after_update)

    def step_end(self, step: int, epoch: float) -> None:
        """The step has ended; what was measured is recorded."""
        self._safely("step_end", step, lambda: self._record(step, epoch))

    def paused(self) -> None:
        """An evaluation or a checkpoint came between two steps."""
        self._watch.pace.paused()

    def counted(self) -> dict[str, int]:
        """Tokens and target tokens seen so far, padding apart; empty where they cannot be told."""
        if self._before is None or self._counts is None or not self._alone:
            return {}
        tokens, targets = self._counts.tolist()
        return {"tokens": int(self._before[0] + tokens)} | (
            {"targets": int(self._before[1] + targets)} if targets else {}
        )

    def rows(self, loader: Any) -> Callable[[], list[str]]:
        """What names the rows since the last row of logs, once it is called."""
        held = list(self._held)
        self._held.clear()
        return lambda: names_of(held, getattr(loader, "dataset", None))

    def remove(self) -> None:
        """Take everything off the model."""
        self.on = False
        self._hook.remove()
        self._watch.drop()
        self._held.clear()

    def _record(self, step: int, epoch: float) -> None:
        due = self._watch.due
        counts: Mapping[str, int] = self.counted() if due else {}
        found = self._watch.end(counts.get("tokens"), counts.get("targets"))
        if found is not None:
            self._monitor.log_health(step, {**found, **counts}, epoch=epoch)

    def _forward(self, module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        """The hook; a pass without gradients is no training (a reference model, an evaluation)."""
        torch = require("torch")
        if self.on and module.training and torch.is_grad_enabled():
            self._safely("forward", 0, lambda: self._batch(torch, kwargs))

    def _batch(self, torch: Any, inputs: Mapping[str, Any]) -> None:
        ids: Any = inputs.get("input_ids")
        labels: Any = inputs.get("labels")
        mask: Any = inputs.get("attention_mask")
        if not torch.is_tensor(ids) or ids.ndim != 2:
            self._before = None
            return
        mask = mask if torch.is_tensor(mask) and mask.shape == ids.shape else None
        self._held.append((ids, mask))
        tokens = ids.new_tensor(ids.numel()) if mask is None else mask.ne(0).sum()
        targets: Any = None
        if torch.is_tensor(labels) and labels.ndim == 2:
            # A causal model predicts from the second token on.
            targets = (labels if self._encoder else labels[:, 1:]).ne(-100).sum()
        now = torch.stack([tokens, torch.zeros_like(tokens) if targets is None else targets])
        self._counts = now if self._counts is None else self._counts + now
        self._watch.batch(int(ids.shape[0]), targets)

    def _safely(self, where: str, step: int, what: Callable[[], object]) -> None:
        if not self.on:
            return
        try:
            what()
        except Exception as error:
            self.remove()
            self._guard.failed(f"health.{where}", step, error)


def names_of(batches: Sequence[tuple[Any, Any]], dataset: Any) -> list[str]:
    """A name for every row of some batches: "train[17]" where the data set has it there, else its hash.

    Args:
        batches: token ids of shape (rows, length), and a mask of that shape or None.
        dataset: of the training, looked through for two seconds at most.
    """
    hashes = [hash_of(row) for ids, mask in batches for row in _own_tokens(ids, mask)]
    places = _places(dict.fromkeys(hashes), dataset)
    return [f"train[{places[each]}]" if each in places else each for each in hashes]


def hash_of(tokens: Any) -> str:
    """24 hexadecimal digits that name a row: of its token ids without padding, as int64, by BLAKE2b."""
    return hashlib.blake2b(np.ascontiguousarray(tokens, dtype=np.int64).tobytes(), digest_size=12).hexdigest()


def _own_tokens(ids: Any, mask: Any) -> Iterator[Any]:
    rows = ids.detach().cpu().numpy()
    keep = np.ones(rows.shape, dtype=bool) if mask is None else mask.detach().cpu().numpy() != 0
    return (row[own] for row, own in zip(rows, keep, strict=True))


def _places(wanted: Mapping[str, Any], dataset: Any) -> dict[str, int]:
    """Where in the data set rows with these hashes stand; what was not found in time is left out."""
    found: dict[str, int] = {}
    end, at = time.monotonic() + _SEARCH, 0
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        return found
    try:
        while at < len(dataset) and len(found) < len(wanted) and time.monotonic() < end:
            for place, tokens in enumerate(_stretch(dataset, at), start=at):
                name = hash_of(tokens)
                if name in wanted:
                    found.setdefault(name, place)
            at += _AT_ONCE
    except Exception:
        # Rows of another make (no token ids yet, numbers out of range): the hashes have to do.
        return found
    return found


def _stretch(dataset: Any, at: int) -> list[Any]:
    stop = min(at + _AT_ONCE, len(dataset))
    if type(dataset).__module__.partition(".")[0] == "datasets":
        return list(dataset[at:stop]["input_ids"])
    return [dataset[i]["input_ids"] for i in range(at, stop)]
