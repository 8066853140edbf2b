"""Published results beside a convolutional sweep's own; the sweep's results are made up."""

from dataclasses import replace

import pytest

from skipray.report.groups import lay_out
from skipray.report.main_figure import accuracy_by_depth

OPEN_DEPTHS = ("depth: [8, 20, 38, 56, 74, 110]", "depth: [20, 56, 110, 164]")


@pytest.fixture(scope="module")
def drawn(load, make):
    """Data set -> the accuracy figure of a made-up sweep of convolutional networks on it."""

    def chart(dataset: str, kind: str = "cnn"):
        as_cnn = ("kind: mlp", "kind: cnn\n  layout: cifar\n  block: basic\n  shortcut: B")
        sweep = load(("name: digits", f"name: {dataset}"), OPEN_DEPTHS, *([as_cnn] if kind == "cnn" else []))
        made = make(sweep, layered=False)
        # Of the deepest cell nothing has finished.
        trials = made.trials[made.trials["depth"] < 164]
        made = replace(made, trials=trials)
        return accuracy_by_depth(made, lay_out(made))

    return chart


def marks(chart, panel):
    """(family, depth) -> (accuracy, bound) of a panel's open marks."""
    return {
        (t.name, float(t.x[0])): (float(t.y[0]), int(t.censored[0]))
        for t in chart.panels[panel].traces
        if t.look == "open"
    }


def test_cifar10(drawn):
    chart = drawn("cifar10")
    assert [p.title for p in chart.panels] == ["train accuracy", "test accuracy"]
    assert marks(chart, 0) == {
        ("PlainNet", 164): (0.1026, 0),
        ("ResNet", 164): (0.9993, 0),
        ("ResNeXt", 164): (0.9996, 0),
    }
    assert marks(chart, 1) == {
        ("ResNet", 20): (0.9125, 0),
        ("ResNet", 32): (0.9249, 0),
        ("ResNet", 44): (0.9283, 0),
        ("ResNet", 56): (0.9303, 0),
        ("ResNet", 110): (0.9357, 0),
        ("PlainNet", 110): (0.4, -1),  # above 60 % error: a bound
        ("ResNeXt 8x64d", 29): (0.9635, 0),
        ("ResNeXt 16x64d", 29): (0.9642, 0),
        ("PlainNet", 164): (0.1016, 0),
        ("ResNet", 164): (0.9353, 0),
        ("ResNeXt", 164): (0.9389, 0),
    }, "none at 1202 layers, which were not tried"
    assert "published" in [k.text for k in chart.legend]
    for panel in chart.panels:
        assert panel.y.low <= 0.1 <= 0.9999 <= panel.y.high


def test_the_table_has_this_sweeps_mean_beside_each(drawn):
    rows = {row[:2]: row[2:] for row in drawn("cifar10").tables[0].rows}
    assert rows["PlainNet", "110"][0] == "–", "its training accuracy was not published"
    assert rows["PlainNet", "110"][2] == "below 0.4"
    assert float(rows["PlainNet", "110"][3]) == pytest.approx(0.1, abs=0.05), "of the trials at that depth"
    assert rows["ResNet", "1202"][3] == rows["ResNet", "164"][3] == "not run"
    assert rows["ResNet", "164"][-1] == "Oyedotun et al. 2023"


def test_mnist_and_cifar100(drawn):
    assert marks(drawn("mnist"), 1) == {
        ("PlainNet", 164): (0.1135, 0),
        ("ResNet", 164): (0.996, 0),
        ("ResNeXt", 164): (0.9972, 0),
    }
    assert marks(drawn("cifar100"), 0)["PlainNet", 164] == (0.01, 0)


def test_none_beside_other_networks_or_data(drawn):
    for chart in (drawn("cifar10", "mlp"), drawn("fashion_mnist")):
        assert not marks(chart, 0)
        assert not marks(chart, 1)
        assert chart.tables == ()
        assert "published" not in [k.text for k in chart.legend]
