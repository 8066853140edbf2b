"""Several blocks deleted or reordered, against networks in which it is known what that does."""

import copy

import pytest
import torch
from torch import nn

from skipray.architectures import build
from skipray.metrics import Absent
from skipray.metrics.computing.deletion import block_deletion
from skipray.metrics.computing.lesions import lesion
from skipray.metrics.computing.network import TrainedNetwork
from skipray.spec import ModelSpec


def network(architecture: str, depth: int = 14) -> nn.Module:
    return build(
        ModelSpec(architecture=architecture, depth=depth, kind="mlp", width=32, normalization="none", activation="relu",
                  initialisation="he_normal", residual_scale=1 if architecture.endswith("resnet") else None),
        (1, 8, 8), 10, seed=0,
    ).eval()  # fmt: skip


def measured(module: nn.Module, labels: torch.Tensor | None = None) -> TrainedNetwork:
    """Labels are the network's own answers when left out, so that every change is a loss."""
    inputs = torch.randn(60, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        scores = module(inputs)
    answers = scores.argmax(1) if labels is None else labels
    return TrainedNetwork(
        module, inputs, answers, scores, [], None, module.hidden_layers(), nn.functional.cross_entropy, seed=0
    )


@pytest.mark.parametrize("kind", ["deleted", "reordered"])
def test_branches_that_are_zero_can_go_anywhere(kind: str) -> None:
    assert lesion(measured(network("skipinit")), kind) == 0, "each factor starts at 0"
    assert lesion(measured(network("preresnet")), kind) < 0


@pytest.mark.parametrize("architecture", ["plainnet", "resnet", "preresnet"])
def test_without_any_block_the_stem_is_read(architecture: str) -> None:
    module = network(architecture)
    found = lesion(measured(module), "deleted", share=1.0, draws=1)
    bare = copy.deepcopy(module)
    bare.blocks = nn.ModuleList()
    case = measured(module)
    agree = (bare(case.inputs).argmax(1) == case.labels).double().mean()
    assert found == pytest.approx(float(agree) - 1)


def test_the_order_of_equal_blocks_does_not_matter_and_theirs_does() -> None:
    module = network("plainnet")
    assert lesion(measured(module), "reordered") < 0
    before = {name: value.clone() for name, value in module.state_dict().items()}
    for block in module.blocks:
        block.load_state_dict(module.blocks[0].state_dict())
    assert lesion(measured(module), "reordered") == 0
    assert lesion(measured(module), "deleted") < 0
    module.load_state_dict(before)
    lesion(measured(module), "reordered")
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert not any(m._forward_hooks for m in module.modules())


def test_too_few_blocks_have_no_quarter() -> None:
    with pytest.raises(Absent, match="fewer than four"):
        lesion(measured(network("plainnet", depth=8)), "deleted")


class Noisy(nn.Module):
    """Adds noise in evaluation too, as a network does that samples."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.randn_like(x)


@pytest.mark.parametrize("kind", ["deleted", "reordered"])
def test_a_network_that_draws_draws_the_same_in_every_pass(kind: str) -> None:
    """Blocks that do nothing but draw: whatever is done to them, only the noise between passes could be seen."""
    module = network("preresnet")
    with torch.no_grad():
        for block in module.blocks:
            block.load_state_dict({name: torch.zeros_like(value) for name, value in block.state_dict().items()})
    module.stem = nn.Sequential(module.stem, Noisy())
    for layer in module.hidden_layers()[1:]:
        layer.branch.register_forward_hook(lambda module, given, out: out + 0 * torch.randn_like(out))
    case = measured(module)
    torch.manual_seed(5)
    after = torch.rand(1)
    torch.manual_seed(5)
    assert lesion(case, kind) == 0
    assert torch.equal(torch.rand(1), after), "the draws of what comes later are as they were"
    found = block_deletion(module, case.inputs, case.labels, module.hidden_layers(), seed=0)
    assert [one.output_change for one in found] == [0.0] * len(module.blocks)
