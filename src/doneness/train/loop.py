"""The trainer, one page from recipe to checkpoint, to be read top-down."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from doneness.config import Recipe
from doneness.core import StopDecision, disk_faults
from doneness.models import EncodedRows, LoadedModel, example_losses, pick_device
from doneness.runs import ExampleLosses, Recorder, save_examples
from doneness.stopping import StopRule
from doneness.train.arguments import steps_per_epoch, total_steps, training_arguments
from doneness.train.callback import StepCallback, Watcher
from doneness.train.method import trainable
from doneness.train.resume import data_hash, resume_point
from doneness.train.spacing import evaluation_steps


@dataclass(frozen=True)
class TrainingRows:
    """Encoded rows: what the model learns from, and what it is judged on (possibly nothing)."""

    train: EncodedRows
    eval: EncodedRows | None


@dataclass(frozen=True)
class TrainResult:
    """How a run ended: "finished", "stopped" (by the rule) or "requested" (from outside)."""

    step: int
    ending: str
    decision: StopDecision | None


def train(
    recipe: Recipe, rows: TrainingRows, loaded: LoadedModel, rule: StopRule | None, watcher: Watcher
) -> TrainResult:
    """Train to the end of the recipe, or until the rule says that it is done.

    A folder with a journal is resumed from its last whole checkpoint; on CPU the result is then,
    bit for bit, that of an uninterrupted run. The model comes ready: its method applied.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM; everything up to the step at hand is saved.
        StorageError: the disk is full; the checkpoints before are kept.
    """
    folder = Path(recipe.run.folder)
    recorder = Recorder(folder)
    try:
        return _train(recipe, rows, loaded, rule, watcher, folder, recorder)
    finally:
        recorder.close()


def _train(
    recipe: Recipe,
    rows: TrainingRows,
    loaded: LoadedModel,
    rule: StopRule | None,
    watcher: Watcher,
    folder: Path,
    recorder: Recorder,
) -> TrainResult:
    # How long, where to look, where to save.
    steps = total_steps(recipe, len(rows.train.rows))
    looks = evaluation_steps(steps, recipe.evaluation.every) if rows.eval else ()
    saves = _save_steps(recipe, steps, looks)

    # Where to begin: at the last checkpoint that is whole, or at the beginning.
    model = loaded.model
    begin = resume_point(recorder.records, folder)
    if recorder.last("start") is None:
        recorder.write("start", 0, meta=_meta(recipe, rows, loaded, model, steps))
    else:
        recorder.resume(begin, checkpoint=f"checkpoint-{begin}" if begin else None)
    ended = _ended_before(recipe, recorder, begin)
    if ended is not None:
        # Killed after the decision and before the last line: what was decided stays decided.
        recorder.write("end", begin, reason=ended.ending)
        return ended

    # The trainer: TRL's loop and loss, our evaluation, checkpoints and decisions.
    callback = StepCallback(recorder, rule, watcher, frozenset(looks), frozenset(saves), _obeys(recipe))
    trainer = _build_trainer(recipe, rows, loaded, model, steps, callback, recorder, watcher)

    watcher.began(begin, steps)

    # The base model is the first point of every curve, and what all later ones are held against.
    if rows.eval and not recorder.has("eval", 0):
        trainer.score()
    if rows.eval and begin == 0 and not recorder.has("decision", 0):
        watcher.evaluated(recorder.last("eval") or {}, callback.decide(0))

    # The hours.
    with callback.listening(), disk_faults(folder):
        trainer.train(resume_from_checkpoint=str(folder / f"checkpoint-{begin}") if begin else None)

    step = int(trainer.state.global_step)
    if callback.interrupted:
        raise KeyboardInterrupt
    ending = "stopped" if callback.stopped else "requested" if callback.asked_to_stop else "finished"
    recorder.write("end", step, reason=ending)
    return TrainResult(step, ending, callback.stopped)


def _build_trainer(
    recipe: Recipe,
    rows: TrainingRows,
    loaded: LoadedModel,
    model: Any,
    steps: int,
    callback: StepCallback,
    recorder: Recorder,
    watcher: Watcher,
) -> Any:
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    from doneness.train.trainer import EvidenceTrainer

    data = Dataset.from_list(
        [{"input_ids": list(r.ids), "labels": [-100] * r.start + list(r.ids[r.start :])} for r in rows.train.rows]
    )
    arguments = training_arguments(recipe, recorder.folder, steps, pick_device(recipe.model.device))

    def score() -> dict[str, float]:
        at = int(trainer.state.global_step)
        losses = example_losses(
            trainer.model,
            rows.eval.rows if rows.eval else (),
            at,
            recipe.evaluation.batch_size,
            lambda done: watcher.scoring(at, done, len(rows.eval.rows) if rows.eval else 0),
        )
        _record_evaluation(recorder, losses, callback.position(trainer.state))
        return {"eval_loss": losses.mean}

    trainer = EvidenceTrainer(
        model=model,
        args=arguments,
        train_dataset=data,
        data_collator=DataCollatorForLanguageModeling(pad_token_id=loaded.tokenizer.pad_token_id),
        processing_class=loaded.tokenizer,
        callbacks=[callback],
        score=score,
    )
    trainer.remove_callback(PrinterCallback)
    callback.trainer = trainer
    last = recorder.last("train")
    if last:
        trainer.tokens_seen, trainer.targets_seen = int(last["tokens"]), int(last["targets"])
    return trainer


def _record_evaluation(recorder: Recorder, losses: ExampleLosses, position: dict[str, Any]) -> None:
    path = save_examples(recorder.folder, losses)
    recorder.write(
        "eval",
        losses.step,
        name="eval",
        loss=losses.mean,
        examples=len(losses.ids),
        target_tokens=int(losses.tokens.sum()),
        file=str(path.relative_to(recorder.folder)),
        **position,
    )


def _save_steps(recipe: Recipe, steps: int, looks: tuple[int, ...]) -> set[int]:
    saves = {steps}
    if recipe.checkpoints.with_evaluations:
        saves |= set(looks)
    if recipe.checkpoints.every:
        saves |= set(range(recipe.checkpoints.every, steps + 1, recipe.checkpoints.every))
    return saves


def _ended_before(recipe: Recipe, recorder: Recorder, begin: int) -> TrainResult | None:
    """How the run had ended at `begin` before it was killed, if it had."""
    decision, request = recorder.last("decision"), recorder.last("request")
    if request is not None and request["step"] == begin > 0:
        return TrainResult(begin, "requested", None)
    if decision is not None and decision["step"] == begin > 0 and decision["action"] == "stop" and _obeys(recipe):
        return TrainResult(begin, "stopped", StopDecision.from_dict(decision))
    return None


def _obeys(recipe: Recipe) -> bool:
    return recipe.stopping.on_stop == "stop"


def _meta(recipe: Recipe, rows: TrainingRows, loaded: LoadedModel, model: Any, steps: int) -> dict[str, Any]:
    import torch

    moving, total = trainable(model)
    packages = ("torch", "transformers", "trl", "peft", "accelerate")
    return {
        "recipe": asdict(recipe),
        "planned_steps": steps,
        "warmup_steps": recipe.schedule.warmup_steps,
        "steps_per_epoch": steps_per_epoch(recipe, len(rows.train.rows)),
        "vocab_size": int(model.config.vocab_size),
        "data": data_hash(rows.train.rows, rows.eval.rows if rows.eval else ()),
        "train_rows": len(rows.train.rows),
        "eval_rows": len(rows.eval.rows) if rows.eval else 0,
        "train_tokens": sum(len(r.ids) for r in rows.train.rows),
        "train_targets": sum(r.targets for r in rows.train.rows),
        "truncated_rows": rows.train.truncated,
        "skipped_rows": rows.train.skipped,
        "model": loaded.path,
        "method": recipe.method.kind,
        "seed": recipe.run.seed,
        "threads": torch.get_num_threads(),
        "trainable_parameters": moving,
        "total_parameters": total,
        "versions": {
            "python": platform.python_version(),
            "doneness": version("doneness"),
            **{p: version(p) for p in packages},
        },
    }
