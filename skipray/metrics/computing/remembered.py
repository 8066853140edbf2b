"""What a network remembers beside parameters and buffers, to be put back as it was.

That is what its modules have in attributes, and all that these lead to: lists and mappings, tensors and arrays,
generators of random numbers, objects of the user's classes with their attributes, these classes' own attributes, and
what the user's modules and functions keep between calls. Everything is put back in place, so that whoever else holds an
object finds it as it was.
"""

import random
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from enum import Enum
from functools import lru_cache, partial
from types import FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skipray.extension import own_code
from skipray.torch_private import OWN_STATE, changes_in_place, is_watched

LARGEST_BYTES, BYTES_AN_ENTRY, DEEPEST = 2**22, 64, 3
"""What is larger in a module is taken for data, which nobody writes into."""
LIBRARIES = sys.stdlib_module_names | {"torch", "torchvision", "numpy", "skipray", "pydantic"}
"""Their objects and classes are left alone, but for modules and what is listed here."""
FIXED = frozenset(
    (type(None), bool, int, float, complex, str, bytes, type, FunctionType, ModuleType, torch.dtype, torch.device)
)
"""Kinds that cannot change, or that are no state of a network's."""
GENERATORS: dict[str, tuple[Any, Callable[[Any], Any], Callable[[Any, Any], None]]] = {
    "generator": (torch.Generator, lambda g: g.get_state(), lambda g, state: g.set_state(state)),
    "random": (random.Random, lambda g: g.getstate(), lambda g, state: g.setstate(state)),
    "numpy": (
        np.random.Generator,
        lambda g: g.bit_generator.state,
        lambda g, state: setattr(g.bit_generator, "state", state),
    ),
    "numpy bits": (np.random.BitGenerator, lambda g: g.state, lambda g, state: setattr(g, "state", state)),
    "numpy legacy": (
        np.random.RandomState,
        lambda g: g.get_state(legacy=False),
        lambda g, state: g.set_state(state),
    ),
}
"""Kind of generator -> its class, what reads its state, and what sets it."""


@lru_cache(maxsize=1024)
def is_users(cls: Any) -> bool:
    """Whether a class is none of a library's whose objects are left alone."""
    return cls.__module__.partition(".")[0] not in LIBRARIES


def has_attributes(value: Any) -> bool:
    """Whether it is looked into for attributes: a module, or an object of a class of the user's."""
    kind: Any = type(value)
    if isinstance(value, type | Enum | FunctionType):
        return False
    return isinstance(value, nn.Module) or kind is SimpleNamespace or is_users(kind)


def attributes(value: Any) -> dict[str, Any]:
    """The attributes of a module, an object or a class that may be state, by name."""
    if isinstance(value, type):
        return {
            name: held
            for name, held in vars(value).items()
            if not (name.startswith("__") or isinstance(held, type) or hasattr(type(held), "__get__"))
        }
    kind: Any = type(value)
    found = dict(getattr(value, "__dict__", {}))
    for name in _slots(kind):
        if hasattr(value, name):
            found[name] = getattr(value, name)
    return found


@lru_cache(maxsize=1024)
def _slots(kind: Any) -> tuple[str, ...]:
    found = (cls.__dict__.get("__slots__", ()) for cls in kind.__mro__)
    names = (name for slots in found for name in ((slots,) if isinstance(slots, str) else slots))
    return tuple(name for name in names if name not in ("__dict__", "__weakref__"))


def module_state(module: ModuleType) -> dict[str, Any]:
    """What a module of the user's has under its names, by name, but for other modules, objects of libraries, and what
    is too large to be copied for each trial."""
    return {
        name: held
        for name, held in vars(module).items()
        if not (name.startswith("__") or isinstance(held, ModuleType) or _is_a_librarys(held) or _is_large(held))
    }


def _is_a_librarys(value: Any) -> bool:
    """Whether it is an object with attributes of a class that the user has not written, such as a table of pandas."""
    if isinstance(value, nn.Module) or not has_attributes(value):
        return False
    home = sys.modules.get(type(value).__module__)
    if home is None or home.__name__ == "__main__":
        return home is None
    return not _is_of_user(getattr(home, "__file__", None) or "")


def _is_large(value: Any) -> bool:
    return _bytes_of(value) > LARGEST_BYTES


def _bytes_of(value: Any, depth: int = 0) -> int:
    """About how much memory a value holds: arrays and tensors, also in collections, and entries of collections."""
    if isinstance(value, Tensor | np.ndarray):
        return int(value.nbytes) if isinstance(value, np.ndarray) or value.layout is torch.strided else 0
    if isinstance(value, nn.Module):
        return sum(_bytes_of(tensor) for tensor in (*value.parameters(), *value.buffers()))
    if not isinstance(value, list | tuple | dict | set | frozenset | deque):
        return 0
    found = len(value) * BYTES_AN_ENTRY
    if found > LARGEST_BYTES or depth == DEEPEST:
        return found
    return found + sum(_bytes_of(item, depth + 1) for item in _that_may_change(value))


def modules_of(network: nn.Module) -> list[ModuleType]:
    """The user's modules that the classes of a network are defined in."""
    classes = {cls for module in network.modules() for cls in user_classes(module)}
    named = {cls.__module__: sys.modules.get(cls.__module__) for cls in classes}
    return [m for m in named.values() if m is not None and _is_of_user(getattr(m, "__file__", None) or "")]


@lru_cache(maxsize=1024)
def _is_of_user(file: str) -> bool:
    return bool(file) and own_code.is_users(file)


def user_classes(value: Any) -> tuple[type, ...]:
    """The classes of the user's that an object is of."""
    kind: Any = type(value)
    return _users_of(kind)


@lru_cache(maxsize=1024)
def _users_of(kind: Any) -> tuple[type, ...]:
    return tuple(cls for cls in kind.__mro__ if is_users(cls) and not issubclass(cls, Enum))


def inside(value: Any) -> tuple[Any, ...]:
    """What a bound method or a partial function holds."""
    if isinstance(value, MethodType):
        return (value.__self__,)
    return (value.func, *value.args, *value.keywords.values()) if isinstance(value, partial) else ()


def generator_kind(value: Any) -> str | None:
    """The kind of a generator of random numbers whose state can be set; None of anything else."""
    if isinstance(value, random.SystemRandom):
        return None
    return next((kind for kind, (cls, _, _) in GENERATORS.items() if isinstance(value, cls)), None)


def is_plain(tensor: Tensor) -> bool:
    """Whether a tensor has values of its own that can be copied and written."""
    strided = tensor.layout is torch.strided and not tensor.is_quantized
    return strided and tensor.device.type != "meta" and not tensor.is_inference()


def remembers_nothing(network: nn.Module) -> bool:
    """Whether it is a network of skipray's, whose modules, all of them skipray's and torch's, set no attribute in a
    pass and have no hooks: to look at each attribute would cost a twelfth of a short trial."""
    if not type(network).__module__.startswith("skipray.") or is_watched(network):
        return False
    kinds: set[Any] = {type(module) for module in network.modules()}
    return not any(map(is_users, kinds))


class Remembered:
    """All of it as it stands, to be put back."""

    def __init__(self, network: nn.Module, modules: Iterable[ModuleType] | None = None):
        """Reads; costs a copy of every tensor that is neither a parameter nor a buffer of the network's.

        Args:
            modules: of the user's, whose names are put back too; those of the network's classes when left out.
        """
        self._known: dict[int, Any] = {id(t): t for t in (*network.parameters(), *network.buffers())}
        """Objects that were seen, by their id, which is theirs as long as they are held here."""
        self._back: list[Callable[[], None]] = []
        self._empty: list[dict[Any, Any]] = []
        """Most mappings of modules are: those of their hooks."""
        self._modes: list[tuple[nn.Module, bool]] = []
        self._waiting: list[Any] = list(network.modules())
        self.nothing = remembers_nothing(network)
        if self.nothing:
            self._modes = [(module, module.training) for module in self._waiting]
            self._waiting = []
        self._parts = {id(module) for module in self._waiting}
        for module in () if self.nothing and modules is None else modules_of(network) if modules is None else modules:
            self._note_module(module)
        while self._waiting:
            self._note(self._waiting.pop())

    def put_back(self) -> None:
        """Make everything as it was."""
        for back in self._back:
            back()
        for mapping in self._empty:
            if mapping:
                mapping.clear()
        for module, training in self._modes:
            module.training = training

    def _note(self, value: Any) -> None:
        if type(value) in FIXED or id(value) in self._known:
            return
        self._known[id(value)] = value
        if isinstance(value, Tensor):
            self._note_tensor(value)
        elif isinstance(value, np.ndarray):
            self._note_array(value)
        elif isinstance(value, list | deque):
            self._note_items(value)
        elif isinstance(value, dict):
            self._note_mapping(value)
        elif isinstance(value, set):
            self._note_set(value)
        elif isinstance(value, tuple | frozenset):
            self._waiting += _that_may_change(value)
        elif (kind := generator_kind(value)) is not None:
            _, read, write = GENERATORS[kind]
            self._back.append(partial(write, value, read(value)))
        else:
            self._waiting += inside(value)
        if has_attributes(value):
            self._note_attributes(value)
            for cls in user_classes(value):
                if id(cls) not in self._known:
                    self._known[id(cls)] = cls
                    self._note_attributes(cls)

    def _note_module(self, module: ModuleType) -> None:
        held = module_state(module)
        for value in held.values():
            if isinstance(value, FunctionType) and value.__module__ == module.__name__:
                self._note_function(value)
            elif isinstance(value, type) and value.__module__ == module.__name__ and id(value) not in self._known:
                self._known[id(value)] = value
                self._note_attributes(value)
        self._waiting += held.values()

        def back() -> None:
            now = module_state(module)
            for name in now.keys() - held.keys():
                delattr(module, name)
            for name, value in held.items():
                if now.get(name, held) is not value:
                    setattr(module, name, value)

        self._back.append(back)

    def _note_function(self, function: FunctionType) -> None:
        """What a function keeps between its calls: attributes, defaults that are written into, variables around it."""
        self._waiting += [vars(function), *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        for cell in function.__closure__ or ():
            try:
                value = cell.cell_contents
            except ValueError:  # empty
                continue
            self._waiting.append(value)
            self._back.append(partial(setattr, cell, "cell_contents", value))

    def _note_tensor(self, value: Tensor) -> None:
        if not is_plain(value):
            return
        held, changes = value.detach().clone(), changes_in_place(value)

        def back() -> None:
            if value.shape != held.shape or value.dtype != held.dtype:
                value.data = held
            elif changes_in_place(value) != changes or not torch.equal(value, held):
                with torch.no_grad():
                    value.copy_(held)

        self._back.append(back)

    def _note_array(self, value: np.ndarray) -> None:
        if value.dtype.hasobject:
            self._waiting += value.ravel().tolist()
        if value.flags.writeable:
            held = value.copy()
            self._back.append(lambda: np.copyto(value, held) if value.shape == held.shape else None)

    def _note_items(self, value: Any) -> None:
        held = list(value)
        self._waiting += _that_may_change(held)

        def back() -> None:
            if not _are_the_same(value, held):
                value.clear()
                value.extend(held)

        self._back.append(back)

    def _note_mapping(self, value: dict[Any, Any]) -> None:
        held = list(value.items())
        self._waiting += _that_may_change(value)

        def back() -> None:
            if not (_are_the_same(value, [k for k, _ in held]) and _are_the_same(value.values(), [v for _, v in held])):
                value.clear()
                for key, item in held:  # a Counter's update adds
                    value[key] = item

        self._back.append(back)

    def _note_set(self, value: set[Any]) -> None:
        held = set(value)
        self._waiting += _that_may_change(held)

        def back() -> None:
            if value != held:
                value.clear()
                value.update(held)

        self._back.append(back)

    def _note_attributes(self, owner: Any) -> None:
        """Of an object, a class, or a module: of the network's own but for parameters, buffers and parts."""
        left_alone = OWN_STATE if id(owner) in self._parts else ()
        held = {name: value for name, value in attributes(owner).items() if name not in left_alone}
        for value in held.values():
            kind = type(value)
            if kind in (dict, OrderedDict) and not value:
                self._empty.append(value)
            elif kind not in FIXED:
                self._waiting.append(value)
        put, drop = (setattr, delattr) if isinstance(owner, type) else (object.__setattr__, object.__delattr__)

        def back() -> None:
            now = attributes(owner)
            for name in now.keys() - held.keys() - set(left_alone):
                drop(owner, name)
            for name, value in held.items():
                if name not in now or now[name] is not value:
                    put(owner, name, value)

        self._back.append(back)


def _that_may_change(collection: Any) -> list[Any]:
    """The values in it without numbers, texts and the like, of which there may be many."""
    values = collection.values() if isinstance(collection, dict) else collection
    return [value for value in values if type(value) not in FIXED]


def _are_the_same(found: Any, held: list[Any]) -> bool:
    """Whether these are the very same objects in the same order."""
    return len(found) == len(held) and all(a is b for a, b in zip(found, held, strict=True))
