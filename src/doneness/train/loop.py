"""The trainer, one page from recipe to checkpoint, to be read top-down."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from doneness.config import Recipe, bits_of
from doneness.core import Action, StopDecision, disk_faults, tr
from doneness.models import EncodedRows, LoadedModel, label_entropy, pick_device
from doneness.models.by_row import attend_by_row
from doneness.models.reporters import shield
from doneness.models.together import by_first, from_first, share
from doneness.runs import Recorder, save_examples
from doneness.runs.groups import means
from doneness.stopping import StopRule
from doneness.stopping.cooldown import cooldown_of, ends_at_once
from doneness.train.arguments import common_arguments, steps_per_epoch, total_steps, warmup_steps
from doneness.train.asking import Asker, Sharing
from doneness.train.callback import Plan, StepCallback, Watcher
from doneness.train.freed import give_back
from doneness.train.health import ROWS, WithRows
from doneness.train.keeping import GIGABYTE, sweep
from doneness.train.method import trainable, trainable_tensors
from doneness.train.order import order_of
from doneness.train.packing import lies_end_to_end
from doneness.train.processes import NOT_BEGUN, AtBegin, Begun, Follower, Seat, one_card, own_chance
from doneness.train.resume import data_hash, resume_point
from doneness.train.spacing import checkpoint_steps, evaluation_steps
from doneness.train.stages import PREFERENCES, Scored, of_tokens, stage_of


@dataclass(frozen=True)
class TrainingRows:
    """Encoded rows: what the model learns from, and what it is judged on (possibly nothing).

    `held_out` says how the latter were held out of the training file, where they were; `packed` whether rows of a
    forward pass lie end to end.
    """

    train: EncodedRows[Any]
    eval: EncodedRows[Any] | None
    held_out: Mapping[str, Any] | None = None
    packed: bool = False


@dataclass(frozen=True)
class TrainResult:
    """How a run ended: "finished", "stopped" (by the rule), "cooled" (at zero rate) or "requested" (from outside)."""

    step: int
    ending: str
    decision: StopDecision | None


def train(
    recipe: Recipe,
    rows: TrainingRows,
    loaded: LoadedModel,
    rule: StopRule | None,
    watcher: Watcher,
    asker: Asker | None = None,
) -> TrainResult:
    """Train to the end of the recipe, or until the rule says that it is done.

    A folder with a journal is resumed from its last whole checkpoint; on CPU the result is then,
    bit for bit, that of an uninterrupted run. The model comes ready: its method applied. The folder is claimed by the
    caller. An `asker` puts a few questions after each evaluation, within the recipe's share of the time.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM; everything up to the step at hand is saved.
        StorageError: the disk is full; the checkpoints before are kept.
    """
    # One process for all looks: while weights are spread over several, not each has all of them.
    rows = replace(rows, packed=by_first(lambda: lies_end_to_end(recipe, loaded.model, rows.train.rows)))
    if rows.packed:
        attend_by_row(loaded.model)
    if share()[0]:
        return _follow(recipe, rows, loaded)
    recorder = Recorder(Path(recipe.run.folder))
    # Several processes would all have to ask at once.
    asking = Sharing(asker, recipe.probes.share, recorder) if asker is not None and share()[1] == 1 else None
    try:
        return _train(recipe, rows, loaded, rule, watcher, recorder, asking)
    finally:
        recorder.close()


def _train(
    recipe: Recipe,
    rows: TrainingRows,
    loaded: LoadedModel,
    rule: StopRule | None,
    watcher: Watcher,
    recorder: Recorder,
    asking: Sharing | None,
) -> TrainResult:
    # How long, where to look, where to save.
    steps = total_steps(recipe, len(rows.train.rows))
    looks = evaluation_steps(steps, recipe.evaluation.every, recipe.early_looks) if rows.eval else ()
    plan = Plan(
        last=steps,
        looks=frozenset(looks),
        saves=frozenset(checkpoint_steps(recipe.checkpoints, steps, looks)),
        obey=_obeys(recipe),
        cooldown_share=recipe.stopping.cooldown_share,
        keep_bytes=recipe.checkpoints.keep_gb * GIGABYTE,
    )

    # Where to begin: at the last checkpoint that is whole, or at the beginning.
    begin = resume_point(recorder.records, recorder.folder)
    if recorder.last("start") is None:
        recorder.write("start", 0, meta=_meta(recipe, rows, loaded, loaded.model, steps))
    else:
        recorder.resume(begin, checkpoint=f"checkpoint-{begin}" if begin else None, processes=share()[1])
    sweep(recorder, begin)
    callback = StepCallback(recorder, rule, watcher, plan, asking)
    if begin:
        # The kill may have come between that checkpoint and the last deletion it led to.
        callback.rotate(begin)
    ended = _ended_before(recipe, recorder, begin)
    begun = from_first(Begun.of(recorder, begin, bool(rows.eval), callback.cooldown, ended is not None))
    if ended is not None:
        # Killed after the decision and before the last line: what was decided stays decided.
        recorder.write("end", begin, reason=ended.ending)
        return from_first(ended)

    # The trainer: TRL's loop and loss, our evaluation, checkpoints and decisions.
    trainer = _build_trainer(recipe, rows, loaded, begun, Seat(callback, watcher, recorder))
    watcher.began(begin, callback.cooldown.end if callback.cooldown else steps)

    # The base model is the first point of every curve, and what all later ones are held against.
    def look() -> None:
        if begun.unscored:
            trainer.score()
        if rows.eval and begin == 0 and not recorder.has("decision", 0):
            watcher.evaluated(recorder.last("eval") or {}, callback.decide(0))

    # The hours.
    _go(trainer, callback, begun, look)

    if callback.interrupted:
        from_first(None)
        raise KeyboardInterrupt
    step = int(trainer.state.global_step)
    result = TrainResult(step, _ending(callback), callback.decision if callback.cooled else callback.stopped)
    recorder.write("end", step, reason=result.ending)
    return from_first(result)


def _follow(recipe: Recipe, rows: TrainingRows, loaded: LoadedModel) -> TrainResult:
    """What a process does that is not the first: the same steps, and nothing of its own."""
    begun: Begun = from_first(NOT_BEGUN)
    if not begun.ended:
        follower = Follower(begun.cooldown)
        trainer = _build_trainer(recipe, rows, loaded, begun, Seat(follower))
        _go(trainer, follower, begun, lambda: trainer.score() if begun.unscored else None)
    result: TrainResult | None = from_first(None)
    if result is None:
        raise KeyboardInterrupt
    return result


def _go(trainer: Any, lead: StepCallback | Follower, begun: Begun, look: Callable[[], object]) -> None:
    """Score the base model where that is to be done, and train."""
    folder = Path(trainer.args.output_dir)
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        trainer.callback_handler.callbacks.insert(0, AtBegin(look))  # once the weights are where they will be
    else:
        look()
    with lead.listening(), disk_faults(folder):
        trainer.train(resume_from_checkpoint=str(folder / f"checkpoint-{begun.step}") if begun.step else None)


def _ending(callback: StepCallback) -> str:
    if callback.stopped:
        return "stopped"
    if callback.cooled:
        return "cooled"
    return "requested" if callback.asked_to_stop else "finished"


def _build_trainer(recipe: Recipe, rows: TrainingRows, loaded: LoadedModel, begun: Begun, seat: Seat) -> Any:
    from datasets import Dataset
    from transformers import PrinterCallback

    from doneness.train.evidence import evident

    stage = stage_of(recipe, rows, loaded.tokenizer.pad_token_id, loaded.tokenizer)
    data = Dataset.from_list([{**row, ROWS: i} for i, row in enumerate(stage.dataset())])
    steps, lead = total_steps(recipe, len(rows.train.rows)), seat.lead
    common = common_arguments(recipe, Path(recipe.run.folder), steps, pick_device(recipe.model.device))
    order = order_of(recipe, [len(row.ids) for row in rows.train.rows], stage.trainer())
    health = seat.health(recipe.health.every, [row.id for row in rows.train.rows], order)

    def score() -> dict[str, float]:
        at, total = int(trainer.state.global_step), len(rows.eval.rows) if rows.eval else 0
        give_back()  # what a step leaves has other sizes than what an evaluation needs, and the other way round
        found = stage.score(trainer.model, at, lambda done: seat.scoring(at, done, total))
        give_back()
        if seat.recorder is not None:
            _record_evaluation(seat.recorder, found, at, total, lead.position(trainer.state))
        return {"eval_loss": found.loss}

    trainer = evident(stage.trainer())(
        model=loaded.model,
        args=one_card(stage.arguments(common)),
        train_dataset=data,
        data_collator=WithRows(stage.collator()),
        processing_class=loaded.tokenizer,
        callbacks=[*seat.callbacks(), *([health] if health else [])],
        score=score,
        cooldown=lambda: lead.cooldown,
        count=stage.count,
        batch=health.batch if health else lambda rows, targets: None,
        order=order,
        **stage.more(loaded.model),
    )
    stage.built(trainer)
    trainer.remove_callback(PrinterCallback)
    shield(trainer)
    trainer.note = tr("train.explore") if recipe.run.mode == "explore" else ""
    lead.trainer = trainer
    if health:
        health.trainer = trainer
    trainer.tokens_seen, trainer.targets_seen = begun.seen
    own_chance(recipe.run.seed)
    return trainer


def _record_evaluation(recorder: Recorder, found: Scored, step: int, rows: int, position: dict[str, Any]) -> None:
    losses, data = found.losses, {}
    if losses is not None:
        path = save_examples(recorder.folder, losses)
        sums = {name: (span.mean, int(span.tokens.sum())) for name, span in losses.spans.items()}
        data = {
            "target_tokens": int(losses.tokens.sum()),
            "spans": {name: {"loss": mean, "tokens": count} for name, (mean, count) in sums.items() if count},
            **({"groups": groups} if (groups := means(losses)) else {}),
            "file": str(path.relative_to(recorder.folder)),
        }
    metrics = {name: value for name, value in found.metrics.items() if math.isfinite(value)}
    more = {"metrics": metrics} if metrics else {}
    recorder.write("eval", step, name="eval", loss=found.loss, examples=rows, **data, **more, **position)


def _ended_before(recipe: Recipe, recorder: Recorder, begin: int) -> TrainResult | None:
    """How the run had ended at `begin` before it was killed, if it had."""
    if begin == 0:
        return None
    told = recorder.last("decision")
    decision = StopDecision.from_dict(told) if told is not None and told["step"] == begin else None
    cooling = cooldown_of(recorder.records)
    stopped = decision is not None and decision.action is Action.STOP and _obeys(recipe)
    if decision is not None and stopped and (cooling is None or ends_at_once(decision)):
        return TrainResult(begin, "stopped", decision)
    if cooling is not None and cooling.end <= begin:
        return TrainResult(begin, "cooled", decision)
    asked = any(r["kind"] == "request" and (r["request"], r["step"]) == ("stop", begin) for r in recorder.records)
    return TrainResult(begin, "requested", None) if asked else None


def _obeys(recipe: Recipe) -> bool:
    return recipe.stopping.on_stop == "stop"


def _meta(recipe: Recipe, rows: TrainingRows, loaded: LoadedModel, model: Any, steps: int) -> dict[str, Any]:
    import torch

    moving, total = trainable(model)
    packages = ["torch", "transformers", "trl", "peft", "accelerate"]
    packages += ["bitsandbytes"] if bits_of(recipe.method) or recipe.optimizer.name.endswith("8bit") else []
    return {
        "mode": recipe.run.mode,
        "stage": recipe.run.stage,
        "recipe": asdict(recipe),
        "planned_steps": steps,
        "warmup_steps": warmup_steps(recipe, steps),
        "steps_per_epoch": steps_per_epoch(recipe, len(rows.train.rows)),
        # The loss of a pair is of no token: chance is not one in the vocabulary.
        "vocab_size": int(model.config.vocab_size) if of_tokens(recipe) else None,
        "data": data_hash(rows.train.rows, rows.eval.rows if rows.eval else ()),
        "train_rows": len(rows.train.rows),
        "eval_rows": len(rows.eval.rows) if rows.eval else 0,
        "packed": rows.packed,
        "held_out": None if rows.held_out is None else dict(rows.held_out),
        "baseline": None if recipe.run.stage in PREFERENCES else label_entropy(rows.eval.rows if rows.eval else ()),
        "train_tokens": sum(len(r.ids) for r in rows.train.rows),
        "train_targets": sum(r.targets for r in rows.train.rows),
        "truncated_rows": rows.train.truncated,
        "skipped_rows": rows.train.skipped,
        "model": loaded.path,
        # By what the loss is of, as foreign logs tell it; the recipe says which weights move.
        "method": recipe.run.stage if recipe.run.stage in PREFERENCES else recipe.method.kind,
        "seed": recipe.run.seed,
        "processes": share()[1],
        "threads": torch.get_num_threads(),
        "trainable_parameters": moving,
        "trainable_tensors": trainable_tensors(model),
        "total_parameters": total,
        "versions": {
            "python": platform.python_version(),
            "doneness": version("doneness"),
            **{p: version(p) for p in packages},
        },
    }
