"""A canvas of braille dots: two by four dots a character, for one plot in a terminal."""

from __future__ import annotations

_BLANK = 0x2800
# The bit of each dot by (column, row) inside a character; source: Unicode block "Braille Patterns".
_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


class Canvas:
    """Dots in `layers`, so that each character can be coloured by the topmost layer it holds.

    The origin is at the top left; dots outside are left out.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self.columns = columns
        self.rows = rows
        self._bits = [[0] * columns for _ in range(rows)]
        self._layer = [[-1] * columns for _ in range(rows)]

    @property
    def width(self) -> int:
        """Dots across."""
        return 2 * self.columns

    @property
    def height(self) -> int:
        """Dots down."""
        return 4 * self.rows

    def dot(self, x: int, y: int, layer: int = 0) -> None:
        """Set one dot."""
        if 0 <= x < self.width and 0 <= y < self.height:
            self._bits[y // 4][x // 2] |= _BITS[x % 2][y % 4]
            self._layer[y // 4][x // 2] = max(self._layer[y // 4][x // 2], layer)

    def line(self, start: tuple[int, int], stop: tuple[int, int], layer: int = 0) -> None:
        """Set the dots of a straight line."""
        (x0, y0), (x1, y1) = start, stop
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for i in range(steps + 1):
            self.dot(round(x0 + (x1 - x0) * i / steps), round(y0 + (y1 - y0) * i / steps), layer)

    def rows_of_text(self) -> list[list[tuple[str, int]]]:
        """Each row as stretches of (text, layer); layer −1 is blank."""
        out: list[list[tuple[str, int]]] = []
        for bits, layers in zip(self._bits, self._layer, strict=True):
            stretches: list[tuple[str, int]] = []
            for value, layer in zip(bits, layers, strict=True):
                char = chr(_BLANK + value) if value else " "
                if stretches and stretches[-1][1] == layer:
                    stretches[-1] = (stretches[-1][0] + char, layer)
                else:
                    stretches.append((char, layer))
            out.append(stretches)
        return out
