"""What columns are called, in lower case, and what they are here: one table for every format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from doneness.runs.readers.assemble import Layout
from doneness.runs.readers.table import Table
from doneness.runs.records import LAST_STEP
from doneness.runs.run import EVAL_LOSS, GRAD_NORM, LEARNING_RATE, TRAIN_LOSS

# Of several columns the first named here wins; the others keep their own name under train/ or eval/.
LOSS = (
    "loss", "train_loss", "train/loss", "training_loss", "train loss", "training loss", "loss/train", "loss_train",
    "trainloss", "train_loss_step", "train/loss_step", "train_loss_epoch", "train/loss_epoch", "train/train_loss",
    "losses/train", "tr_loss", "lm_loss", "train/lm_loss", "lm loss", "train/step_loss", "batch_loss", "step_loss",
    "train/total_loss", "total_loss", "train/ce_loss", "ce_loss", "cross_entropy", "nll_loss",
)  # fmt: skip
EVALUATION = (
    "eval_loss", "eval/loss", "val_loss", "val/loss", "valid_loss", "valid/loss", "validation_loss", "validation/loss",
    "dev_loss", "dev/loss", "val loss", "valid loss", "validation loss", "eval loss", "loss/val", "loss/valid",
    "loss/validation", "loss/eval", "loss_val", "loss_eval", "losses/val", "valloss", "val_loss_epoch", "cv_loss",
    "eval/eval_loss", "val/val_loss", "val/lm_loss", "eval/lm_loss", "val/ce_loss",
)  # fmt: skip
RATE = (
    "learning_rate", "lr", "train/learning_rate", "train/lr", "learning rate", "learning-rate", "train_lr", "opt/lr",
)  # fmt: skip
NORM = (
    "grad_norm", "train/grad_norm", "gradient_norm", "grad norm", "gnorm", "grad-norm", "train/gradient_norm",
    "global_grad_norm", "grad_norm_total",
)  # fmt: skip
STEP = (
    "step", "global_step", "train/global_step", "trainer/global_step", "global step", "current_steps", "steps",
    "optimizer_step", "iter", "iters", "iteration", "iterations", "train/step", "update", "num_updates", "it",
    "global_step/max_steps", "_step",
)  # fmt: skip
EPOCH = ("epoch", "train/epoch", "epochs", "current_epoch")
TOKENS = (
    "num_input_tokens_seen", "train/num_input_tokens_seen", "num_tokens", "train/num_tokens", "tokens", "tokens_seen",
    "total_tokens", "consumed_tokens", "train/tokens",
)  # fmt: skip
TIME = ("elapsed_time", "elapsed", "elapsed_seconds", "_runtime", "runtime", "relative time (process)", "total_time")

_MAIN = ((TRAIN_LOSS, LOSS), (EVAL_LOSS, EVALUATION), (LEARNING_RATE, RATE), (GRAD_NORM, NORM))
QUIET = {
    "train_runtime", "train_samples_per_second", "train_steps_per_second", "total_flos", "percentage",
    "remaining_time", "total_steps", "_timestamp", "timestamp", "wall", "time", "created_at", "max_steps",
}  # fmt: skip
_EVAL = re.compile(r"^(?:eval|val|valid|validation|dev)[_/ ](.+)$")
_TRAIN = re.compile(r"^(?:train|training)[_/ ](.+)$")
# A table wider than this is no log of one run; the columns beyond are left alone.
MOST_COLUMNS = 5_000


def is_loss(column: str) -> bool:
    """Whether a column is one that a training log is recognised by."""
    return column.strip().lower() in _LOSSES


_LOSSES = frozenset(LOSS + EVALUATION)


def guess(table: Table, mapping: Mapping[str, str] | None = None) -> Layout:
    """What each column of `table` is.

    Args:
        table: the rows read.
        mapping: column → series name ("train/loss") or "step", "epoch", "tokens", "time"; goes before any guess.
    """
    told = {k.strip().lower(): v for k, v in (mapping or {}).items()}
    by_low: dict[str, str] = {}
    for name in table.names[:MOST_COLUMNS]:
        by_low.setdefault(name.strip().lower(), name)
    roles = {role: by_low[low] for low, role in told.items() if role in _ROLES and low in by_low}
    names = {by_low[low]: role for low, role in told.items() if role not in _ROLES and low in by_low}
    if "step" in roles and is_clock(table, roles["step"]):
        del roles["step"]
    for role, known in _ROLES.items():
        if role not in roles:
            columns = [by_low[low] for low in known if low in by_low and by_low[low] not in names]
            chosen = _fullest(table, [c for c in columns if role != "step" or not is_clock(table, c)])
            if chosen is not None:
                roles[role] = chosen
    taken = set(roles.values()) | set(names)
    for series, known in _MAIN:
        if series in names.values():
            continue
        column = next((by_low[low] for low in known if low in by_low and by_low[low] not in taken), None)
        if column is None and series == LEARNING_RATE:
            column = next((by_low[low] for low in by_low if low.startswith("lr-") and by_low[low] not in taken), None)
        if column is not None:
            names[column] = series
            taken.add(column)
    rest = [n for low, n in by_low.items() if n not in taken and low not in QUIET and low not in STEP]
    names |= _rest(rest, set(names.values()))
    return Layout(names, **{role: roles.get(role) for role in _ROLES})


def is_clock(table: Table, column: str) -> bool:
    """Whether most of a column lies beyond all steps, as milliseconds since 1970 do."""
    _, values = table.column(column)
    known = values[np.isfinite(values)]
    return bool(known.size and np.median(known) > LAST_STEP)


_ROLES: dict[str, tuple[str, ...]] = {"step": STEP, "epoch": EPOCH, "tokens": TOKENS, "time": TIME}


def _fullest(table: Table, columns: list[str]) -> str | None:
    """The first column that is there in nine rows of ten, else the one that is there most often."""
    counts = {c: table.column(c)[0].size for c in columns}
    first = next((c for c in columns if counts[c] >= 0.9 * table.size), None)
    return first if first is not None else max(columns, key=lambda c: counts[c], default=None)


def _rest(columns: list[str], taken: set[str]) -> dict[str, str]:
    sets = evaluation_sets(_inner(c) for c in columns)
    found: dict[str, str] = {}
    for column in columns:
        inner = _inner(column)
        if inner is not None:
            name = evaluation_name(inner, sets)
        else:
            match = _TRAIN.match(column.strip().lower())
            name = f"train/{match[1] if match else column.strip()}"
            if column.strip().lower().startswith(("test/", "test_")):
                name = f"test/{column.strip()[5:]}"
        while name in taken:
            name += "'"
        taken.add(name)
        found[column] = name
    return found


def _inner(column: str) -> str | None:
    match = _EVAL.match(column.strip().lower())
    return None if match is None else column.strip()[match.start(1) :]


def evaluation_sets(keys: Iterable[str | None]) -> list[str]:
    """Names of the evaluation sets that keys without their "eval_" speak of, longest first.

    The Trainer writes a `<set>_runtime` for each set. Where there is none, `<set>_loss` names one,
    unless a plain `runtime` says that there is a single set and the loss is one of its metrics.
    """
    known = [k for k in keys if k]
    told = [k[: -len("_runtime")] for k in known if k.endswith(("_runtime", "/runtime"))]
    if not told and "runtime" not in known:
        told = [k[: -len("_loss")] for k in known if k.endswith(("_loss", "/loss"))]
    return sorted((t for t in set(told) if t), key=lambda t: (-len(t), t))


def evaluation_name(key: str, sets: list[str]) -> str:
    """The series that a key without its "eval_" becomes: "eval/f1", or "eval:<set>/loss"."""
    for name in sets:
        if key.startswith(name) and len(key) > len(name) + 1 and key[len(name)] in "_/":
            return f"eval:{name}/{key[len(name) + 1 :]}"
    return f"eval/{key}"
