"""Questions of every kind, and what planted checkpoints say to them."""

from __future__ import annotations

from dataclasses import replace

from doneness.probe import Asking, Probe

STEPS = (0, 4, 8)
WEIGHTS = {0: "base", 4: "four", 8: "eight"}
ASKING = Asking(max_new_tokens=8, batch_size=2)


def probe(name: str, **more: object) -> Probe:
    return replace(Probe(name, "knowledge", f"What is {name}?", "A thing.", (("thing",),)), **more)  # type: ignore[arg-type]


PROBES = (
    *[probe(f"q{i}") for i in range(5)],
    probe("talk", sort="sycophancy", asks=("answer", "turns"), then=("Are you sure?", "Really?")),
    probe("many", asks=("samples",), samples=3),
    probe("pick", sort="choice", asks=("options",), options=("red", "green"), correct=0),
    probe("near", asks=("answer", "nll", "kl")),
    Probe("text", "text", "", "", (), asks=("nll", "kl"), text="Water is wet."),
)


def says(step: int, question: str) -> str:
    return f"{step}: {question}"
