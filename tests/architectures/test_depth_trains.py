"""Networks of 200 layers without normalization on scikit-learn's digits: what the initialisation or the skip buys.

The recipe is SGD with momentum 0.9 and gradients clipped to norm 1; the learning rates were tuned on these networks.
"""

import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F

from skipray import architectures

SAMPLES = 1000
CONNECTED = {"kind": "mlp", "depth": 202, "width": 32}


@pytest.fixture(scope="module")
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    data = load_digits()
    images = torch.tensor(data.images[:SAMPLES], dtype=torch.float32)[:, None]
    return (images - images.mean()) / images.std(), torch.tensor(data.target[:SAMPLES])


def train_accuracy(
    model, digits: tuple[torch.Tensor, torch.Tensor], learning_rate: float, epochs: int, samples: int = SAMPLES
) -> float:
    """Share of the last epoch's training samples that were classified rightly."""
    images, labels = (part[:samples] for part in digits)
    network = architectures.build(model, (1, 8, 8), 10, seed=0)
    optimizer = torch.optim.SGD(network.parameters(), lr=learning_rate, momentum=0.9, weight_decay=1e-4)
    right = 0
    for epoch in range(epochs):
        right = 0
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(epoch))
        for batch in order.split(50):
            logits = network(images[batch])
            optimizer.zero_grad()
            F.cross_entropy(logits, labels[batch]).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            right += int((logits.argmax(1) == labels[batch]).sum())
    return right / len(images)


@pytest.mark.parametrize(
    ("architecture", "changes", "learning_rate"),
    [
        ("skipinit", {}, 0.02),
        ("fixup", {"initialisation": "fixup"}, 0.02),
        ("plainnet", {"initialisation": "orthogonal", "activation": "tanh"}, 0.002),
    ],
)
def test_these_train(make_model, digits, architecture: str, changes: dict, learning_rate: float) -> None:
    model = make_model(architecture, **CONNECTED, normalization="none", **changes)
    assert train_accuracy(model, digits, learning_rate, epochs=2) > 0.5


def test_a_delta_orthogonal_plainnet_begins_to_train(make_model, digits) -> None:
    model = make_model(
        "plainnet", depth=200, width=8, normalization="none", initialisation="delta_orthogonal", activation="tanh"
    )
    assert train_accuracy(model, digits, 0.005, epochs=3, samples=500) > 0.2


@pytest.mark.parametrize("learning_rate", [0.002, 0.02])
def test_a_he_initialised_relu_plainnet_stays_at_chance(make_model, digits, learning_rate: float) -> None:
    model = make_model("plainnet", **CONNECTED, normalization="none")
    assert train_accuracy(model, digits, learning_rate, epochs=2) < 0.14  # 0.1 + 3 binomial standard errors is 0.13
