"""The recipe: everything a run depends on, in nested sections, with a reason for each default."""

from __future__ import annotations

from dataclasses import dataclass, field

from doneness.config.sections import DistillSection, GrpoSection, RewardsSection

TOOL_FORMATS = ("template", "default", "glm4", "llama3", "mistral", "qwen")
OPTIMIZERS = ("adamw_torch", "adamw_8bit", "paged_adamw_8bit", "adafactor", "sgd")
STAGES = ("pretrain", "sft", "dpo", "orpo", "kto", "reward", "grpo", "distill")


@dataclass(frozen=True)
class RunSection:
    """Where the run lives and what makes it repeatable."""

    folder: str = "runs/run"
    """Folder of the run: journal, checkpoints, evaluations, report."""
    stage: str = field(default="sft", metadata={"choices": STAGES})
    """What is trained: pretrain (every token of texts), sft (answers to questions), dpo or orpo (chosen answers against
    rejected ones), kto (answers marked good or bad), reward (a model that tells chosen from rejected), grpo (the
    model's own answers, by their rewards), distill (what a teacher says). Left to themselves, preference stages pass
    over the data once, at a fortieth of the learning rate, and grpo once at a twentieth."""
    mode: str = field(default="train", metadata={"choices": ("train", "explore")})
    """train, or explore: a long run on query and value adapters at a learning rate of 8e-6 at most, to see the shape of
    the curve. Left to itself it trains 10 epochs at a constant rate and notes decisions without obeying them. It is
    marked everywhere, and none of its checkpoints is ever recommended."""
    seed: int = field(default=17, metadata={"low": 0, "high": 2**32 - 1})
    """Seeds data order, adapter initialisation and probe sampling."""
    threads: int = field(default=0, metadata={"low": 0})
    """CPU threads for torch; 0 leaves the choice to torch. A result is bitwise repeatable per thread count."""
    preflight: bool = True
    """Before the first step look at rows, loss, gradients, memory and disk, in seconds; it changes nothing in the
    result. false begins at once."""


@dataclass(frozen=True)
class ModelSection:
    """The model to start from."""

    path: str = ""
    """Folder in Hugging Face format, a .gguf file, or a hub name."""
    dtype: str = field(default="auto", metadata={"choices": ("auto", "float32", "bfloat16", "float16")})
    """Weights' type; auto means float32 on CPU and bfloat16 on a GPU that has it."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    attention: str = field(default="auto", metadata={"choices": ("auto", "eager", "sdpa", "flash_attention_2")})
    """How attention is computed; auto leaves it to transformers. flash_attention_2 needs its package and a GPU."""
    trust_remote_code: bool = False
    """Run code that the model's folder or the hub brings along."""
    template: str = ""
    """Chat template by LLaMA-Factory's name (llama3, qwen, chatml, alpaca …), or by MedicalGPT's (medicalgpt-vicuna);
    empty takes the tokenizer's own."""


@dataclass(frozen=True)
class ScratchSection:
    """A model that begins with random weights, by a config.json or by the shape given here."""

    enabled: bool = False
    """Begin with random weights, all of which are trained. With model.path its config.json says the shape, and weights
    that lie there are not read; without it the keys here do. The same run.seed gives the same weights."""
    tokenizer: str = ""
    """Folder or hub name of a tokenizer. Empty takes that of model.path, or trains one on the training rows."""
    vocabulary: int = field(default=8000, metadata={"low": 300, "high": 1_000_000})
    """Tokens of a tokenizer that is trained (byte-level BPE); fewer where the rows do not yield so many."""
    width: int = field(default=256, metadata={"low": 8})
    """Numbers of a token's state; a multiple of heads."""
    depth: int = field(default=4, metadata={"low": 1})
    """Decoder layers."""
    heads: int = field(default=4, metadata={"low": 1})
    """Attention heads."""
    kv_heads: int = field(default=0, metadata={"low": 0})
    """Heads of keys and values, which heads is a multiple of; 0 means as many as heads."""
    context: int = field(default=0, metadata={"low": 0})
    """Longest text that the model is made for; 0 means data.max_length."""


@dataclass(frozen=True)
class MethodSection:
    """Which weights move."""

    kind: str = field(default="lora", metadata={"choices": ("lora", "qlora", "dora", "full")})
    """lora trains low-rank adapters; qlora the same over a base model kept in 4 or 8 bits; dora adapters with a learnt
    size for each output; full trains the weights themselves."""
    rank: int = field(default=8, metadata={"low": 1})
    """Rank r of the adapters."""
    alpha: int = field(default=16, metadata={"low": 1})
    """Adapters are scaled by alpha / rank; 2 × rank is the usual choice."""
    dropout: float = field(default=0.0, metadata={"low": 0.0, "high": 0.95})
    """Dropout on the adapters' input."""
    rslora: bool = False
    """Scale adapters by alpha / √rank, so that large ranks learn as fast as small ones."""
    targets: str = "all-linear"
    """Which layers get adapters: all-linear, attention, mlp, or names of modules (q_proj,v_proj); several by commas."""
    save_modules: tuple[str, ...] = ()
    """Modules trained whole and saved with the adapters, by name (embed_tokens, lm_head); with layers, beside those."""
    adapter: str = ""
    """Folder of an adapter to go on with; its rank, alpha and targets win. Empty makes a new one."""
    bits: int = field(default=0, metadata={"choices": (0, 4, 8)})
    """Bits of the base model's linear layers, by bitsandbytes: 4 or 8. 0 means 4 for qlora and no quantisation else;
    dora takes it too."""
    quant_type: str = field(default="nf4", metadata={"choices": ("nf4", "fp4")})
    """The sixteen values of 4 bits: nf4 fits weights that are spread normally, fp4 is a small floating point."""
    double_quant: bool = True
    """4 bits: quantise the blocks' scales too, which saves 0.37 bits a weight."""
    layers: int = 0
    """full only: train the last so many decoder layers, of a negative number the first so many, and nothing else; 0
    trains everything."""


@dataclass(frozen=True)
class DataSection:
    """What the model learns from, and what it is judged on."""

    train: str = ""
    """Training rows: a file (JSONL, JSON, CSV, TSV, Parquet, TXT, perhaps .gz), a folder (all such files in it), or
    data sets of LLaMA-Factory's registry: data/dataset_info.json#name,name2."""
    eval: str = ""
    """Evaluation rows, likewise; never the training rows. Empty holds rows out of those, see hold_out."""
    columns: tuple[str, ...] = ()
    """Columns of other names, "ours=theirs": prompt, completion, system, history, messages, text, chosen, rejected,
    label and the like; a list, or by commas. Empty knows rows by the names they have."""
    first_rows: int = field(default=0, metadata={"low": 0})
    """Read of each source file or data set the first so many rows; 0 reads all."""
    hold_out: str = field(default="auto", metadata={"choices": ("auto", "none")})
    """Where eval is empty: auto holds rows out of the training file, by conversation, document or question and never by
    row, with no near-duplicates across; none trains on all and evaluates nothing."""
    hold_out_rows: int = field(default=0, metadata={"low": 0})
    """Hold out about so many rows (a fifth at most); 0 means as many as show the smallest gain that matters."""
    hold_out_share: float = field(default=0.0, metadata={"low": 0.0, "high": 0.9})
    """Hold out this share of the rows instead, to the nearest whole group; 0 leaves it to hold_out_rows."""
    answers: str = field(default="all", metadata={"choices": ("all", "last")})
    """Which of the assistant's answers in a conversation carry loss: all, or the last alone."""
    max_length: int = field(default=1024, metadata={"low": 8})
    """Longest row in tokens, chat markup included."""
    cut: str = field(default="answer", metadata={"choices": ("answer", "balanced", "prompt")})
    """Where a longer row is cut: answer cuts its end; prompt cuts the oldest turns, then the question's beginning, and
    keeps the system turn; balanced shortens questions and answers turn by turn (of pairs by the longer answer) as
    LLaMA-Factory does."""
    group_by_length: bool = False
    """Rows of like length in one step: less padding where rows are not packed, and batches that are less mixed."""
    packing: bool = True
    """Lay the rows of a forward pass end to end instead of padding them, where the model keeps them apart (it is tried
    first); no token is lost on padding, and the losses are the same."""
    on_empty: str = field(default="refuse", metadata={"choices": ("refuse", "skip")})
    """Rows without an answer: refuse the file, or skip and count them."""
    on_long: str = field(default="truncate", metadata={"choices": ("truncate", "skip", "refuse")})
    """Rows longer than max_length: truncate them (see cut), skip the row, or refuse the file; always counted."""
    train_rows: int = field(default=0, metadata={"low": 0})
    """Use this many training rows, kinds in proportion; 0 means all."""
    eval_rows: int = field(default=0, metadata={"low": 0})
    """Use this many evaluation rows; 0 means all. Where eval is empty and nothing else says how many to hold out, this
    does."""
    system: str = ""
    """System message put before rows that have none; empty leaves it to the chat template."""
    tool_format: str = field(default="template", metadata={"choices": TOOL_FORMATS})
    """How the tools of a row, calls of them and their results are written: by the chat template, or as text in the
    format that MedicalGPT's --tool_format names."""


@dataclass(frozen=True)
class PreferenceSection:
    """dpo, orpo and kto: how strongly answers are preferred."""

    beta: float = field(default=0.1, metadata={"low": 0.0, "above": True})
    """dpo and kto: how much moving away from the reference costs; orpo: weight of the odds ratio."""
    loss: str = field(default="sigmoid", metadata={"choices": ("sigmoid", "hinge", "ipo", "robust", "exo_pair")})
    """dpo only: the loss of a pair, by TRL's names."""
    label_smoothing: float = field(default=0.0, metadata={"low": 0.0, "high": 0.5})
    """dpo only: the share of pairs taken to be the wrong way round."""
    sft_weight: float = field(default=0.0, metadata={"low": 0.0})
    """dpo only: weight of the chosen answers' own loss beside it."""
    desirable_weight: float = field(default=1.0, metadata={"low": 0.0})
    """kto only: weight of the good answers."""
    undesirable_weight: float = field(default=1.0, metadata={"low": 0.0})
    """kto only: weight of the bad answers."""


@dataclass(frozen=True)
class OptimizerSection:
    """How a gradient becomes a step."""

    name: str = field(default="adamw_torch", metadata={"choices": OPTIMIZERS})
    """Optimizer, by transformers' name; those of 8 bits are bitsandbytes', and keep a quarter of the states."""
    learning_rate: float = field(default=2e-4, metadata={"low": 0.0, "above": True})
    """Peak learning rate; LoRA wants about ten times that of full fine-tuning."""
    weight_decay: float = field(default=0.0, metadata={"low": 0.0})
    """Decoupled weight decay."""
    beta1: float = field(default=0.9, metadata={"low": 0.0, "high": 0.9999999})
    """Adam: how long gradients are averaged."""
    beta2: float = field(default=0.999, metadata={"low": 0.0, "high": 0.9999999})
    """Adam: how long their squares are averaged."""
    epsilon: float = field(default=1e-8, metadata={"low": 0.0})
    """Adam: added to the root of the squares."""
    max_grad_norm: float = field(default=1.0, metadata={"low": 0.0})
    """Clip the gradient's norm here; 0 never clips."""
    batch_size: int = field(default=16, metadata={"low": 1})
    """Rows per optimizer step."""
    micro_batch: int = field(default=4, metadata={"low": 1})
    """Rows per forward pass; batch_size is a multiple of it. It changes memory, never the result."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, a third more time."""


@dataclass(frozen=True)
class ScheduleSection:
    """How long, and how the learning rate moves."""

    kind: str = field(default="linear", metadata={"choices": ("constant", "linear", "cosine", "wsd")})
    """constant, linear, cosine, or wsd (warm-up, stable, decay), the choice where nobody knows how long the run should
    be: with stopping its decay begins when the rule says so, or at the latest so that it ends with the last step.
    Linear and cosine fit the planned length alone: stopped before, the rate has not come down, and the model is not the
    one that a shorter plan would have given."""
    epochs: float = field(default=3.0, metadata={"low": 0.0, "above": True, "high": 1e6})
    """Passes over the training rows."""
    max_steps: int = field(default=0, metadata={"low": 0})
    """Optimizer steps; overrides epochs unless 0."""
    warmup_steps: int = field(default=0, metadata={"low": 0})
    """Steps over which the learning rate rises from zero."""
    warmup_share: float = field(default=0.0, metadata={"low": 0.0, "high": 1.0})
    """The same as a share of all steps, where warmup_steps is 0."""
    decay_share: float = field(default=0.2, metadata={"low": 0.0, "high": 1.0})
    """wsd only: the share of all steps over which the rate falls to zero, where no decision lowers it before."""


@dataclass(frozen=True)
class EvaluationSection:
    """When the evaluation rows are scored, example by example."""

    every: int = field(default=0, metadata={"low": 0})
    """After the geometric steps 1, 2, 4, 8, …: evaluate every so many steps; 0 means a sixth of the run."""
    early: bool = True
    """Evaluate at the geometric steps too, where most is learnt; false spares them where an evaluation costs much.
    Where stopping.patience counts evaluations they are left out: within warm-up there is nothing to be gained."""
    batch_size: int = field(default=16, metadata={"low": 1})
    """Rows scored at once; the result does not depend on it."""
    spans: tuple[str, ...] = ()
    """Tokens to sum apart: label, explanation, reasoning, name=/pattern/ or name=json:field; a list, or by commas."""


@dataclass(frozen=True)
class StoppingSection:
    """What counts as done."""

    enabled: bool = True
    """Ask the rule after each evaluation."""
    on_stop: str = field(default="stop", metadata={"choices": ("stop", "note")})
    """stop ends the run, or cools it down where the loss is flat at a high rate; note records that and goes on."""
    cooldown_share: float = field(default=0.15, metadata={"low": 0.01, "high": 1.0})
    """A cooldown lowers the rate to zero over this share of the steps done, 10 steps at least; 0.1 to 0.2 is usual."""
    goal: str = field(default="behaviour", metadata={"choices": ("behaviour", "fidelity", "target")})
    """behaviour stops where nothing that matters is to be gained; fidelity trains on towards the reference answers
    while the train loss falls and nothing shows memorising or overfitting; target stops at target_loss or target."""
    target_loss: float = field(default=0.0, metadata={"low": 0.0})
    """goal = target only: stop once the deciding loss is surely below this, nats per target token."""
    target: str = ""
    """goal = target only: a behaviour to reach, however high the loss, at two evaluations in a row: "exact >= 95%", or
    another evaluation metric by its name. exact is the share of evaluation rows whose whole answer the model gives
    word for word, as the likeliest one."""
    prefer: str = field(default="earliest", metadata={"choices": ("earliest", "best")})
    """Which of the checkpoints that cannot be told apart is recommended: the earliest, or that of the lowest loss."""
    gain_share: float = field(default=0.005, metadata={"low": 0.0, "high": 1.0})
    """The smallest relative gain in evaluation loss that still matters to you."""
    gain_nats: float = field(default=0.005, metadata={"low": 0.0})
    """The smallest absolute gain that matters, nats per target token; the larger of the two counts."""
    stop_when_gain_below: str = ""
    """The same as a text instead of both: "0.5%", "0.01 nats", or for each hour "0.1%/hour", "0.1% per GPU-hour"."""
    alpha: float = field(default=0.05, metadata={"low": 1e-6, "high": 0.5})
    """Chance of one false alarm over the whole run."""
    min_steps: int = field(default=100, metadata={"low": 0})
    """No verdict of convergence before this many steps; overfitting and breakage may stop earlier."""
    patience: int = field(default=0, metadata={"low": 0})
    """Stop after so many evaluations in a row without a lower loss, in place of the evidence, as transformers'
    EarlyStoppingCallback does; the one before the first step does not count. 0 asks the evidence."""
    span: str = ""
    """Which tokens decide: a span's name, or all; empty means label where evaluation.spans has it, else all."""
    max_target_tokens: int = field(default=0, metadata={"low": 0})
    """Stop after so many target tokens (those that carry loss); 0 sets no limit."""
    max_tokens: int = field(default=0, metadata={"low": 0})
    """Stop after so many tokens, padding apart; 0 sets no limit."""
    max_hours: float = field(default=0.0, metadata={"low": 0.0})
    """Stop after so many hours of training, evaluations included, pauses apart; 0 sets no limit."""
    max_cost: float = field(default=0.0, metadata={"low": 0.0})
    """Stop when training has cost this much, in whatever money cost_per_hour is; 0 sets no limit."""
    cost_per_hour: float = field(default=0.0, metadata={"low": 0.0})
    """What an hour of training costs."""


@dataclass(frozen=True)
class CheckpointsSection:
    """What is kept on disk."""

    with_evaluations: bool = True
    """Write a checkpoint at every evaluation, so that the best in the log is a file on disk; false: only at evaluations
    that are better for certain than the last one saved."""
    every: int = field(default=0, metadata={"low": 0})
    """Also write one every so many steps; 0 means no extra ones."""
    keep_gb: float = field(default=0.0, metadata={"low": 0.0})
    """Delete the least useful once they are together larger than this (1 GB = 10^9 bytes); never the newest, the
    recommended, the last good one, or one that was asked to be kept. 0 keeps all."""
    only_model: bool = False
    """Write the model alone, without the optimizer's state: a third of the size where all weights move. A run that was
    broken off can then not be resumed, and is told so."""


@dataclass(frozen=True)
class HealthSection:
    """What is measured of the training itself; it changes nothing in the result."""

    every: int = field(default=10, metadata={"low": 0})
    """Measure the first step and every so many: gradient norms, update-to-weight ratios, the size of LoRA, the gradient
    noise scale, tokens a second, memory; and name the rows of every loss spike. 0 does none of it."""


@dataclass(frozen=True)
class ProbesSection:
    """What every checkpoint is asked."""

    suite: str = ""
    """What to ask: a built-in suite by its name (general, medical, safety), a TOML or JSONL file of questions, or a
    file of a public set; several by commas. Empty asks none."""
    behaviours: tuple[str, ...] = ()
    """Behaviours of your own, "mine.py:Polite": a class with name, better, unit, margin, guard and
    score(probe, answer). A list, or by commas."""
    share: float = field(default=0.05, metadata={"low": 0.0, "high": 0.5})
    """Share of the training time spent on asking a few of these questions after each evaluation, so that stopping sees
    behaviour beside loss; 0 asks only once training is over."""
    questions: int = field(default=0, metadata={"low": 0})
    """Ask this many, behaviours in proportion; 0 means all."""
    checkpoints: int = field(default=6, metadata={"low": 1})
    """How many checkpoints to ask, besides the base model."""
    max_new_tokens: int = field(default=64, metadata={"low": 1})
    """Longest answer."""
    batch_size: int = field(default=16, metadata={"low": 1})
    """Questions answered at once."""


@dataclass(frozen=True)
class ReportSection:
    """What the reader gets."""

    lang: str = field(default="auto", metadata={"choices": ("auto", "en", "zh")})
    """Language of terminal and report; auto asks the environment."""
    data_card: str = ""
    """Markdown file shown in the report's last section."""
    trackers: tuple[str, ...] = field(default=(), metadata={"choices": ("tensorboard", "wandb", "trackio", "mlflow")})
    """Trackers to tell as the run goes, through transformers' own integrations: losses, losses by span, the verdict
    as a code and the gain left; W&B and Trackio raise an alert when the verdict changes. A list, or by commas."""


@dataclass(frozen=True)
class Recipe:
    """A whole recipe; see each section."""

    run: RunSection = field(default_factory=RunSection)
    model: ModelSection = field(default_factory=ModelSection)
    scratch: ScratchSection = field(default_factory=ScratchSection)
    method: MethodSection = field(default_factory=MethodSection)
    data: DataSection = field(default_factory=DataSection)
    preference: PreferenceSection = field(default_factory=PreferenceSection)
    grpo: GrpoSection = field(default_factory=GrpoSection)
    rewards: RewardsSection = field(default_factory=RewardsSection)
    distill: DistillSection = field(default_factory=DistillSection)
    optimizer: OptimizerSection = field(default_factory=OptimizerSection)
    schedule: ScheduleSection = field(default_factory=ScheduleSection)
    evaluation: EvaluationSection = field(default_factory=EvaluationSection)
    stopping: StoppingSection = field(default_factory=StoppingSection)
    checkpoints: CheckpointsSection = field(default_factory=CheckpointsSection)
    health: HealthSection = field(default_factory=HealthSection)
    probes: ProbesSection = field(default_factory=ProbesSection)
    report: ReportSection = field(default_factory=ReportSection)

    @property
    def early_looks(self) -> bool:
        """Whether to evaluate at the geometric steps."""
        return self.evaluation.early and not self.stopping.patience
