"""A ModelSpec from a few words, as a sweep hands it to a family: fields that the family does not read are None."""

from collections.abc import Callable
from typing import Any

import pytest

from skipray.extension import catalog
from skipray.spec import ModelSpec

CIFAR = {
    "depth": 20,
    "kind": "cnn",
    "width": 16,
    "normalization": "batch",
    "initialisation": "he_normal",
    "activation": "relu",
    "residual_scale": 1,
    "block": "basic",
    "shortcut": "A",
    "cardinality": 4,
    "group_width": 8,
    "growth_rate": 12,
    "layout": "cifar",
}
OPTIONAL = ("residual_scale", "block", "shortcut", "cardinality", "group_width", "growth_rate", "layout")


def make_model(architecture: str, **changes: Any) -> ModelSpec:
    values = {"architecture": architecture, **CIFAR, **changes}
    read = catalog.find("architectures", architecture).fields(values["kind"])
    return ModelSpec.model_validate(values | dict.fromkeys(set(OPTIONAL) - read))


@pytest.fixture(name="make_model")
def make_model_fixture() -> Callable[..., ModelSpec]:
    return make_model
