"""What a network keeps that its parameters and persistent buffers do not hold.

These are other buffers, extra states, and what its modules remember (`skipray.metrics.computing.remembered`): counters,
running means, generators of random numbers, in attributes of modules, of what these hold, and of the user's classes and
modules of code; and which parameters have gradients.

Only what has changed since the network was built goes to a checkpoint or a file of weights, so a network of skipray's
adds nothing. What is read back is data alone: a foreign file cannot run code.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from skipray.metrics.computing.remembered import Remembered, attributes, module_state, modules_of, user_classes
from skipray.torch_private import OWN_STATE, buffers_of, put_buffer
from skipray.trial.training.as_data import AsData, NotKept, bits, packed, unpacked
from skipray.trial.training.state import CheckpointRefused, ExtraStateRefused, other_states

NAME = "network.rest"
MODE = "training"
"""The attribute that says in which mode a module is, which whoever uses the network sets."""
HEADER_BYTES = 2**26
"""At most so much goes into the header of a file of weights, which may have 100 MB."""
TOO_LARGE = "-"
GONE, LOST, UNTOLD = "gone", "lost", "untold"
"""In place of a value: it was removed since the network was built; it is of a kind that cannot be kept; the same, and
that is no reason to refuse anything."""
Place = tuple[str, str, str]
"""Kind (extra, buffer, attribute, class, gradient: whether a parameter has one, global: a name in a module of the
user's, module, parameter), path of the module (with the class's name), name."""


class Rest:
    """The rest of one network's state, from when it was built."""

    def __init__(self, network: nn.Module, *, modules: Sequence[ModuleType] | None = None, watched: bool = False):
        """
        Args:
            modules: of the user's, that the trial's code is in; those of the network's classes when left out.
            watched: whether what is of no known kind is looked at too, as far as it can be pickled, for `lost`.
        """
        self.network = network
        self.modules = modules_of(network) if modules is None else modules
        self.as_built = Remembered(network, self.modules)
        """To be put back: modules and classes of the user's are shared by the trials of a process."""
        nothing = self.as_built.nothing  # then it replaces nothing either
        self._modules = {} if nothing else {path: _kind(module) for path, module in network.named_modules()}
        self._parameters = {} if nothing else dict(network.named_parameters())
        self.trained = frozenset(id(p) for p in self._parameters.values() if p.requires_grad)
        """Ids of the parameters that needed gradients; of a network of skipray's none is told."""
        self._data = AsData(network, watched=watched)
        values = self._values()
        self._built = {place: bits(value) for place, value in values.items()}

    def changed(self) -> dict[Place, Any]:
        """What has changed since the network was built, as data."""
        values = self._values()
        found = {p: v for p, v in values.items() if bits(v) != self._built.get(p) and not _is(v, UNTOLD)}
        return found | {p: (GONE, None) for p in self._built if p not in values}

    def lost(self) -> dict[str, str]:
        """Names of attributes that have changed and cannot be kept, and what they are."""
        return {".".join(p[1:]).strip("."): v[1] for p, v in self.changed().items() if _is(v, LOST)}

    def tensors(self) -> dict[str, Tensor]:
        """What has changed, as one tensor of bytes for a checkpoint; nothing where nothing has."""
        held = self._bytes()
        return {NAME: torch.frombuffer(bytearray(held), dtype=torch.uint8)} if held else {}

    def text(self) -> str:
        """The same for the header of a file of weights; empty where nothing has."""
        held = self._bytes()
        return base64.b64encode(held).decode() if len(held) <= HEADER_BYTES else TOO_LARGE

    def _bytes(self) -> bytes:
        return packed(self.changed())

    def read(self, tensors: Mapping[str, Tensor]) -> dict[Place, Any]:
        """What `tensors` gave, for `put`.

        Raises:
            CheckpointRefused: it is no such thing, it is another network's, or not all could be kept.
        """
        return self._read(tensors[NAME].numpy().tobytes()) if NAME in tensors else {}

    def read_text(self, text: str) -> dict[Place, Any]:
        """What `text` gave, for `put`.

        Raises:
            CheckpointRefused: as `read`.
        """
        if text == TOO_LARGE:
            raise CheckpointRefused(f"found more than {HEADER_BYTES} bytes beside its weights, which were not saved")
        try:
            return self._read(base64.b64decode(text, validate=True)) if text else {}
        except binascii.Error as error:
            raise CheckpointRefused(f"found a state whose rest cannot be read: {error}") from error

    def _read(self, held: bytes) -> dict[Place, Any]:
        try:
            found = unpacked(held)
            owners = self._owners(found)
            # Of a loss's module, say, whoever looks at the network alone knows nothing.
            found = {place: v for place, v in found.items() if place[0] != "global" or owners[place] is not None}
            missing = [place for place in found if owners[place] is None]
        except (ValueError, TypeError) as error:
            raise CheckpointRefused(f"found a state whose rest cannot be read: {error}") from error
        if missing:
            raise CheckpointRefused(f"found the rest of another network: it has {'.'.join(missing[0][1:])}")
        if lost := [(place, value[1]) for place, value in found.items() if _is(value, LOST)]:
            place, what = lost[0]
            raise CheckpointRefused(f"found {'.'.join(place[1:]).strip('.')}, a {what}, which cannot be kept")
        return found

    def put(self, found: Mapping[Place, Any]) -> None:
        """Put back what was read, into the objects that are there where they can take it."""
        owners = self._owners(found)
        for place, value in found.items():
            (kind, _, name), owner = place, owners[place]
            if kind == "extra":
                owner.set_extra_state(self._data.decoded(value, None))
            elif kind == "buffer":
                gone = _is(value, GONE)
                put_buffer(owner, name, None if gone else self._data.decoded(value, buffers_of(owner).get(name)))
            elif _is(value, GONE):
                if name in vars(owner):
                    delattr(owner, name)
            elif kind == "gradient":
                getattr(owner, name).requires_grad_(value)
            elif kind in ("class", "global"):
                setattr(owner, name, self._data.decoded(value, vars(owner).get(name)))
            else:
                own = owner.__dict__
                own[name] = self._data.decoded(value, own.get(name))

    def _owners(self, places: Iterable[Place]) -> dict[Place, Any]:
        """What has each attribute or buffer; None where the network has no such module or class."""
        modules: dict[str, Any] = dict(self.network.named_modules())
        users = {module.__name__: module for module in self.modules}

        def owner(kind: str, path: str) -> Any:
            if kind == "global":
                return users.get(path)
            if kind != "class":
                return modules.get(path)
            path, _, name = path.partition(":")
            classes = user_classes(modules[path]) if path in modules else ()
            return next((cls for cls in classes if cls.__qualname__ == name), None)

        return {place: owner(place[0], place[1]) for place in places}

    def _values(self) -> dict[Place, Any]:
        """Place of each value -> the value as data, or that it cannot be kept."""
        self._data.begin()
        state = self.network.state_dict()
        found: dict[Place, Any] = {}
        for name, value in other_states(state).items():
            try:
                found["extra", name.rpartition(".")[0], ""] = self._data.encoded(value, None)
            except NotKept as why:
                raise ExtraStateRefused(
                    f"found the extra state {name} with a {why}; allowed: numbers, texts, tensors, and lists, tuples, "
                    "sets and mappings of them"
                ) from None
        for place, value in self._held(state):
            try:
                found[place] = self._data.encoded(value, place)
            except NotKept as why:
                # In a module a cache of any kind may lie.
                found[place] = (UNTOLD if place[0] == "global" else LOST, str(why))
        self._data.end()
        return found | self._replaced()

    def _replaced(self) -> dict[Place, Any]:
        """Modules and parameters in the place of others that the network was built with: a network that is built anew
        has not the former, and no optimizer trains the latter."""
        modules, parameters = dict(self.network.named_modules()), dict(self.network.named_parameters())
        odd = [("module", path, "") for path, built in self._modules.items() if _kind(modules.get(path)) != built]
        odd += [("parameter", *_split(name)) for name, p in self._parameters.items() if parameters.get(name) is not p]
        return {place: (LOST, f"{place[0]} that was replaced in training") for place in odd}

    def _held(self, state: Mapping[str, Any]) -> Iterator[tuple[Place, Any]]:
        """Buffers beside the state's, and attributes of the modules and of their classes."""
        seen: set[type] = set()
        for path, module in self.network.named_modules():
            prefix = f"{path}." if path else ""
            for name, buffer in buffers_of(module).items():
                if buffer is not None and prefix + name not in state:
                    yield ("buffer", path, name), buffer
            if self.as_built.nothing:
                continue
            for name, parameter in module.named_parameters(recurse=False):
                yield ("gradient", path, name), parameter.requires_grad
            for name, value in vars(module).items():
                if name not in OWN_STATE and name != MODE:
                    yield ("attribute", path, name), value
            for cls in user_classes(module):
                if cls not in seen:
                    seen.add(cls)
                    for name, value in attributes(cls).items():
                        yield ("class", f"{path}:{cls.__qualname__}", name), value
        for module in self.modules:
            for name, value in module_state(module).items():
                yield ("global", module.__name__, name), value


def _kind(module: nn.Module | None) -> tuple[Any, str]:
    return type(module), module.extra_repr() if module is not None else ""


def _split(name: str) -> tuple[str, str]:
    path, _, last = name.rpartition(".")
    return path, last


def _is(value: Any, mark: str) -> bool:
    return isinstance(value, tuple) and value[0] == mark
