"""The colours, one meaning each, in light and dark; Okabe and Ito's set, safe for colour-blind eyes.

Source: Okabe and Ito, "Color Universal Design" (2008). Marks keep the set's own hues; the `-ink`
variants are the same hues darkened or lightened until text reads at 4.5 : 1.
"""

from __future__ import annotations

# role: (light, dark)
COLOURS: dict[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#15181c"),
    "card": ("#f6f7f8", "#1d2126"),
    "ink": ("#1b1f24", "#e6e8ea"),
    "muted": ("#5b636d", "#a3abb5"),
    "grid": ("#e2e5e9", "#2c323a"),
    "edge": ("#c3c9d0", "#454d57"),
    "train": ("#e69f00", "#e69f00"),
    "train-ink": ("#855c00", "#f0b429"),
    "eval": ("#0072b2", "#56b4e9"),
    "eval-ink": ("#00629b", "#6fc1f0"),
    "chosen": ("#cc79a7", "#cc79a7"),
    "chosen-ink": ("#96416f", "#e3a3c6"),
    "chosen-wash": ("#f8ecf3", "#33232d"),
    "better-ink": ("#00694c", "#3cc79c"),
    "better-wash": ("#eaf6f1", "#16281f"),
    "amber-ink": ("#6b5900", "#f0e442"),
    "amber-wash": ("#fcf7d6", "#2c2a12"),
    "worse": ("#d55e00", "#e8762b"),
    "worse-ink": ("#a84700", "#f08c4b"),
    "worse-wash": ("#fdeee3", "#33210f"),
}


def css() -> str:
    """The colours as CSS variables, and the classes that figures use: s-… strokes, f-… fills."""
    light = "".join(f"--{role}:{pair[0]};" for role, pair in COLOURS.items())
    dark = "".join(f"--{role}:{pair[1]};" for role, pair in COLOURS.items())
    classes = "".join(f".s-{r}{{stroke:var(--{r})}}.f-{r}{{fill:var(--{r})}}" for r in COLOURS)
    return (
        f":root{{color-scheme:light dark;{light}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        f"@media print{{:root{{{light}}}}}{classes}"
    )


def stroke(role: str, width: float = 1.0) -> dict[str, object]:
    """Attributes of a stroke: the class, and the light colour for viewers without CSS variables."""
    return {"cls": f"s-{role}", "stroke": COLOURS[role][0], "stroke_width": width}


def fill(role: str) -> dict[str, object]:
    """Attributes of a fill, as `stroke`."""
    return {"cls": f"f-{role}", "fill": COLOURS[role][0]}
