"""What a model says at the label's place: the log-probabilities of yes, no and maybe, row by row.

The label is the one token after "Decision:", so one pass over everything before it gives all three. For rows with
an explanation that is the reference's own, as in the span loss; `own_explanations` has the model write it instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pubmedqa_rows import LABELS, SYSTEM, Item, as_row, write_rows

from doneness.data import parse_spans, read_rows
from doneness.models import Encoded, LoadedModel, answer_all, encode_rows, load_model, prompt_ids

LONGEST = 320  # tokens of a row; none is longer, and one that were would be refused
_NEW = 96  # tokens of an explanation that the model writes
_BATCH = 16


@dataclass(frozen=True)
class Scores:
    """One pass over rows; `log_p` has a row's log-probabilities in the order of `LABELS`, among all tokens."""

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    log_p: tuple[tuple[float, ...], ...]
    seconds: float = 0.0
    texts: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """A JSON form."""
        return asdict(self)


@contextmanager
def model_at(base: LoadedModel, checkpoint: Path | None) -> Iterator[LoadedModel]:
    """The base model, or a checkpoint's adapter over it for as long as the block lasts."""
    if checkpoint is None:
        yield base
        return
    from peft import PeftModel

    adapted = PeftModel.from_pretrained(base.model, str(checkpoint))
    try:
        yield LoadedModel(adapted, base.tokenizer, str(checkpoint))
    finally:
        adapted.unload()


def load_base(path: Path, threads: int) -> LoadedModel:
    """The model that both variants begin with."""
    import torch

    torch.set_num_threads(threads)
    return load_model(str(path), "float32", "cpu")


def label_scores(loaded: LoadedModel, path: Path) -> Scores:
    """Score the rows of a data file at their labels.

    Args:
        loaded: the model.
        path: as `pubmedqa_rows.write_rows` wrote it.
    """
    rows = encode_rows(loaded.tokenizer, read_rows(path).rows, LONGEST, SYSTEM, "refuse", parse_spans(["label"])).rows
    options = option_ids(loaded.tokenizer)
    for row in rows:
        if row.ids[_place(row)] != options[LABELS.index(str(row.label))]:
            raise ValueError(f"row {row.id}: the label is not the token that is scored")
    found = _log_p(loaded.model, [row.ids[: _place(row)] for row in rows], options)
    return Scores(tuple(row.id for row in rows), tuple(str(row.label) for row in rows), tuple(found))


def option_ids(tokenizer: Any) -> list[int]:
    """The tokens of " yes", " no" and " maybe".

    Raises:
        ValueError: one of them is not a single token.
    """
    ids = [tokenizer(f" {label}", add_special_tokens=False)["input_ids"] for label in LABELS]
    if any(len(each) != 1 for each in ids):
        raise ValueError(f"each option must be one token, got {ids}")
    return [each[0] for each in ids]


def own_explanations(loaded: LoadedModel, items: Sequence[Item], work: Path) -> Scores:
    """Score the labels after explanations that the model wrote by itself, greedily, the label line cut off.

    Args:
        loaded: the model.
        items: what it is asked.
        work: where the rows with its explanations are written.
    """
    turns = [[{"role": "system", "content": SYSTEM}, as_row(item, "explained")["messages"][0]] for item in items]
    prompts = [prompt_ids(loaded.tokenizer, each) for each in turns]
    said = [answer.text for answer in answer_all(loaded.model, loaded.tokenizer, prompts, _NEW, 2 * _BATCH)]
    texts = [text.partition("Decision")[0].strip() or "…" for text in said]
    path = write_rows(work, items, "explained", texts)
    found = label_scores(loaded, path)
    return Scores(found.ids, found.labels, found.log_p, texts=tuple(texts))


def _place(row: Encoded) -> int:
    return row.start + row.spans["label"][0]


def _log_p(model: Any, prefixes: Sequence[Sequence[int]], options: list[int]) -> list[tuple[float, ...]]:
    """Log-probabilities of `options` as the next token of each prefix."""
    import torch

    order = sorted(range(len(prefixes)), key=lambda i: len(prefixes[i]))
    found: dict[int, tuple[float, ...]] = {}
    model.eval()
    for begin in range(0, len(order), _BATCH):
        batch = order[begin : begin + _BATCH]
        ends = [len(prefixes[i]) for i in batch]
        ids = torch.zeros((len(batch), max(ends)), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, i in enumerate(batch):
            ids[row, : ends[row]] = torch.tensor(list(prefixes[i]))
            mask[row, : ends[row]] = 1
        keep = torch.tensor(sorted({end - 1 for end in ends}))
        with torch.inference_mode():
            logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=keep, use_cache=False).logits
        for row, i in enumerate(batch):
            last = logits[row, int((keep == ends[row] - 1).nonzero()[0])].float().log_softmax(-1)
            found[i] = tuple(round(float(last[option]), 6) for option in options)
    return [found[i] for i in range(len(prefixes))]
