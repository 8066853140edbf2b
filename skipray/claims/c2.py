"""C2: in a plain network log kappa(H_l) grows linearly with the layer l until it leaves float precision.

Parts, at every depth, over each trial's layers before the first censored one: growth (decades per layer) above 0; how
far the profile leaves its chord in mid-profile, as a share of the growth, within MARGIN to either side. Each depth is
judged by itself: bends to opposite sides do not make a line.
"""

import numpy as np
import pandas as pd

from skipray.claims.judging.claim import PAPER_SOURCE, Comparison, Finding, finding, untested
from skipray.claims.judging.data import LEFT_OUT, SweepData, diverged_remark, exploded_remark
from skipray.claims.judging.estimates import mean_over_cells, ratio_over_cells

ID = "C2"
SOURCE = PAPER_SOURCE
ROLES = ("plain",)
NEEDS = ("layers: hidden.log10_condition",)
TRAINS = False
MARGIN = 0.25
"""Share of the growth by which log kappa may leave its chord in mid-profile. A parabola that leaves it further does not
even grow throughout; a square root leaves it by 0.21, saturation in the first third by more."""
LAYERS = 6
"""Before the first censored one; fewer tell no line from a bend."""


def judge(data: SweepData) -> Finding:
    name = data.name("plain")
    statement = f"In {name} log kappa(H_l) grows linearly with the layer until it leaves float precision"
    fits = []
    for profile in data.profiles("hidden", "log10_condition", "plain"):
        seen = profile[np.cumsum(profile["censored"].to_numpy() != 0) == 0]
        if len(seen) < LAYERS:
            continue
        x = seen["layer_index"].to_numpy(dtype=float)
        layers = x[-1] - x[0]
        bend, slope, _ = np.polyfit((x - x[0]) / layers, seen["value"].to_numpy(dtype=float), 2)
        first = seen.iloc[0]
        # A quadratic leaves its chord by bend / 4 in the middle.
        fits.append((first["depth"], first["seed"], first["cell"], (bend + slope) / layers, -bend / 4, bend + slope))
    table = pd.DataFrame(fits, columns=["depth", "seed", "cell", "growth", "leaves", "rise"])
    parts: list[Comparison] = []
    used: list[pd.DataFrame] = []
    words: list[str] = []
    for depth, one in table.groupby("depth"):
        growth = mean_over_cells(one["growth"].to_numpy(), one["cell"].to_numpy(), one["seed"].to_numpy())
        if growth is None:
            continue
        bend = ratio_over_cells(
            one["leaves"].to_numpy(), one["rise"].to_numpy(), one["cell"].to_numpy(), one["seed"].to_numpy()
        )
        assert bend is not None
        parts += [
            Comparison(
                f"growth of log10 kappa at depth {depth}", growth, "decades / layer",
                f"it grows at depth {depth}", f"it does not grow at depth {depth}",
            ),
            Comparison(
                f"bend of the profile at depth {depth}", bend, "share of the growth",
                f"it is close to a line at depth {depth}", f"it is no line at depth {depth}", MARGIN, "within",
            ),
        ]  # fmt: skip
        used.append(one)
        words.append(f"depth {depth}: {growth.effect:.2g} decades per layer, bend {bend.effect:.2g}")
    if not parts:
        return untested(
            statement, f"Run {data.family('plain') or 'a plain family'} with the probe on (two or more seeds, eight or "
            "more layers).",
            f"no layer table of {name} with two seeds and {LAYERS} uncensored layers",
        )  # fmt: skip
    rows, told = pd.concat(used), "; ".join(words)
    return finding(
        statement, parts, rows["seed"], rows["depth"],
        supported=f"In {name} log kappa grows with the layer, close to a line at every depth ({told}).",
        refuted=f"In {name} log kappa does not grow linearly with the layer ({told}).",
        open=f"Whether log kappa grows linearly with {name}'s layers is open ({told}).",
        facts=told,
        remark=diverged_remark(data.of("plain"), LEFT_OUT) + exploded_remark(data.of("plain")),
    )  # fmt: skip
