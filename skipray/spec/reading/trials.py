"""Each cell of a sweep file as the trial of its first seed."""

from skipray.extension import catalog
from skipray.extension.reaching import Source
from skipray.spec import data_factors, depth_rules, models, recipes, samples
from skipray.spec.cell import family_names
from skipray.spec.fields import ModelSpec, Recipe, SweepFile
from skipray.spec.reading.cells import WrittenCell, architectures, factor_names, written_cells
from skipray.spec.reading.data import CellData, DataReader
from skipray.spec.reading.depths import at_depths
from skipray.spec.reading.mistakes import Mistakes
from skipray.spec.reading.networks import read_network
from skipray.spec.reading.probe import check_measurable
from skipray.spec.reading.recipe import read_recipe
from skipray.spec.trial import TrialSpec
from skipray.spec.words import show_cell


class TrialsReader:
    """Reads the cells of one file."""

    def __init__(self, file: SweepFile, mistakes: Mistakes):
        self.sources: dict[str, Source | None] = {}
        """The user's own code that the trials run, by `module:name`; None for what is skipray's."""
        self._file, self._mistakes = file, mistakes
        self._data = DataReader(file, mistakes)
        self._tasks: set[samples.Task] = set()
        self._factors = factor_names(file)
        self._families = family_names(architectures(file))

    def read(self) -> list[TrialSpec]:
        """Every cell that is right."""
        trials: list[TrialSpec] = []
        seen: dict[str, str] = {}
        called: dict[str, str] = {}
        wrong: set[str] = set()
        lines = self._mistakes.lines
        for written in written_cells(self._file, self._mistakes):
            for cell in at_depths(written, self._data, self._mistakes):
                of_cell = self._data.of_cell(cell.values, cell.loc)
                if of_cell is None:
                    continue
                self._tasks.add(of_cell.task)
                before = len(lines)
                trial = self._trial(cell, of_cell)
                if trial is None:
                    # A wrong value of one factor is wrong in many cells: said once.
                    fresh = [line for line in lines[before:] if line not in wrong]
                    wrong.update(fresh)
                    lines[before:] = fresh
                elif trial.trial_id in seen:
                    self._add_twin(cell, trial, seen[trial.trial_id])
                elif trial.cell.label in called:
                    self._add_namesake(cell, trial, called[trial.cell.label])
                else:
                    seen[trial.trial_id] = called[trial.cell.label] = show_cell(cell.values)
                    trials.append(trial)
        self._data.check_scores()
        if not lines:
            check_measurable(self._file.probe, self._tasks, self._mistakes)
        return trials

    def _trial(self, cell: WrittenCell, of_cell: CellData) -> TrialSpec | None:
        model = read_network(cell, of_cell, self._mistakes)
        recipe = read_recipe(cell, self._mistakes)
        if model is None or recipe is None or not self._fits_data(cell, of_cell, model, recipe):
            return None
        names = [model.architecture, model.initialisation, of_cell.spec.name, *recipes.own_names(recipe)]
        names += [*models.activation_names(model), *depth_rules.own_rules(recipe), *depth_rules.own_rules(model)]
        return TrialSpec(
            sweep=self._file.name,
            dataset=of_cell.spec,
            fingerprint=of_cell.fingerprint,
            model=model,
            recipe=recipe,
            seed=self._file.seeds[0],
            probe=self._file.probe,
            resources=self._file.resources,
            save_weights=self._file.tracking.save_weights,
            factors=self._factors,
            family=self._families.get(model.architecture, ""),
            data=of_cell.name,
            source_hashes=tuple((n, h) for n in names if (h := self._source_hash(n, of_cell.spec.name))),
        )

    def _fits_data(self, cell: WrittenCell, of_cell: CellData, model: ModelSpec, recipe: Recipe) -> bool:
        """Whether the data can be used for this cell."""
        shape, _ = samples.shape_and_outputs(of_cell.entry, of_cell.spec)
        wrong = list(samples.mistakes(of_cell.entry, shape, of_cell.spec, model, recipe, self._file.probe))
        if self._file.tune is not None and of_cell.task == "values":
            wrong.append(("tune", "", "found labels that are values, which have no accuracy to tune by; allowed: none"))
        for section, key, found in wrong:
            if section == "dataset":
                bare = data_factors.DATASET if key == "name" else key
                place = self._data.place(bare, cell.values.get(bare), cell.loc)
            else:
                place = cell.place(key, cell.values.get(key), section) if key else (section,)
            self._mistakes.add(place, found)
        return not wrong

    def _source_hash(self, name: str, dataset: str) -> str | None:
        if name not in self.sources:
            # What a data set's own code reads is what its fingerprint pins.
            self.sources[name] = catalog.source_of(name, reads_data=name != dataset)
        source = self.sources[name]
        return source.hash if source is not None else None

    def _add_namesake(self, cell: WrittenCell, trial: TrialSpec, other: str) -> None:
        """Two cells that no table and no figure could tell apart, such as learning rates of 0.1 and a bit more."""
        found = f"found the cells {other} and {show_cell(cell.values)}, which are both called {trial.cell.label}"
        self._mistakes.add(cell.loc, f"{found}; allowed: values that differ in their first 12 digits")

    def _add_twin(self, cell: WrittenCell, trial: TrialSpec, other: str) -> None:
        """Two cells are one trial: twice the same values, or values that the network does not read."""
        model, recipe, why = trial.model, trial.recipe, ""
        if ignored := [k for k in cell.values if k in ModelSpec.model_fields and getattr(model, k) is None]:
            why = f" ({model.architecture} has no {', '.join(ignored)})"
        unread = [k for k in cell.values if k in recipes.OF_SGD and recipe.optimizer is not None]
        if recipe.optimizer and unread:
            why = f" ({recipe.optimizer['name']} has no {', '.join(unread)})"
        found = f"found the cell {show_cell(cell.values)} twice{why}, as {other}; allowed: each cell once"
        self._mistakes.add(cell.loc, found)
