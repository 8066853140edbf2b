"""The page of speeds, made from the records that `make bench` keeps in docs/benchmarks."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

RECORDS = Path(__file__).parent / "benchmarks"
LINE = re.compile(r"^    figure: (\{.*\})$", flags=re.M)
"""As tests/benchmarks/_figures.py prints it, in a record."""
SWEEPS = ("24 trials", "240 trials", "1,000 trials")
BESIDE_SWEEPS = (
    "stock Ray Tune",
    "hand-tuned Ray Tune",
    "joblib",
    "Hydra's joblib launcher",
    "Optuna's loop",
    "one warm process that tracks nothing",
)
COMPARED = {
    **dict.fromkeys(SWEEPS, BESIDE_SWEEPS),
    "training step": ("a plain torch loop",),
    "probe": ("hooks and torch.linalg.svdvals",),
    "depth trends": ("a loop over curve_fit (extrapolated)",),
}
"""What the page is to compare: how a row's name begins or ends -> beside what."""
ALONE = ("start-up", "launch with nothing to do", "reading", "aggregation", "report")
"""Rows that nothing else does."""


@dataclass(frozen=True)
class Figure:
    """One row of the page, from the newest record that has it."""

    what: str
    unit: str
    ours: float
    record: str
    """The record's file, without its ending: date and commit."""
    beside: dict[str, float] = field(default_factory=dict)
    at_least: tuple[str, ...] = ()
    """Names in `beside` that were stopped before their end."""
    loads: dict[str, float] = field(default_factory=dict)
    """Processes that ran in the last minute of skipray's side and of each in `beside`, where that was looked at."""


def figures(folder: Path = RECORDS) -> dict[str, Figure]:
    """What each row names -> its newest figure."""
    found = {}
    for path in sorted(folder.glob("*.md")):
        for line in LINE.findall(path.read_text(encoding="utf-8")):
            told = json.loads(line)
            found[told["what"]] = Figure(
                told["what"],
                told["unit"],
                told["skipray"],
                path.stem,
                told["beside"],
                tuple(told["at_least"]),
                told["loads"],
            )
    return found


def page(folder: Path = RECORDS) -> Iterator[str]:
    """The page's Markdown."""
    known = figures(folder)
    yield "# Speed\n"
    yield (
        "Made from the records of `make bench` when the site is built; of each row the newest record that has it. A "
        "ratio is the other's time over skipray's: above 1 skipray is faster, below 1 slower. Both sides of a ratio "
        "ran one after the other on one machine, which may have had other work: *load* is how many processes ran at "
        "the end of skipray's side and of the other's, its own among them. Where they differ much the ratio says "
        "little.\n"
    )
    yield from _table(known)
    yield from _slower(known)
    yield from _missing(known)
    yield from _records(folder)


def _table(known: dict[str, Figure]) -> Iterator[str]:
    if not known:
        yield "No record is there yet.\n"
        return
    yield "| what | skipray | beside | takes | ratio | load | record |\n|---|---|---|---|---|---|---|"
    for figure in known.values():
        link = f"[{figure.record}](benchmarks/{figure.record}.md)"
        ours = f"{figure.ours:.4g} {figure.unit}"
        for name, theirs in figure.beside.items():
            least = "more than " if name in figure.at_least else ""
            load = " and ".join(f"{figure.loads[side]:g}" for side in ("skipray", name) if side in figure.loads) or "–"
            ratio = f"{least}{theirs / figure.ours:.2f}"
            yield f"| {figure.what} | {ours} | {name} | {least}{theirs:.4g} {figure.unit} | {ratio} | {load} | {link} |"
        if not figure.beside:
            yield f"| {figure.what} | {ours} | – | – | – | – | {link} |"


def _slower(known: dict[str, Figure]) -> Iterator[str]:
    """Every ratio below 1."""
    yield "\n## Where skipray is slower\n"
    slower = [
        f"- {f.what}: {theirs / f.ours:.2f} beside {name} ({f.ours:.4g} {f.unit} for {theirs:.4g})"
        for f in known.values()
        for name, theirs in f.beside.items()
        if theirs < f.ours
    ]
    if slower:
        yield from slower
    else:
        compared = any(f.beside for f in known.values())
        yield "In no comparison above." if compared else "There is nothing to tell it from yet."


def _missing(known: dict[str, Figure]) -> Iterator[str]:
    """What is to be compared, and of which no record is there."""
    yield "\n## Not measured yet\n"
    lines = []
    for what, others in COMPARED.items():
        rows = [f for f in known.values() if f.what.startswith(what) or f.what.endswith(what)]
        without = [name for name in others if not any(name in f.beside for f in rows)]
        if without:
            lines.append(f"- {what}, beside {', '.join(without)}")
    lines += [f"- {what}" for what in ALONE if not any(name.startswith(what) for name in known)]
    yield from lines or ["Nothing of what this page is to show."]


def _records(folder: Path) -> Iterator[str]:
    """What each record was made on, in its own words."""
    yield "\n## Records\n"
    paths = sorted(folder.glob("*.md"), reverse=True)
    for path in paths:
        heading = path.read_text(encoding="utf-8").partition("\n## ")[0].partition("\n\n")[2]
        yield f"- [{path.stem}](benchmarks/{path.name}): {' '.join(heading.split())}"
    yield (
        f"{'' if paths else 'None yet.'}\n"
        '`make bench` runs all of it (hours), `make bench BENCH="sweep step"` a part; a record is a file in '
        "docs/benchmarks, with commit, machine, versions, each command and all that it printed.\n"
    )
