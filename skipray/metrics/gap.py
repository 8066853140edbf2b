"""The generalization gap."""


def accuracy_gap(train_accuracy: float, test_accuracy: float) -> float:
    """Train accuracy - test accuracy. An untrained network has none: near 0 there says nothing."""
    return train_accuracy - test_accuracy


def loss_gap(train_loss: float, test_loss: float) -> float:
    """Test loss - train loss, so that a positive one is worse, as with accuracies."""
    return test_loss - train_loss
