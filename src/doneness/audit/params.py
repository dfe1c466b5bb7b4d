"""By which measure an audit judges."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuditParams:
    """The measures of the audit; shares are of rows, 0 to 1.

    Attributes:
        near: similarity from which two questions count as one (see `data.near_duplicates`).
        template_share: largest share that one template may have.
        epochs: planned passes over the training rows; repeats multiply them.
        max_tokens: tokens a row may have before the trainer cuts it; needs a tokenizer.
        max_chars: characters a row may have, for want of a tokenizer.
        min_rows: below so many rows no share is judged.
        stage: what the rows are for: sft, distill, pretrain, dpo, orpo, reward, kto or grpo.
        joined: whether near-duplicates are looked for.
        sample: rows that template and diversity are judged on where there are more.
        language: the language rows should be in ("en", "zh", …); empty is that of most rows.
    """

    near: float = 0.8
    template_share: float = 0.05
    epochs: float = 1.0
    max_tokens: int | None = None
    max_chars: int | None = None
    min_rows: int = 20
    stage: str = "sft"
    joined: bool = True
    sample: int = 20_000
    language: str = ""
