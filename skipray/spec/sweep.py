"""A sweep: a checked file and its trials."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from skipray.spec.cell import Group, bare_name, factor_names
from skipray.spec.claims import Claims
from skipray.spec.data_factors import DATASET
from skipray.spec.depth_words import depth_at, depth_sentence, depth_words
from skipray.spec.display_names import family_title
from skipray.spec.document import Document, Location
from skipray.spec.fields import Adaptive, DatasetSpec, ProbeSpec, Resources, Tracking, Trained, Tune
from skipray.spec.points import first_points, point_trials, study_key
from skipray.spec.trial import TrialSpec


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
    """The first cell's; where data sets are a factor, `data_cells` has all."""
    factors: dict[str, tuple[Any, ...]]
    seeds: tuple[int, ...]
    probe: ProbeSpec
    resources: Resources
    tracking: Tracking
    cells: tuple[TrialSpec, ...] = field(repr=False)
    """One trial per cell, with the first seed, in the file's order. Of an adaptive sweep: the candidates."""
    tune: Tune | None = None
    adaptive: Adaptive | None = None
    trained: Trained = field(default_factory=Trained)
    """What the trainability limits mean."""
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    """module:name of the user's own code -> what it is made of (`skipray.extension.own_code.Source`)."""
    stored: tuple[TrialSpec, ...] | None = field(default=None, repr=False)
    """Of a sweep that was read back from its store: the trials as they were recorded."""
    sizes: Mapping[str, Mapping[str, int]] = field(default_factory=dict, repr=False)
    """Likewise: trial_id -> `parameters`, `flops`, `activation_bytes` of its network."""
    depth_units: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Family -> what its depth counts, such as `blocks`; one that does not say is left out."""
    claims: Claims = field(default_factory=Claims)
    """Which families play the paper's roles, and claims of the sweep's own."""

    @property
    def of_table(self) -> bool:
        """Whether it is a table of results from elsewhere, which was imported: skipray has run nothing of it."""
        return not self.text and self.path.suffix.lower() in (".csv", ".parquet")

    def where(self, *key: str | int) -> str:
        """`file:line` of a key, or of the nearest one above it, or the override that set it; for messages."""
        document = Document.parse(self.path, self.text)
        for override in self.overrides:
            document.override(override)
        return document.where(key)

    @cached_property
    def depth_words(self) -> str:
        """`depth` with what its families count: `depth (blocks)`."""
        return depth_words(self._architectures, self.depth_units)

    def depth_at(self, *depths: float) -> str:
        """`8 blocks`, or `depth 8`; of two depths `8 to 20 blocks`: `skipray.spec.depth_words.depth_at`."""
        return depth_at(depths, self._architectures, self.depth_units)

    @cached_property
    def depth_sentence(self) -> str:
        """`Depth counts blocks.`"""
        return depth_sentence({group.architecture: family_title(group) for group in self.groups}, self.depth_units)

    @cached_property
    def data_cells(self) -> tuple[TrialSpec, ...]:
        """The first cell of each data set, with its `dataset`, `fingerprint` and `data` (its name), in the file's
        order."""
        found: dict[tuple[str, str], TrialSpec] = {}
        for cell in self.cells:
            found.setdefault((cell.dataset.model_dump_json(), cell.fingerprint), cell)
        return tuple(found.values())

    @cached_property
    def group_cells(self) -> dict[Group, TrialSpec]:
        """The first cell of each group, in the file's order; all cells of a group have one data set."""
        found: dict[Group, TrialSpec] = {}
        for cell in self.cells:
            found.setdefault(cell.cell.group, cell)
        return found

    def where_data(self, cell: TrialSpec) -> str:
        """`file:line` of the name of a cell's data set."""
        return next((self.where(*key) for key in self._data_places(cell)), self.where("dataset", "name"))

    def _data_places(self, cell: TrialSpec) -> Iterator[Location]:
        for key, values in self.factors.items():
            for i, value in enumerate(values if bare_name(key) == DATASET else ()):
                if cell.dataset.name in (value, value.get("name") if isinstance(value, Mapping) else None):
                    yield ("factors", key, i)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The cells without their depth, in the file's order."""
        return tuple(dict.fromkeys(cell.cell.group for cell in self.cells))

    @cached_property
    def _architectures(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(group.architecture for group in self.groups))

    @cached_property
    def factor_names(self) -> list[str]:
        """Bare names of the factors that some cell has, but architecture and depth."""
        return factor_names(cell.cell for cell in self.cells)

    def trials(self) -> tuple[TrialSpec, ...]:
        """Every trial that is known before anything has run, cells in the file's order, seeds innermost.

        Of a tuned sweep: the Sobol points of all cells, then the default setting's finals; the tuned finals follow from
        results (`skipray.search.tuning`). Of an adaptive one: all candidates, of which few are run.
        """
        return self._trials

    @cached_property
    def _trials(self) -> tuple[TrialSpec, ...]:
        if self.stored is not None:
            return self.stored
        return (*self._points, *(cell.with_seed(seed) for cell in self.cells for seed in self.seeds))

    @property
    def _points(self) -> tuple[TrialSpec, ...]:
        tune = self.tune
        if tune is None or tune.sampler != "sobol":
            return ()
        settings = first_points(tune)
        return tuple(
            trial
            for cell in self.cells
            for key in [study_key(cell, tune)]
            for index, setting in enumerate(settings)
            for trial in point_trials(cell, tune, setting, index, key)
        )
