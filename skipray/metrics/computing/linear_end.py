"""The linear end of a network, read from autograd's graph: what lies between the scores and the last non-linearity.

The gradient of the cross-entropy with respect to the scores sums to zero over the classes, so its rank is at most
classes - 1; and so is that of every tensor which reaches the scores through linear operations alone, the same ones for
every sample: a classifier, pooling by means, reshaping.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

LINEAR = {
    "AdaptiveAvgPool2DBackward", "AddBackward", "AddmmBackward", "AliasBackward", "AvgPool2DBackward", "CloneBackward",
    "MeanBackward", "MmBackward", "PermuteBackward", "ReshapeAliasBackward", "SelectBackward", "SliceBackward",
    "SqueezeBackward", "SumBackward", "ToCopyBackward", "TransposeBackward", "UnsafeViewBackward", "ViewBackward",
}  # fmt: skip
"""Names of autograd's functions, without their numbers."""
PARAMETER = ("AccumulateGrad", "TBackward")
ALIKE = {"DivBackward", "LogSoftmaxBackward", "MulBackward"}
"""What leaves the order of a sample's scores as it was."""


def linear_end(scores: Tensor) -> tuple[list[Any], Tensor | None]:
    """Autograd's functions from the scores back to the last non-linearity, and the weight that makes the scores.

    Each function but the last has one input besides parameters, so what is before it reaches the scores by no other
    way. The last one belongs to the tensor that the first linear operation takes.
    """
    chain: list[Any] = []
    weight: Tensor | None = None
    function = scores.grad_fn
    while function is not None:
        chain.append(function)
        if _name(function) not in LINEAR:
            break
        if weight is None:
            inputs = (_parameter(f) for f, _ in function.next_functions if f is not None)
            weight = next((w for w in inputs if w is not None and w.ndim == 2), None)
        function = _only_input(function)
    return chain, weight


def maker_of(scores: Tensor, functions: Sequence[Any]) -> int | None:
    """Which of autograd's functions makes the scores, but for linear operations without weights and what leaves their
    order; None where none does, or where the scores are made of several tensors.

    Args:
        functions: `grad_fn` of what each layer has given out, held since.
    """
    function = scores.grad_fn
    while function is not None:
        for i, one in enumerate(functions):
            if one is function:
                return i
        function = _only_input(function) if _name(function) in LINEAR | ALIKE else None
    return None


def _only_input(function: Any) -> Any:
    """The function that makes the one input besides parameters; None where there are several."""
    others = [f for f, _ in function.next_functions if f is not None and _parameter(f) is None]
    return others[0] if len(others) == 1 else None


def _name(function: Any) -> str:
    return str(function.name()).rpartition("::")[2].rstrip("0123456789")


def _parameter(function: Any) -> Tensor | None:
    """The parameter that a function hands on, transposed or not."""
    while _name(function) in PARAMETER:
        variable: Tensor | None = getattr(function, "variable", None)
        if variable is not None:
            return variable
        function = function.next_functions[0][0]
        if function is None:
            return None
    return None
