"""Measured over predicted on the scale of the premise: 1 - c of cosines, growth per weight layer of gradients."""

import pandas as pd

from skipray.analysis.predictions import Prediction
from skipray.report.prediction_figures import Compared, summary
from skipray.spec import Group


def compared(tensor: str, statistic: str, predicted: tuple[float, ...], measured: tuple[float, ...]) -> Compared:
    layers = tuple(range(len(predicted)))
    found = pd.DataFrame({"layer_index": layers, "value": measured, "censored": 0, "seeds": 3})
    return Compared(Group("plainnet"), 20, Prediction(tensor, statistic, layers, predicted, "a formula"), found)


def test_a_saturated_cosine_is_judged_by_what_is_left_to_one() -> None:
    """.9939 against .9902 is .62 of the predicted 1 - c, not 1.004."""
    found = summary([compared("hidden", "mean_cosine", (0.5, 0.9902), (0.5, 0.9939))])
    assert "0 of 1" in found
    assert "0.62" in found


def test_a_gradient_is_judged_by_its_growth_per_layer() -> None:
    """1.33 after 54 layers is .5 % per layer: a hit."""
    blocks = 27
    predicted = tuple(1.45 ** (blocks - i) for i in range(blocks + 1))
    measured = tuple(p * 1.33 ** ((blocks - i) / blocks) for i, p in enumerate(predicted))
    found = summary([compared("output_gradient", "gradient_norm", predicted, measured)])
    assert "1 of 1" in found


def test_other_quantities_are_ratios_as_they_are() -> None:
    assert "0.8" in summary([compared("hidden", "participation_ratio", (20.0, 10.0), (20.0, 8.0))])
