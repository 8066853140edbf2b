"""What the shape and the name of a module's own parameter say: whether it is a matrix or kernel, or is added, looked up
or multiplied entry by entry. Layers of torch and what derives from them are known without."""

import re

from torch import Tensor, nn

NO_MATRIX = {
    "bias", "biases", "scale", "scales", "gamma", "beta", "gain", "gains", "pos", "pe", "position", "positions",
    "positional", "token", "tokens", "cls", "emb", "embed", "embedding", "embeddings", "table",
}  # fmt: skip
"""In a parameter's name: what is added, looked up, or multiplied entry by entry."""
QUERIES = {"query", "queries"}
"""In a name: a projection to queries, or learned queries, which are tokens."""
MATRIX = {"w", "weight", "weights", "proj", "projection", "kernel", "matrix"}
"""Beside those: a projection."""
NORM = re.compile(r"norm(ali[sz](ation|er?|ed))?(act)?[123]?d?$", re.IGNORECASE)
"""The end of the name of a class of norms, whose parameters are gains and shifts; `NormFreeBlock` is none."""
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def has_matrix_shape(tensor: Tensor) -> bool:
    """Whether at least two axes have more than one entry."""
    return sum(size > 1 for size in tensor.shape) > 1


def is_matrix(module: nn.Module, name: str, tensor: Tensor) -> bool:
    """Whether a module's own parameter is a matrix or kernel.

    Three axes of which the first has one entry stand for each sample of a batch: positions, tokens, learned queries.
    """
    words = {word.lower() for word in WORD.findall(name)}
    if not has_matrix_shape(tensor) or (tensor.ndim == 3 and len(tensor) == 1) or words & NO_MATRIX:
        return False
    if any(NORM.search(kind.__name__) for kind in type(module).__mro__):
        return False
    return not words & QUERIES or bool(words & MATRIX) or _projects(module, name, tensor)


def _projects(module: nn.Module, name: str, tensor: Tensor) -> bool:
    """Whether what is named as queries are is a projection to them: square, or with another one to keys beside it."""
    square = tensor.ndim == 2 and tensor.shape[0] == tensor.shape[1]
    keys = re.sub("quer(y|ies)", lambda found: "key" if found[1] == "y" else "keys", name.lower())
    return square or keys in {other.lower() for other, _ in module.named_parameters(recurse=False)}
