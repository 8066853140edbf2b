"""The mean cross-entropy of class numbers and its gradient, around the passes of a network, written as they are."""

from skipray.architectures.building.passes.text import ARGUMENTS, KEPT


def cross_entropy(ignored: int) -> str:
    """The function `cross_entropy(x, y, share, back, t, c, n, k)`: the mean loss times `share`, the scores, and the
    gradients of all parameters in the order of `backward`'s, whose numbers are `back`.

    Args:
        ignored: the label that counts nowhere.
    """
    return f"""\
def cross_entropy(
    x: Tensor, y: Tensor, share: float, back: List[float], {ARGUMENTS}, {KEPT}
) -> Tuple[Tensor, Tensor, List[Tensor]]:
    scores = forward(x, t, c, n, k)
    chances = torch.ops.aten._log_softmax(scores, 1, False)
    loss, counted = torch.ops.aten.nll_loss_forward(chances, y, None, 1, {ignored})
    g = torch.ones_like(loss)
    if share != 1.0:
        loss = loss * share
        g = g * share
    g = torch.ops.aten.nll_loss_backward(g, chances, y, None, 1, {ignored}, counted)
    g = torch.ops.aten._log_softmax_backward_data(g, chances, 1, scores.dtype)
    return loss, scores, backward(g, t, back, n, k)
"""
