"""One process of a training that several share: run by test_processes.py, once alone and once as two."""

from __future__ import annotations

import sys
from pathlib import Path


def main(model: str, out: str, rows: int) -> None:
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq, Trainer, TrainingArguments

    from doneness.integrations import DonenessCallback
    from doneness.integrations.together import share
    from tests.integrations.conftest import Planted

    torch.set_num_threads(1)

    def made(first: int, last: int) -> Dataset:
        ids = [[(7 * i + 3 * j) % 250 for j in range(6 + i % 9)] for i in range(first, last)]
        return Dataset.from_list([{"input_ids": i, "labels": [-100, *i[1:]]} for i in ids])

    callback = DonenessCallback(rule=Planted(4))
    trainer = Trainer(
        model=AutoModelForCausalLM.from_pretrained(model),
        args=TrainingArguments(
            output_dir=out, max_steps=8, per_device_train_batch_size=rows, per_device_eval_batch_size=rows,
            eval_strategy="steps", eval_steps=2, eval_on_start=True, logging_steps=1, save_strategy="no",
            report_to="none", learning_rate=0.05, optim="sgd", use_cpu=True, disable_tqdm=True,
        ),
        data_collator=DataCollatorForSeq2Seq(AutoTokenizer.from_pretrained(model)),
        train_dataset=made(0, 24),
        eval_dataset=made(24, 37),
        callbacks=[callback],
    )  # fmt: skip
    trainer.train()
    rank, world = share()
    verdict = callback.decision.action.value if callback.decision else "none"
    told = f"{rank} {world} {trainer.state.global_step} {callback.stopped} {verdict}"
    Path(f"{out}.{rank}.txt").write_text(told)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
