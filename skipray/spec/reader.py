"""From a file or Python values to a SweepSpec."""

import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from skipray.spec.depth_words import depth_units
from skipray.spec.document import Document, SpecError
from skipray.spec.fields import ProbeSpec, SweepFile
from skipray.spec.finding import sweep_path
from skipray.spec.reading.claims import ClaimsReader, factors_by_family
from skipray.spec.reading.factors import check_factors, spread_ranges
from skipray.spec.reading.mistakes import Mistakes
from skipray.spec.reading.probe import check_probe
from skipray.spec.reading.search import check_adaptive, check_tune
from skipray.spec.reading.trials import TrialsReader
from skipray.spec.sweep import SweepSpec
from skipray.spec.values import plain
from skipray.spec.words import allowed_words

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
    return _sweep(document, path, overrides)


def sweep_of(values: Mapping[str, Any]) -> SweepSpec:
    """Check a sweep of Python values: the keys of a sweep file, tuples and numpy's scalars allowed.

    Raises:
        SpecError: with one line for each mistake, its place the key.
    """
    document = Document.of_values(plain(values), PYTHON_SOURCE)
    return _sweep(document, document.path, ())


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
    mistakes = Mistakes(document)
    probe: ProbeSpec | None = mistakes.validate(ProbeSpec, document.data.get("probe", {}), ("probe",))
    mistakes.stop()
    assert probe is not None
    check_probe(probe, mistakes)
    mistakes.stop()
    return probe


def _sweep(document: Document, path: Path, overrides: tuple[str, ...]) -> SweepSpec:
    mistakes = Mistakes(document)
    file = _file(document, mistakes)
    check_probe(file.probe, mistakes)
    reader = TrialsReader(file, mistakes)
    cells = reader.read()
    mistakes.stop()
    if not cells:
        mistakes.add(("exclude",), "found no trial left; allowed: at least one")
        mistakes.stop()
    families = factors_by_family(cell.cell.group for cell in cells)
    claims = ClaimsReader(mistakes, families, file.probe.metrics).read(file.claims)
    mistakes.stop()
    return SweepSpec(
        path=path,
        text=document.text,
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
        sources={name: source.as_dict() for name, source in reader.sources.items() if source is not None},
        depth_units=depth_units(families),
        claims=claims,
    )


def _file(document: Document, mistakes: Mistakes) -> SweepFile:
    """The sections of a document that names what there is, and not too much of it."""
    spread_ranges(mistakes)
    for key in (k for k in ("tune", "adaptive") if k in document.data and document.data[k] is None):
        mistakes.add((key,), f"found null; allowed: {allowed_words(SweepFile, (key,), {})}, or left out")
    file: SweepFile | None = mistakes.validate(SweepFile, document.data, ())
    mistakes.stop()
    assert file is not None
    check_factors(file, mistakes)
    if file.tune is not None:
        check_tune(file, file.tune, mistakes)
    if file.adaptive is not None:
        check_adaptive(file, file.adaptive, mistakes)
    if file.trained.fits.model_fields_set >= {"fraction", "at_least"}:
        mistakes.add(("trained", "fits", "fraction"), "found it beside at_least; allowed: one of the two")
    mistakes.stop()
    count = math.prod(len(values) for values in file.factors.values()) * len(file.seeds)
    if count > MAX_TRIALS:
        mistakes.add(("factors",), f"found a product of {count:,} trials; allowed: at most {MAX_TRIALS:,}")
        mistakes.stop()
    return file
