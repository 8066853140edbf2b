"""The text of a network's passes: of one of its segments, and of the functions that all of them make.

It is Python, of the part of it that torch's interpreter knows (TorchScript). In it are `t` the parameters and running
statistics, `c` numbers, `n` how often each kind of segment follows on itself, `k` what the forward pass keeps, the last
on top; `x` a segment's input and then its output, `g` their gradients. Segments that read alike, one after the other,
are one loop: the text does not grow with the depth, and networks of all depths share it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

from torch import Tensor

ARGUMENTS = "t: List[Tensor], c: List[float], n: List[int], k: List[Tensor]"
INDENT = "    "


class Source:
    """A segment while it is written. Lines go forward until `turn` is called."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tensors: list[Tensor] = []
        self.numbers: list[float] = []
        self.given: list[Tensor] = []
        """Parameters in the order in which their gradients are there."""
        self._names = 0

    def tensor(self, tensor: Tensor | None) -> str:
        """A parameter or running statistic of the segment; an argument that is not there is None."""
        if tensor is None:
            return "None"
        place = next((i for i, known in enumerate(self.tensors) if known is tensor), len(self.tensors))
        if place == len(self.tensors):
            self.tensors.append(tensor)
        return f"t[j + {place}]"

    def number(self, number: float) -> str:
        """One that differs between segments which read alike."""
        self.numbers.append(number)
        return f"c[m + {len(self.numbers) - 1}]"

    def call(self, operator: str, *arguments: object) -> str:
        """What an operator of torch's gives, by the name that autograd calls it by."""
        return self.new(called(operator, *arguments))

    def calls(self, operator: str, *arguments: object, results: int) -> list[str]:
        """As `call`, of one that gives several."""
        names = [self._name() for _ in range(results)]
        self.lines.append(f"{', '.join(names)} = {called(operator, *arguments)}")
        return names

    def new(self, expression: str) -> str:
        name = self._name()
        self.lines.append(f"{name} = {expression}")
        return name

    def chosen(self, condition: str, one: str, other: str) -> str:
        """Of two expressions the one that is meant."""
        name = self._name()
        self.lines += [f"if {condition}:", f"{INDENT}{name} = {one}", "else:", f"{INDENT}{name} = {other}"]
        return name

    def keep(self, *names: str) -> None:
        self.lines += [f"k.append({name})" for name in names]

    def kept(self, count: int) -> list[str]:
        """What was kept last, in the order in which it was."""
        return [self.new("k.pop()") for _ in range(count)][::-1]

    def give(self, parameter: Tensor | None, expression: str) -> None:
        """Write a parameter's gradient; nothing of one that is not there."""
        if parameter is not None:
            self.given.append(parameter)
            self.lines.append(f"out.append({expression})")

    def _name(self) -> str:
        self._names += 1
        return f"v{self._names}"


def called(operator: str, *arguments: object) -> str:
    """A call of an operator; whatever stands among the arguments as text is taken as it is, all else as Python's."""
    return f"torch.ops.aten.{operator}({', '.join(map(str, arguments))})"


@dataclass(frozen=True)
class Segment:
    """The lines of both directions, what they read, and the parameters in the order of their gradients."""

    forward: tuple[str, ...]
    backward: tuple[str, ...]
    tensors: tuple[Tensor, ...]
    numbers: tuple[float, ...]
    given: tuple[Tensor, ...]

    @property
    def reads(self) -> tuple[object, ...]:
        """What it shares with all that read alike."""
        return self.forward, self.backward, len(self.tensors), len(self.numbers)


def segment(forward: Callable[[Source, str], str], backward: Callable[[Source, str], str]) -> Segment:
    """What the two write."""
    source = Source()
    found = forward(source, "x")
    ahead = [*source.lines, f"x = {found}"]
    source.lines = []
    found = backward(source, "g")
    back = [*source.lines, f"g = {found}"]
    return Segment(tuple(ahead), tuple(back), tuple(source.tensors), tuple(source.numbers), tuple(source.given))


@dataclass(frozen=True)
class Written:
    """A network's functions and what they are called with."""

    text: str
    tensors: list[Tensor]
    numbers: list[float]
    runs: list[int]
    given: list[Tensor]
    """Parameters in the order of the gradients that `backward` gives."""


def written(segments: Iterable[Segment], loss: str) -> Written:
    """The functions `forward(x, t, c, n, k)`, which gives the output; `backward(g, t, c, n, k)`, the gradients of all
    parameters; and what `loss` has in it, which may call them."""
    all_of_it = list(segments)
    runs = [list(run) for _, run in groupby(all_of_it, key=lambda one: one.reads)]
    ahead = [f"def forward(x: Tensor, {ARGUMENTS}) -> Tensor:", "k.clear()", "j = 0", "m = 0"]
    back = [f"def backward(g: Tensor, {ARGUMENTS}) -> List[Tensor]:", "out: List[Tensor] = []", "j = len(t)"]
    back.append("m = len(c)")
    for i, (first, *_) in enumerate(runs):
        moved = (f"j += {len(first.tensors)}", f"m += {len(first.numbers)}")
        ahead += _loop(i, (*first.forward, *moved))
    for i, (first, *_) in reversed(list(enumerate(runs))):
        moved = (f"j -= {len(first.tensors)}", f"m -= {len(first.numbers)}")
        back += _loop(i, (*moved, *first.backward))
    functions = (f"\n{INDENT}".join(lines) + "\n" for lines in ([*ahead, "return x"], [*back, "return out"]))
    return Written(
        "\n\n".join((*functions, loss)),
        [tensor for one in all_of_it for tensor in one.tensors],
        [number for one in all_of_it for number in one.numbers],
        [len(run) for run in runs],
        [parameter for one in reversed(all_of_it) for parameter in one.given],
    )


def _loop(run: int, lines: Iterable[str]) -> list[str]:
    return [f"for i{run} in range(n[{run}]):", *(INDENT + line for line in lines)]
