"""Words by which an answer says that it is not sure. English and Chinese.

Source: the lexical hedges of Hyland, 1998, in the form used for answers of language models by Mielke et al., TACL 2022.
Left out: "can" and "could", which as often state an ability, and 会.
"""

from __future__ import annotations

import re

_PATTERN = re.compile(
    r"\b((?<!in )(?<!of )(?<!since )(?<!\d )(?<!the )may(?! \d)|(?<!the )might|"
    r"maybe|perhaps|possibl[ey]|probabl[ey]|likely|unlikely|presumably|"
    r"apparently|supposedly|arguably|seems?|appears? to|suggests?|i (think|believe|guess|suppose|assume|would say)|"
    r"i('m| am) not (sure|certain|entirely)|not (sure|certain|entirely sure)|in my opinion|as far as i know|"
    r"it depends|roughly speaking|to my knowledge|could be|uncertain|(?:is|are|remains?|be) unclear|probable)\b"
    r"|(?<!不)可能(?!性)|可能性[^，。；]{0,3}[大高小低]|也许|大概(?!念)|想必|或许|似乎|好像|估计|大约是|应该是|恐怕|不一定|说不准|不太确定|不确定|我(觉得|认为|想|猜)|据我所知|看起来|取决于",
    re.IGNORECASE,
)


def hedges(answer: str) -> bool:
    """Whether the answer holds a hedge anywhere."""
    return _PATTERN.search(answer.replace("’", "'")) is not None
