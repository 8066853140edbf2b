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
from skipray.metrics.computing.remembered import is_plain
from skipray.torch_private import buffers_of, put_buffer
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
        header = json.loads(metadata(blob)["skipray"])
        found = {key: header[key] for key in ("state_version", "trial_id", "torch")}
        values = header["values"]
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointRefused(f"found no whole state of a trial in {len(blob)} bytes: {error}") from error
    allowed = {"state_version": STATE_VERSION, "trial_id": trial_id, "torch": torch.__version__}
    for key, value in allowed.items():
        if found[key] != value:
            raise CheckpointRefused(f"found a state with {key} {found[key]!r}; allowed: {value!r}")
    return tensors, values


def metadata(blob: bytes) -> dict[str, str]:
    """The texts in the header of a whole safetensors file; empty where it has none."""
    # The format: eight bytes of length, little-endian, then a JSON header of that length. `load` has checked both.
    length = int.from_bytes(blob[:8], "little")
    return dict(json.loads(blob[8 : 8 + length]).get("__metadata__", {}))


def network_tensors(network: nn.Module, optimizer: Optimizer) -> dict[str, torch.Tensor]:
    """Parameters, buffers and the optimizer's state by name."""
    return {f"network/{name}": tensor for name, tensor in saved_tensors(network).items()} | optimizer.tensors()


def saved_tensors(network: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and persistent buffers by name; no sparse ones, which safetensors cannot hold: as they were built, a
    network that is built anew has them."""
    return {name: v for name, v in network.state_dict().items() if isinstance(v, torch.Tensor) and is_plain(v)}


def other_states(state: Mapping[str, Any]) -> dict[str, Any]:
    """What a network's state has beside tensors: its modules' extra states (`get_extra_state`)."""
    return {name: value for name, value in state.items() if not isinstance(value, torch.Tensor)}


def restore_network(network: nn.Module, optimizer: Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Put back what `network_tensors` gave, in place: memory formats stay.

    Raises:
        CheckpointRefused: the tensors are another network's, or hold not all of the optimizer; both are as before.
    """
    if why := optimizer.refused(tensors):
        raise CheckpointRefused(why)
    saved = {name.removeprefix("network/"): t for name, t in tensors.items() if name.startswith("network/")}
    put_tensors(network, saved)
    optimizer.restore(tensors)


def put_tensors(network: nn.Module, saved: Mapping[str, torch.Tensor]) -> None:
    """Put back what `saved_tensors` gave. A buffer may have become another: a memory that grows, one that was None.

    Raises:
        CheckpointRefused: they are another network's, which is left as it was.
    """
    built = saved_tensors(network)
    buffers = {
        f"{path}.{name}".removeprefix("."): (module, name, buffer)
        for path, module in network.named_modules(remove_duplicate=False)
        for name, buffer in buffers_of(module).items()
    }
    odd = [n for n in saved.keys() | built.keys() if n not in buffers and _shape(saved, n) != _shape(built, n)]
    if odd:
        raise CheckpointRefused(f"found the state of another network: it differs in {', '.join(sorted(odd)[:5])}")
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    for full, (module, name, buffer) in buffers.items():
        found = saved.get(full)
        if found is None and full in built:
            put_buffer(module, name, None)
        elif found is not None and (buffer is None or (buffer.shape, buffer.dtype) != (found.shape, found.dtype)):
            put_buffer(module, name, torch.empty_like(found, device=device if buffer is None else buffer.device))
    now = network.state_dict()
    beside = {name: v for name, v in now.items() if isinstance(v, torch.Tensor) and not is_plain(v)}
    network.load_state_dict({**saved, **beside, **other_states(now)})


def _shape(tensors: Mapping[str, torch.Tensor], name: str) -> torch.Size | None:
    return tensors[name].shape if name in tensors else None
