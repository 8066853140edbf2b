"""The fields of a sweep file, each with its meaning, and what is allowed in it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from skipray.spec.values import ActivationChoice, Choice, Frozen, Options, Words


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """Plain values. A part that was read back may hold what another version's rules allowed, without a word."""
        return super().model_dump(**({"warnings": False} | options))

    def model_dump_json(self, **options: Any) -> str:
        return super().model_dump_json(**({"warnings": False} | options))


LARGEST = 10**9
"""Of any integer: what counts things beyond it is a slip of the pen."""
Positive = Annotated[int, Field(ge=1, le=LARGEST)]
NonNegative = Annotated[int, Field(ge=0, le=LARGEST)]
DEEPEST = 100_000
Depth = Annotated[int, Field(ge=1, le=DEEPEST)]
"""The deepest network that we know to have been trained has 10,000 layers (Xiao et al. 2018)."""
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
OwnName = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$"), Words("module:name for your own")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""Names become folder and experiment names: no separators, no leading dot."""


class DatasetSpec(Section):
    """What is learned: a data set of skipray's or of one's own, whole or in part."""

    name: Annotated[str, Words("{names}, or module:name", folder="datasets")]
    """A file of skipray/datasets/, or `module:name`."""
    fingerprint: str | None = None
    """sha256 of the user's own data; skipray's data sets pin theirs in their files."""
    validation_fraction: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    """Share of the training set that is held out for selection. The paper does not say; 0.1 is ours."""
    train_samples: Positive | None = None
    """Only the first so many training samples, for quick looks; all of them when left out."""
    test_samples: Positive | None = None
    """Only the first so many test samples; all of them when left out."""
    standardise: Literal["per_channel", "per_feature", "none"] | None = None
    """By the training split's mean and deviation: of each channel of an image, or of each number of a sample; none
    takes the numbers as they are. Left out: per_channel for images, per_feature for rows, none for tokens."""
    options: dict[str, int | float | str | bool] = {}
    """What the data set's own file asks for (sample shape of synthetic data, address and target of a table, folder of
    images); the reference's page of names has all."""


_UNREAD: Any = None
"""Of a field that every family of skipray's reads, and a user's own may not: left out, it is None."""


class ModelSpec(Section):
    """One network. A family reads the fields that it names in its `fields`; the others are dropped from its trials.

    Of a user's own family architecture and depth alone are compulsory. skipray's families need kind, width,
    normalization, initialisation and activation too.
    """

    architecture: Annotated[str, Words("{names}, or module:name", folder="architectures")]
    """A file of skipray/architectures/, or `module:name`."""
    depth: Depth
    """Weight layers on the main path, the stem and the classifier included."""
    kind: Literal["mlp", "cnn"] = _UNREAD
    """mlp: fully connected layers. cnn: convolutions."""
    width: Positive = _UNREAD
    """mlp: units of each hidden layer. cnn: channels of the first stage (16 on CIFAR, 64 on ImageNet)."""
    normalization: Literal["batch", "layer", "none"] = _UNREAD
    """Behind every weight layer: over the batch, over the layer, or none."""
    initialisation: Annotated[str, Words("{names}, or module:name", folder="initialisations")] = _UNREAD
    """A file of skipray/initialisations/, or `module:name`; as_built keeps what the family itself has set, which is
    what a user's own family has where it is left out."""
    activation: ActivationChoice = _UNREAD
    """A file of skipray/activations/ with its arguments, `{name: leaky_relu, slope: 0.2}`, or `module:name`, a function
    of a tensor. Behind every normalization, or every weight layer where there is none."""
    residual_scale: Literal[1, "inverse_sqrt_depth", "learned"] | PositiveFloat | None = None
    """Factor on the branch before the addition: a number, 1/sqrt(number of blocks), or learned from 0 (SkipInit,
    ReZero)."""
    weight_gain: PositiveFloat | None = None
    """sigma_w^2: entries of lecun_normal have variance weight_gain / fan_in, orthogonal matrices are multiplied by
    sqrt(weight_gain); the scheme's own where it is left out."""
    bias_variance: NonNegativeFloat | None = None
    """sigma_b^2 of Gaussian biases at initialisation; 0 where it is left out."""
    stochastic_depth: Annotated[float, Field(gt=0, lt=1)] | None = None
    """How likely the last block's branch is left out in a step of training, falling linearly to the first block's
    (Huang et al. 2016, equation 4); of whole batches, the branches that stay divided by their chance to. Never when
    left out."""
    dropout: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the inputs of each block's last weight layer that are set to 0 in a step of training (Zagoruyko &
    Komodakis 2016, section 3). None when left out."""
    layer_scale: PositiveFloat | None = None
    """Initial value of learned factors on each branch, one per channel (Touvron et al. 2021, LayerScale). Without them
    when left out."""
    widths: (
        Annotated[tuple[Positive, ...], Field(min_length=2), Words("a list of at least two whole numbers")] | None
    ) = None
    """mlp: units of the stem and the blocks in equal stretches from input to output, in place of one `width`, which
    is the first of them. Where two blocks differ the skip is a linear projection."""
    block: Literal["basic", "bottleneck"] | None = None
    """cnn: two 3x3 layers, or 1x1, 3x3 and 1x1 (He et al. 2015)."""
    shortcut: Literal["A", "B"] | None = None
    """cnn, where the shape changes: A pads with zeros, B is a 1x1 convolution (He et al. 2015)."""
    cardinality: Positive | None = None
    """ResNeXt: number of groups C."""
    group_width: Positive | None = None
    """ResNeXt: channels per group d in the first stage; the inner width is C d."""
    growth_rate: Positive | None = None
    """DenseNet: k."""
    layout: Literal["cifar", "imagenet"] | None = None
    """cnn: 3x3 stem and three stages, or 7x7 stem, pooling and four stages."""
    options: Options = Field(default_factory=Frozen)
    """What a family asks for by its own names (the transformer, a family of one's own); `options.heads` is a factor as
    any field is."""
    rules: Options = Field(default_factory=Frozen)
    """Not written: which fields follow the depth, and how, as the fields themselves say (`{value: 64, rule:
    sqrt_depth, reference: 20}`)."""

    @model_validator(mode="before")
    @classmethod
    def _written_back(cls, data: Any, info: ValidationInfo) -> Any:
        """A dumped model has null where its family reads nothing. In a sweep's file null is a slip of the pen."""
        if info.mode != "json" or not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in COMMON_FIELDS}


OPTIONAL_FIELDS = ("stochastic_depth", "dropout", "layer_scale", "widths")
"""Fields that a family may read and that need not be written: left out, the network is without such a thing."""
COMMON_FIELDS = ("kind", "width", "normalization", "initialisation", "activation")
"""Fields of a model that every family of skipray's reads."""


class Recipe(Section):
    """How a trial is trained. No field is silent: what the paper leaves open has to be written."""

    epochs: NonNegative
    """Passes over the training set. 0 measures the network at initialisation only."""
    batch_size: Positive
    """Samples per step; the last step of an epoch has what is left."""
    learning_rate: PositiveFloat
    """Peak learning rate of the optimizer."""
    momentum: Annotated[float, Field(ge=0, lt=1)] | None = None
    """SGD's, which needs it; another optimizer does not read it, and has its own among its arguments."""
    nesterov: bool = False
    """SGD's."""
    weight_decay: NonNegativeFloat
    """L2 penalty on the parameters that `weight_decay_on` names, as torch.optim has it."""
    schedule: Literal["constant", "step", "cosine", "he2015", "linear", "one_cycle", "inverse_sqrt"] | OwnName
    """step: times `gamma` at each of `milestones`; cosine, linear: to `final_learning_rate`; he2015: times 0.1 after
    1/2 and 3/4 of the steps (32k and 48k of 64k); one_cycle: up for 30 % of the steps, then down to
    `final_learning_rate` (Smith and Topin 2018); inverse_sqrt: as 1/sqrt(step) from the warm-up's end (Vaswani et al.
    2017); `module:name`: a function of (step, steps) whose value is a factor on the rate, at least 0."""
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] | None = None
    """step: fractions of all steps, rising."""
    gamma: Annotated[float, Field(gt=0, lt=1)] | None = None
    """step: the factor on the rate at each milestone."""
    final_learning_rate: NonNegativeFloat = 0.0
    """Where cosine, linear and one_cycle end."""
    warmup_epochs: NonNegativeFloat = 0.0
    """Linear from learning_rate / 10 (Goyal et al. 2017 start low; the length is the user's), or, for he2015, constant
    at a tenth of the rate until train accuracy passes 20 %, at most so long."""
    augmentation: Literal["none", "standard"]
    """standard: pad 4, random crop, horizontal flip where the data set allows it."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """bfloat16: autocast in training; probes are always float32."""
    gradient_clip_norm: PositiveFloat | None = None
    """Gradients are scaled down to this norm where theirs is larger."""
    optimizer: Choice | None = None
    """Of torch.optim by its name in lower case with its arguments, `{name: adamw, betas: [0.9, 0.95]}`, or
    `module:name`, whose groups keep their ratios to `learning_rate`; SGD when left out."""
    weight_decay_on: Literal["all", "weights"] = "all"
    """all: every parameter. weights: matrices, kernels and embeddings only, not biases, scales, normalizations,
    positions and tokens (He et al. 2019, Bag of Tricks, section 3.1)."""
    loss: Choice | None = None
    """cross_entropy (with `label_smoothing`), binary, mse, or `module:name`: a function of (scores, targets) whose
    value is the mean over the batch's samples, or labels that count; cross-entropy when left out."""
    mixing: Choice | None = None
    """mixup or cutmix with its `alpha` (Zhang et al. 2018; Yun et al. 2019), from torchvision.transforms.v2."""
    gradient_accumulation: Positive = 1
    """Pieces that a batch goes through the network in, one after the other; batch statistics are each piece's own."""
    compile: Literal["none", "default", "reduce-overhead", "max-autotune", "auto"] = "none"
    """torch.compile's mode for the steps of training. reduce-overhead: as CUDA graphs, on a GPU only. auto: compiled
    where that is estimated to pay for itself within the trial. Compiled steps give other last bits."""
    rules: Options = Field(default_factory=Frozen)
    """Not written: which fields follow the depth, and how, as the fields themselves say (`learning_rate: {value: 0.1,
    rule: inverse_sqrt_depth, reference: 20}`)."""

    @property
    def trained_together(self) -> int:
        """Samples that go through the network at once in training, where there are as many as a batch has."""
        return max(1, self.batch_size // self.gradient_accumulation)

    def smallest_piece(self, samples: int) -> int:
        """Samples in the smallest piece that goes through the network at once in training.

        Args:
            samples: of the training split, at least 1; an epoch cuts them into batches that differ by at most one.
        """
        batch = samples // -(-samples // self.batch_size)
        return batch // min(self.gradient_accumulation, batch)


class ProbeSpec(Section):
    """What is measured; never changes what is trained, so it is not part of the trial_id."""

    preset: Literal["default", "full", "none"] = "default"
    """default: hidden representations raw and centred, weights raw. full: every tensor of the paper."""
    samples: Positive = 256
    """Images of the fixed probe batch. It caps every rank."""
    every_epochs: NonNegative = 0
    """0: at initialisation and at the end only."""
    gradients: bool = False
    """Also the gradients of the loss with respect to weights and layer outputs, which `full` has anyway; else only
    the sizes of the latter, before training."""
    histograms: bool = True
    """How activations and weights are distributed at the first and the last layer."""
    layers: Annotated[tuple[str, ...], Words("a list of names of modules, * for any part between dots")] | None = None
    """Which modules' outputs are hidden representations, of a family of one's own: `["encoder.layers.*"]`. Else what
    the network names itself (`skipray_layers()`), or its repeated blocks."""
    metrics: Annotated[tuple[str, ...], Words("a list of names, each a file of skipray/metrics or module:name")] = ()
    """Further metrics by name: files of skipray/metrics, or `module:name`."""
    hessian: bool = False
    """Top eigenvalue and trace of the loss's Hessian (curvlinops)."""
    jacobian: bool = False
    """Singular values of the input-output Jacobian."""

    @property
    def has_own_metrics(self) -> bool:
        """Whether a metric of the user's own is asked for."""
        return any(":" in name for name in self.metrics)


class Resources(Section):
    """What one trial gets of the machine."""

    device: Literal["cpu", "cuda"] = "cpu"
    """Where trials run."""
    threads: Positive = 1
    """CPU threads of one trial. Part of the trial_id: another count gives other bits."""
    gpu_fraction: Annotated[float, Field(gt=0, le=8)] | None = None
    """Share of one GPU per trial; measured by a memory probe when left out."""
    max_concurrent: Positive | None = None
    """At most so many trials at once; as many as fit when left out."""
    max_failures: NonNegative = 2
    """How often an attempt that ended in an error is repeated. Lost nodes do not count."""
    stall_seconds: PositiveFloat | None = None
    """A trial that makes no step, evaluation or probe for so long is ended, and counts as an error; it is waited for
    when left out, and the launch says for how long. Compiling is part of a step."""
    checkpoint_seconds: PositiveFloat = 60.0
    """A trial saves its state about this often: what a killed attempt can lose."""


class Tracking(Section):
    """Where runs, checkpoints and weights are kept."""

    uri: str | None = None
    """MLflow address; else MLFLOW_TRACKING_URI, else a SQLite file in the working directory."""
    storage: str | None = None
    """Checkpoints, leases and undelivered results: a folder or fsspec address that every node reaches."""
    save_weights: bool = True
    """Keep each trial's final weights as an artifact, so that `skipray measure` can look at them later."""


class SearchRange(Section):
    """Where one field of the recipe is searched."""

    low: NonNegativeFloat
    """The lowest value that is tried."""
    high: PositiveFloat
    """The highest value that is tried."""
    scale: Literal["log", "linear"]
    """On which points are spread evenly: log for what matters by its ratio, such as a learning rate."""


class Tune(Section):
    """Nuisance parameters, tuned alike in every cell before it is compared: the same ranges, the same number of trials.

    The recipe still holds the default setting, which is run beside the tuned one.
    """

    space: Annotated[dict[str, SearchRange], Field(min_length=1)]
    """Recipe fields and their ranges."""
    trials: Annotated[int, Field(ge=2, le=1024)]
    """Points in each cell, before any extension. Powers of 2 are spread best."""
    sampler: Literal["sobol", "tpe"] = "sobol"
    """sobol: the same scrambled points in every cell, so that cells are paired. tpe: Optuna's, each cell's own."""
    seeds: Annotated[tuple[NonNegative, ...], Field(min_length=1)]
    """Each point is trained with these; none of them is a seed of the sweep, so that finals are fresh."""
    extensions: Annotated[int, Field(ge=0, le=4)] = 1
    """How often the ranges may be extended, in all cells, where a cell's best point lies on an edge."""


class Adaptive(Section):
    """Depths are chosen while the sweep runs, where they tell most about each group's trainability limit."""

    low: Depth
    """The shallowest depth that may be tried."""
    high: Depth
    """Depths from low to high; of these, every one that the family can have."""
    width: Annotated[float, Field(gt=1)]
    """A group is done when the ends of its limit's 95 % interval are at most this factor apart."""
    max_trials: Positive
    """Of one group, however wide its interval is."""


class Fits(Section):
    """When a network fits its training set: what the headline's trainability limit is about."""

    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Train accuracy must have come so far from chance to the best mean over seeds that any depth of any family reaches
    with the same other factors."""
    at_least: Annotated[float, Field(gt=0, le=1)] | None = None
    """In place of the fraction: a train accuracy that is enough, whatever others reach."""


class Learns(Section):
    """When a network has learned anything."""

    margin: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Train accuracy must have come so far from chance to 1; the number of samples does not matter."""


class Lags(Section):
    """When a network lags behind its twins: the other families of the same depth, factors and seed."""

    margin: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Train accuracy below the best twin's."""


class Explodes(Section):
    """When a network that does not fit has exploded: it is sure of wrong answers."""

    loss_ratio: Annotated[float, Field(gt=1)] = 2.0
    """Its training loss after the last epoch is so many times that of the best constant answer. Losses on the way say
    nothing: running statistics that lag behind make them huge in networks that train well."""


class Trained(Section):
    """What `trained` means. Decided when results are read, from what was logged: never part of a trial_id."""

    fits: Fits = Fits()
    learns: Learns = Learns()
    lags: Lags = Lags()
    explodes: Explodes = Explodes()


class FactorRange(Section):
    """Values of a factor that are spread evenly: `{low: 0.001, high: 1, count: 7, scale: log}`."""

    low: float
    """The lowest value."""
    high: float
    """The highest value."""
    count: Annotated[int, Field(ge=2, le=1000)]
    """How many values, both ends among them."""
    scale: Literal["log", "linear"]
    """On which they are spread evenly: log for what matters by its ratio, such as a learning rate."""


class SweepFile(Section):
    name: Name
    """The name of the sweep, of its experiment in MLflow and of its report."""
    question: str
    """What the sweep asks, in a sentence; the report opens with it."""
    dataset: dict[str, Any] = {}
    """The data set that all cells share, or what the data sets of the factor `dataset` share; a list of data sets in
    its place is that factor."""
    model: dict[str, Any] = {}
    recipe: dict[str, Any]
    factors: dict[str, list[Any]]
    """What varies: any field of model or recipe and its values; data sets, as `dataset: [digits, {name: "nets:wine",
    fingerprint: ...}]`, and what may vary of them (`train_samples`, `dataset.options.separation`). Values are a list,
    or spread evenly over a range: `learning_rate: {low: 0.001, high: 1, count: 7, scale: log}`. Every combination is a
    cell."""
    include: list[dict[str, Any]] = []
    """Cells besides the product: each row names factors and their values."""
    exclude: list[dict[str, Any]] = []
    """Cells that are left out: those that have all of a row's values."""
    seeds: Annotated[tuple[NonNegative, ...], Field(min_length=1)]
    """Every cell is trained once per seed: initial weights, order of the data and augmentation follow from it."""
    tune: Tune | None = None
    adaptive: Adaptive | None = None
    trained: Trained = Trained()
    claims: dict[str, Any] = {}
    """Which families play the roles of the paper's claims, and claims of the sweep's own; judged, never trained."""
    probe: ProbeSpec = ProbeSpec()
    resources: Resources = Resources()
    tracking: Tracking = Tracking()
