"""A trial's state in mid-training as one safetensors blob: tensors, and the rest as JSON in its header.

All randomness derives from the seed, the epoch and a name (`generator`), so no generator's state is kept but the global
one's, which a user's own layers (dropout) may draw from.
"""

import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from skipray.errors import SkiprayError
from skipray.trial.training.optimizers import Optimizer

STATE_VERSION = 1


class CheckpointRefused(SkiprayError, ValueError):
    """A state that cannot be resumed from: truncated, of another trial, or of another version."""


class ExtraStateRefused(SkiprayError, ValueError):
    """A network says of itself what cannot be saved as data."""


def pack(trial_id: str, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> bytes:
    """One blob of tensors and JSON values, marked with the trial and the versions that its bits depend on."""
    header = {"state_version": STATE_VERSION, "trial_id": trial_id, "torch": torch.__version__, "values": values}
    return save_tensors(apart(tensors), {"skipray": json.dumps(header)})


def apart(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors on the CPU, each with memory of its own, as safetensors wants them: tied weights twice."""
    flat: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        found = tensor.detach().cpu().contiguous()
        storage = found.untyped_storage()
        flat[name] = found.clone() if storage.data_ptr() in seen or storage.nbytes() != found.nbytes else found
        seen.add(storage.data_ptr())
    return flat


def unpack(trial_id: str, blob: bytes) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """What `pack` was given.

    Raises:
        CheckpointRefused: says what was found and what is allowed.
    """
    try:
        tensors = load_tensors(blob)
        header = json.loads(_metadata(blob)["skipray"])
        found = {key: header[key] for key in ("state_version", "trial_id", "torch")}
        values = header["values"]
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointRefused(f"found no whole state of a trial in {len(blob)} bytes: {error}") from error
    allowed = {"state_version": STATE_VERSION, "trial_id": trial_id, "torch": torch.__version__}
    for key, value in allowed.items():
        if found[key] != value:
            raise CheckpointRefused(f"found a state with {key} {found[key]!r}; allowed: {value!r}")
    return tensors, values


def _metadata(blob: bytes) -> dict[str, str]:
    # The format: eight bytes of length, little-endian, then a JSON header of that length. `load` has checked both.
    length = int.from_bytes(blob[:8], "little")
    return dict(json.loads(blob[8 : 8 + length])["__metadata__"])


def network_tensors(network: nn.Module, optimizer: Optimizer) -> dict[str, torch.Tensor]:
    """Parameters, buffers and the optimizer's state by name."""
    return {f"network/{name}": tensor for name, tensor in saved_tensors(network).items()} | optimizer.tensors()


def saved_tensors(network: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and persistent buffers by name."""
    return {name: value for name, value in network.state_dict().items() if isinstance(value, torch.Tensor)}


def other_states(state: Mapping[str, Any]) -> dict[str, Any]:
    """What a network's state has beside tensors: its modules' extra states (`get_extra_state`)."""
    return {name: value for name, value in state.items() if not isinstance(value, torch.Tensor)}


def restore_network(network: nn.Module, optimizer: Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Put back what `network_tensors` gave, in place: memory formats stay.

    Raises:
        CheckpointRefused: the tensors are another network's.
    """
    saved = {name.removeprefix("network/"): t for name, t in tensors.items() if name.startswith("network/")}
    shapes = {name: tensor.shape for name, tensor in saved.items()}
    allowed = {name: tensor.shape for name, tensor in saved_tensors(network).items()}
    if shapes != allowed:
        odd = sorted(n for n in shapes.keys() | allowed.keys() if shapes.get(n) != allowed.get(n))
        raise CheckpointRefused(f"found the state of another network: it differs in {', '.join(odd[:5])}")
    network.load_state_dict(saved | other_states(network.state_dict()))
    optimizer.restore(tensors)
