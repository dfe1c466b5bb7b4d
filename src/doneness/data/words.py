"""Words that comparing two questions rests on, English and Chinese."""

from __future__ import annotations

import re

_FUNCTION = """
a an the this that these those it its is are was were be been being am do does did done have has
had i me my mine we us our you your yours he him his she her they them their one someone somebody
anyone person people patient what which of in on at to for from by with as about into and or if
then than so can could may might must shall should will would there here please tell explain
describe give say know think mean means exactly actually really just also any some s t m re ve ll d
let hi hello doctor thanks thank ok okay together per
"""

# A rewording may add, drop or exchange these without asking something else.
FUNCTION_WORDS = frozenset(_FUNCTION.split())

# They carry the question, but less than its subject does.
INTERROGATIVES = frozenset(("how", "when", "where", "who", "why", "whom", "whose"))

_OPPOSITES = """
not no never without nor neither cannot high low higher lower hyper hypo left right before after
more less most least male female man woman men women boy girl old young first second third one two
start stop increase decrease upper under over above below during
"""

# One of these in the place of another turns the question round.
OPPOSITES = frozenset(_OPPOSITES.split())

_ASPECTS = """
inherit symptom sign treat therapy cause caus prevent preven diagnos diagnose diagnosi risk
complication prognosis outlook genetic dose dosage test
"""

# What is asked of a subject, as stems: "the causes of X" and "the treatment of X" are two questions.
ASPECTS = frozenset(_ASPECTS.split())

_CJK_FUNCTION = """
请问 请 什么样 什么 怎么样 怎么 怎样 如何 哪些 哪种 哪个 哪里 哪 是不是 能不能
可不可以 会不会 要不要 有没有 可以 应该 应当 需要 能够 可能 患者 病人 为什么 为何
这个 那个 这种 那种 一下 一般 通常 医生 大夫 您好 你好 谢谢 告诉我 我 你 您 他
她 的 了 吗 呢 吧 啊 呀 是 有 得 地 着 会 能 要 该 就 都 也 和 与 及 在
把 被 让 给 对 到 又 而 但 或 么 们 个 些 这 那 の は が を に で と も
か です ます
"""

# Longest first, or a part of a function word would be cut out of it and the rest stay.
CJK_FUNCTION = re.compile("|".join(sorted(_CJK_FUNCTION.split(), key=len, reverse=True)))

CJK_OPPOSITES = frozenset("阴阳不无没未非高低左右上下前后男女大小多少增减停早晚甲乙丙丁一二三四五六七八九十")

_CJK_ASPECTS = """
症状 体征 病因 原因 治疗 疗法 预防 诊断 检查 并发 预后 遗传 剂量 用量 费用 科室 区别 饮食 传染
"""

CJK_ASPECTS = frozenset(_CJK_ASPECTS.split())
