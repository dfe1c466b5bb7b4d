"""Writes docs/reference from the code: `make docs`. A test fails when a page is stale."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from doneness.cli.main import build_parser
from doneness.config import Recipe
from doneness.core import speaking
from doneness.report import schema

FOLDER = Path(__file__).parent / "reference"
SCHEMA = Path(__file__).parent.parent / "src" / "doneness" / "config" / "schema.py"


def pages() -> dict[str, str]:
    """Every page by file name."""
    with speaking("en"):
        return {
            "checks.md": checks(),
            "behaviours.md": behaviours(),
            "recipe.md": recipe(),
            "commands.md": commands(),
            **{f"{command}.schema.json": schema(command) for command in ("check", "replay", "compare", "audit")},
        }


def modules(package: str) -> Iterator[ModuleType]:
    """The modules of a package, one check or behaviour each."""
    home = importlib.import_module(package)
    for found in sorted(pkgutil.iter_modules(home.__path__), key=lambda m: m.name):
        yield importlib.import_module(f"{package}.{found.name}")


def checks() -> str:
    """What every check finds, how, and on whose authority."""
    lines = ["# Checks", "", "Made from the code by `make docs`.", ""]
    kinds = (("Runs", "diagnose"), ("Data", "audit"), ("Pipelines, learnt by heart first", "sanity"))
    for title, package in ((title, f"doneness.{folder}.checks") for title, folder in kinds):
        lines += [f"## {title}", ""]
        for module in sorted(modules(package), key=lambda m: m.CHECK.code):
            head, body = explained(module)
            head = head.removeprefix(f"{module.CHECK.code}: ").rstrip(".")
            lines += [f"### {module.CHECK.code}: {head[0].lower()}{head[1:]}", "", body, ""]
    return "\n".join(lines)


def explained(module: ModuleType) -> tuple[str, str]:
    """The module's first line, and all that it and its check say about themselves."""
    head, _, rest = (module.__doc__ or "").strip().partition("\n")
    own = inspect.getdoc(module.CHECK.run) or ""
    texts = [inspect.cleandoc(rest), own.partition("\n")[2].strip() if rest.strip() else own]
    return head, "\n\n".join(t for t in texts if t)


def behaviours() -> str:
    """What the probes measure."""
    lines = ["# Behaviours", "", "What `doneness probe` measures. Made from the code by `make docs`.", ""]
    for module in modules("doneness.probe.behaviours"):
        behaviour = module.MEASURE.behaviour
        better = {"higher": "higher is better", "lower": "lower is better", "none": "neither is better"}
        guard = "a guard: shown harm rules a checkpoint out" if behaviour.guard else "no guard"
        facts = f"*{better[behaviour.better]}; {behaviour.unit}; margin {behaviour.margin:g}; {guard}.*"
        lines += [f"## {behaviour.name}", "", inspect.cleandoc(module.__doc__ or ""), "", facts, ""]
    return "\n".join(lines)


def recipe() -> str:
    """Every key of a recipe with its default and what it does."""
    source = "\n".join(file.read_text(encoding="utf-8") for file in (SCHEMA, SCHEMA.with_name("sections.py")))
    lines = ["# Recipe", "", "Every key has a default. Made from the code by `make docs`.", ""]
    for section in dataclasses.fields(Recipe):
        values = getattr(Recipe(), section.name)
        lines += [f"## [{section.name}]", "", (type(values).__doc__ or "").strip(), "", "| key | default | what |"]
        lines += ["|---|---|---|"]
        body = source.split(f"class {type(values).__name__}:", 1)[1].split("\nclass ", 1)[0]
        for key in dataclasses.fields(values):
            said = re.search(rf'\n    {key.name}: .*\n    """((?:.|\n)*?)"""', body)
            what = " ".join(said.group(1).split()) if said else ""
            default = getattr(values, key.name)
            shown = str(default).lower() if isinstance(default, bool) else f'"{default}"' if default == "" else default
            lines.append(f"| {key.name} | `{shown}` | {what} |")
        lines.append("")
    return "\n".join(lines)


def commands() -> str:
    """Every command's own help."""
    parser = build_parser()
    lines = ["# Commands", "", "Made from the code by `make docs`.", "", *block(parser)]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                lines += [f"## doneness {name}", "", *block(sub)]
    return "\n".join(lines)


def block(parser: argparse.ArgumentParser) -> list[str]:
    """A parser's help, wrapped the same on every terminal."""
    parser.formatter_class = lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=100)  # type: ignore[assignment]
    return ["```", parser.format_help().rstrip(), "```", ""]


if __name__ == "__main__":
    import rates  # lies beside this script

    FOLDER.mkdir(exist_ok=True)
    for file, text in pages().items():
        (FOLDER / file).write_text(text.rstrip() + "\n", encoding="utf-8")
    for path, text in rates.pages().items():
        path.write_text(text, encoding="utf-8")
