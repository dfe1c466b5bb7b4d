"""Chat templates by LLaMA-Factory's and MedicalGPT's names, for tokenizers that have none, or for whoever names one."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import resources
from typing import Any

from doneness.core import DonenessError, Message, say, tr

# What an answer without reasoning begins with where the format thinks.
_EMPTY_THOUGHT = "<think>\n\n</think>\n\n"
_MARKS = re.compile(r"(\{(?:text|bos|eos)\})")
MEDICALGPT = "medicalgpt-"  # before the names of its templates: formats of the same name differ between the two
# Something of every kind, to see whether two templates write the same.
_SAMPLE = (
    ("system", "Speak plainly."),
    ("user", "Is it done?"),
    ("assistant", "Not yet."),
    ("user", "And now?"),
    ("assistant", "It is."),
)


@dataclass(frozen=True)
class Template:
    """A chat format; what its parts are stands in templates.toml, and of `between` in templates_medicalgpt.toml."""

    name: str
    prefix: str = ""
    system: str = "{text}"
    default: str = ""
    user: str = "{text}"
    open: str = ""
    assistant: str = "{text}{eos}"
    stops: tuple[str, ...] = ()
    eos: str = ""
    merged: bool = False
    thinks: bool = False
    between: str = ""

    def jinja(self) -> str:
        """The format as a chat template of transformers."""
        system, user = _say(self.system, "system"), _say(self.user, "text")
        answer = _say(self.assistant, "text")
        if self.thinks:
            bare = "'<think>' not in text and '</think>' not in text"
            answer = f"{{%- if {bare} -%}}{_say(_EMPTY_THOUGHT)}{{%- endif -%}}{answer}"
        if self.eos == "at end":
            answer += "{%- if loop.last -%}{{- eos_token -}}{%- endif -%}"
        merge = f"{{%- set first -%}}{system}{{%- endset -%}}{{%- set text = first ~ text -%}}"
        return "".join(
            (
                "{%- set turns = messages[1:] if messages[0]['role'] == 'system' else messages -%}",
                "{%- set system = (messages[0]['content'] if messages[0]['role'] == 'system' else '')",
                f" or {_quoted(self.default)} -%}}",
                _say(self.prefix),
                "" if self.merged else f"{{%- if system -%}}{system}{{%- endif -%}}",
                "{%- for turn in turns -%}{%- set text = turn['content'] -%}",
                f"{{%- if loop.first and system -%}}{merge}{{%- endif -%}}" if self.merged else "",
                "{%- if turn['role'] == 'user' -%}",
                f"{{%- if not loop.first -%}}{_say(self.between)}{{%- endif -%}}" if self.between else "",
                user,
                f"{{%- elif turn['role'] == 'assistant' -%}}{_say(self.open)}{answer}",
                "{%- else -%}{{- raise_exception('" + self.name + " knows no role ' ~ turn['role']) -}}",
                "{%- endif -%}{%- endfor -%}",
                f"{{%- if add_generation_prompt -%}}{_say(self.open)}{{%- endif -%}}",
            )
        )


def template(name: str) -> Template:
    """The chat format of that name.

    Raises:
        DonenessError: there is none; with the most alike.
    """
    known = templates()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        raise DonenessError(tr("models.no_template", name=name, n=len(known), known=", ".join(close or known)))
    return known[name]


@cache
def templates() -> Mapping[str, Template]:
    """All formats, by name."""
    text = (resources.files(__package__) / "templates.toml").read_text(encoding="utf-8")
    found: dict[str, Template] = {}
    for name, parts in tomllib.loads(text).items():
        like = found.get(parts.pop("like", ""))
        inherited = {f.name: getattr(like, f.name) for f in fields(Template)} if like else {}
        parts["stops"] = tuple(parts.get("stops", inherited.get("stops", ())))
        found[name] = Template(**{**inherited, **parts, "name": name})
    return found | _of_medicalgpt()


def _of_medicalgpt() -> dict[str, Template]:
    text = (resources.files(__package__) / "templates_medicalgpt.toml").read_text(encoding="utf-8")
    return {
        f"{MEDICALGPT}{name}": Template(
            f"{MEDICALGPT}{name}", system="{text}" + parts["between"], default=parts.get("system", ""),
            user=parts["user"], between=parts["between"],
        )
        for name, parts in tomllib.loads(text).items()
    }  # fmt: skip


def with_template(tokenizer: Any, name: str) -> Message | None:
    """Let `tokenizer` write conversations in the format of `name`; an empty name leaves it as it is.

    Where the tokenizer's own template writes the same, it stays.

    Returns:
        What the user is to know: that the named format stands in place of the model's own.

    Raises:
        DonenessError: there is no such format, or the tokenizer lacks a token that ends its answers.
    """
    if not name:
        return None
    chosen, own = template(name), tokenizer.chat_template
    lacking = [stop for stop in chosen.stops if stop in chosen.assistant and not _is_token(tokenizer, stop)]
    if lacking:
        raise DonenessError(tr("models.template_tokens", name=name, tokens=", ".join(lacking)))
    before = _sample(tokenizer) if own else ""
    if name.startswith(MEDICALGPT) and _begins(tokenizer):
        chosen = replace(chosen, prefix="{bos}")  # its scripts leave that to the tokenizer
    tokenizer.chat_template = chosen.jinja()
    same = own and before == _sample(tokenizer)
    if same:
        tokenizer.chat_template = own
    if chosen.eos == "first stop":
        tokenizer.eos_token = chosen.stops[0]
    tokenizer.learnt_after_end = re.sub(r".*(?:\{eos\}|>)", "", chosen.assistant, flags=re.DOTALL)
    return say("models.other_template", name=name) if own and not same else None


def _sample(tokenizer: Any) -> str:
    """What the tokenizer's template makes of a short conversation; nothing where it refuses that."""
    from jinja2 import TemplateError

    turns = [{"role": role, "content": content} for role, content in _SAMPLE]
    try:
        # Twice, since many templates say something of their own where there is no system message.
        texts = (tokenizer.apply_chat_template(t, tokenize=False) for t in (turns, turns[1:]))
        return "\0".join(map(str, texts))
    except TemplateError:
        return ""


def _begins(tokenizer: Any) -> bool:
    """Whether the tokenizer puts a token before every text."""
    return tokenizer.bos_token_id is not None and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]


def _is_token(tokenizer: Any, text: str) -> bool:
    return len(tokenizer(text, add_special_tokens=False)["input_ids"]) == 1


def _say(part: str, text: str = "") -> str:
    """A part of a format as Jinja that writes it; `text` is the variable that its {text} stands for."""
    named = {"{text}": text, "{bos}": "bos_token", "{eos}": "eos_token"}
    pieces = [piece for piece in _MARKS.split(part) if piece]
    return "".join("{{- " + (named.get(piece) or _quoted(piece)) + " -}}" for piece in pieces)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"
