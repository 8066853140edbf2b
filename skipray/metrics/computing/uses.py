"""How often each weight acts in one pass: a block that is called five times is five layers of the function."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from torch import nn
from torch.utils.hooks import RemovableHandle

from skipray.torch_private import LOOKUPS


def uses(network: nn.Module, names: Sequence[str], run: Callable[[list[RemovableHandle]], object]) -> list[int]:
    """The calls of the modules that have a weight, together; where none of them is called, as where a weight is read
    from outside, those of the nearest module around that is.

    Args:
        names: the weights' names in the network.
        run: passes samples through the network and removes the hooks it is given.
    """
    calls: Counter[nn.Module] = Counter()

    def count(module: nn.Module, arguments: object) -> None:
        calls[module] += 1

    run([module.register_forward_pre_hook(count) for module in network.modules()])
    modules = dict(network.named_modules(remove_duplicate=False))
    having: defaultdict[int, list[nn.Module]] = defaultdict(list)
    for module in network.modules():
        # A table that is a classifier's weight too acts where it is multiplied with, not where a row is looked up.
        for parameter in () if isinstance(module, LOOKUPS) else module.parameters(recurse=False):
            having[id(parameter)].append(module)
    found = []
    for name in names:
        path, _, attribute = name.rpartition(".")
        owners = having.get(id(getattr(modules[path], attribute)), [modules[path]])
        total = sum(calls[module] for module in owners)
        while not total and path:
            path = path.rpartition(".")[0]
            total = calls[modules[path]]
        found.append(max(1, total))
    return found
