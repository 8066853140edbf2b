"""Settings of torch that a process has once: they change numbers, or end what follows."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.backends.opt_einsum  # torch 2.4 does not by itself

from skipray.torch_private import GLOBAL_HOOK_KIND, global_hooks, open_modes, own_kernels
from skipray.trial.kept.setting import Setting, attribute, only_seen

_MATMUL = (
    "allow_tf32",
    "allow_fp16_reduced_precision_reduction",
    "allow_bf16_reduced_precision_reduction",
    "allow_fp16_accumulation",
)
_WITH_PRECISION = (
    "", "mkldnn", "mkldnn.conv", "mkldnn.matmul", "mkldnn.rnn", "cudnn", "cudnn.conv", "cudnn.rnn", "cuda.matmul",
)  # fmt: skip
"""Within torch.backends, what has a precision of its own, and hands it to what is within."""


@cache
def settings() -> tuple[Setting, ...]:
    """In the order in which they are put back, listed once for the process; a torch need not have all."""
    # The matmul precision moves those of the backends, and cannot be read while they differ: they enclose it.
    precisions = _precisions()
    return (*precisions, *_modes(), *_flags(), *_choices(), *_hooks(), *precisions)


def _precisions() -> list[Setting]:
    found = []
    for path in _WITH_PRECISION:
        owner: Any = torch.backends
        for name in path.split(".") if path else ():
            owner = getattr(owner, name, None)
        said = ".".join(("torch.backends", *([path] if path else []), "fp32_precision"))
        found.append(attribute(owner, "fp32_precision", said))
    return found


def _modes() -> list[Setting]:
    found = [
        Setting("torch's default type", torch.get_default_dtype, torch.set_default_dtype),
        Setting("torch's default device", torch.get_default_device, _set_default_device),
        Setting(
            "torch's deterministic mode",
            lambda: (
                torch.are_deterministic_algorithms_enabled(),
                torch.is_deterministic_algorithms_warn_only_enabled(),
            ),
            lambda value: torch.use_deterministic_algorithms(value[0], warn_only=value[1]),
        ),
        attribute(torch.utils.deterministic, "fill_uninitialized_memory", "torch's filling of uninitialised memory"),
        Setting("torch's matmul precision", _matmul_precision, torch.set_float32_matmul_precision),
        Setting("torch's threads", torch.get_num_threads, torch.set_num_threads),
        Setting("torch's threads between operators", torch.get_num_interop_threads, torch.set_num_interop_threads),
        only_seen("torch's inference mode", torch.is_inference_mode_enabled),
        only_seen("torch's open modes and hooks on saved tensors", open_modes),
        Setting("torch's gradient mode", torch.is_grad_enabled, torch.set_grad_enabled),
        Setting("torch's anomaly detection", torch.is_anomaly_enabled, torch.set_anomaly_enabled),
        Setting("torch's flushing of denormal numbers", _flushes_denormals, torch.set_flush_denormal),
        Setting("torch's random numbers", torch.get_rng_state, torch.set_rng_state),
        Setting("the folder of torch.hub", torch.hub.get_dir, torch.hub.set_dir),
        only_seen("torch's freezing of its backends' flags", lambda: torch.backends.flags_frozen()),
        only_seen("kernels that were registered with torch.library", own_kernels),
        Setting("torch's repeated warnings", torch.is_warn_always_enabled, torch.set_warn_always),
    ]
    return [*found, *(_autocast(device) for device in ("cpu", "cuda"))]


def _autocast(device: str) -> Setting:
    def write(value: tuple[bool, torch.dtype]) -> None:
        torch.set_autocast_enabled(device, value[0])
        torch.set_autocast_dtype(device, value[1])

    return Setting(
        f"autocast on {device}", lambda: (torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)), write
    )


def _flags() -> list[Setting]:
    backends = torch.backends
    flags: list[tuple[Any, str, tuple[str, ...]]] = [
        (backends.mkldnn, "mkldnn", ("enabled", "deterministic", "allow_tf32")),
        (backends.cudnn, "cudnn", ("enabled", "benchmark", "benchmark_limit", "deterministic", "allow_tf32")),
        (backends.opt_einsum, "opt_einsum", ("enabled", "strategy")),
        (backends.cuda.matmul, "cuda.matmul", _MATMUL),
        (backends.quantized, "quantized", ("engine",)),
    ]
    return [
        attribute(backend, name, f"torch.backends.{said}.{name}") for backend, said, names in flags for name in names
    ]


def _choices() -> list[Setting]:
    """What torch reads and sets by functions."""
    cuda, future, invariants = torch.backends.cuda, torch.__future__, torch.sparse.check_sparse_tensor_invariants
    found = [
        Setting(
            "torch's checks of sparse tensors",
            invariants.is_enabled,
            lambda on: invariants.enable() if on else invariants.disable(),
        ),
        Setting(
            "torch's strategy of sharing",
            torch.multiprocessing.get_sharing_strategy,
            torch.multiprocessing.set_sharing_strategy,
        ),
    ]
    pairs: list[tuple[str, Any, str, str]] = [
        (f"torch.backends.cuda.{kind}_sdp", cuda, f"{kind}_sdp_enabled", f"enable_{kind}_sdp")
        for kind in ("flash", "mem_efficient", "math", "cudnn")
    ]
    mha = getattr(torch.backends, "mha", None)
    pairs += [("torch.backends.mha.fastpath", mha, "get_fastpath_enabled", "set_fastpath_enabled")]
    pairs += [
        (f"torch.backends.cuda.{name}", cuda, name, name)
        for name in ("preferred_linalg_library", "preferred_blas_library")
    ]
    pairs += [
        (f"torch.__future__.{name}", future, f"get_{name}", f"set_{name}")
        for name in ("overwrite_module_params_on_conversion", "swap_module_params_on_conversion")
    ]
    for said, owner, reader, writer in pairs:
        read: Callable[[], Any] | None = getattr(owner, reader, None)
        write: Callable[[Any], Any] | None = getattr(owner, writer, None)
        if read and write:
            found.append(Setting(said, read, write))
    if hasattr(torch.backends, "nnpack"):
        found.append(Setting("torch.backends.nnpack", _uses_nnpack, torch.backends.nnpack.set_flags))
    return found


def _uses_nnpack() -> bool:
    """Setting it is what tells how it was."""
    (found,) = torch.backends.nnpack.set_flags(False)
    torch.backends.nnpack.set_flags(found)
    return bool(found)


def _hooks() -> list[Setting]:
    """torch's hooks on all modules and optimizers: mappings, whose contents are put back in place."""
    found = [
        Setting(f"torch's hooks on every module ({name})", value.copy, _refill(value)) for name, value in global_hooks()
    ]
    if hasattr(*GLOBAL_HOOK_KIND):
        found.append(attribute(*GLOBAL_HOOK_KIND, "torch's kind of backward hooks"))
    return found


def _refill(mapping: dict[Any, Any]) -> Callable[[dict[Any, Any]], None]:
    def write(before: dict[Any, Any]) -> None:
        mapping.clear()
        mapping.update(before)

    return write


def _set_default_device(device: torch.device) -> None:
    # torch's default needs no mode of its own, which would cost each factory function a call.
    torch.set_default_device(None if device == torch.device("cpu") else device)


def _flushes_denormals() -> bool:
    return bool((torch.full((), 1e-39, dtype=torch.float32, device="cpu") * 0.5 == 0).item())


def _matmul_precision() -> str:
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return "one for each backend"
