"""The text of a network's passes: of one of its segments, and of the functions that all of them make.

It is Python, of the part of it that torch's interpreter knows (TorchScript). In it are `t` the parameters and running
statistics of each segment, `c` numbers, `n` how many segments that read alike follow one another, `k` what the forward
pass keeps of each segment, the last on top; `x` a segment's input and then its output, `g` their gradients. Segments
that read alike, one after the other, are one loop: the text does not grow with the depth, and networks of all depths
share it. What a segment reads it takes out of its list at once: each step of the interpreter costs as much as the
additions of a narrow layer.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

from torch import Tensor

from skipray.activations import called

ARGUMENTS, KEPT = "t: List[List[Tensor]], c: List[float], n: List[int]", "k: List[List[Tensor]]"
INDENT = "    "
Writer = Callable[["Text", str], str]
"""Writes lines that begin with what the name has; gives the name of what they end with."""


class Text:
    """A segment while it is written."""

    def __init__(self, tensors: list[Tensor], kept: list[str], *, training: bool):
        """
        Args:
            tensors: its parameters and running statistics, as far as they are known; others are put behind them.
            kept: names of what the forward pass keeps of it; one that is written forward adds to them.
            training: else nothing is kept, and there is no way back.
        """
        self.training = training
        self.lines: list[str] = []
        self.tensors = tensors
        self.numbers: list[float] = []
        self.given: list[Tensor] = []
        """Parameters in the order in which their gradients are there."""
        self.gradients: list[str] = []
        """Their names, in this order."""
        self._kept = kept
        self._names = 0

    def tensor(self, tensor: Tensor | None) -> str:
        """A parameter or running statistic of the segment; an argument that is not there is None."""
        if tensor is None:
            return "None"
        place = next((i for i, known in enumerate(self.tensors) if known is tensor), len(self.tensors))
        if place == len(self.tensors):
            self.tensors.append(tensor)
        return f"t{place}"

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

    def laid_out(self, name: str, like: str) -> str:
        """The tensor, in memory as another one is."""
        return self.chosen(f"{name}.stride() == {like}.stride()", name, f"torch.empty_like({like}).copy_({name})")

    def keep(self, *names: str) -> None:
        if self.training:
            self._kept += names

    def kept(self, count: int) -> list[str]:
        """What was kept last, in the order in which it was."""
        names = self._kept[-count:]
        del self._kept[-count:]
        return names

    def give(self, parameter: Tensor | None, expression: str) -> None:
        """Write a parameter's gradient; nothing of one that is not there."""
        if parameter is not None:
            self.given.append(parameter)
            self.gradients.append(self.new(expression))

    def _name(self) -> str:
        self._names += 1
        return f"v{self._names}"


@dataclass(frozen=True)
class Lines:
    """What one function has of a segment, and the numbers that it reads."""

    text: tuple[str, ...]
    numbers: tuple[float, ...]


@dataclass(frozen=True)
class Segment:
    """What the functions have of it, the tensors that they read, and the parameters in the order of their gradients."""

    forward: Lines
    backward: Lines
    evaluated: Lines
    tensors: tuple[Tensor, ...]
    given: tuple[Tensor, ...]

    @property
    def reads(self) -> tuple[object, ...]:
        """What it shares with all that read alike."""
        parts = (self.forward, self.backward, self.evaluated)
        return (len(self.tensors), *((part.text, len(part.numbers)) for part in parts))


def segment(forward: Writer, backward: Writer) -> Segment:
    """What the two write."""
    tensors: list[Tensor] = []
    kept: list[str] = []
    ahead, judged = Text(tensors, kept, training=True), Text(tensors, [], training=False)
    output, score = forward(ahead, "x"), forward(judged, "x")
    names = list(dict.fromkeys(kept))
    back = Text(tensors, [f"k{names.index(name)}" for name in kept], training=True)
    gradient = backward(back, "g")
    read = _taken([f"t{i}" for i in range(len(tensors))], "t[j]")
    keeping = [f"k.append([{', '.join(names)}])"] if names else []
    taking = _taken([f"k{i}" for i in range(len(names))], "k.pop()")
    giving = [f"out.extend([{', '.join(back.gradients)}])"] if back.gradients else []
    return Segment(
        Lines((*read, *ahead.lines, *keeping, f"x = {output}"), tuple(ahead.numbers)),
        Lines((*read, *taking, *back.lines, *giving, f"g = {gradient}"), tuple(back.numbers)),
        Lines((*read, *judged.lines, f"x = {score}"), tuple(judged.numbers)),
        tuple(tensors),
        tuple(back.given),
    )


def _taken(names: list[str], whole: str) -> list[str]:
    """The tensors of a list by names of their own."""
    return [] if not names else [f"{', '.join(names)} = {whole}" if names[1:] else f"{names[0]} = {whole}[0]"]


@dataclass(frozen=True)
class NetworkText:
    """A network's functions and what they are called with."""

    text: str
    tensors: list[list[Tensor]]
    """Of each segment."""
    numbers: list[list[float]]
    """Of `forward`, `backward` and `evaluated`."""
    runs: list[int]
    given: list[Tensor]
    """Parameters in the order of the gradients that `backward` gives."""


def written(segments: Iterable[Segment], loss: str) -> NetworkText:
    """The functions `forward(x, t, c, n, k)`, which gives the output; `backward(g, t, c, n, k)`, the gradients of all
    parameters; `evaluated(x, t, c, n)`, the output in evaluation; and what `loss` has in it, which may call them."""
    all_of_it = list(segments)
    runs = [list(run) for _, run in groupby(all_of_it, key=lambda one: one.reads)]
    ahead = [f"def forward(x: Tensor, {ARGUMENTS}, {KEPT}) -> Tensor:", "k.clear()", "j = 0", "m = 0"]
    judged = [f"def evaluated(x: Tensor, {ARGUMENTS}) -> Tensor:", "j = 0", "m = 0"]
    back = [f"def backward(g: Tensor, {ARGUMENTS}, {KEPT}) -> List[Tensor]:", "out: List[Tensor] = []"]
    back += ["j = len(t)", "m = len(c)"]
    for i, (first, *_) in enumerate(runs):
        for lines, part in ((ahead, first.forward), (judged, first.evaluated)):
            lines += _loop(i, (*part.text, "j += 1", *_by("m +=", len(part.numbers))))
    for i, (first, *_) in reversed(list(enumerate(runs))):
        moved = _by("m -=", len(first.backward.numbers))
        back += _loop(i, ("j -= 1", *moved, *first.backward.text))
    all_lines = ([*ahead, "return x"], [*back, "return out"], [*judged, "return x"])
    return NetworkText(
        "\n\n".join((*(f"\n{INDENT}".join(lines) + "\n" for lines in all_lines), loss)),
        [list(one.tensors) for one in all_of_it],
        [
            _numbers(one.forward for one in all_of_it),
            _numbers(one.backward for one in all_of_it),
            _numbers(one.evaluated for one in all_of_it),
        ],
        [len(run) for run in runs],
        [parameter for one in reversed(all_of_it) for parameter in one.given],
    )


def _by(moved: str, count: int) -> list[str]:
    return [f"{moved} {count}"] if count else []


def _numbers(parts: Iterable[Lines]) -> list[float]:
    return [number for part in parts for number in part.numbers]


def _loop(run: int, lines: Iterable[str]) -> list[str]:
    return [f"for i{run} in range(n[{run}]):", *(INDENT + line for line in lines)]
