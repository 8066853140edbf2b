"""Where a backward pass ends, read from autograd's graph."""

from collections.abc import Iterator

from torch import Tensor


def graph_leaves(value: Tensor) -> Iterator[Tensor]:
    """The tensors that a backward pass from a value would give gradients to, one for each of autograd's nodes."""
    waiting, seen = [value.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        waiting += [following for following, _ in node.next_functions]
