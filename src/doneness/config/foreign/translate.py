"""From another tool's arguments to a recipe, with what was not needed and what is to be known."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doneness.config.foreign import llamafactory, medicalgpt, training
from doneness.config.foreign.asked import Asked
from doneness.config.foreign.command_line import Given, parse, without_no
from doneness.config.foreign.files import ENDINGS, read_file
from doneness.config.foreign.table import Argument, Fate, Table, read, table
from doneness.config.load import build_recipe
from doneness.config.schema import Recipe
from doneness.core import Message, RecipeError, say, tr

_LONGEST = 80
_NAMES = {"llamafactory": "LLaMA-Factory", "medicalgpt": "MedicalGPT"}
_CONVERSIONS = {"llamafactory": llamafactory, "medicalgpt": medicalgpt}
# Asked for before the others, which look at the stage.
_FIRST = "stage"


@dataclass(frozen=True)
class Translated:
    """A recipe that was another tool's, and what the user is to know of it, in order."""

    recipe: Recipe
    lines: tuple[Message, ...]


def is_foreign(words: Sequence[str]) -> bool:
    """Whether `words` are another tool's: arguments of a command line, a script, or a YAML or JSON file."""
    return any(word.startswith("--") for word in words) or Path(words[0]).suffix.lower() in (*ENDINGS, ".py")


def translate(words: Sequence[str], gpu: Callable[[], bool] = lambda: False) -> Translated:
    """The recipe that another tool's command line or file means.

    Args:
        words: a YAML or JSON file with settings after it, or the words of a command line.
        gpu: whether there is a GPU to train on; asked only where it matters.

    Raises:
        RecipeError: every fault at once, each with what to do instead.
    """
    where, given = _given(words)
    unread = medicalgpt.unread(given.script, set(given.values))
    if unread is not None:
        raise RecipeError([tr(f"foreign.fault.{unread}")], where=where)
    tool = table(_tool_of(given))
    usable, unusable = _usable(tool, given)
    asked = _asked(tool, given, usable, gpu)
    idle = [name for name in usable if tool.arguments[name].fate is not Fate.MAPPED]
    _refused(asked, tool, usable)
    _remarks(asked, tool, idle)
    for conversion in dict.fromkeys((_FIRST, *(a.conversion for a in tool.arguments.values() if a.conversion))):
        # What cannot be read is missing, and would be missed a second time.
        if not unusable:
            _function(tool.tool, conversion)(asked)
    _as_they_are(asked, tool)
    asked.faults[:0] = unusable
    if asked.faults:
        raise RecipeError(asked.faults, where=where)
    recipe = build_recipe(asked.sections, given.ours, where=where)
    # A setting of ours among theirs may have let the stopping rule end the run: the advice to do so is then taken.
    stops = recipe.stopping.on_stop != "note"
    notes = [note for note in asked.notes if not (stops and note.key == "foreign.note.watching")]
    lines = [say("foreign.read_as", tool=_NAMES[tool.tool], n=len(given.values)), *notes]
    if idle:
        lines.append(say("foreign.idle", n=len(idle), names=", ".join(idle)))
    return Translated(recipe, tuple(lines))


def _given(words: Sequence[str]) -> tuple[str, Given]:
    """The arguments, and where they come from."""
    path = Path(words[0])
    if words[0].startswith("--") or path.suffix.lower() == ".py":
        return tr("foreign.line"), parse(words)
    if path.suffix.lower() not in ENDINGS:
        flags = [word for word in words if word.startswith("--")]
        raise RecipeError([tr("foreign.fault.flag", flag=flags[0])], where=words[0])
    given = parse(words[1:], settings=True)
    given.values = read_file(path) | given.values
    return words[0], given


def _tool_of(given: Given) -> str:
    """Whose arguments they are, by the names that one tool alone has, or by its script."""
    lf, mg = table("llamafactory"), table("medicalgpt")
    if given.script in mg.scripts:
        return "medicalgpt"
    names = set(given.values)
    theirs, others = len(names & (mg.own - lf.own)), len(names & (lf.own - mg.own))
    # As many of one as of the other: a slip in the names of the tool whose word for the rows is used.
    more = theirs > others or (theirs == others and "dataset" not in names)
    return "medicalgpt" if theirs and more else "llamafactory"


def _usable(tool: Table, given: Given) -> tuple[dict[str, Any], list[str]]:
    """The arguments read as what they are, and what is wrong with the others."""
    usable, faults = {}, list(given.faults)
    for name, value in without_no(given.values, tool.arguments).items():
        argument = tool.arguments.get(name)
        if argument is None:
            faults.append(_unknown(name, tool))
            continue
        try:
            usable[name] = read(argument.kind, value)
        except (ValueError, OverflowError):
            shown = " ".join(value) if isinstance(value, tuple) else str(value)
            kind = tr(f"foreign.kind.{argument.kind}")
            faults.append(tr("foreign.fault.kind", name=name, value=_cut(shown), kind=kind))
    return usable, faults


def _asked(tool: Table, given: Given, usable: Mapping[str, Any], gpu: Callable[[], bool]) -> Asked:
    """What was asked for, with the defaults of the script that it was asked of."""
    stages = {name: usual["stage"] for name, usual in tool.scripts.items()}
    script = medicalgpt.stage_of(given.script, set(given.values), stages) if stages else None
    usual = dict(tool.scripts[script]) if script else {}
    stage = usual.pop("stage", "sft")
    asked = Asked(tool, usable, usual, gpu)
    asked.stage = stage
    if stages and script is None:
        asked.fault("which_script", scripts=", ".join(stages))
    return asked


def _refused(asked: Asked, tool: Table, usable: Mapping[str, Any]) -> None:
    """Arguments that would change the result and are not supported; what leaves it as it is may be said."""
    for name, value in usable.items():
        argument = tool.arguments[name]
        if argument.fate is Fate.REFUSED and not _as_usual(argument, value):
            instead = tr(f"foreign.instead.{argument.remark}")
            asked.fault("refused", name=name, value=_cut(_written(value)), instead=instead)


def _remarks(asked: Asked, tool: Table, idle: list[str]) -> None:
    """What is to be said of arguments that change no result here, once for each reason."""
    said: dict[str, list[str]] = {}
    for name in idle:
        argument = tool.arguments[name]
        if argument.fate is Fate.IDLE and argument.remark and not _as_usual(argument, asked[name]):
            said.setdefault(argument.remark, []).append(name)
    for remark, names in said.items():
        asked.note(remark, names=", ".join(names))


def _as_they_are(asked: Asked, tool: Table) -> None:
    """The arguments that need no conversion, the tool's defaults among them."""
    for argument in tool.arguments.values():
        if argument.fate is Fate.MAPPED and not argument.conversion:
            asked.put(argument.keys[0], asked[argument.name])


def _function(tool: str, conversion: str) -> Callable[[Asked], None]:
    """The conversion of that name: the tool's own, or the trainer's."""
    own = getattr(_CONVERSIONS[tool], conversion, None)
    found: Callable[[Asked], None] = own if own is not None else getattr(training, conversion)
    return found


def _as_usual(argument: Argument, value: Any) -> bool:
    """Whether a value is what the tool does if nobody says, or nothing at all."""
    return value == argument.usual or (argument.usual is None and value in (None, False, (), [], {}))


def _unknown(name: str, tool: Table) -> str:
    """An unknown argument: an abbreviation, which argparse would fill in unseen, or a slip with the nearest name."""
    longer = [known for known in tool.arguments if known.startswith(name)]
    if longer and len(name) > 1:
        return tr("foreign.fault.abbreviation", name=_cut(name), names=", ".join(longer[:4]))
    close = difflib.get_close_matches(name[:_LONGEST], tool.arguments, n=1, cutoff=0.6)
    hint = tr("config.mean", name=close[0]) if close else ""
    return tr("foreign.fault.unknown", name=_cut(name), tool=_NAMES[tool.tool], hint=hint)


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def kinds(tool: str) -> Mapping[Fate, list[str]]:
    """Names of the tool's arguments by their class; the trainer's are among them."""
    return {fate: [a.name for a in table(tool).arguments.values() if a.fate is fate] for fate in Fate}
