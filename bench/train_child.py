"""One trainer of `python -m bench train`, in its own process and environment; it takes a step when it is told to.

    python train_child.py ours|trl|llamafactory config.json READ WRITE

READ and WRITE are the numbers of two pipes. A byte read is one step to take, the end of the pipe the end. Written is a
JSON line a step: seconds of wall and CPU time of the step and of what came with it (an evaluation, a checkpoint),
tokens with and without padding, target tokens; and a last one with the peak of memory. Nothing of ours is imported by
the others' processes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


class Turns:
    """The pipes, the clocks, and what the step at hand has counted."""

    def __init__(self, read: int, write: int) -> None:
        self.read, self.write = read, write
        self.counted = {"tokens": 0, "padded": 0, "targets": 0}
        self.apart: dict[str, list[float]] = {}
        self.begun: tuple[float, float] | None = None

    def now(self) -> tuple[float, float]:
        """Wall and CPU time, with the device's work done."""
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()

    def next(self) -> None:
        """The step before is over; wait for the next."""
        if self.begun is not None:
            wall, cpu = self.now()
            apart = [sum(each[i] for each in self.apart.values()) for i in (0, 1)]
            self.tell(
                wall=wall - self.begun[0] - apart[0], cpu=cpu - self.begun[1] - apart[1], apart=self.apart,
                **self.counted,
            )  # fmt: skip
        else:
            self.tell(ready=True)
        if not os.read(self.read, 1):
            self.tell(**peaks())
            os._exit(0)
        self.counted = dict.fromkeys(self.counted, 0)
        self.apart = {}
        self.begun = self.now()

    def tell(self, **found: Any) -> None:
        os.write(self.write, (json.dumps(found) + "\n").encode())

    def count(self, inputs: Any) -> None:
        """A micro-batch: rows padded to one length, or laid end to end without a mask."""
        ids, mask, labels = inputs["input_ids"], inputs.get("attention_mask"), inputs["labels"]
        self.counted["padded"] += int(ids.numel())
        self.counted["tokens"] += int(ids.numel() if mask is None else mask.sum())
        self.counted["targets"] += int((labels[:, 1:] != -100).sum())


def peaks() -> dict[str, float]:
    """Peak of this process's own memory, and of the device's, MB; of `ru_maxrss` a part would be its parent's."""
    import torch

    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(each for each in status.splitlines() if each.startswith("VmHWM"))
    found = {"peak_mb": int(line.split()[1]) / 1024.0}
    if torch.cuda.is_available():
        found["device_mb"] = torch.cuda.max_memory_allocated() / 2**20
    return found


def take_turns(turns: Turns) -> None:
    """Whatever Trainer is made in this process, it takes turns."""
    from transformers import Trainer, TrainerCallback, trainer_callback

    class Waiting(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            turns.next()

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            # One step more than is ever asked for: a turn is over where the next would begin.
            turns.next()

    made = trainer_callback.CallbackHandler.__init__

    def with_waiting(self: Any, callbacks: Any, *args: Any, **kwargs: Any) -> None:
        made(self, callbacks, *args, **kwargs)
        self.add_callback(Waiting())

    trainer_callback.CallbackHandler.__init__ = with_waiting
    step, after = Trainer.training_step, Trainer._maybe_log_save_evaluate

    def counted(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        turns.count(inputs)
        return step(self, model, inputs, *args, **kwargs)

    def timed(self: Any, *args: Any, **kwargs: Any) -> Any:
        what = "evaluation" if self.control.should_evaluate else "checkpoint" if self.control.should_save else ""
        begun = turns.now() if what else (0.0, 0.0)
        found = after(self, *args, **kwargs)
        if what:
            ended = turns.now()
            turns.apart[what] = [ended[0] - begun[0], ended[1] - begun[1]]
        return found

    Trainer.training_step, Trainer._maybe_log_save_evaluate = counted, timed


def ours(config: dict[str, Any]) -> None:
    """`doneness train`."""
    from doneness.cli.main import main

    sys.exit(main(["train", config["recipe"]]))


def trl(config: dict[str, Any]) -> None:
    """As TRL's documentation writes it."""
    from datasets import load_dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    data = load_dataset("json", data_files=config["data"])
    trainer = SFTTrainer(
        model=config["model"],
        args=SFTConfig(**config["arguments"]),
        train_dataset=data["train"],
        eval_dataset=data["test"],
        peft_config=LoraConfig(**config["lora"]) if config["lora"] else None,
    )
    trainer.train()


def llamafactory(config: dict[str, Any]) -> None:
    """`llamafactory-cli train`."""
    from llamafactory.train.tuner import run_exp

    run_exp(config)


def main() -> None:
    who, config, read, write = sys.argv[1:]
    # The folder of this script holds modules whose names are others' too.
    sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).resolve().parent]
    take_turns(Turns(int(read), int(write)))
    trainers = {"ours": ours, "trl": trl, "llamafactory": llamafactory}
    trainers[who](json.loads(Path(config).read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
