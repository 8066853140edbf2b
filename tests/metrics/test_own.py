"""A metric of one's own that does harm changes no other number, and what is no number is refused at its line."""

import dataclasses
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from skipray.metrics.computing.entries import Entries
from skipray.metrics.computing.judged import Judged
from skipray.metrics.computing.network import TrainedNetwork
from skipray.metrics.computing.own import NoNumber
from skipray.metrics.computing.spectra import Spectra
from skipray.probe import measure
from skipray.probe.generalization import generalization_measures
from skipray.spec import ProbeSpec

TEXT = """
import numpy as np
import torch
from skipray.metrics import Headline, LayerMetric, NetworkMetric

WORDS = {{"definition": "d", "source": "s", "axis": "a"}}
HEADLINES = (Headline(tensor="hidden", aggregates=("median",)),)
{kinds}

class Harm:
    METRIC = {metric}
    def measure(given):
        {body}

class Behind:
    METRIC = LayerMetric(key="behind", reads="{reads}", headlines=HEADLINES, **WORDS)
    def measure(given):
        return {behind}

class Last:
    METRIC = NetworkMetric(key="behind_network", **WORDS)
    def measure(network):
        return float((network.module(network.inputs).sum() + network.scores.sum()).detach())
"""
KINDS = {
    "entries": 'LayerMetric(key="harm", reads="entries", headlines=HEADLINES, **WORDS)',
    "spectrum": 'LayerMetric(key="harm", reads="spectrum", headlines=HEADLINES, **WORDS)',
    "network": 'NetworkMetric(key="harm", **WORDS)',
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(tmp_path))

    def measured(kind: str, body: str, names: tuple[str, ...]):
        reads = "spectrum" if kind == "spectrum" else "entries"
        behind = "given.values.sum(1)" if reads == "spectrum" else "float(given.tensor.sum())"
        module = f"harm{abs(hash((kind, body)))}"
        text = TEXT.format(kinds="", metric=KINDS[kind], body=body, reads=reads, behind=behind)
        (tmp_path / f"{module}.py").write_text(text, encoding="utf-8")
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
        x, y = torch.randn(32, 6), torch.arange(32) % 3
        spec = ProbeSpec(preset="full", gradients=True, metrics=tuple(f"{module}:{name}" for name in names))
        found = measure(network, x, y, spec, epoch=1).metrics | generalization_measures(network, x, y, spec=spec).values
        sys.modules.pop(module, None)
        left = [p.detach().clone() for p in network.parameters()], x, torch.rand(()), torch.get_default_dtype()
        return {key: value for key, value in found.items() if "harm" not in key}, repr(left)

    yield measured
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("entries", "given.tensor.mul_(2); return 1.0"),
        ("entries", "torch.manual_seed(0); torch.set_default_dtype(torch.float64); return 1.0"),
        ("spectrum", "given.values[:] = 1; return np.ones(len(given))"),
        ("network", "[p.data.zero_() for p in given.module.parameters()]; return 1.0"),
        ("network", "given.inputs.zero_(); given.scores.zero_(); return 1.0"),
        ("network", "torch.set_grad_enabled(False); torch.manual_seed(3); return 1.0"),
    ],
)
def test_what_a_metric_does_changes_no_other_number(run, kind: str, body: str) -> None:
    assert run(kind, body, ("Harm", "Behind", "Last")) == run(kind, body, ("Behind", "Last"))


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("entries", "None", "found None; allowed: a number"),
        ("entries", "'3'", "found '3'; allowed: a number"),
        ("entries", "torch.ones(3)", r"found a Tensor of \(3,\); allowed: a number"),
        ("spectrum", "1.0", "found a float for .* allowed: a numpy array of"),
        ("spectrum", "np.ones(1)", r"found a ndarray of \(1,\) for .* allowed: a numpy array of"),
        ("network", "{'odd key': 1.0}", "found the part 'odd key'; allowed: a number"),
        ("network", "10**400", "found a int; allowed: a number"),
    ],
)
def test_what_is_no_number_is_refused_at_its_line(run, kind: str, given: str, said: str) -> None:
    with pytest.raises(NoNumber, match=rf"^harm\d+:Harm \(.*harm\d+\.py:12\): {said}"):
        run(kind, f"return {given}", ("Harm",))


GIVEN = {
    TrainedNetwork: {field.name for field in dataclasses.fields(TrainedNetwork)},
    Judged: {field.name for field in dataclasses.fields(Judged)},
    Spectra: {name for name in vars(Spectra([np.ones(2)], [2], [1e-7], [(2, 3)])) if name[0] != "_"} | {"sides"},
    Entries: {name for name in vars(Entries(torch.ones(2, 3))) if name[0] != "_"} | {"real"},
}


@pytest.mark.parametrize("kind", GIVEN)
def test_the_guide_says_what_a_metric_is_given(kind):
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "own-metric.md").read_text()
    (row,) = re.findall(rf"^\| `{kind.__name__}` \| (.*) \|$", guide, flags=re.M)
    assert set(re.findall("`(\\w+)`", row)) == GIVEN[kind]
