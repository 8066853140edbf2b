"""The linear end of a network, read from autograd's graph: what lies between the scores and the last non-linearity.

The gradient of the cross-entropy with respect to the scores sums to zero over the classes, so its rank is at most
classes - 1; and so is that of every tensor which reaches the scores through linear operations alone, the same ones for
every sample: a classifier, pooling by means, reshaping.
"""

from typing import Any

from torch import Tensor

LINEAR = {
    "AdaptiveAvgPool2DBackward", "AddBackward", "AddmmBackward", "AliasBackward", "AvgPool2DBackward", "CloneBackward",
    "MeanBackward", "MmBackward", "PermuteBackward", "ReshapeAliasBackward", "SelectBackward", "SliceBackward",
    "SqueezeBackward", "SumBackward", "ToCopyBackward", "TransposeBackward", "UnsafeViewBackward", "ViewBackward",
}  # fmt: skip
"""Names of autograd's functions, without their numbers."""
PARAMETER = ("AccumulateGrad", "TBackward")


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
        inputs = [f for f, _ in function.next_functions if f is not None]
        if weight is None:
            weight = next((w for w in map(_parameter, inputs) if w is not None and w.ndim == 2), None)
        others = [f for f in inputs if _parameter(f) is None]
        if len(others) != 1:
            break
        function = others[0]
    return chain, weight


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
