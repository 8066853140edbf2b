"""Every name of torch's that is not documented, and what is done where a torch lacks it; and the kinds of its layers.

No other module uses such a name (a test looks). Each has a reason, and where it is gone something public takes its
place, or what it serves is left out; nothing that a number of a sweep rests on is left out.

- The base classes of batch normalizations, of all with running statistics, of convolutions and of dropouts: a user's
  layer may derive from one of them directly. Publicly: the classes of torch that derive from them.
- `changes_in_place`: a tensor's count of changes tells whether what a block hands on is what the next one takes.
  Publicly: nobody counts, and a tensor that was changed in between is taken for the same.
- `storage_key`: tells storages apart where there is no memory, on the meta device. Publicly: where their memory begins.
- `buffers_of`, `put_buffer`: a module's buffers, those that are None too, to be put back. Publicly: those that are
  tensors.
- `uncompiled`, `is_compiled`: the module within what torch.compile gives, which has its weights, and whether there is
  one. Publicly: it is taken as it is.
- `import_compiler`: torch's compiler keeps headers beside the folder that it is told, in /tmp/torchinductor_USER, which
  may be another user's; it finds that folder once, when it is imported. Publicly: they lie there.
- `from_compiler`: whether torch's compiler has raised an error, and not the network that it compiles. Publicly: it goes
  on as it was raised.
- `global_hooks`: torch's hooks on all modules and optimizers, which a user's code may have set. Publicly: they stay.
- `own_kernels`: kernels of torch's own operators that were registered from Python. Publicly: they are not seen.
- `open_modes`: modes and hooks on saved tensors that were entered and not left. Publicly: they are not seen.
- `operator`: what autograd calls for a layer's gradients. Publicly: autograd calls it.
- `interpreted`: lists that torch's interpreter does not copy for each call, which `torch.jit.script` makes with a
  warning each, and that it runs what is written. Publicly: Python's interpreter runs the same text.
- `fused_sgd`: the kernel of a step of SGD. Publicly: `torch.optim.sgd.sgd`, which sorts the tensors before each.
- `is_watched`: hooks of modules and parameters have to be called, which only their own calls do. Publicly: whatever
  cannot be seen is taken for watched.
"""

import importlib
import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, UntypedStorage, nn
from torch.nn.modules import batchnorm, conv, dropout
from torch.nn.modules import module as modules
from torch.optim import optimizer as optimizers

logger = logging.getLogger(__name__)

Kinds = tuple[type[nn.Module], ...]


def _base(home: Any, name: str, *public: type[nn.Module]) -> Kinds:
    found = getattr(home, name, None)
    return (found,) if isinstance(found, type) else public


BATCH_NORMS = _base(
    batchnorm, "_BatchNorm", nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm
)  # fmt: skip
"""Batch normalizations."""
STATISTICS_NORMS = _base(batchnorm, "_NormBase", *BATCH_NORMS, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
"""Normalizations that may keep running statistics."""
CONVOLUTIONS = _base(
    conv, "_ConvNd", nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d
)
"""Convolutions, transposed ones too."""
DROPOUTS = _base(
    dropout, "_DropoutNd", nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)  # fmt: skip
"""Layers that draw a mask in training."""
NORMS: Kinds = (
    *STATISTICS_NORMS,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.CrossMapLRN2d,
    nn.LocalResponseNorm,
    *((nn.RMSNorm,) if hasattr(nn, "RMSNorm") else ()),
)
"""Normalizations of any kind."""
MATRICES: Kinds = (nn.Linear, nn.Bilinear, *CONVOLUTIONS, nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)
"""Layers that have factors of a product, and whatever derives from them."""
LOOKUPS: Kinds = (nn.Embedding, nn.EmbeddingBag)
"""Layers that give out rows of a table."""


def changes_in_place(tensor: Tensor) -> int:
    """How often a tensor has been changed in place; those of inference mode do not count it."""
    return 0 if tensor.is_inference() else int(getattr(tensor, "_version", 0))


def storage_key(storage: UntypedStorage) -> int:
    """A number of a storage that no other one has while both live."""
    key = getattr(storage, "_cdata", None)
    return int(key if key is not None else storage.data_ptr())


def buffers_of(module: nn.Module) -> dict[str, Tensor | None]:
    """A module's own buffers by name."""
    found = getattr(module, "_buffers", None)
    return dict(found if found is not None else module.named_buffers(recurse=False))


def put_buffer(module: nn.Module, name: str, buffer: Tensor | None) -> None:
    """Make a tensor, or None, the buffer of that name."""
    own = getattr(module, "_buffers", None)
    if own is None:
        setattr(module, name, buffer)
    else:
        own[name] = buffer


def uncompiled(module: nn.Module) -> nn.Module:
    """The module that torch.compile has wrapped: the same weights, without its graphs; else the module."""
    inner = getattr(module, "_orig_mod", module)
    return inner if isinstance(inner, nn.Module) else module


def is_compiled(module: nn.Module) -> bool:
    """Whether torch.compile has wrapped another module in this one. Asked of each module, a hundred times a trial."""
    return "_orig_mod" in getattr(module, "_modules", ())


def import_compiler(folder: Path) -> None:
    """Import what torch.compile needs, with all that it keeps in a folder."""
    before = tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        importlib.import_module("torch._inductor.codecache")
    except ImportError:
        return  # another torch: the first that is compiled imports what there is
    finally:
        tempfile.tempdir = before


def from_compiler(error: Exception) -> bool:
    """Whether an error is of torch.compile's own kinds."""
    return type(error).__module__.startswith(("torch._dynamo", "torch._inductor", "torch._functorch"))


def global_hooks() -> Iterator[tuple[str, dict[Any, Any]]]:
    """Name and contents of each mapping of hooks on all modules, or on all optimizers."""
    for home in (modules, optimizers):
        for name, value in vars(home).items():
            if name.startswith("_global_") and isinstance(value, dict):
                yield name, value


def open_modes() -> tuple[str, ...]:
    """Names of the modes that torch's functions and operators run in now, and of hooks on what autograd keeps."""
    stacks = (
        (torch.overrides, "_get_current_function_mode_stack"),
        (torch.utils._python_dispatch, "_get_current_dispatch_mode_stack"),
    )
    modes = [mode for home, name in stacks for mode in getattr(home, name, list)()]
    top = getattr(getattr(torch._C, "_autograd", None), "_top_saved_tensors_default_hooks", None)
    hooks = top(True) if top is not None else None
    return tuple(type(mode).__name__ for mode in modes) + (("saved tensors",) if hooks else ())


OWN_STATE = ("_parameters", "_buffers", "_modules")
"""Attributes in which a module keeps its tensors and parts; to be left alone by what puts back all others."""
GLOBAL_HOOK_KIND = (modules, "_global_is_full_backward_hook")
"""Where torch keeps which kind of backward hooks all modules have."""


def own_kernels() -> frozenset[str]:
    """Operators of torch's whose kernel for a processor was registered with torch.library, as `aten/relu/CPU`."""
    registered = getattr(torch.library, "_impls", ())
    return frozenset(key for key in registered if key.startswith("aten/") and key.endswith(("CPU", "CUDA")))


def operator(name: str) -> Any:
    """An operator of torch's by the name that autograd calls it by, with its overloads; None where there is none."""
    return getattr(torch.ops.aten, name, None)


def fused_sgd() -> Callable[..., None] | None:
    """The kernel of a step of SGD over tensors of one type and device; None where there is none."""
    return getattr(torch, "_fused_sgd_", None)


@dataclass(frozen=True)
class Interpreted:
    """Functions that torch's own interpreter runs, without Python's around each operator."""

    functions: Any
    """Has each function of the text by its name."""
    shared: Callable[[list[list[Tensor]]], Any]
    """A list of lists of tensors that they read and write as it is: of any other each call makes a copy."""
    as_written: Callable[[], AbstractContextManager[None]]
    """Within it they call the operators that the text names; else the interpreter may put others in their place."""


def interpreted(text: str) -> Interpreted | None:
    """None where this torch has no such interpreter, or it does not know the text."""
    shared, optimized = getattr(torch._C, "ScriptList", None), getattr(torch.jit, "optimized_execution", None)
    if shared is None or optimized is None:
        return None
    try:
        return Interpreted(torch.jit.CompilationUnit(text), shared, partial(optimized, False))
    except (AttributeError, RuntimeError) as error:
        logger.debug("torch's interpreter does not know a network's text: %s", error)
        return None


HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
"""Attributes in which a module keeps its hooks."""


def is_watched(network: nn.Module) -> bool:
    """Whether a module or parameter of it has hooks, all modules have, or a module's `forward` was replaced."""
    if any(contents for _, contents in global_hooks()):
        return True
    of_tensors = ("_backward_hooks", "_post_accumulate_grad_hooks")
    for module in network.modules():
        own = vars(module)
        if "forward" in own or any(own.get(name, True) for name in HOOKS):
            return True
        if any(
            p is not None and any(getattr(p, name, True) for name in of_tensors) for p in own[OWN_STATE[0]].values()
        ):
            return True
    return False
