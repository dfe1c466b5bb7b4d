"""Every log of the collection reads, with the counts of its index."""

from __future__ import annotations

import csv
from pathlib import Path

from doneness.core import UnreadableError
from doneness.runs import read

# (train, eval) points where ours differ from the index on purpose, by the end of the name.
DIFFERENT = {
    # The index counts rows; each step was written twice, by two processes.
    "rameyjm7__SFT-Training-LLM__root.jsonl": (656, 0),
    # The index counts the longest of the columns shown first; the wide export holds eight runs, and all are read.
    "druidowm__nanoGPT__wandb_export.csv.csv": (1184, 0),
    # One evaluation and its training row were logged twice for step 20.
    "5624.0.tfevents": (10, 9),
    # nanoGPT estimates the training loss at each evaluation; the index adds those 11 and 13 rows to the curve.
    "wandb-run-20241012_153325-jnyhr7aj.log": (2156, 11),
    "wandb-run-20241012_160630-jqe8zy9r.log": (2547, 13),
}
# A row a run: tables of many runs, which the index counts as if each row were a step.
TABLES = ("nanoGPT__wandb_summary.csv.csv", "nanochat__docs-wandb_overall.csv.csv")


def test_every_log_reads_with_the_counts_of_the_index(curves: Path) -> None:
    with (curves.parent / "index.csv").open(encoding="utf-8") as handle:
        index = list(csv.DictReader(handle))
    assert len(index) == 250
    wrong, tables = [], []
    for row in index:
        file = row["file"]
        try:
            runs = read(curves.parent / file)
        except UnreadableError as error:
            tables.append(file)
            assert "a table of" in str(error)
            continue
        got = (sum(len(r.train or ()) for r in runs), sum(len(r.evals or ()) for r in runs))
        told = (int(float(row["n_train_points"] or 0)), int(float(row["n_eval_points"] or 0)))
        expected = next((counts for end, counts in DIFFERENT.items() if file.endswith(end)), told)
        if got != expected:
            wrong.append((file, expected, got))
    assert wrong == []
    assert len(tables) == len(TABLES)
    assert all(file.endswith(TABLES) for file in tables)


def test_the_whole_collection_is_a_tree(curves: Path) -> None:
    runs = read(curves / "llamafactory")
    assert len(runs) == 10
    assert {r.kind for r in runs} == {"llamafactory"}
