"""What is passed through a network: one input, several, or named ones, with or without labels."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

ALLOWED = (
    "allowed: a tensor of samples, a mapping of the forward's arguments, or (inputs, labels), where inputs may also be "
    "a tuple of several"
)


@dataclass(frozen=True)
class Batch:
    """Checked inputs."""

    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any] = field(default_factory=dict)
    labels: Any = None
    samples: int = 0

    def passed(self, network: nn.Module, *, leaves: list[Tensor] | None = None) -> Any:
        """The network's output.

        Args:
            leaves: gets the inputs that the graph starts from, where gradients are wanted: so that layer outputs have
                some even where every weight is frozen.
        """

        def given(value: Any) -> Any:
            if isinstance(value, Tensor):
                # A copy, since a network may start with an operation in place.
                if leaves is None or not value.is_floating_point():
                    return value.clone()
                leaves.append(value.detach().clone().requires_grad_())
                return leaves[-1].clone()
            if isinstance(value, Mapping):
                return {key: given(inner) for key, inner in value.items()}
            if type(value) in (list, tuple):
                return type(value)(given(inner) for inner in value)
            return value

        return network(*given(self.arguments), **{key: given(value) for key, value in self.keywords.items()})


def read_batch(model: nn.Module, batch: Any, *, any_labels: bool) -> Batch:
    """Inputs and labels of a batch, checked.

    Args:
        any_labels: whether a loss is given, so that labels may be anything.

    Raises:
        ValueError: no such batch, or no class labels where these are needed.
    """
    pair = isinstance(batch, tuple | list) and len(batch) == 2
    inputs, labels = batch if pair else (batch, None)
    if not pair and isinstance(batch, tuple | list):
        raise ValueError(f"found a batch of {type(batch).__name__} with {len(batch)} parts; {ALLOWED}")
    arguments, keywords = _arguments(model, inputs)
    tensors = _tensors((arguments, keywords))
    if not tensors:
        raise ValueError(f"found a batch of {type(batch).__name__} without a tensor; {ALLOWED}")
    if any(t.ndim == 0 or not t.numel() for t in tensors[:1]):
        raise ValueError(f"found inputs of shape {tuple(tensors[0].shape)}, without samples; {ALLOWED}")
    if any(t.is_complex() or t.is_meta or t.is_quantized for t in tensors):
        kinds = ", ".join(sorted({f"{t.dtype} on {t.device.type}" for t in tensors}))
        raise ValueError(f"found inputs of {kinds}; allowed: real numbers that are there")
    samples = len(tensors[0])
    if labels is not None and not any_labels:
        if (
            not isinstance(labels, Tensor)
            or labels.is_floating_point()
            or labels.shape not in {t.shape[:1] for t in tensors}
        ):
            what = f"{labels.dtype} {tuple(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
            raise ValueError(
                f"found labels {what}; allowed: one class, an integer, for each of the {samples} samples, or others "
                "with `loss`, a function of the output and the labels"
            )
        labels = labels.long()
    if isinstance(labels, Tensor) and labels.ndim:
        samples = len(labels)
    return Batch(arguments, keywords, labels, samples)


def _arguments(model: nn.Module, inputs: Any) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    if isinstance(inputs, Mapping):
        parameters = inspect.signature(model.forward).parameters
        open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
        unknown = [str(key) for key in inputs if key not in parameters]
        if unknown and not open_ended:
            raise ValueError(
                f"found a batch of {type(inputs).__name__} with {', '.join(unknown)}, which {type(model).__name__}'s "
                f"forward does not take; allowed: {', '.join(parameters)}; for a forward whose one argument is a "
                "mapping: ((mapping,), labels or None)"
            )
        return (), {str(key): value for key, value in inputs.items()}
    if isinstance(inputs, tuple):
        return inputs, {}
    if not isinstance(inputs, Tensor):
        raise ValueError(f"found a batch of {type(inputs).__name__}; {ALLOWED}")
    return (inputs,), {}


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    return [t for inner in value for t in _tensors(inner)] if isinstance(value, tuple | list) else []


def score_loss(output: Any, labels: Tensor, outputs: list[tuple[str, Tensor]]) -> tuple[Tensor, Tensor]:
    """The scores among a network's outputs, and their mean cross-entropy.

    Raises:
        ValueError: none of the outputs could be scores, or several.
    """
    classes = int(labels.max()) + 1
    fitting = [(name, t) for name, t in outputs if t.ndim == 2 and len(t) == len(labels) and t.shape[1] >= classes]
    if len(fitting) != 1:
        found = "outputs " + (", ".join(f"{name.lstrip('.')} {tuple(t.shape)}" for name, t in outputs) or "without any")
        if len(outputs) == 1 and not outputs[0][0]:
            found = f"an output of shape {tuple(outputs[0][1].shape)}"
        several = f", of which {len(fitting)} could be the scores" if fitting else ""
        raise ValueError(
            f"found {len(labels)} labels up to {classes - 1} and {found}{several}; allowed with labels: an "
            "output of scores (samples, classes), or `loss`, a function of the output and the labels"
        )
    scores = fitting[0][1]
    return scores, nn.functional.cross_entropy(scores, labels.clone())  # made in inference mode, they could not be used


def given_loss(loss: Callable[[Any, Any], Tensor], output: Any, labels: Any) -> Tensor:
    """The value of a loss of the user's.

    Raises:
        ValueError: it is no number that depends on the network.
    """
    value = loss(output, labels)
    if not isinstance(value, Tensor) or value.numel() != 1 or not value.requires_grad:
        what = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"found a loss of {what}; allowed: one number that depends on the network's output")
    return value.reshape(()).to(torch.float32) if not value.is_floating_point() else value.reshape(())


def check_network(network: nn.Module) -> None:
    """Refuses what cannot be measured, with a sentence.

    Raises:
        ValueError: scripted, lazy, quantised, complex or without values.
    """
    if isinstance(network, torch.jit.ScriptModule):
        raise ValueError("found a scripted model, whose layers cannot be watched; allowed: the module it was made from")
    for name, module in network.named_modules():
        where = f"{name or 'the network'} ({type(module).__name__})"
        if any(nn.parameter.is_lazy(parameter) for parameter in module.parameters(recurse=False)):
            raise ValueError(f"found {where}, whose shape is not known yet; allowed: a network that has run once")
        if "quantized" in type(module).__module__:
            raise ValueError(f"found {where}, which is quantised; allowed: the network that it was made from")
    for name, tensor in network.named_parameters():
        if tensor.is_complex() or tensor.is_meta:
            what = "complex" if tensor.is_complex() else "on the meta device, without values"
            raise ValueError(f"found the parameter {name}, which is {what}; allowed: real numbers that are there")
