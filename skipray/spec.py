"""What a sweep is: strict YAML in, frozen trials out.

A sweep file names one question. Its `factors` are crossed into cells, `include` adds and `exclude` removes cells, and
each cell is run once a seed. Nothing here imports torch, ray or mlflow, and nothing is created on disk.

Every error is a `SpecError` that names the file, the line, the key, what was found and what is allowed.
"""

import difflib
import hashlib
import itertools
import json
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from skipray import catalog

NUMERICS_VERSION = 1
"""Part of every trial_id. Raised when a change of skipray changes the numbers of an unchanged spec."""


class SpecError(ValueError):
    """Bad input in a sweep file or an override. One line a mistake: where, what was found, what is allowed."""

    def __init__(self, mistakes: Iterable[str]):
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""Names become folder and experiment names: no separators, no leading dot."""


class DatasetSpec(_Part):
    name: str
    """A file of skipray/datasets/, or `module:name`."""
    fingerprint: str | None = None
    """sha256 of the user's own data; skipray's data sets pin theirs in their files."""
    validation_fraction: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    """Share of the training set that is held out for selection. The paper does not say; 0.1 is ours."""
    train_samples: Positive | None = None
    """Only the first so many training samples, for quick looks; all of them when left out."""
    test_samples: Positive | None = None
    options: dict[str, int | float | str | bool] = {}
    """What the data set's own file asks for (sample shape of synthetic data, folder of images)."""


class ModelSpec(_Part):
    """One network. A family reads the fields that it names in its `fields`; the others are dropped from its trials."""

    architecture: str
    """A file of skipray/architectures/, or `module:name`."""
    depth: Positive
    """Weight layers on the main path, the stem and the classifier included."""
    kind: Literal["mlp", "cnn"]
    width: Positive
    """mlp: units of each hidden layer. cnn: channels of the first stage (16 on CIFAR, 64 on ImageNet)."""
    normalization: Literal["batch", "layer", "none"]
    initialisation: str
    """A file of skipray/initialisations/, or `module:name`."""
    activation: Literal["relu", "tanh", "linear"]
    residual_scale: Literal[1, "inverse_sqrt_depth", "learned"] | None = None
    """Factor on the branch before the addition: 1, 1/sqrt(number of blocks), or learned from 0 (SkipInit, ReZero)."""
    block: Literal["basic", "bottleneck"] | None = None
    shortcut: Literal["A", "B"] | None = None
    """cnn, where the shape changes: A pads with zeros, B is a 1x1 convolution (He et al. 2015)."""
    cardinality: Positive | None = None
    """ResNeXt: number of groups C."""
    group_width: Positive | None = None
    """ResNeXt: channels a group d in the first stage; the inner width is C d."""
    growth_rate: Positive | None = None
    """DenseNet: k."""
    layout: Literal["cifar", "imagenet"] | None = None
    """cnn: 3x3 stem and three stages, or 7x7 stem, pooling and four stages."""


class Recipe(_Part):
    """How a trial is trained. No field is silent: what the paper leaves open has to be written."""

    epochs: NonNegative
    """Passes over the training set. 0 measures the network at initialisation only."""
    batch_size: Positive
    learning_rate: PositiveFloat
    """Peak learning rate of SGD."""
    momentum: Annotated[float, Field(ge=0, lt=1)]
    nesterov: bool = False
    weight_decay: NonNegativeFloat
    schedule: Literal["constant", "step", "cosine", "he2015"]
    """step: times `gamma` at each of `milestones`; cosine: to `final_learning_rate`; he2015: times 0.1 after 1/2 and 3/4
    of the steps (32k and 48k of 64k)."""
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] | None = None
    """step: fractions of all steps, rising."""
    gamma: Annotated[float, Field(gt=0, lt=1)] | None = None
    final_learning_rate: NonNegativeFloat = 0.0
    warmup_epochs: NonNegativeFloat = 0.0
    """Linear from learning_rate / 10 (Goyal et al. 2017 start low; the length is the user's), or, for he2015, constant at
    a tenth of the rate until train accuracy passes 20 %, at most so long."""
    augmentation: Literal["none", "standard"]
    """standard: pad 4, random crop, horizontal flip where the data set allows it."""
    precision: Literal["float32", "bfloat16"] = "float32"
    gradient_clip_norm: PositiveFloat | None = None


class ProbeSpec(_Part):
    """What is measured; never changes what is trained, so it is not part of the trial_id."""

    preset: Literal["default", "full", "none"] = "default"
    """default: hidden representations raw and centred, weights raw. full: every tensor of the paper, and every option."""
    samples: Positive = 256
    """Images of the fixed probe batch. It caps every rank."""
    every_epochs: NonNegative = 0
    """0: at initialisation and at the end only."""
    hessian: bool = False
    """Top eigenvalue and trace of the loss's Hessian (curvlinops)."""
    jacobian: bool = False
    """Singular values of the input-output Jacobian."""


class Resources(_Part):
    device: Literal["cpu", "cuda"] = "cpu"
    threads: Positive = 1
    """CPU threads of one trial. Part of the trial_id: another count gives other bits."""
    gpu_fraction: Annotated[float, Field(gt=0, le=8)] | None = None
    """Share of one GPU a trial; measured by a memory probe when left out."""
    max_concurrent: Positive | None = None
    """At most so many trials at once; as many as fit when left out."""
    max_failures: NonNegative = 2
    """How often an attempt that ended in an error is repeated. Lost nodes do not count."""
    checkpoint_seconds: PositiveFloat = 60.0
    """A trial saves its state about this often: what a killed attempt can lose."""


class Tracking(_Part):
    uri: str | None = None
    """MLflow address; else MLFLOW_TRACKING_URI, else a SQLite file in the working directory."""
    storage: str | None = None
    """Checkpoints, leases and undelivered results: a folder or fsspec address that every node reaches."""
    save_weights: bool = True
    """Keep each trial's final weights as an artifact, so that `skipray measure` can look at them later."""


class _SweepFile(_Part):
    name: Name
    question: str
    dataset: DatasetSpec
    model: dict[str, Any] = {}
    recipe: dict[str, Any]
    factors: dict[str, list[Any]]
    include: list[dict[str, Any]] = []
    exclude: list[dict[str, Any]] = []
    seeds: Annotated[tuple[NonNegative, ...], Field(min_length=1)]
    probe: ProbeSpec = ProbeSpec()
    resources: Resources = Resources()
    tracking: Tracking = Tracking()


@dataclass(frozen=True)
class TrialSpec:
    """A cell, a hyperparameter setting and a seed. Picklable, without torch."""

    sweep: str
    dataset: DatasetSpec
    fingerprint: str
    """sha256 that the data must have; workers verify it."""
    model: ModelSpec
    recipe: Recipe
    seed: int
    probe: ProbeSpec
    resources: Resources
    save_weights: bool = True
    phase: Literal["tune", "final"] = "final"
    cell: tuple[tuple[str, Any], ...] = ()
    """The sweep's scientific factors and their values here, in the file's order."""
    source_hashes: tuple[tuple[str, str], ...] = ()
    """module:name and sha256 of its source, for the user's own code."""

    @cached_property
    def trial_id(self) -> str:
        """First 32 hex digits of the sha256 over the canonical JSON of all that changes the numbers."""
        return hashlib.sha256(canonical_json(self.identity).encode()).hexdigest()[:32]

    @property
    def identity(self) -> dict[str, Any]:
        return {
            "numerics_version": NUMERICS_VERSION,
            "dataset": self.dataset.model_dump() | {"fingerprint": self.fingerprint},
            "model": self.model.model_dump(),
            "recipe": self.recipe.model_dump(),
            "seed": self.seed,
            "threads": self.resources.threads,
            "device": self.resources.device,
            "source_hashes": dict(self.source_hashes),
        }

    @property
    def label(self) -> str:
        """The run's name, such as `plainnet-d056-s02`; further factors follow in the file's order."""
        architecture = self.model.architecture.rpartition(":")[2]
        parts = [architecture, f"d{self.model.depth:03d}", f"s{self.seed:02d}"]
        if self.phase == "tune":
            parts.append("tune")
        parts += [f"{key.rpartition('.')[2]}={value}" for key, value in self.cell if key not in _MAIN_FACTORS]
        return "-".join(parts)

    def flat(self) -> dict[str, str | int | float | bool]:
        """Dotted names to scalars, absent fields left out: the MLflow params."""
        out: dict[str, str | int | float | bool] = {}
        for part in ("dataset", "model", "recipe", "resources", "probe"):
            for key, value in getattr(self, part).model_dump().items():
                if value is None or value == {}:
                    continue
                out[f"{part}.{key}"] = value if isinstance(value, str | int | float | bool) else json.dumps(value)
        out["dataset.fingerprint"] = self.fingerprint
        out["seed"] = self.seed
        return out


_MAIN_FACTORS = ("architecture", "depth")


def canonical_json(value: Any) -> str:
    """One text for one value: sorted keys, no spaces, integers and floats of one value alike (`1` is `1.0`)."""

    def normal(x: Any) -> Any:
        if isinstance(x, Mapping):
            return {str(k): normal(v) for k, v in x.items()}
        if isinstance(x, list | tuple):
            return [normal(v) for v in x]
        if isinstance(x, float) and x.is_integer() and abs(x) < 2**53:
            return int(x)
        return x

    return json.dumps(normal(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True)
class SweepSpec:
    """A checked sweep file."""

    path: Path
    text: str
    """The file as it was read."""
    overrides: tuple[str, ...]
    name: str
    question: str
    dataset: DatasetSpec
    factors: dict[str, tuple[Any, ...]]
    seeds: tuple[int, ...]
    probe: ProbeSpec
    resources: Resources
    tracking: Tracking
    _trials: tuple[TrialSpec, ...] = field(repr=False)

    def trials(self) -> tuple[TrialSpec, ...]:
        """Every trial of the sweep, cells in the file's order, seeds innermost."""
        return self._trials


# --------------------------------------------------------------------------------------------------------------------
# reading


def load_sweep(path: str | Path, overrides: Iterable[str] = ()) -> SweepSpec:
    """Read and check a sweep file.

    Args:
        path: the YAML file.
        overrides: `dotted.key=value` texts, the value in YAML, as `--set` takes them.

    Raises:
        SpecError: with one line for each mistake.
    """
    path = Path(path)
    overrides = tuple(overrides)
    document = _Document.read(path)
    for override in overrides:
        document.override(override)
    return _Reader(document).sweep(path, overrides)


@dataclass
class _Document:
    """The parsed file, and where each key stands."""

    path: Path
    text: str
    data: dict[str, Any]
    lines: dict[tuple[str | int, ...], int]
    overridden: dict[tuple[str | int, ...], str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "_Document":
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise SpecError([f"{path}: no such file; {_sweeps_beside(path)}"]) from None
        except IsADirectoryError:
            raise SpecError([f"{path}: found a folder; allowed: a YAML file"]) from None
        except UnicodeDecodeError as error:
            raise SpecError([f"{path}: found bytes that are not UTF-8 ({error.reason}); allowed: a YAML text"]) from None
        except OSError as error:
            raise SpecError([f"{path}: cannot be read: {error.strerror}"]) from None
        yaml = YAML(typ="rt", pure=True)
        try:
            tree = yaml.load(text)
        except DuplicateKeyError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            problem = str(error.problem).split("\n")[0]
            raise SpecError([f"{path}:{line}: {problem}; allowed: each key once"]) from None
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise SpecError([f"{path}:{mark.line + 1 if mark else 1}: not YAML: {error.problem or error.context}"]) from None
        except (YAMLError, ValueError) as error:
            raise SpecError([f"{path}:1: not YAML: {str(error).splitlines()[0]}"]) from None
        if tree is None:
            raise SpecError([f"{path}:1: found an empty file; allowed: a sweep with the keys {_top_keys()}"])
        if not isinstance(tree, dict):
            raise SpecError([f"{path}:1: found {_kind(tree)}; allowed: a sweep with the keys {_top_keys()}"])
        lines: dict[tuple[str | int, ...], int] = {(): 1}
        return cls(path, text, _plain(tree, (), lines, path), lines)

    def override(self, text: str) -> None:
        key, equals, value_text = text.partition("=")
        keys = tuple(key.strip().split("."))
        if not equals or not all(keys):
            raise SpecError([f"--set {text}: found no value; allowed: --set recipe.epochs=2"])
        try:
            value = _plain(YAML(typ="rt", pure=True).load(value_text), keys, {}, self.path)
        except YAMLError:
            raise SpecError([f"--set {text}: the value is not YAML"]) from None
        if len(keys) == 2 and keys[1] in self.data.get("factors", {}) and keys[0] in ("model", "recipe"):
            raise SpecError([f"--set {text}: {keys[1]} is a factor of this sweep; allowed: --set factors.{keys[1]}=[...]"])
        here = self.data
        for part in keys[:-1]:
            if not isinstance(here.setdefault(part, {}), dict):
                raise SpecError([f"--set {text}: {part} holds no keys"])
            here = here[part]
        here[keys[-1]] = value
        self.overridden[keys] = text

    def where(self, loc: tuple[str | int, ...]) -> str:
        """`file:line` of the nearest key at or above loc, or the override that set it."""
        for end in range(len(loc), -1, -1):
            if loc[:end] in self.overridden:
                return f"--set {self.overridden[loc[:end]]}"
            if loc[:end] in self.lines:
                return f"{self.path}:{self.lines[loc[:end]]}"
        return f"{self.path}:1"

    def mistake(self, loc: tuple[str | int, ...], found: str) -> str:
        key = ".".join(str(part) for part in loc)
        return f"{self.where(loc)}: {key + ': ' if key else ''}{found}"


def _plain(node: Any, loc: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int], path: Path) -> Any:
    """ruamel's tree as plain Python values, noting the line of every key and item."""
    if isinstance(node, dict):
        out = {}
        for key, value in node.items():
            here = (*loc, str(key))
            position = node.lc.data.get(key) if getattr(node, "lc", None) and node.lc.data else None
            lines[here] = position[0] + 1 if position else lines.get(loc, 1)
            if not isinstance(key, str):
                raise SpecError([f"{path}:{lines[here]}: found the key {key!r}; allowed: text"])
            out[str(key)] = _plain(value, here, lines, path)
        return out
    if isinstance(node, list):
        items = []
        for i, value in enumerate(node):
            here = (*loc, i)
            position = node.lc.data.get(i) if getattr(node, "lc", None) and node.lc.data else None
            lines[here] = position[0] + 1 if position else lines.get(loc, 1)
            items.append(_plain(value, here, lines, path))
        return items
    if isinstance(node, bool) or node is None:
        return node
    if isinstance(node, int):
        return int(node)
    if isinstance(node, float):
        return float(node)
    if isinstance(node, str):
        return str(node)
    raise SpecError(
        [f"{path}:{lines.get(loc, 1)}: found {_kind(node)}; allowed: text, numbers, booleans, lists and mappings"]
    )


class _Reader:
    """Turns a document into a SweepSpec, collecting mistakes."""

    def __init__(self, document: _Document):
        self.document = document
        self.mistakes: list[str] = []

    def sweep(self, path: Path, overrides: tuple[str, ...]) -> SweepSpec:
        file = self._validate(_SweepFile, self.document.data, ())
        self._stop_on_mistakes()
        assert file is not None
        self._check_factors(file)
        self._stop_on_mistakes()
        fingerprint = self._fingerprint(file.dataset)
        self._stop_on_mistakes()
        cells = list(self._cells(file))
        trials = self._trials(file, cells, fingerprint)
        self._stop_on_mistakes()
        if not trials:
            self.mistakes.append(self.document.mistake(("exclude",), "found no trial left; allowed: at least one"))
            self._stop_on_mistakes()
        return SweepSpec(
            path=path,
            text=self.document.text,
            overrides=overrides,
            name=file.name,
            question=file.question,
            dataset=file.dataset,
            factors={key: tuple(values) for key, values in file.factors.items()},
            seeds=file.seeds,
            probe=file.probe,
            resources=file.resources,
            tracking=file.tracking,
            _trials=tuple(trials),
        )

    def _stop_on_mistakes(self) -> None:
        if self.mistakes:
            raise SpecError(dict.fromkeys(self.mistakes))

    def _validate(self, model: type[_Part], data: Any, loc: tuple[str | int, ...]) -> Any:
        try:
            return model.model_validate(_tuples(data))
        except pydantic.ValidationError as error:
            for detail in error.errors():
                self.mistakes.append(self._describe(model, detail, loc))
            return None

    def _describe(self, model: type[_Part], detail: Any, loc: tuple[str | int, ...]) -> str:
        parts = tuple(p for p in detail["loc"] if not _is_union_tag(p))
        here = loc + parts
        kind = detail["type"]
        if kind == "extra_forbidden":
            allowed = _fields_at(model, parts[:-1])
            near = difflib.get_close_matches(str(parts[-1]), allowed, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            return self.document.mistake(here, f"found an unknown key{hint}; allowed: {', '.join(allowed)}")
        if kind == "missing":
            above = self.document.where(here[:-1])
            return f"{above}: {'.'.join(map(str, here))}: found nothing; allowed: {_allowed(model, parts, detail)}"
        return self.document.mistake(here, f"found {_show(detail['input'])}; allowed: {_allowed(model, parts, detail)}")

    def _check_factors(self, file: _SweepFile) -> None:
        known = set(ModelSpec.model_fields) | set(Recipe.model_fields)
        for key, values in file.factors.items():
            bare = _bare(key)
            if bare not in known:
                near = difflib.get_close_matches(bare, sorted(known), n=1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                allowed = ", ".join([*ModelSpec.model_fields, *Recipe.model_fields])
                self._add(("factors", key), f"found an unknown factor{hint}; allowed: {allowed}")
            elif not values:
                self._add(("factors", key), "found an empty list; allowed: at least one value")
            for i, value in enumerate(values):
                if value in values[:i] and type(value) is type(values[values.index(value)]):
                    self._add(("factors", key, i), f"found {_show(value)} twice; allowed: each value once")
            for section in ("model", "recipe"):
                if bare in getattr(file, section):
                    self._add((section, bare), f"found a value beside the factor {key}; allowed: one of the two")
        for seed in {s for s in file.seeds if file.seeds.count(s) > 1}:
            self._add(("seeds",), f"found {seed} twice; allowed: each seed once")
        known_bare = {_bare(key) for key in file.factors}
        for section in ("include", "exclude"):
            for i, row in enumerate(getattr(file, section)):
                if not row:
                    self._add((section, i), "found an empty row; allowed: factors and their values")
                for key in row:
                    allowed_keys = known if section == "include" else known_bare
                    if _bare(key) not in allowed_keys:
                        self._add((section, i, key), f"found an unknown factor; allowed: {', '.join(sorted(allowed_keys))}")
        for section, model in (("model", ModelSpec), ("recipe", Recipe)):
            for key in getattr(file, section):
                if key not in model.model_fields:
                    near = difflib.get_close_matches(key, list(model.model_fields), n=1)
                    hint = f" (did you mean {near[0]}?)" if near else ""
                    self._add((section, key), f"found an unknown key{hint}; allowed: {', '.join(model.model_fields)}")

    def _add(self, loc: tuple[str | int, ...], found: str) -> None:
        self.mistakes.append(self.document.mistake(loc, found))

    def _fingerprint(self, dataset: DatasetSpec) -> str:
        try:
            entry = catalog.find("datasets", dataset.name)
        except ValueError as error:
            self._add(("dataset", "name"), str(error))
            return ""
        if hasattr(entry, "check"):
            try:
                entry.check(dataset)
            except ValueError as error:
                self._add(("dataset",), str(error))
        fingerprint = dataset.fingerprint or getattr(entry, "FINGERPRINT", None)
        if fingerprint is None:
            self._add(("dataset",), f"found no fingerprint; allowed: the sha256 of the data of {dataset.name}")
            return ""
        return str(fingerprint)

    def _cells(self, file: _SweepFile) -> Iterator[tuple[dict[str, Any], tuple[str | int, ...]]]:
        """Each cell as factor -> value, and where to point when it is wrong."""
        keys = [_bare(key) for key in file.factors]
        used = [0] * len(file.exclude)
        for values in itertools.product(*file.factors.values()):
            cell = dict(zip(keys, values, strict=True))
            hits = [i for i, row in enumerate(file.exclude) if _matches(cell, row)]
            for i in hits:
                used[i] += 1
            if not hits:
                yield cell, ("factors",)
        for i, count in enumerate(used):
            if not count:
                self._add(("exclude", i), "found a row that excludes nothing; allowed: rows that match a cell")
        for i, row in enumerate(file.include):
            yield {_bare(key): value for key, value in row.items()}, ("include", i)

    def _trials(
        self, file: _SweepFile, cells: list[tuple[dict[str, Any], tuple[str | int, ...]]], fingerprint: str
    ) -> list[TrialSpec]:
        trials: list[TrialSpec] = []
        seen: dict[str, str] = {}
        wrong: set[str] = set()
        for cell, loc in cells:
            before = len(self.mistakes)
            model = self._model(file, cell, loc)
            recipe = self._recipe(file, cell, loc)
            if model is None or recipe is None:
                fresh = [m for m in self.mistakes[before:] if m not in wrong]
                wrong.update(fresh)
                self.mistakes[before:] = fresh
                continue
            names = [model.architecture, model.initialisation, file.dataset.name]
            hashes = tuple((n, h) for n in names if (h := catalog.source_hash(n)))
            for seed in file.seeds:
                trial = TrialSpec(
                    sweep=file.name,
                    dataset=file.dataset,
                    fingerprint=fingerprint,
                    model=model,
                    recipe=recipe,
                    seed=seed,
                    probe=file.probe,
                    resources=file.resources,
                    save_weights=file.tracking.save_weights,
                    cell=tuple(cell.items()),
                    source_hashes=hashes,
                )
                if trial.trial_id in seen:
                    ignored = [k for k in cell if k in ModelSpec.model_fields and getattr(model, k) is None]
                    why = f" ({model.architecture} has no {', '.join(ignored)})" if ignored else ""
                    self._add(
                        loc, f"found the cell {_show_cell(cell)} twice{why}, as {seen[trial.trial_id]}; allowed: each cell once"
                    )
                    break
                seen[trial.trial_id] = _show_cell(cell)
                trials.append(trial)
        return trials

    def _model(self, file: _SweepFile, cell: dict[str, Any], loc: tuple[str | int, ...]) -> ModelSpec | None:
        data = file.model | {k: v for k, v in cell.items() if k in ModelSpec.model_fields}
        architecture = data.get("architecture")
        if isinstance(architecture, str):
            try:
                family = catalog.find("architectures", architecture)
            except ValueError as error:
                self._add(self._source(file, "architecture", architecture, loc, "model"), str(error))
                return None
            kind = data.get("kind")
            if kind in typing.get_args(ModelSpec.model_fields["kind"].annotation) and hasattr(family, "fields"):
                used = family.fields(kind)
                optional = {k for k, f in ModelSpec.model_fields.items() if not f.is_required()}
                # The values that this family has no use for still have to be of their type.
                data = {k: (None if k in optional - used and self._fits(k, v) else v) for k, v in data.items()}
                for key in sorted(used & optional):
                    if data.get(key) is None:
                        allowed = _allowed(ModelSpec, (key,), {"type": "missing"})
                        self._add(("model", key), f"found nothing, but {architecture} ({kind}) needs it; allowed: {allowed}")
                        return None
        model = self._validate_at(ModelSpec, data, file, cell, loc, "model")
        if model is None:
            return None
        try:
            scheme = catalog.find("initialisations", model.initialisation)
        except ValueError as error:
            self._add(self._source(file, "initialisation", model.initialisation, loc, "model"), str(error))
            return None
        dataset = catalog.find("datasets", file.dataset.name)
        shape, classes = _shape_and_classes(dataset, file.dataset)
        for entry, arguments in ((family, (model, shape, classes)), (scheme, (model,))):
            if not hasattr(entry, "check"):
                continue
            try:
                entry.check(*arguments)
            except ValueError as error:
                key = error.args[1] if len(error.args) > 1 else None
                message = str(error.args[0])
                where = self._source(file, key, getattr(model, key, None), loc, "model") if key else loc
                self._add(where, message)
                return None
        return model

    def _fits(self, key: str, value: Any) -> bool:
        info = ModelSpec.model_fields[key]
        try:
            pydantic.TypeAdapter(Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation, config=None).validate_python(
                value, strict=True
            )
        except pydantic.ValidationError:
            return False
        return True

    def _recipe(self, file: _SweepFile, cell: dict[str, Any], loc: tuple[str | int, ...]) -> Recipe | None:
        data = file.recipe | {k: v for k, v in cell.items() if k in Recipe.model_fields}
        recipe = self._validate_at(Recipe, data, file, cell, loc, "recipe")
        if recipe is None:
            return None
        if recipe.schedule == "step" and (recipe.milestones is None or recipe.gamma is None):
            self._add(("recipe", "schedule"), "found step without milestones and gamma; allowed: all three")
            return None
        if recipe.schedule != "step" and (recipe.milestones is not None or recipe.gamma is not None):
            key = "milestones" if recipe.milestones is not None else "gamma"
            self._add(("recipe", key), f"found it beside the schedule {recipe.schedule}; allowed: with step only")
            return None
        if recipe.milestones is not None and list(recipe.milestones) != sorted(set(recipe.milestones)):
            self._add(("recipe", "milestones"), f"found {list(recipe.milestones)}; allowed: fractions of all steps, rising")
            return None
        if recipe.epochs and recipe.warmup_epochs >= recipe.epochs:
            self._add(("recipe", "warmup_epochs"), f"found {recipe.warmup_epochs}; allowed: below epochs ({recipe.epochs})")
            return None
        return recipe

    def _validate_at(
        self,
        model: type[_Part],
        data: dict[str, Any],
        file: _SweepFile,
        cell: dict[str, Any],
        loc: tuple[str | int, ...],
        section: str,
    ) -> Any:
        try:
            return model.model_validate(_tuples(data))
        except pydantic.ValidationError as error:
            for detail in error.errors():
                parts = tuple(p for p in detail["loc"] if not _is_union_tag(p))
                key = str(parts[0])
                if detail["type"] == "missing":
                    where = self.document.where((section,))
                    self.mistakes.append(
                        f"{where}: {section}.{key}: found nothing; allowed: {_allowed(model, parts, detail)} "
                        f"(in {section} or as a factor)"
                    )
                    continue
                here = self._source(file, key, cell.get(key, data.get(key)), loc, section)
                self._add(here, f"found {_show(detail['input'])}; allowed: {_allowed(model, parts, detail)}")
            return None

    def _source(
        self, file: _SweepFile, key: str, value: Any, loc: tuple[str | int, ...], section: str
    ) -> tuple[str | int, ...]:
        """Where a cell's value stands in the file."""
        if loc[0] == "include":
            row = file.include[typing.cast(int, loc[1])]
            for name in row:
                if _bare(name) == key:
                    return (*loc, name)
            return (section, key)
        for name, values in file.factors.items():
            if _bare(name) == key:
                for i, other in enumerate(values):
                    if other == value and type(other) is type(value):
                        return ("factors", name, i)
                return ("factors", name)
        return (section, key)


def _shape_and_classes(entry: Any, dataset: DatasetSpec) -> tuple[tuple[int, int, int], int]:
    if hasattr(entry, "shape_and_classes"):
        return typing.cast(tuple[tuple[int, int, int], int], entry.shape_and_classes(dataset))
    return entry.INPUT_SHAPE, entry.CLASSES


def _bare(key: str) -> str:
    """`recipe.learning_rate` and `learning_rate` are the same factor."""
    return re.sub(r"^(model|recipe)\.", "", key)


def _matches(cell: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """A row's value is one value or a list of them."""
    return all(cell[_bare(key)] in (value if isinstance(value, list) else [value]) for key, value in row.items())


def _tuples(data: Any) -> Any:
    """Lists as tuples where strict pydantic wants them; lists of factors stay lists."""
    if not isinstance(data, dict):
        return data
    return {key: tuple(v) if key in ("seeds", "milestones") and isinstance(v, list) else v for key, v in data.items()}


def _top_keys() -> str:
    return ", ".join(_SweepFile.model_fields)


def _sweeps_beside(path: Path) -> str:
    folder = path.parent if path.parent.is_dir() else Path("sweeps")
    found = sorted(p.name for p in folder.glob("*.yaml"))
    near = difflib.get_close_matches(path.name, found, n=1)
    if near:
        return f"did you mean {folder / near[0]}?"
    return f"{folder} holds {', '.join(found)}" if found else f"{folder} holds no sweeps"


def _is_union_tag(part: Any) -> bool:
    """pydantic adds the branch of a union to an error's place; a user's key never looks like that."""
    return isinstance(part, str) and ("[" in part or part in ("int", "float", "str", "bool", "constrained-int"))


def _fields_at(model: type[_Part], parts: tuple[Any, ...]) -> list[str]:
    here: Any = model
    for part in parts:
        info = here.model_fields.get(part) if isinstance(here, type) and issubclass(here, BaseModel) else None
        here = info.annotation if info else None
    return list(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else []


def _kind(value: Any) -> str:
    return {dict: "a mapping", list: "a list", str: "a text", bool: "a boolean", int: "an integer", float: "a number"}.get(
        type(value), f"a {type(value).__name__}"
    )


def _show(value: Any) -> str:
    text = repr(list(value) if isinstance(value, tuple) else value)
    if isinstance(value, dict):
        text = "a mapping"
    hint = ""
    if isinstance(value, str) and re.fullmatch(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?", value):
        hint = " (a text in quotes)"
    return (text if len(text) <= 60 else text[:57] + "...") + hint


def _show_cell(cell: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in cell.items()) + "}"


_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def _allowed(model: type[_Part], parts: tuple[Any, ...], detail: Any) -> str:
    """What a field takes, in words."""
    here: Any = model
    info = None
    for part in parts:
        fields = getattr(here, "model_fields", {})
        if part in fields:
            info = fields[part]
            here = info.annotation
    if info is None:
        return str(detail.get("msg", "another value"))
    bounds = [f"{words} {getattr(m, name)}" for m in info.metadata for name, words in _BOUNDS.items() if hasattr(m, name)]
    text = _type_words(info.annotation, bounds)
    if any(hasattr(m, "pattern") and m.pattern for m in info.metadata):
        text = "a name of lower-case letters, digits, '.', '_' and '-', at most 64 long"
    return text


def _type_words(annotation: Any, bounds: list[str]) -> str:
    if typing.get_origin(annotation) is Annotated:
        inner, *metadata = typing.get_args(annotation)
        more = [
            f"{words} {getattr(m, name)}"
            for meta in metadata
            for m in (getattr(meta, "metadata", None) or [meta])
            for name, words in _BOUNDS.items()
            if getattr(m, name, None) is not None
        ]
        return _type_words(inner, bounds + more)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return ", ".join(str(a) for a in arguments)
    if origin in (typing.Union, getattr(__import__("types"), "UnionType")):
        return " or ".join(_type_words(a, bounds) for a in arguments if a is not type(None))
    limits = f" {' and '.join(bounds)}" if bounds else ""
    if annotation is int:
        return f"an integer{limits}"
    if annotation is float:
        return f"a number{limits}"
    if annotation is bool:
        return "true or false"
    if annotation is str:
        return "a text"
    if origin in (list, tuple):
        inner = _type_words(arguments[0], []) if arguments else "values"
        return f"a list of at least one item, each {inner}" if origin is tuple else f"a list, each item {inner}"
    if origin is dict:
        return "a mapping"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "a mapping with the keys " + ", ".join(annotation.model_fields)
    return "a value" + limits
