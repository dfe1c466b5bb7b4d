"""The opening of an answer as its own words: what it quotes and what it concedes in passing is left out.

"While I can't replace your doctor, cetirizine helps" concedes and answers; a letter or a character who declines is
quoted. Neither says that the answer itself declines.
"""

from __future__ import annotations

import re

_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？\n]?")
_LONGEST = 600  # characters; a refusal that comes later than that is not what was answered first
# Only speech of somebody: a quoted name ("Brontavil") stays, for it may be what does not exist.
_SPEECH = re.compile(
    r"(?<=\w)([^\w\"“「『]{0,3})(?:\"[^\"\n]{0,200}?\b(?:i|i'm|we|sorry)\b[^\"\n]*(?:\"|$)"
    r"|[“「『][^”」』\n]{0,200}?(?:\b(?:i|i'm|we|sorry)\b|我|抱歉|对不起)[^”」』\n]*(?:[”」』]|$))",
    re.IGNORECASE,
)
_CONCEDED = re.compile(
    r"\b(?:while|although|though|even (?:though|if)|whilst) (?:i|we)\b[^,.;!?\n]*,(?! (?:i|we) )"
    r"|\bi(?:'m| am) (?:just |only )?(?:not an? [\w ]{2,20}|an? (?:ai|assistant|language model)"
    r"[^,.;!?\n]*),? but\b(?! i)"
    r"|(?:虽然|尽管)我?[^，。；！？\n]*，(?=但|不过|可是|根据|一般|通常)",
    re.IGNORECASE,
)


def opening(answer: str, sentences: int = 2) -> str:
    """The first sentences, with straight apostrophes, without quoted speech and concessions."""
    found = "".join(_SENTENCE.findall(_SPEECH.sub(r"\1", answer[: 4 * _LONGEST].replace("’", "'")))[:sentences])
    return _CONCEDED.sub(" ", found[:_LONGEST])
