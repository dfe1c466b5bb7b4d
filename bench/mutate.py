"""Ways in which logs get damaged: on disks, in copies, in editors, and out of malice."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

Mutator = Callable[[bytes, random.Random], bytes]
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_KEY = re.compile(rb"[A-Za-z_]{3,}")
_VALUES = (
    b"NaN",
    b"1e999",
    b"-0",
    b"9" * 400,
    b"-Infinity",
    b"1e-400",
    b"null",
    b'"x"',
    b"true",
    b"[]",
    b"99999999999999999999",
    b"1000000000000",
)


def flip(data: bytes, chance: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(chance.choice((1, 2, 5, 20, 60))):
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    return bytes(out)


def overwrite(data: bytes, chance: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(chance.choice((1, 3, 10, 40))):
        out[chance.randrange(len(out))] = chance.choice(b'\x00\xff"{}[],:\n\r0-e. \\')
    return bytes(out)


def truncate(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(1, len(data) + 1)]


def behead(data: bytes, chance: random.Random) -> bytes:
    return data[chance.randrange(min(len(data), 500)) :]


def remove(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 1, 5, 20))):
        place = chance.randrange(len(data))
        data = data[:place] + data[place + chance.choice((1, 7, 60, 400, 3000)) :]
        if len(data) < 2:
            break
    return data


def repeat(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    piece = data[place : place + chance.choice((5, 100, 2000))]
    other = chance.choice((place, chance.randrange(len(data))))
    return data[:other] + piece * chance.choice((1, 1, 3)) + data[other:]


def numbers(data: bytes, chance: random.Random) -> bytes:
    found = list(_NUMBER.finditer(data))
    for match in sorted(chance.sample(found, min(len(found), chance.choice((1, 3, 20)))), key=lambda m: -m.start()):
        data = data[: match.start()] + chance.choice(_VALUES) + data[match.end() :]
    return data


def all_numbers(data: bytes, chance: random.Random) -> bytes:
    """One value in place of every number behind the same few bytes: a column gone wrong."""
    found = list(_NUMBER.finditer(data))
    if not found:
        return data
    start = chance.choice(found).start()
    before = data[max(0, start - 6) : start]
    return re.sub(re.escape(before) + rb"-?\d[\d.eE+-]*", lambda m: before + chance.choice(_VALUES[:6]), data)


def rename(data: bytes, chance: random.Random) -> bytes:
    found = _KEY.findall(data)
    if not found:
        return data
    new = chance.choice((b"loss", b"step", b"x", b"eval_loss", b"", b"\xff\xfe", "損失".encode(), b"epoch"))
    return data.replace(chance.choice(found), new, chance.choice((1, -1)))


def swap(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    for _ in range(chance.choice((1, 3, 30))):
        a, b = chance.randrange(len(lines)), chance.randrange(len(lines))
        lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


def glue(data: bytes, chance: random.Random) -> bytes:
    """Line breaks lost."""
    lines = data.split(b"\n")
    for _ in range(min(len(lines) - 1, chance.choice((1, 3, 30)))):
        place = chance.randrange(len(lines))
        lines[place : place + 2] = [b"".join(lines[place : place + 2])]
    return b"\n".join(lines)


def insert(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 1, 4, 15))):
        place = chance.randrange(len(data) + 1)
        junk = chance.choice(
            (chance.randbytes(8), chance.randbytes(500), b"\0" * 64, b'"', b"\n", b"\x1b[31m", b"\\u", b"]")
        )
        data = data[:place] + junk + data[place:]
    return data


def nest(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    opening = chance.choice((b"[", b"{", b'{"a":', b"[{", b"("))
    return data[:place] + opening * chance.choice((3, 200, 5000)) + data[place:]


def line_ends(data: bytes, chance: random.Random) -> bytes:
    return data.replace(b"\n", chance.choice((b"\r\n", b"\r", b"\n\n", b"\x0b", b"\xe2\x80\xa8")))


def encoding(data: bytes, chance: random.Random) -> bytes:
    text = data.decode("latin-1")
    return chance.choice(
        (
            b"\xef\xbb\xbf" + data,
            b"\xff\xfe" + data,
            text.encode("utf-16"),
            text.encode("utf-16-be"),
            text.encode("utf-32"),
        )
    )


MUTATORS: tuple[Mutator, ...] = (
    flip, overwrite, truncate, behead, remove, repeat, numbers, all_numbers, rename, swap, glue, insert, nest,
    line_ends, encoding,
)  # fmt: skip


def mutate(data: bytes, chance: random.Random) -> tuple[bytes, list[str]]:
    """`data` damaged in one to three ways, and their names."""
    names = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        way = chance.choice(MUTATORS)
        if len(data) > 2:
            data = way(data, chance)
            names.append(way.__name__)
    return data, names
