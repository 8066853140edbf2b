"""Claims about singular representations, weights and gradients: C2 to C7.

Hidden condition numbers are those of the median layer, in decades (log10): its all-zero rows and columns were removed
and counted before (dead units make exact infinities), and one odd layer does not decide.
"""

from typing import Literal

import numpy as np
import pandas as pd

from skipray.claims.data import BEYOND_PRECISION, PLAIN, TWINS, SweepData, diverged_remark
from skipray.claims.estimates import Estimate, censored_mean, mean_over_cells, slope_over_depths
from skipray.claims.verdict import Claim, Part, decided, untested

CONDITION = "hidden.log10_condition.median"


LEFT_OUT = "they have no finite spectra and are left out"

BEND_MARGIN = 0.25
"""Share of the growth by which log kappa may leave its chord in mid-profile and still count as a line; ours: a square
root leaves it by 0.21, saturation in the first third by more."""


def c2(data: SweepData) -> Claim:
    """In PlainNet log kappa(H_l) grows linearly with the layer l until it leaves float precision.

    Parts, over each trial's layers before the first censored one: growth a layer (decades, margin 0); how far the
    profile leaves its chord in mid-profile, as a share of the growth, stays within BEND_MARGIN to either side.
    """
    statement = "In PlainNet log kappa(H_l) grows linearly with the layer until it leaves float precision"
    what = "Run plainnet with the probe on (two or more seeds, eight or more layers)."
    rows = data.layer_rows("hidden", "log10_condition")
    rows = rows[rows["architecture"] == PLAIN] if len(rows) else rows
    fits = []
    for trial_id, profile in rows.groupby("trial_id") if len(rows) else []:
        profile = profile.sort_values("layer_index")
        seen = profile[np.cumsum(profile["censored"].to_numpy() != 0) == 0]
        if len(seen) < 6:
            continue
        x = seen["layer_index"].to_numpy(dtype=float)
        x = (x - x[0]) / (x[-1] - x[0])
        bend, slope, _ = np.polyfit(x, seen["value"].to_numpy(dtype=float), 2)
        growth = bend + slope
        layers = float(np.ptp(seen["layer_index"]))
        # A quadratic leaves its chord by bend / 4 in the middle.
        first = seen.iloc[0]
        fits.append((trial_id, first["depth"], first["seed"], growth / layers, -bend / 4 / growth))
    table = pd.DataFrame(fits, columns=["trial_id", "depth", "seed", "growth", "bend"])
    growth = _over_depths(table, "growth")
    bend = _over_depths(table, "bend")
    if growth is None or bend is None:
        return untested("C2", statement, what, "no layer table of plainnet with two seeds and six uncensored layers")
    parts = [
        growth.part("growth of log10 kappa", "decades / layer", 0.0),
        bend.part("bend of the profile", "share of the growth", -BEND_MARGIN),
        bend.part("bend of the profile", "share of the growth", BEND_MARGIN, "below"),
    ]
    words = f"{growth.mean:.2g} decades a layer, bend {bend.mean:.2g} of the growth"
    return decided(
        "C2", statement, parts, table["seed"], table["depth"],
        {
            "supported": f"In PlainNet log kappa grows with the layer, close to a line ({words}).",
            "refuted": f"In PlainNet log kappa does not grow linearly with the layer ({words}).",
            "inconclusive": f"Whether log kappa grows linearly with PlainNet's layers is open ({words}).",
        },
        remark=diverged_remark(data.of(PLAIN), LEFT_OUT),
    )  # fmt: skip


def _over_depths(table: pd.DataFrame, column: str) -> Estimate | None:
    if table.empty:
        return None
    return mean_over_cells(table[column].to_numpy(), table["depth"].to_numpy(), table["seed"].to_numpy())


RANK_ONE_MARGIN = 2.0
"""Effective rank below which a representation is closer to one direction than to two equal ones; ours."""
COSINE_MARGIN = 0.9
"""Mean cosine above which samples are taken as lined up; ours, the collapsed networks of the source have above 0.99."""


def c3(data: SweepData) -> Claim:
    """PlainNet's effective rank goes to 1 and mean cosine to 1 with depth.

    Parts, at the last hidden layer: effective rank at the deepest depth below RANK_ONE_MARGIN, and falling with log
    depth; mean cosine there above COSINE_MARGIN, and rising.
    """
    statement = "PlainNet's effective rank goes to 1 and mean cosine to 1 with depth"
    what = "Run plainnet at two or more depths and two or more seeds, with the probe on."
    parts: list[Part] = []
    used: list[pd.DataFrame] = []
    ends: tuple[tuple[str, str, float, Literal["above", "below"]], ...] = (
        ("effective_rank", "effective rank", RANK_ONE_MARGIN, "below"),
        ("mean_cosine", "mean cosine", COSINE_MARGIN, "above"),
    )
    for key, label, margin, wanted in ends:
        table = data.measured(f"hidden.{key}.last", data.of(PLAIN))
        if table.empty or table["depth"].nunique() < 2:
            continue
        deepest = table[table["depth"] == table["depth"].max()]
        end = mean_over_cells(deepest["value"].to_numpy(), data.cells(deepest), deepest["seed"].to_numpy())
        way = slope_over_depths(table, data.cells(table.assign(depth=0)))
        if end is None or way is None:
            continue
        parts.append(end.part(f"{label} at the deepest depth", "", margin, wanted))
        parts.append(way.part(f"change of {label} over the depths tried", "", 0.0, wanted))
        used.append(table)
    if len(parts) < 4:
        return untested(
            "C3", statement, what, "no effective rank and mean cosine of plainnet at two depths and two seeds"
        )
    rows = pd.concat(used)
    words = (
        f"effective rank {parts[0].effect:.3g} and mean cosine {parts[2].effect:.3g} at depth {rows['depth'].max():.0f}"
    )
    return decided(
        "C3", statement, parts, rows["seed"], rows["depth"],
        {
            "supported": f"PlainNet's representations collapse to one direction with depth: {words}.",
            "refuted": f"PlainNet's representations do not collapse to one direction here: {words}.",
            "inconclusive": f"Whether PlainNet's representations collapse is open: {words}.",
        },
        remark=diverged_remark(data.of(PLAIN), LEFT_OUT),
    )  # fmt: skip


FINITE_MARGIN_DECADES = 6.0
"""kappa of 1e6: about a decade below float32's precision floor (eps * s_1, 6.9 decades), where values are censored."""


def c4(data: SweepData) -> Claim:
    """ResNet's and ResNeXt's kappa stays finite: high early, then falling.

    Parts for each family: log10 kappa of the median layer at the deepest depth below FINITE_MARGIN_DECADES; with layer
    tables also its fall from the first to the last third of the layers (decades, margin 0). Dead units are counted
    apart. A diverged network's kappa lies beyond float32's precision.
    """
    statement = "ResNet's and ResNeXt's kappa stays finite: high early, then falling over the layers"
    what = "Run resnet or resnext with the probe on, two or more seeds."
    parts: list[Part] = []
    used: list[pd.DataFrame] = []
    profiles = data.layer_rows("hidden", "log10_condition")
    for family in TWINS:
        table = data.measured(CONDITION, data.of(family), diverged=BEYOND_PRECISION)
        if table.empty:
            continue
        deepest = table[table["depth"] == table["depth"].max()]
        deepest = deepest.assign(cell=data.cells(deepest))
        bound = censored_mean(deepest, "value")
        if bound is None:
            continue
        label = f"log10 kappa of {family} at depth {table['depth'].max():.0f}"
        parts.append(bound.part(label, "decades", FINITE_MARGIN_DECADES, "below"))
        used.append(deepest)
        fall = _fall_over_layers(profiles, family)
        if fall is not None:
            parts.append(fall.part(f"fall of log10 kappa over {family}'s layers", "decades", 0.0))
    if not parts:
        return untested("C4", statement, what, f"no {CONDITION} of a residual family with two seeds")
    rows = pd.concat(used)
    highest = max(q.effect for q in parts if q.label.startswith("log10"))
    seen = any(q.label.startswith("fall") for q in parts)
    return decided(
        "C4", statement, parts, rows["seed"], rows["depth"],
        {
            "supported": f"Residual networks stay non-singular: log10 kappa is {highest:.2g} at the deepest depth"
            + (" and falls over the layers." if seen else "."),
            "refuted": f"Residual networks do not keep a finite, falling kappa here (log10 kappa {highest:.2g}).",
            "inconclusive": f"Whether residual networks keep a finite, falling kappa is open (log10 {highest:.2g}).",
        },
        "" if seen else "Without layer tables the fall over the layers was not judged.",
        diverged_remark(data.of(*TWINS), "their kappa counts as beyond float32's precision"),
    )  # fmt: skip


def _fall_over_layers(profiles: pd.DataFrame, family: str) -> Estimate | None:
    """Mean log10 kappa of the first third of the layers less that of the last, trial by trial."""
    if profiles.empty:
        return None
    rows = profiles[profiles["architecture"] == family]
    falls = []
    for _, profile in rows.groupby("trial_id"):
        profile = profile.sort_values("layer_index")
        third = len(profile) // 3
        if third:
            value = profile["value"].to_numpy(dtype=float)
            falls.append(
                (profile["depth"].iloc[0], profile["seed"].iloc[0], value[:third].mean() - value[-third:].mean())
            )
    return _over_depths(pd.DataFrame(falls, columns=["depth", "seed", "fall"]), "fall")


def c5(data: SweepData) -> Claim:
    """Condition numbers of gradients and weight updates follow the hidden ones.

    Effect: Spearman's rank correlation over the layers of a trial, averaged over trials. Margin 0.
    """
    statement = "Condition numbers of gradients and weight updates follow the hidden ones"
    what = "Run with `probe: {preset: full}`, which measures gradients and weight updates."
    hidden = data.layer_rows("hidden", "log10_condition")
    parts: list[Part] = []
    used: list[pd.DataFrame] = []
    for tensor, label in (("weight_gradient", "gradients"), ("weight_update", "weight updates")):
        other = data.layer_rows(tensor, "log10_condition")
        if hidden.empty or other.empty:
            continue
        both = hidden.merge(other[["trial_id", "layer_index", "value"]], on=["trial_id", "layer_index"])
        rows = []
        for _, profile in both.groupby("trial_id"):
            if len(profile) < 5 or profile["value_x"].nunique() < 2 or profile["value_y"].nunique() < 2:
                continue
            rho = float(profile["value_x"].corr(profile["value_y"], method="spearman"))
            first = profile.iloc[0]
            rows.append((f"{first['architecture']}|{first['depth']}", first["depth"], first["seed"], rho))
        table = pd.DataFrame(rows, columns=["cell", "depth", "seed", "rho"])
        if table.empty:
            continue
        estimate = mean_over_cells(table["rho"].to_numpy(), table["cell"].to_numpy(), table["seed"].to_numpy())
        if estimate is not None:
            parts.append(estimate.part(f"rank correlation of {label} with hidden", "rho", 0.0))
            used.append(table)
    if not parts:
        return untested("C5", statement, what, "no condition numbers of gradients or weight updates by layer")
    rows_used = pd.concat(used)
    words = ", ".join(f"{q.label} {q.effect:.2f}" for q in parts)
    return decided(
        "C5", statement, parts, rows_used["seed"], rows_used["depth"],
        {
            "supported": f"Layers with singular representations have singular gradients and updates ({words}).",
            "refuted": f"Gradients and updates do not follow the hidden condition numbers ({words}).",
            "inconclusive": f"Whether gradients and updates follow the hidden condition numbers is open ({words}).",
        },
        remark=diverged_remark(data.trials, LEFT_OUT),
    )  # fmt: skip


FAR_DECADES = 1.0
"""`far above`: at least tenfold. The paper's Figs. 11 and 12 show several decades."""
EQUAL_DECADES = 0.5
"""`about equal`: within a factor 3; ours."""


def c6(data: SweepData) -> Claim:
    """kappa(W): PlainNet far above ResNet, about equal to ResNeXt.

    Parts, median over layers, paired: PlainNet - ResNet above FAR_DECADES; PlainNet - ResNeXt within EQUAL_DECADES.
    """
    statement = "kappa(W): PlainNet far above ResNet, about equal to ResNeXt"
    metric = "weight.log10_condition.median"
    what = "Run plainnet, resnet and resnext at the same depths and seeds, with the probe on."
    far, near = (data.pairs(metric, PLAIN, twin) for twin in TWINS)
    first = censored_mean(far, "difference") if len(far) else None
    second = censored_mean(near, "difference") if len(near) else None
    if first is None or second is None:
        return untested("C6", statement, what, f"no pairs of twins with {metric} and two seeds")
    parts = [
        first.part("plainnet above resnet", "decades", FAR_DECADES),
        second.part("plainnet above resnext", "decades", -EQUAL_DECADES),
        second.part("plainnet above resnext", "decades", EQUAL_DECADES, "below"),
    ]
    words = f"{first.mean:.2g} decades above resnet, {second.mean:.2g} above resnext"
    rows = pd.concat([far, near])
    return decided(
        "C6", statement, parts, rows["seed"], rows["depth"],
        {
            "supported": f"PlainNet's weights are far worse conditioned than ResNet's, and like ResNeXt's ({words}).",
            "refuted": f"The weights' condition numbers are not ordered as claimed: plainnet {words}.",
            "inconclusive": f"The order of the weights' condition numbers is open: plainnet {words}.",
        },
        remark=diverged_remark(data.of(PLAIN, *TWINS), f"{LEFT_OUT}, with their twins"),
    )  # fmt: skip


MATCHED_FRACTION = 0.1
"""Twins count as matched when their parameter counts differ by at most a tenth; the paper's own differ by 5 % (2.48 and
2.60 million)."""


def c7(data: SweepData) -> Claim:
    """kappa(H): ResNeXt below ResNet at matched parameters; falls with cardinality.

    Effect: decades that ResNet's median layer lies above ResNeXt's, paired. Margin 0: the paper claims the order.
    Where the cardinality varies, its fall with log2 of the cardinality is a second part. Pairs whose
    `model.parameters` differ by more than MATCHED_FRACTION are left out. A diverged ResNeXt's kappa lies beyond
    float32's precision; pairs with a diverged ResNet are left out.
    """
    statement = "kappa(H): ResNeXt below ResNet at matched parameters; falls with cardinality"
    pairs = data.pairs(CONDITION, "resnet", "resnext", diverged={"resnext": BEYOND_PRECISION})
    if pairs.empty:
        return untested(
            "C7", statement, "Run resnet and resnext at the same depths and seeds, with the probe on.",
            f"no pairs with {CONDITION}",
        )  # fmt: skip
    note = "Parameter counts were not tracked: whether the twins match is not known."
    if "model.parameters_first" in pairs.columns:
        ratio = (pairs["model.parameters_second"] / pairs["model.parameters_first"]).astype(float)
        matched = pairs[np.abs(np.log(ratio)) <= np.log1p(MATCHED_FRACTION)].reset_index(drop=True)
        note = f"{len(matched)} of {len(pairs)} pairs have parameter counts within {100 * MATCHED_FRACTION:.0f} %."
        if matched.empty:
            return untested(
                "C7", statement,
                "Choose resnext's cardinality and group_width (or resnet's width) so that parameters match within "
                f"{100 * MATCHED_FRACTION:.0f} %: here resnext has {ratio.median():.2f} times resnet's.",
                note,
            )  # fmt: skip
        pairs = matched
    estimate = censored_mean(pairs, "difference")
    if estimate is None:
        return untested("C7", statement, "Run at least two shared seeds.", "fewer than two shared seeds")
    parts = [estimate.part("resnet above resnext", "decades", 0.0)]
    cardinality = _fall_with_cardinality(data)
    if cardinality is not None:
        parts.append(cardinality.part("fall with each doubling of the cardinality", "decades", 0.0))
    words = f"{abs(estimate.mean):.2g} decades {'below' if estimate.mean > 0 else 'above'} resnet's"
    return decided(
        "C7", statement, parts, pairs["seed"], pairs["depth"],
        {
            "supported": f"ResNeXt's representations are better conditioned than ResNet's: {words}.",
            "refuted": f"ResNeXt's condition number is not below ResNet's as claimed: {words}.",
            "inconclusive": f"ResNeXt's condition number cannot be told from ResNet's: {words}.",
        },
        note,
        diverged_remark(data.of(*TWINS), "resnexts count as beyond float32's precision, resnets are left out"),
    )  # fmt: skip


def _fall_with_cardinality(data: SweepData) -> Estimate | None:
    """Decades that resnext's median log10 kappa falls with each doubling of its cardinality; None if it does not
    vary."""
    column = next((c for c in ("cardinality", "model.cardinality") if c in data.trials.columns), None)
    table = data.measured(CONDITION, data.of("resnext"))
    if column is None or table.empty or table[column].nunique() < 2:
        return None
    rows = []
    for (depth, seed), one in table.groupby(["depth", "seed"]):
        if one[column].nunique() > 1:
            slope = np.polyfit(np.log2(one[column].to_numpy(dtype=float)), one["value"].to_numpy(dtype=float), 1)[0]
            rows.append((depth, seed, -slope))
    return _over_depths(pd.DataFrame(rows, columns=["depth", "seed", "fall"]), "fall")
