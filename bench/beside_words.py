"""The words of the pages that `python -m bench beside` writes."""

from __future__ import annotations

WORDS = {
    "en": {
        "versions": "doneness with transformers {ours}; {theirs}. CPU, float32, one thread.",
        "rows_title": "**Tokens and labels**, over all training and evaluation rows, at the file's own `cutoff_len` "
        "and at the trainings':",
        "rows_head": "| example | `cutoff_len` | rows the same in both | tokens | target tokens |",
        "of": "of",
        "before_title": "**Before the first step**, the same evaluation rows:",
        "before_head": "| example | rows | here | LLaMA-Factory | largest difference |",
        "of_a_row": "{apart:.1e} nats a target token, of a row",
        "of_the_value": "{apart:.1e} of the value",
        "before_note": "Of DPO: the loss, and the mean log-probabilities of the chosen and of the rejected answers.",
        "after_title": "**After {steps} steps**, the loss of the evaluation rows, one number a seed:",
        "after_head": "| example | here | LLaMA-Factory | standard deviation over seeds | here less there, same "
        "seed | largest difference of a step's loss: first step, any step |",
        "one_seed": "one seed",
        "more_than": ", **more**",
        "count": "Of the {of} files of training in its `examples` folder ({others} others are for launchers, chat, "
        "export and its second trainer)\n{accepted} are taken as they are; the demo rows of {images} of these hold "
        "images, and are refused when they are read. The\nothers are refused by name:",
        "between": "; ",
        "more": "; and {n} more",
        "why_head": "| refused for | files |",
        "taken": "Taken: {files}.",
    },
    "zh": {
        "versions": "doneness 用 transformers {ours}；{theirs}。CPU，float32，单线程。",
        "rows_title": "**词元与标签**：全部训练行和验证行，分别按文件自己的 `cutoff_len` 和训练时的 `cutoff_len`：",
        "rows_head": "| 示例 | `cutoff_len` | 两边相同的行 | 词元 | 目标词元 |",
        "of": "/",
        "before_title": "**第一步之前**，同样的验证行：",
        "before_head": "| 示例 | 行数 | 这里 | LLaMA-Factory | 最大的差 |",
        "of_a_row": "单行最多 {apart:.1e} nats/目标词元",
        "of_the_value": "数值的 {apart:.1e}",
        "before_note": "DPO 一行：损失，以及选中回答和被拒回答的平均对数概率。",
        "after_title": "**{steps} 步之后**，验证行的损失，每个随机种子一个数：",
        "after_head": "| 示例 | 这里 | LLaMA-Factory | 各种子之间的标准差 | 这里减 LLaMA-Factory（种子相同） | "
        "训练步损失的最大差：第一步、任意一步 |",
        "one_seed": "只用一个种子",
        "more_than": "，**超出**",
        "count": "它的 `examples` 目录里有 {of} 个训练用的文件（另有 {others} 个用于启动、对话、导出和它的"
        "第二个训练器），其中\n{accepted} 个原样可用；这些之中有 {images} 个的演示数据含图像，读取时会被拒绝。"
        "其余的会指名拒绝：",
        "between": "；",
        "more": "；另有 {n} 处",
        "why_head": "| 拒绝的原因 | 文件 |",
        "taken": "可用：{files}。",
    },
}
