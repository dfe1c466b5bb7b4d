"""The regret–compute front as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 860, 520
_LEFT, _TOP, _RIGHT, _BOTTOM = 64, 24, 20, 52
_COLOURS = {"ours": "#c2410c", "front": "#1d4ed8", "plain": "#94a3b8", "reference": "#475569"}
_NAMES = {"ours": "doneness", "front": "plain rules, front", "plain": "plain rules", "reference": "knows the end"}


@dataclass(frozen=True, slots=True)
class Dot:
    """One rule: share of the steps run (0 to 1), mean regret (share of the loss), and what it is."""

    name: str
    steps: float
    regret: float
    kind: str


def draw(dots: list[Dot]) -> str:
    """All rules as dots, the front of the plain ones as a line; nearer to the lower left is better."""
    top = max(d.regret for d in dots) * 1.08 or 0.01

    def x(steps: float) -> float:
        return _LEFT + (steps - 0.3) / 0.7 * (_WIDTH - _LEFT - _RIGHT)

    def y(regret: float) -> float:
        return _HEIGHT - _BOTTOM - regret / top * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_frame(), *_grid(x, y, top)]
    front = sorted((d for d in dots if d.kind == "front"), key=lambda d: d.steps)
    line = " ".join(f"{x(d.steps):.1f},{y(d.regret):.1f}" for d in front)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{_COLOURS["front"]}" stroke-width="1.5"/>')
    for kind in ("plain", "reference", "front", "ours"):
        for d in (d for d in dots if d.kind == kind and d.steps >= 0.3):
            title = f"{d.name}: {d.steps:.2f} of the steps, regret {d.regret:.2%}"
            size = 6 if kind == "ours" else 4
            parts.append(
                f'<circle cx="{x(d.steps):.1f}" cy="{y(d.regret):.1f}" r="{size}" fill="{_COLOURS[kind]}">'
                f"<title>{escape(title)}</title></circle>"
            )
            if kind != "plain":
                parts.append(_label(x(d.steps) + 8, y(d.regret) + 4, d.name, _COLOURS[kind]))
    for row, kind in enumerate(_NAMES):
        at = _TOP + 14 + 18 * row
        parts.append(f'<circle cx="{_WIDTH - 190}" cy="{at - 4}" r="5" fill="{_COLOURS[kind]}"/>')
        parts.append(_label(_WIDTH - 178, at, _NAMES[kind], "#0f172a", 12))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _frame() -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="system-ui, sans-serif" role="img" aria-label="Mean regret against share of steps run">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>'
    )


def _grid(x, y, top: float) -> list[str]:  # type: ignore[no-untyped-def]
    parts = []
    for tenth in range(3, 11):
        at = x(tenth / 10)
        parts.append(f'<path d="M{at:.1f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="#e2e8f0"/>')
        parts.append(_label(at - 8, _HEIGHT - _BOTTOM + 18, f"{tenth / 10:.1f}", "#334155"))
    gap = next(g for g in (0.002, 0.005, 0.01, 0.02, 0.05) if top / g <= 8)
    for n in range(int(top / gap) + 1):
        at = y(n * gap)
        parts.append(f'<path d="M{_LEFT} {at:.1f}H{_WIDTH - _RIGHT}" stroke="#e2e8f0"/>')
        parts.append(_label(18, at + 4, f"{n * gap:.1%}", "#334155"))
    parts.append(_label(_LEFT, _HEIGHT - 12, "share of the steps run", "#0f172a", 12))
    parts.append(_label(_LEFT + 6, _TOP + 12, "mean regret, capped at 10 % a run", "#0f172a", 12))
    return parts


def _label(x: float, y: float, text: str, colour: str, size: int = 10) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}">{escape(text)}</text>'
