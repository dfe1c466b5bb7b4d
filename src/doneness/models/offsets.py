"""Which tokens of an answer a range of its characters falls on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from doneness.data import Span

Range = tuple[int, int]

_BEHIND = 16  # tokens decoded before the one at hand; a character spans fewer
_BLANK = "\u2581\u0120 "  # how SentencePiece and byte-level tokenizers write one
_TORN = "\ufffd"  # what a decoder writes for the first bytes of a character


def spans_of(
    tokenizer: Any, text: str, ids: Sequence[int], ranges: Mapping[str, Sequence[Range]]
) -> dict[str, tuple[int, ...]]:
    """Token indices of each span, ascending: every token that overlaps one of its ranges.

    The blank that a token begins with belongs to no one, so a word is not counted with what stands before it.

    Args:
        tokenizer: fast ones tell offsets; for others the tokens are decoded.
        text: what was tokenized.
        ids: its tokens from the first on; the last may be cut off, and an end-of-turn token may follow.
        ranges: characters of `text` by span.
    """
    if not any(ranges.values()):
        return dict.fromkeys(ranges, ())
    return _touched(text, token_places(tokenizer, text, ids), ranges)


def _touched(text: str, places: Sequence[Range], ranges: Mapping[str, Sequence[Range]]) -> dict[str, tuple[int, ...]]:
    """Which tokens overlap which ranges."""
    return {
        name: tuple(k for k, place in enumerate(places) if any(_overlaps(text, place, part) for part in parts))
        for name, parts in ranges.items()
    }


def decoded_spans(tokenizer: Any, ids: Sequence[int], spans: Iterable[Span]) -> dict[str, tuple[int, ...]]:
    """Token indices of each span where only tokens are known: in the text that they decode to.

    Args:
        tokenizer: that they are of.
        ids: an answer's tokens, without the end of its turn.
        spans: definitions.
    """
    text = tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    ranges = {span.name: span.find(text) for span in spans}
    if not any(ranges.values()):
        return dict.fromkeys(ranges, ())
    # Tokenized in its place a text may fall into other tokens than alone; where it does not, offsets are exact.
    alone = getattr(tokenizer, "is_fast", False) and tokenizer(text, add_special_tokens=False)["input_ids"] == list(ids)
    places = token_places(tokenizer, text, ids) if alone else _decoded_places(tokenizer, text, ids)
    return _touched(text, places, ranges)


def token_places(tokenizer: Any, text: str, ids: Sequence[int]) -> list[Range]:
    """Characters of `text` that each token stands for; an empty range for one that stands for none."""
    if getattr(tokenizer, "is_fast", False):
        told = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        # What was tokenized up to an end of its own may differ in the last tokens; those beyond stand for none.
        same = 0
        for mine, its in zip(ids, told["input_ids"], strict=False):
            if mine != its:
                break
            same += 1
        places = [(int(a), int(b)) for a, b in told["offset_mapping"][:same]]
        # A blank that the tokenizer puts before everything is said to lie on the first letter; it is nowhere.
        for k, name in enumerate(tokenizer.convert_ids_to_tokens(list(ids[:1]))):
            if same and not name.strip(_BLANK) and text[slice(*places[k])].strip():
                places[k] = (places[k][0],) * 2
        return places + [(len(text), len(text))] * (len(ids) - same)
    return _decoded_places(tokenizer, text, ids)


def _decoded_places(tokenizer: Any, text: str, ids: Sequence[int]) -> list[Range]:
    """Places by what each token adds when the tokens before it are decoded with it.

    Decoders drop or add blanks, so characters are counted without them and found again in `text`.
    """
    solid = [at for at, char in enumerate(text) if not char.isspace()]
    places: list[Range] = []
    done = 0  # characters, blanks apart, up to the token at hand
    for k in range(len(ids)):
        first = max(0, k - _BEHIND)
        before, _ = _length(tokenizer, ids[first:k])
        after, torn = _length(tokenizer, ids[first : k + 1])
        # A token that begins or continues a character stands for the whole of it.
        grown = max(0, after - before)
        end = min(done + grown + torn, len(solid))
        begin = solid[done] if done < len(solid) else len(text)
        places.append((begin, solid[end - 1] + 1) if end > done else (begin, begin))
        done += grown
    return places


def _length(tokenizer: Any, ids: Sequence[int]) -> tuple[int, bool]:
    """Whole characters that tokens decode to, blanks apart, and whether they end in the middle of one."""
    if not ids:
        return 0, False
    said = tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    whole = said.rstrip(_TORN)
    return sum(not char.isspace() for char in whole), len(whole) < len(said)


def _overlaps(text: str, token: Range, part: Range) -> bool:
    begin, end = token
    while begin < end and text[begin].isspace():
        begin += 1
    if begin == end:
        # A token of blanks alone belongs where it lies wholly inside.
        return token[0] < token[1] and part[0] <= token[0] and token[1] <= part[1]
    return begin < part[1] and part[0] < end
