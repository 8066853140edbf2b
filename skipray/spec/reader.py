"""From a document to a SweepSpec, collecting every mistake with its place."""

import difflib
import itertools
import math
import os
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pydantic

from skipray import metrics
from skipray.extension import catalog
from skipray.extension.reaching import Source
from skipray.spec import data_factors, depth_rules, models, ranges, recipes, samples
from skipray.spec.cell import bare_name, family_names
from skipray.spec.claims_reader import ClaimsReader, factors_by_family
from skipray.spec.data_reader import CellData, DataReader
from skipray.spec.depth_words import depth_units
from skipray.spec.document import Document, Location, SpecError
from skipray.spec.fields import Adaptive, FactorRange, ModelSpec, ProbeSpec, Recipe, Section, SweepFile, Tune
from skipray.spec.finding import sweep_path
from skipray.spec.sweep import SweepSpec
from skipray.spec.trial import TrialSpec
from skipray.spec.values import plain
from skipray.spec.words import allowed_words, fields_at, is_number, is_union_tag, show, show_cell, value_limits

MAX_TRIALS = 1_000_000
PYTHON_SOURCE = "Sweep"
"""Stands where messages about a file name it."""


def load_sweep(path: str | os.PathLike[str], overrides: Iterable[str] = ()) -> SweepSpec:
    """Read and check a sweep file.

    Args:
        path: the YAML file, or the sweep's name (`skipray.spec.finding.sweep_path`).
        overrides: `dotted.key=value` texts, the value in YAML, as `--set` takes them.

    Raises:
        SpecError: with one line for each mistake.
    """
    path = sweep_path(path)
    overrides = tuple(overrides)
    document = Document.read(path)
    for override in overrides:
        document.override(override)
    return Reader(document).sweep(path, overrides)


def sweep_of(values: Mapping[str, Any]) -> SweepSpec:
    """Check a sweep of Python values: the keys of a sweep file, tuples and numpy's scalars allowed.

    Raises:
        SpecError: with one line for each mistake, its place the key.
    """
    document = Document.of_values(plain(values), PYTHON_SOURCE)
    return Reader(document).sweep(document.path, ())


def probe_of(before: ProbeSpec, overrides: Iterable[str], source: str) -> ProbeSpec:
    """Settings of a probe with some of them overridden, as `--set probe.preset=full` has it.

    Args:
        source: stands where messages about a file name it.

    Raises:
        SpecError: with one line for each mistake; an override of anything but the probe is one.
    """
    document = Document.of_values(plain({"probe": before.model_dump()}), source)
    for override in overrides:
        document.override(override)
    others = [text for key, text in document.overridden.items() if key[0] != "probe"]
    if others:
        raise SpecError(
            f"--set {text}: found no file of {source} to override; allowed without one: probe.* of a measurement"
            for text in others
        )
    return Reader(document).probe_alone()


class Reader:
    """Turns a document into a SweepSpec, collecting mistakes."""

    def __init__(self, document: Document):
        self.document = document
        self.mistakes: list[str] = []
        self._sources: dict[str, Source | None] = {}

    def sweep(self, path: Path, overrides: tuple[str, ...]) -> SweepSpec:
        self._spread_ranges()
        file = self._validate(SweepFile, self.document.data, ())
        self._stop_on_mistakes()
        assert file is not None
        self._check_factors(file)
        if file.tune is not None:
            self._check_tune(file, file.tune)
        if file.adaptive is not None:
            self._check_adaptive(file, file.adaptive)
        self._stop_on_mistakes()
        count = math.prod(len(values) for values in file.factors.values()) * len(file.seeds)
        if count > MAX_TRIALS:
            self._add(("factors",), f"found a product of {count:,} trials; allowed: at most {MAX_TRIALS:,}")
            self._stop_on_mistakes()
        self._check_probe(file.probe)
        cells = self._trials_of_cells(file, DataReader(file, self._add, self._add_detail))
        self._stop_on_mistakes()
        if not cells:
            self.mistakes.append(self.document.mistake(("exclude",), "found no trial left; allowed: at least one"))
            self._stop_on_mistakes()
        families = factors_by_family(cell.cell.group for cell in cells)
        claims = ClaimsReader(self._validate, self._add, families, file.probe.metrics).read(file.claims)
        self._stop_on_mistakes()
        return SweepSpec(
            path=path,
            text=self.document.text,
            overrides=overrides,
            name=file.name,
            question=file.question,
            dataset=cells[0].dataset,
            factors={key: tuple(values) for key, values in file.factors.items()},
            seeds=file.seeds,
            probe=file.probe,
            resources=file.resources,
            tracking=file.tracking,
            cells=tuple(cells),
            tune=file.tune,
            adaptive=file.adaptive,
            trained=file.trained,
            sources={name: source.as_dict() for name, source in self._sources.items() if source is not None},
            depth_units=depth_units(families),
            claims=claims,
        )

    def probe_alone(self) -> ProbeSpec:
        """The document's section `probe`, where it is all that is to be read."""
        probe: ProbeSpec | None = self._validate(ProbeSpec, self.document.data.get("probe", {}), ("probe",))
        self._stop_on_mistakes()
        assert probe is not None
        self._check_probe(probe)
        self._stop_on_mistakes()
        return probe

    def _check_probe(self, probe: ProbeSpec) -> None:
        for key in ("metrics", "every_epochs", "gradients", "hessian", "jacobian") if probe.preset == "none" else ():
            if value := getattr(probe, key):
                found = ", ".join(value) if isinstance(value, tuple) else plain(value)
                self._add(
                    ("probe", key),
                    f"found {show(found)} with preset none, which measures nothing; allowed: left "
                    "out, or preset default or full",
                )
        metrics.entries()  # a file that declares what there is not is seen here, not in every trial
        for i, name in enumerate(probe.metrics):
            try:
                metrics.find(name)
            except ValueError as error:
                self._add(("probe", "metrics", i), str(error))
            if name in probe.metrics[:i]:
                self._add(("probe", "metrics", i), f"found {name} twice; allowed: each metric once")

    def _stop_on_mistakes(self) -> None:
        if self.mistakes:
            raise SpecError(dict.fromkeys(self.mistakes))

    def _spread_ranges(self) -> None:
        """Put the values of factors that are ranges in their places."""
        factors = self.document.data.get("factors")
        if not isinstance(factors, dict):
            return
        for key, values in factors.items():
            if not isinstance(values, dict):
                continue
            reach = self._validate(FactorRange, values, ("factors", key))
            if reach is None:
                continue
            refused = ranges.refusal(reach)
            if refused:
                field, allowed = refused
                self._add(("factors", key, field), f"found {show(values[field])}; allowed: {allowed}")
            else:
                whole = all(isinstance(values[end], int) for end in ("low", "high"))
                factors[key] = ranges.spread(reach, whole=whole)
        self._stop_on_mistakes()

    def _validate(self, model: type[Section], data: Any, loc: Location) -> Any:
        try:
            return model.model_validate(_tuples(data))
        except pydantic.ValidationError as error:
            details = error.errors()
            misspelt = {_nearest(model, d["loc"]) for d in details if d["type"] == "extra_forbidden"}
            for detail in details:
                # A misspelt key is one mistake, not an unknown key and a missing one; so is a list with a wrong item,
                # which pydantic does not count.
                if detail["type"] == "too_short" and any(d["loc"][:-1] == detail["loc"] for d in details):
                    continue
                if detail["type"] != "missing" or detail["loc"] not in misspelt:
                    self.mistakes.append(self._describe(model, detail, loc))
            return None

    def _add_detail(self, model: type[Section], detail: Any, loc: Location) -> None:
        self.mistakes.append(self._describe(model, detail, loc))

    def _describe(self, model: type[Section], detail: Any, loc: Location) -> str:
        parts = tuple(p for p in detail["loc"] if not is_union_tag(p))
        here = detail.get("place", loc + parts)
        kind = detail["type"]
        if kind == "extra_forbidden":
            allowed = fields_at(model, parts[:-1])
            near = _nearest(model, parts)
            hint = f" (did you mean {near[-1]}?)" if near else ""
            return self.document.mistake(here, f"found an unknown key{hint}; allowed: {', '.join(allowed)}")
        if kind == "missing":
            above = self.document.where(here[:-1])
            return f"{above}: {'.'.join(map(str, here))}: found nothing; allowed: {allowed_words(model, parts, detail)}"
        return self.document.mistake(
            here, f"found {show(detail['input'])}; allowed: {allowed_words(model, parts, detail)}"
        )

    def _check_factors(self, file: SweepFile) -> None:
        known = set(ModelSpec.model_fields) | set(Recipe.model_fields)
        known |= {bare_name(key) for key in file.factors if models.is_factor(bare_name(key))}
        known |= {bare_name(key) for row in file.include for key in row if models.is_factor(bare_name(key))}
        named = [*file.factors, *(key for row in file.include for key in row)]
        known |= {*data_factors.FIELDS, data_factors.DATASET, *filter(data_factors.is_factor, map(bare_name, named))}
        bares = [bare_name(key) for key in file.factors]
        for key, values in file.factors.items():
            bare = bare_name(key)
            if bares.count(bare) > 1:
                self._add(("factors", key), f"found {bare} under two names; allowed: each factor once")
            if bare not in known or not _is_of_its_section(key):
                near = difflib.get_close_matches(bare, sorted(known), n=1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                allowed = ", ".join(
                    [*ModelSpec.model_fields, *Recipe.model_fields, data_factors.DATASET, *data_factors.FIELDS]
                )
                self._add(("factors", key), f"found an unknown factor{hint}; allowed: {allowed}")
            elif not values:
                self._add(("factors", key), "found an empty list; allowed: at least one value")
            for i, value in enumerate(values):
                if value in values[:i] and type(value) is type(values[values.index(value)]):
                    self._add(("factors", key, i), f"found {show(value)} twice; allowed: each value once")
            for section in ("model", "recipe"):
                if bare in getattr(file, section) or (
                    section == "model" and bare.removeprefix(models.OPTION) in _options(file) and "." in bare
                ):
                    self._add((section, bare), f"found a value beside the factor {key}; allowed: one of the two")
            beside = "name" if bare == data_factors.DATASET else bare
            if data_factors.is_factor(bare) and beside in file.dataset:
                self._add(("dataset", beside), f"found a value beside the factor {key}; allowed: one of the two")
        self._check_rows(file, known)
        self._check_sections(file)

    def _check_rows(self, file: SweepFile, known: set[str]) -> None:
        """The rows of include and exclude name factors."""
        known_bare = {bare_name(key) for key in file.factors}
        for section in ("include", "exclude"):
            for i, row in enumerate(getattr(file, section)):
                if not row:
                    self._add((section, i), "found an empty row; allowed: factors and their values")
                bares = [bare_name(key) for key in row]
                for bare in dict.fromkeys(b for b in bares if bares.count(b) > 1):
                    self._add((section, i), f"found {bare} under two names; allowed: each factor once")
                for key in row:
                    allowed_keys = known if section == "include" else known_bare
                    if bare_name(key) not in allowed_keys or not _is_of_its_section(key):
                        self._add(
                            (section, i, key), f"found an unknown factor; allowed: {', '.join(sorted(allowed_keys))}"
                        )

    def _check_sections(self, file: SweepFile) -> None:
        for seed in {s for s in file.seeds if file.seeds.count(s) > 1}:
            self._add(("seeds",), f"found {seed} twice; allowed: each seed once")
        for section, model in (("model", ModelSpec), ("recipe", Recipe)):
            for key in getattr(file, section):
                if key not in model.model_fields or key == "rules":
                    near = difflib.get_close_matches(key, list(model.model_fields), n=1)
                    hint = f" (did you mean {near[0]}?)" if near else ""
                    self._add((section, key), f"found an unknown key{hint}; allowed: {', '.join(model.model_fields)}")

    def _check_tune(self, file: SweepFile, tune: Tune) -> None:
        numbers = [name for name, info in Recipe.model_fields.items() if is_number(info.annotation)]
        factors = {bare_name(key) for key in file.factors}
        for name, reach in tune.space.items():
            here = ("tune", "space", name)
            if name not in numbers:
                near = difflib.get_close_matches(name, numbers, n=1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                self._add(here, f"found no number of the recipe{hint}; allowed: {', '.join(numbers)}")
                continue
            if name in factors:
                self._add(here, "found a factor of this sweep; allowed: what is not compared")
            if reach.low >= reach.high:
                self._add((*here, "high"), f"found {reach.high}; allowed: above low ({reach.low})")
            elif reach.scale == "log" and reach.low == 0:
                self._add((*here, "low"), "found 0 on a log scale; allowed: above 0, or the scale linear")
            for end in ("low", "high"):
                limits = value_limits(Recipe, name)
                if not limits.holds(getattr(reach, end)):
                    words = allowed_words(Recipe, (name,), {})
                    self._add((*here, end), f"found {getattr(reach, end)}; allowed: {words}")
        if file.adaptive is not None:
            self._add(("adaptive",), "found it beside tune; allowed: one of the two")
        if file.recipe.get("epochs") == 0:
            self._add(("tune",), "found a study of 0 epochs; allowed: recipe.epochs of at least 1")
        warmup, epochs = tune.space.get("warmup_epochs"), file.recipe.get("epochs")
        if warmup is not None and isinstance(epochs, int) and warmup.high >= epochs:
            end_key = ("tune", "space", "warmup_epochs", "high")
            self._add(end_key, f"found {warmup.high}; allowed: below epochs ({epochs})")
        for seed in {s for s in tune.seeds if tune.seeds.count(s) > 1}:
            self._add(("tune", "seeds"), f"found {seed} twice; allowed: each seed once")
        for seed in sorted(set(tune.seeds) & set(file.seeds)):
            self._add(
                ("tune", "seeds"), f"found {seed}, a seed of the sweep; allowed: others, so that finals are fresh"
            )

    def _check_adaptive(self, file: SweepFile, adaptive: Adaptive) -> None:
        if adaptive.low >= adaptive.high:
            self._add(("adaptive", "high"), f"found {adaptive.high}; allowed: above low ({adaptive.low})")
        for key in file.factors:
            if bare_name(key) == "depth":
                self._add(("factors", key), "found it beside adaptive, which chooses depths; allowed: one of the two")
        if "depth" in file.model:
            self._add(("model", "depth"), "found it beside adaptive, which chooses depths; allowed: one of the two")
        for i, row in enumerate(file.include):
            for key in row:
                if bare_name(key) == "depth":
                    self._add(("include", i, key), "found it beside adaptive, which chooses depths; allowed: no depth")
        if len(file.seeds) < 2:
            self._add(("seeds",), "found 1 seed; allowed: at least 2 that a depth can be tried with")

    def _add(self, loc: Location, found: str) -> None:
        self.mistakes.append(self.document.mistake(loc, found))

    def _cells(self, file: SweepFile) -> Iterator[tuple[dict[str, Any], Location]]:
        """Each cell as factor -> value, and where to point when it is wrong."""
        keys = [bare_name(key) for key in file.factors]
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
            yield {bare_name(key): value for key, value in row.items()}, ("include", i)

    def _candidates(self, file: SweepFile, read: DataReader) -> Iterator[tuple[dict[str, Any], Location]]:
        """The cells; of an adaptive sweep each at every depth that its family can have."""
        for cell, loc in self._cells(file):
            if file.adaptive is None:
                yield cell, loc
                continue
            of_cell = read.of_cell(cell, loc)
            if of_cell is None:
                continue
            depths = list(self._valid_depths(file, cell, file.adaptive, of_cell))
            if not depths:
                reach = f"{file.adaptive.low} to {file.adaptive.high}"
                self._add(("adaptive",), f"found no depth of {show_cell(cell)} from {reach}; allowed: at least one")
            for depth in depths:
                yield cell | {"depth": depth}, loc

    def _valid_depths(
        self, file: SweepFile, cell: dict[str, Any], adaptive: Adaptive, of_cell: CellData
    ) -> Iterator[int]:
        """Depths that the family does not refuse. What else is wrong with the cell is found, and said, at each."""
        section = models.model_data(file.model, cell)
        try:
            family = catalog.find("architectures", str(section.get("architecture", "")))
            model = ModelSpec.model_validate(_tuples(section | {"depth": adaptive.low}))
            shape, classes = samples.shape_and_outputs(of_cell.entry, of_cell.spec)
        except ValueError:
            yield adaptive.low
            return
        for depth in range(adaptive.low, adaptive.high + 1):
            try:
                if hasattr(family, "check"):
                    with catalog.at_work(model.architecture):
                        family.check(model.model_copy(update={"depth": depth}), shape, classes)
            except ValueError as error:
                if len(error.args) > 1 and error.args[1] == "depth":
                    continue
            yield depth

    def _trials_of_cells(self, file: SweepFile, read: DataReader) -> list[TrialSpec]:
        """Each cell as the trial of its first seed."""
        trials: list[TrialSpec] = []
        seen: dict[str, str] = {}
        wrong: set[str] = set()
        factors = _factor_names(file)
        families = family_names(_architectures(file))
        for cell, loc in self._candidates(file, read):
            before = len(self.mistakes)
            of_cell = read.of_cell(cell, loc)
            if of_cell is None:
                continue
            model = self._model(file, cell, loc, of_cell)
            recipe = self._recipe(file, cell, loc)
            if model and recipe and not self._fits_data(file, model, recipe, cell, loc, read):
                model = None
            if model is None or recipe is None:
                # A wrong value of one factor is wrong in many cells: said once.
                fresh = [m for m in self.mistakes[before:] if m not in wrong]
                wrong.update(fresh)
                self.mistakes[before:] = fresh
                continue
            names = [model.architecture, model.initialisation, of_cell.spec.name, *recipes.own_names(recipe)]
            names += [*models.activation_names(model), *depth_rules.own_rules(recipe), *depth_rules.own_rules(model)]
            trial = TrialSpec(
                sweep=file.name,
                dataset=of_cell.spec,
                fingerprint=of_cell.fingerprint,
                model=model,
                recipe=recipe,
                seed=file.seeds[0],
                probe=file.probe,
                resources=file.resources,
                save_weights=file.tracking.save_weights,
                factors=factors,
                family=families.get(model.architecture, ""),
                data=of_cell.name,
                source_hashes=tuple((n, h) for n in names if (h := self._source_hash(n, of_cell.spec.name))),
            )
            if trial.trial_id in seen:
                ignored = [k for k in cell if k in ModelSpec.model_fields and getattr(model, k) is None]
                why = f" ({model.architecture} has no {', '.join(ignored)})" if ignored else ""
                unread = [k for k in cell if k in recipes.OF_SGD and recipe.optimizer is not None]
                why = (
                    f" ({recipe.optimizer['name']} has no {', '.join(unread)})" if recipe.optimizer and unread else why
                )
                twin = seen[trial.trial_id]
                self._add(loc, f"found the cell {show_cell(cell)} twice{why}, as {twin}; allowed: each cell once")
                continue
            seen[trial.trial_id] = show_cell(cell)
            trials.append(trial)
        read.check_scores()
        return trials

    def _source_hash(self, name: str, dataset: str) -> str | None:
        if name not in self._sources:
            # What a data set's own code reads is what its fingerprint pins.
            self._sources[name] = catalog.source_of(name, reads_data=name != dataset)
        source = self._sources[name]
        return source.hash if source is not None else None

    def _model(self, file: SweepFile, cell: dict[str, Any], loc: Location, of_cell: CellData) -> ModelSpec | None:
        data = models.model_data(file.model, cell)
        data, wrong = depth_rules.resolved("model", data, data.get("depth"))
        if self._wrong_rules(file, wrong, cell, loc, "model"):
            return None
        architecture = data.get("architecture")
        if isinstance(architecture, str):
            try:
                family = catalog.find("architectures", architecture)
            except ValueError as error:
                self._add(self._source(file, "architecture", architecture, loc, "model"), str(error))
                return None
        model = self._validate_at(ModelSpec, data, file, cell, loc, "model")
        if model is None:
            return None
        written = model
        try:
            with catalog.at_work(model.architecture):
                lacking = list(models.missing(written, family))
                model = written if lacking else models.read_fields(written, family)
        except ValueError as error:
            self._add(self._source(file, "architecture", architecture, loc, "model"), str(error))
            return None
        for name, message in lacking:
            self._add(("model", name), message)
        impossible = list(models.senseless(written, family))
        for name, message in impossible:
            self._add(self._source(file, name, data[name], loc, "model"), message)
        for found in models.unknown_options(written, family, cell):
            self._add(("model", "options"), found)
        if lacking or impossible:
            return None
        try:
            scheme = catalog.find("initialisations", model.initialisation)
        except ValueError as error:
            self._add(self._source(file, "initialisation", model.initialisation, loc, "model"), str(error))
            return None
        shape, classes = samples.shape_and_outputs(of_cell.entry, of_cell.spec)
        for name, entry, arguments in (
            (model.architecture, family, (model, shape, classes)),
            (model.initialisation, scheme, (model,)),
        ):
            if not hasattr(entry, "check"):
                continue
            try:
                with catalog.at_work(name):
                    entry.check(*arguments)
            except ValueError as error:
                key = error.args[1] if len(error.args) > 1 else None
                message = str(error.args[0] if error.args else f"{name} refuses it")
                where = self._source(file, key, models.value_of(model, key), loc, "model") if key else loc
                self._add(where, message)
                return None
        return model

    def _wrong_rules(
        self,
        file: SweepFile,
        wrong: list[tuple[str, str]],
        cell: dict[str, Any],
        loc: Location,
        section: str,
    ) -> bool:
        for key, found in wrong:
            self._add(self._source(file, key, cell.get(key), loc, section), found)
        return bool(wrong)

    def _fits_data(
        self,
        file: SweepFile,
        model: ModelSpec,
        recipe: Recipe,
        cell: dict[str, Any],
        loc: Location,
        read: DataReader,
    ) -> bool:
        """Whether the data can be used for this cell."""
        of_cell = read.of_cell(cell, loc)
        assert of_cell is not None
        shape, _ = samples.shape_and_outputs(of_cell.entry, of_cell.spec)
        wrong = list(samples.mistakes(of_cell.entry, shape, of_cell.spec, model, recipe, file.probe))
        if file.tune is not None and of_cell.task == "values":
            wrong.append(("tune", "", "found labels that are values, which have no accuracy to tune by; allowed: none"))
        for section, key, found in wrong:
            if section == "dataset":
                bare = data_factors.DATASET if key == "name" else key
                self._add(read.place(bare, cell.get(bare), loc), found)
            else:
                self._add(self._source(file, key, cell.get(key), loc, section) if key else (section,), found)
        return not wrong

    def _recipe(self, file: SweepFile, cell: dict[str, Any], loc: Location) -> Recipe | None:
        data = file.recipe | {k: v for k, v in cell.items() if k in Recipe.model_fields}
        data, unruly = depth_rules.resolved("recipe", data, cell.get("depth", file.model.get("depth")))
        if self._wrong_rules(file, unruly, cell, loc, "recipe"):
            return None
        recipe = self._validate_at(Recipe, data, file, cell, loc, "recipe")
        if recipe is None:
            return None
        wrong = list(recipes.mistakes(recipe))
        for key, found in wrong:
            self._add(self._source(file, key, cell.get(key, data.get(key)), loc, "recipe"), found)
        return None if wrong else recipes.read_fields(recipe)

    def _validate_at(
        self,
        model: type[Section],
        data: dict[str, Any],
        file: SweepFile,
        cell: dict[str, Any],
        loc: Location,
        section: str,
    ) -> Any:
        try:
            return model.model_validate(_tuples(data))
        except pydantic.ValidationError as error:
            for detail in error.errors():
                parts = tuple(p for p in detail["loc"] if not is_union_tag(p))
                key = str(parts[0])
                if detail["type"] == "missing":
                    where = self.document.where((section,))
                    self.mistakes.append(
                        f"{where}: {section}.{key}: found nothing; allowed: {allowed_words(model, parts, detail)} "
                        f"(in {section} or as a factor)"
                    )
                    continue
                here = self._source(file, key, cell.get(key, data.get(key)), loc, section)
                self._add(here, f"found {show(detail['input'])}; allowed: {allowed_words(model, parts, detail)}")
            return None

    def _source(self, file: SweepFile, key: str, value: Any, loc: Location, section: str) -> Location:
        """Where a cell's value stands in the file."""
        if loc[0] == "include":
            row = file.include[typing.cast(int, loc[1])]
            for name in row:
                if bare_name(name) == key:
                    return (*loc, name)
            return (section, *key.split("."))
        for name, values in file.factors.items():
            if bare_name(name) == key:
                for i, other in enumerate(values):
                    if other == value and type(other) is type(value):
                        return ("factors", name, i)
                return ("factors", name)
        return (section, *key.split("."))


def _nearest(model: type[Section], parts: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The place of the field that an unknown key was probably meant to be."""
    near = difflib.get_close_matches(str(parts[-1]), fields_at(model, parts[:-1]), n=1)
    return (*parts[:-1], near[0]) if near else None


def _options(file: SweepFile) -> Mapping[str, Any]:
    options = file.model.get("options", {})
    return options if isinstance(options, Mapping) else {}


def _is_of_its_section(key: str) -> bool:
    """Whether a factor written as `section.field` names a field that varies of that section."""
    section, _, field = key.partition(".")
    if section == "dataset" and field:
        return data_factors.is_factor(bare_name(key))
    fields = {"model": ModelSpec.model_fields, "recipe": Recipe.model_fields}.get(section)
    return fields is None or not field or field.partition(".")[0] in fields


def _matches(cell: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """A row's value is one value or a list of them; a data set with options of its own is also matched by its name."""

    def holds(own: Any, value: Any) -> bool:
        several = value if isinstance(value, list) else [value]
        return own in several or (isinstance(own, Mapping) and own.get("name") in several)

    return all(holds(cell[bare_name(key)], value) for key, value in row.items())


def _factor_names(file: SweepFile) -> tuple[str, ...]:
    """Bare names of what the cells vary: a field that only some rows of `include` vary is a factor of every cell whose
    network has it."""
    keys = [*file.factors, *(key for row in file.include for key in row)]
    return tuple(dict.fromkeys([*map(bare_name, keys), *(["depth"] if file.adaptive else [])]))


def _architectures(file: SweepFile) -> list[str]:
    """Every architecture that the file names."""
    rows = [file.model, *file.include]
    named = [value for row in rows for key, value in row.items() if bare_name(key) == "architecture"]
    named += [v for key, values in file.factors.items() if bare_name(key) == "architecture" for v in values]
    return [name for name in named if isinstance(name, str)]


def _tuples(data: Any) -> Any:
    """Lists as tuples where strict pydantic wants them; lists of factors stay lists."""
    if not isinstance(data, dict):
        return data
    lists, parts = ("seeds", "milestones", "metrics", "layers", "widths"), ("tune", "probe")
    return {
        key: tuple(v) if key in lists and isinstance(v, list) else _tuples(v) if key in parts else v
        for key, v in data.items()
    }
