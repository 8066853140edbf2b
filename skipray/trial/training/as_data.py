"""Values that a network remembers as data that `torch.load` reads without running code, and back.

An object of the user's is known by its place: a network that is built anew has one there, which takes the attributes.
So is a function, or whatever else is of no known kind, as long as it is the one that the network was built with.
"""

import builtins
import io
import json
import pickle
import random
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skipray.metrics.computing.remembered import (
    GENERATORS,
    attributes,
    generator_kind,
    has_attributes,
    inside,
    is_plain,
    user_classes,
)

ATOMS = (type(None), bool, int, float, str, bytes)
COLLECTIONS: dict[str, Any] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset, "deque": deque}
MAPPINGS: dict[str, Any] = {"dict": dict, "Counter": Counter, "OrderedDict": OrderedDict, "defaultdict": defaultdict}
BIT_GENERATORS: tuple[Any, ...] = (
    np.random.PCG64,
    np.random.PCG64DXSM,
    np.random.Philox,
    np.random.SFC64,
    np.random.MT19937,
)
FACTORIES = ("int", "float", "list", "dict", "set", "str", "bool", "tuple")
"""What a defaultdict that is made anew may call."""
ARRAYS = "biufcSUmM"
"""Kinds of numpy's types that are data."""


STREAMS = ("builtins", "itertools")
"""Whose iterators have a place that cannot be set."""
Place = tuple[Any, ...]


class NotKept(Exception):
    """A value of a kind that cannot be told from data."""


class AsData:
    """Values of one network, encoded and decoded."""

    def __init__(self, network: nn.Module, *, watched: bool = False):
        """
        Args:
            watched: whether what is of no known kind is looked at too, as far as it can be pickled.
        """
        self.network, self._watched = network, watched
        self._there: dict[Place, tuple[Any, bytes | None]] = {}
        """The objects that were there when the network was built, and what they were like."""
        self._is_built = False
        self.begin()

    def begin(self) -> None:
        """Before all values are encoded, the first time as the network was built, or decoded."""
        named = {"parameter": self.network.named_parameters(), "module": self.network.named_modules()}
        self._parts = {(kind, name): part for kind, parts in named.items() for name, part in parts}
        self._names = {id(part): place for place, part in self._parts.items()}
        self._open: set[int] = set()
        """Collections that are being encoded."""
        self._seen: set[int] = set()
        """Objects that have been encoded at another place."""

    def end(self) -> None:
        """After all values are encoded: later ones are compared with these."""
        self._is_built = True

    def encoded(self, value: Any, at: Place | None) -> Any:
        """A value as atoms, and pairs of kind and content.

        Args:
            at: its place in the network; None where no object has one.

        Raises:
            NotKept: it is of no kind that can be kept, and not what was there when the network was built.
        """
        if type(value) in ATOMS:
            return value
        if id(value) in self._names:
            return self._names[id(value)]
        if type(value) in (*COLLECTIONS.values(), *MAPPINGS.values()):
            if id(value) in self._open:
                raise NotKept(f"{type(value).__name__} that holds itself")
            self._open.add(id(value))
            try:
                return self._encoded_collection(value, at)
            finally:
                self._open.discard(id(value))
        found = _leaf(value)
        return found if found is not None else self._encoded_object(value, at)

    def _encoded_collection(self, value: Any, at: Place | None) -> Any:
        if isinstance(value, dict):
            pairs = [
                (self.encoded(key, _within(at, f"key {i}")), self.encoded(item, _within(at, i)))
                for i, (key, item) in enumerate(value.items())
            ]
            if not isinstance(value, defaultdict):
                return (type(value).__name__, pairs)
            factory = getattr(value.default_factory, "__name__", None)
            return ("defaultdict", (factory if factory in FACTORIES else None, pairs))
        items = [self.encoded(item, _within(at, i)) for i, item in enumerate(value)]
        if isinstance(value, deque) and value.maxlen is not None:
            return ("bounded", (value.maxlen, items))
        return (type(value).__name__, items)

    def _encoded_object(self, value: Any, at: Place | None) -> Any:
        """An object of which every network that is built so has one: by what it has in attributes, or as it is."""
        name = type(value).__name__
        if at is None:
            raise NotKept(name)
        if not self._is_built:
            self._there[at] = (value, self._looked_at(value))
        known, like = self._there.get(at, (None, None))
        if isinstance(value, Enum) and type(known) is type(value):
            return ("enum", value.name)
        alike = type(known) is type(value)
        if isinstance(value, tuple) and alike:
            return ("named", [self.encoded(item, (*at, i)) for i, item in enumerate(value)])
        if not (known is value or (alike and has_attributes(value))) or (self._is_built and _is_stream(value)):
            raise NotKept(name)
        if id(value) in self._seen:
            return ("same", None)
        self._seen.add(id(value))
        if has_attributes(value):
            held = [(key, self.encoded(item, (*at, key))) for key, item in attributes(value).items()]
            return ("object", (held, self._content(value, at), self._of_classes(value, at)))
        if held_inside := inside(value):
            return ("inside", [self.encoded(item, (*at, i)) for i, item in enumerate(held_inside)])
        if like is not None and self._looked_at(value) != like:
            raise NotKept(name)
        return ("same", None)

    def _of_classes(self, value: Any, at: Place) -> list[list[tuple[str, Any]]]:
        """What an object's classes have in attributes; nothing where another object has told it."""
        found = []
        for i, cls in enumerate(user_classes(value)):
            held = {} if id(cls) in self._seen else attributes(cls)
            self._seen.add(id(cls))
            found.append([(key, self.encoded(item, (*at, f"class {i}", key))) for key, item in held.items()])
        return found

    def _content(self, value: Any, at: Place) -> Any:
        """What an object of a class that derives from a collection holds as one."""
        base = next((cls for cls in (dict, list, set, deque) if isinstance(value, cls)), None)
        return None if base is None else self._encoded_collection(base(value), (*at, "content"))

    def _looked_at(self, value: Any) -> bytes | None:
        """What an object of another kind is like, where it is asked for and can be told."""
        if not self._watched or callable(value) or _is_stream(value) or has_attributes(value):
            return None
        try:
            return pickle.dumps(value)
        except Exception:
            return None

    def decoded(self, value: Any, there: Any) -> Any:
        """The value: the object that is there with the value in it, where it is of the kind; else a new one."""
        if type(value) in ATOMS:
            return value
        kind, content = value
        if kind in ("parameter", "module"):
            return self._parts[kind, content]
        if kind in COLLECTIONS or kind in MAPPINGS or kind == "bounded":
            return self._decoded_collection(kind, content, there)
        if kind == "named":
            return type(there)(*(self.decoded(item, old) for item, old in zip(content, there, strict=True)))
        if kind == "object":
            return self._decoded_object(content, there)
        if kind == "inside":
            for item, old in zip(content, inside(there), strict=True):
                self.decoded(item, old)
        if kind in ("same", "inside"):
            return there
        return type(there)[content] if kind == "enum" else _decoded_leaf(kind, content, there)

    def _decoded_collection(self, kind: str, content: Any, there: Any) -> Any:
        if kind in MAPPINGS:
            factory, pairs = content if kind == "defaultdict" else (None, content)
            known = there if isinstance(there, dict) else {}
            keys = [(self.decoded(key, None), item) for key, item in pairs]
            found = {key: self.decoded(item, known.get(key)) for key, item in keys}
            if type(there) is not MAPPINGS[kind] and not (kind == "dict" and isinstance(there, dict)):
                there = MAPPINGS[kind](*([getattr(builtins, factory)] if factory else []))
            return _refilled(there, found)
        maxlen, items = content if kind == "bounded" else (None, content)
        inner = list(there) if isinstance(there, list | tuple | deque) else []
        decoded = [self.decoded(item, old) for item, old in zip_longest(items, inner[: len(items)])]
        made = COLLECTIONS["deque" if kind == "bounded" else kind]
        if made in (tuple, frozenset):
            return made(decoded)
        if not isinstance(there, made):
            there = deque(maxlen=maxlen) if made is deque else made()
        return _refilled(there, decoded)

    def _decoded_object(self, content: Any, there: Any) -> Any:
        held, collection, of_classes = content
        now = attributes(there)
        for name in now.keys() - {name for name, _ in held}:
            object.__delattr__(there, name)
        for name, item in held:
            object.__setattr__(there, name, self.decoded(item, now.get(name)))
        for cls, items in zip(user_classes(there), of_classes, strict=True):
            for name, item in items:
                setattr(cls, name, self.decoded(item, vars(cls).get(name)))
        if collection is not None:
            kind, inner = collection
            self._decoded_collection(kind, inner, there)
        return there


def bits(value: Any) -> bytes:
    """The same for equal values as data, bit for bit, and for no others."""
    file = io.BytesIO()
    pickler = _Bits(file)
    pickler.fast = True  # which objects are one does not count
    pickler.dump(value)
    return file.getvalue()


class _Bits(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return NotImplemented
        held = value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        return str, (str(value.dtype), str(tuple(value.shape)), held)


def settled(value: Any) -> Any:
    """Values as data of which the same bytes are written whichever of their parts are one object."""
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, bytes):
        return bytes(bytearray(value))
    if type(value) in (list, tuple):
        return type(value)([settled(item) for item in value])
    return value


def packed(values: Mapping[Any, Any]) -> bytes:
    """Values as data in bytes that `unpacked` reads; nothing where there are none."""
    if not values:
        return b""
    file = io.BytesIO()
    torch.save({settled(key): settled(value) for key, value in values.items()}, file)
    return file.getvalue()


def unpacked(held: bytes) -> dict[Any, Any]:
    """What `packed` was given. Runs no code of the bytes.

    Raises:
        ValueError: they are no such thing.
    """
    try:
        return dict(torch.load(io.BytesIO(held), weights_only=True)) if held else {}
    except (RuntimeError, ValueError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(str(error)) from error


def _is_stream(value: Any) -> bool:
    return isinstance(value, Iterator) and type(value).__module__ in STREAMS


def _within(at: Place | None, key: Any) -> Place | None:
    return None if at is None else (*at, key)


def _refilled(there: Any, content: Any) -> Any:
    """The collection, which others may hold too, with this content."""
    there.clear()
    if isinstance(there, dict):
        for key, item in content.items():  # a Counter's update adds
            there[key] = item
    else:
        (there.update if isinstance(there, set) else there.extend)(content)
    return there


def _leaf(value: Any) -> Any:
    """A value that holds no other; None of anything else."""
    if type(value) in (Tensor, nn.Parameter) and is_plain(value):
        copy = value.detach().cpu().clone()
        return ("tensor", copy) if value.device.type == "cpu" else ("placed", (str(value.device), copy))
    if isinstance(value, np.ndarray) and type(value) is np.ndarray and value.dtype.kind in ARRAYS:
        return ("array", (value.dtype.str, list(value.shape), value.tobytes()))
    if isinstance(value, np.generic) and value.dtype.kind in ARRAYS:
        return ("scalar", (value.dtype.str, value.tobytes()))
    if type(value) is complex:
        return ("complex", [value.real, value.imag])
    if type(value) is torch.Size:
        return ("size", list(value))
    kind = generator_kind(value)
    if kind is None or not (type(value) is GENERATORS[kind][0] or isinstance(value, BIT_GENERATORS)):
        return None
    if kind == "numpy" and not isinstance(value.bit_generator, BIT_GENERATORS):
        return None
    state = GENERATORS[kind][1](value)
    return (kind, state if kind == "generator" else json.dumps(state, default=np.ndarray.tolist))


def _decoded_leaf(kind: str, content: Any, there: Any) -> Any:
    if kind in ("tensor", "placed"):
        device, held = content if kind == "placed" else ("cpu", content)
        if isinstance(there, Tensor) and (there.shape, there.dtype) == (held.shape, held.dtype):
            with torch.no_grad():
                return there.copy_(held)
        return held.to(there.device if isinstance(there, Tensor) else device)
    if kind == "array":
        dtype, shape, held = content
        array = np.frombuffer(held, dtype=dtype).reshape(shape).copy()
        if isinstance(there, np.ndarray) and (there.shape, there.dtype) == (array.shape, array.dtype):
            np.copyto(there, array)
            return there
        return array
    if kind == "scalar":
        return np.frombuffer(content[1], dtype=content[0])[0]
    if kind == "complex":
        return complex(*content)
    return torch.Size(content) if kind == "size" else _generator(kind, content, there)


def _generator(kind: str, content: Any, there: Any) -> Any:
    """A generator of random numbers in the state that was saved: the one that is there, or a new one."""
    cls, _, write = GENERATORS[kind]
    if kind == "generator":
        torchs = there if isinstance(there, torch.Generator) else torch.Generator()
        write(torchs, content)
        return torchs
    state = json.loads(content)
    if kind == "random":
        version, words, spare = state
        state = (version, tuple(words), spare)
        made: Any = random.Random
    else:
        bits = next(b for b in BIT_GENERATORS if b.__name__ == state["bit_generator"])
        made = {"numpy": lambda: np.random.Generator(bits()), "numpy bits": bits}.get(kind, np.random.RandomState)
        if isinstance(there, np.random.Generator) and type(there.bit_generator) is not bits:
            there = None
    found = there if isinstance(there, cls) else made()
    write(found, state)
    return found
