"""Published results on the data sets that sweeps use, to be drawn beside what was measured here."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from skipray.spec import TrialSpec

HE2015 = "He et al. 2015, Table 6"
HE2016 = "He et al. 2016 (Identity Mappings)"
HIGHWAY = "Srivastava et al. 2015"
XIE = "Xie et al. 2017, Table 7"
HUANG = "Huang et al. 2017, Table 2"
OYEDOTUN = "Oyedotun et al. 2023"


@dataclass(frozen=True)
class Published:
    """One network's accuracy, a fraction of 1."""

    dataset: str
    architecture: str
    depth: int
    test_accuracy: float
    source: str
    train_accuracy: float | None = None
    bound: Literal[-1, 0] = 0
    """-1: the accuracy lies below the value."""
    variant: str = ""
    """What the network's name says besides its depth."""


def _errors(architecture: str, source: str, errors: dict[int, float], variant: str = "") -> tuple[Published, ...]:
    """CIFAR-10, test error in per cent by depth."""
    return tuple(
        Published("cifar10", architecture, depth, round(1 - error / 100, 6), source, variant=variant)
        for depth, error in errors.items()
    )


def _accuracies(dataset: str, depth: int, percent: dict[str, tuple[float, float]]) -> tuple[Published, ...]:
    """The paper's train and test accuracy in per cent."""
    return tuple(
        Published(dataset, architecture, depth, round(test / 100, 6), OYEDOTUN, round(train / 100, 6))
        for architecture, (train, test) in percent.items()
    )


RESULTS: tuple[Published, ...] = (
    *_errors("resnet", HE2015, {20: 8.75, 32: 7.51, 44: 7.17, 56: 6.97, 110: 6.43, 1202: 7.93}),
    Published("cifar10", "plainnet", 110, 0.4, "He et al. 2015, Fig. 6", bound=-1),
    *_errors("preresnet", HE2016, {110: 6.37, 164: 5.46, 1001: 4.92}),
    *_errors("highway", HIGHWAY, {19: 7.54, 32: 8.80}),
    *_errors("resnext", XIE, {29: 3.65}, "8x64d"),
    *_errors("resnext", XIE, {29: 3.58}, "16x64d"),
    *_errors("densenet", HUANG, {100: 4.51}, "BC, k = 12"),
    *_accuracies("mnist", 164, {"plainnet": (11.38, 11.35), "resnet": (99.58, 99.60), "resnext": (100.0, 99.72)}),
    *_accuracies("cifar10", 164, {"plainnet": (10.26, 10.16), "resnet": (99.93, 93.53), "resnext": (99.96, 93.89)}),
    *_accuracies("cifar100", 164, {"plainnet": (1.00, 1.12), "resnet": (99.83, 75.72), "resnext": (99.94, 76.64)}),
    *_accuracies("imagenet", 101, {"plainnet": (15.37, 14.94), "resnet": (88.56, 77.32), "resnext": (89.74, 78.48)}),
)  # fmt: skip
"""In the order of the data sets and depths."""


def published_for(cells: Iterable[TrialSpec]) -> tuple[Published, ...]:
    """Those of the cells' data sets and families; published results are those of convolutional networks."""
    tried = {(c.dataset.name, c.model.architecture) for c in cells if c.model.kind == "cnn"}
    return tuple(p for p in RESULTS if (p.dataset, p.architecture) in tried)
