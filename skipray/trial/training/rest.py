"""What a network keeps that its parameters and persistent buffers do not hold.

These are other buffers, extra states, and what its modules have in attributes: counters, running means, generators of
random numbers.

Only what has changed since the network was built goes to a checkpoint, so a network of skipray's adds nothing. What is
read back is data alone: a foreign file cannot run code.
"""

import io
import json
import pickle
import random
from collections import deque
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skipray.torch_private import OWN_STATE, buffers_of, put_buffer
from skipray.trial.training.state import CheckpointRefused, ExtraStateRefused, other_states

NAME = "network.rest"
ATOMS = (type(None), bool, int, float, str, bytes)
COLLECTIONS = {"list": list, "tuple": tuple, "set": set, "deque": deque}
BIT_GENERATORS = (np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64, np.random.MT19937)
MODE = "training"
"""The attribute that says in which mode a module is, which whoever uses the network sets."""


class NotKept(Exception):
    """A value of a kind that cannot be told from data."""


class Rest:
    """The rest of one network's state, from when it was built."""

    def __init__(self, network: nn.Module):
        self.network = network
        self._built = {place: pickle.dumps(value) for place, value in self._values().items()}

    def tensors(self) -> dict[str, Tensor]:
        """What has changed, as one tensor of bytes for a checkpoint; nothing where nothing has."""
        changed = {p: v for p, v in self._values().items() if pickle.dumps(v) != self._built.get(p)}
        if not changed:
            return {}
        file = io.BytesIO()
        torch.save(changed, file)
        return {NAME: torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)}

    def read(self, tensors: Mapping[str, Tensor]) -> dict[tuple[str, str, str], Any]:
        """What `tensors` gave, for `put`.

        Raises:
            CheckpointRefused: it is no such thing.
        """
        if NAME not in tensors:
            return {}
        try:
            return dict(torch.load(io.BytesIO(tensors[NAME].numpy().tobytes()), weights_only=True))
        except (RuntimeError, ValueError, TypeError, EOFError, pickle.UnpicklingError) as error:
            raise CheckpointRefused(f"found a state whose rest cannot be read: {error}") from error

    def put(self, found: Mapping[tuple[str, str, str], Any]) -> None:
        """Put back what was read, into the objects that are there where they can take it."""
        modules = dict(self.network.named_modules())
        for (kind, path, name), value in found.items():
            module = modules[path]
            if kind == "extra":
                module.set_extra_state(_decoded(value, None))
            elif kind == "buffer":
                put_buffer(module, name, _decoded(value, buffers_of(module).get(name)))
            else:
                own = module.__dict__
                own[name] = _decoded(value, own.get(name))

    def _values(self) -> dict[tuple[str, str, str], Any]:
        """Kind, module and name of each value that can be kept -> the value as data."""
        state = self.network.state_dict()
        found: dict[tuple[str, str, str], Any] = {}
        for name, value in other_states(state).items():
            try:
                found["extra", name.rpartition(".")[0], ""] = _encoded(value)
            except NotKept as why:
                raise ExtraStateRefused(
                    f"found the extra state {name} with a {why}; allowed: numbers, texts, tensors, and lists, tuples, "
                    "sets and mappings of them"
                ) from None
        for path, module in self.network.named_modules():
            prefix = f"{path}." if path else ""
            for name, buffer in buffers_of(module).items():
                if buffer is not None and prefix + name not in state:
                    found["buffer", path, name] = _encoded(buffer)
            for name, value in vars(module).items():
                if name in OWN_STATE or name == MODE:
                    continue
                try:
                    found["attribute", path, name] = _encoded(value)
                except NotKept:
                    continue
        return found


def _encoded(value: Any) -> Any:
    """A value as what `torch.load` reads without running code: kind and content."""
    kind = type(value)
    if kind in ATOMS:
        return value
    if kind is Tensor:
        return ("tensor", value.detach().cpu().clone())
    for name, collection in COLLECTIONS.items():
        if kind is collection:
            return (name, [_encoded(item) for item in value])
    if kind is dict:
        return ("dict", [(_encoded(key), _encoded(item)) for key, item in value.items()])
    if kind is torch.Generator:
        return ("generator", value.get_state())
    if kind is random.Random:
        return ("random", json.dumps(value.getstate()))
    if kind is np.random.Generator and type(value.bit_generator) in BIT_GENERATORS:
        return ("numpy", json.dumps(value.bit_generator.state, default=np.ndarray.tolist))
    raise NotKept(kind.__name__)


def _decoded(value: Any, there: Any) -> Any:
    """The value: the object that is there with the value in it, where it is of the kind; else a new one."""
    if type(value) in ATOMS:
        return value
    kind, content = value
    if kind == "tensor":
        if isinstance(there, Tensor) and (there.shape, there.dtype) == (content.shape, content.dtype):
            with torch.no_grad():
                return there.copy_(content)
        return content
    if kind == "dict":
        known = there if isinstance(there, dict) else {}
        pairs = [(_decoded(key, None), item) for key, item in content]
        return _refilled(dict, there, {key: _decoded(item, known.get(key)) for key, item in pairs})
    if kind in COLLECTIONS:
        inside = list(there) if isinstance(there, list | tuple | deque) else []
        items = [_decoded(item, old) for item, old in zip_longest(content, inside[: len(content)])]
        return _refilled(COLLECTIONS[kind], there, items)
    return _generator(kind, content, there)


def _generator(kind: str, content: Any, there: Any) -> Any:
    """A generator of random numbers in the state that was saved."""
    if kind == "generator":
        torchs = there if isinstance(there, torch.Generator) else torch.Generator()
        torchs.set_state(content)
        return torchs
    state = json.loads(content)
    if kind == "random":
        python = there if isinstance(there, random.Random) else random.Random()
        version, words, spare = state
        python.setstate((version, tuple(words), spare))
        return python
    made = next(bits for bits in BIT_GENERATORS if bits.__name__ == state["bit_generator"])
    numpys = there if isinstance(there, np.random.Generator) else np.random.Generator(made())
    if type(numpys.bit_generator) is not made:
        numpys = np.random.Generator(made())
    numpys.bit_generator.state = state
    return numpys


def _refilled(kind: Any, there: Any, content: Any) -> Any:
    """A collection with this content: the one that is there, which others may hold too, where it can be changed."""
    if type(there) is not kind or kind is tuple:
        return kind(content)
    there.clear()
    (there.extend if kind in (list, deque) else there.update)(content)
    return there
