"""A network's pass as torch.compile makes it, called like the network itself.

Every size of batch is compiled by itself (`dynamic=False`): an epoch's pieces have at most two, and which code runs
then follows from the batch alone, and not from what an attempt has seen before it. That is what lets a resumed trial
end with the bits of one that was not stopped.
"""

import os
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from skipray.errors import SkiprayError
from skipray.torch_private import from_compiler, import_compiler
from skipray.trial.channels_last import overruns
from skipray.trial.compiling.folder import VARIABLE, compiler_folder

THREADS_VARIABLE = "TORCHINDUCTOR_COMPILE_THREADS"
"""torch's: how many kernels are compiled at once. 1: without processes beside the trial's own."""
FREE_CALLS = 3
"""So often a batch of one size may be compiled. What is compiled again at every step never pays, and after torch's
limit it would go on uncompiled, with other numbers."""
REFUSES_AGAIN = "fail_on_recompile"
"""torch's stance that raises where something would have to be compiled again, and names itself in what it raises."""
CAPTURING = ("reduce-overhead", "max-autotune")
"""Modes that run as CUDA graphs on a GPU."""


class CompilationFailed(SkiprayError, RuntimeError):
    """What recipe.compile asks for cannot be had."""

    key = "compile"


@contextmanager
def compiler_settings(threads: int) -> Iterator[Path]:
    """The compiler's folder, and as many kernels compiled at once as a trial has threads; what the user has set stays.

    Args:
        threads: of the trial.
    """
    found = {name: os.environ.get(name) for name in (VARIABLE, THREADS_VARIABLE)}
    folder = compiler_folder()
    os.environ[VARIABLE] = str(folder)
    os.environ.setdefault(THREADS_VARIABLE, str(threads))
    try:
        yield folder
    finally:
        for name, value in found.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _how(network: nn.Module, mode: str) -> dict[str, Any]:
    """The mode, for torch.compile; where a convolution must not read channels last, as the compiler would have it, the
    options that the mode stands for and that one."""
    if not overruns(network):
        return {"mode": mode}
    from torch._inductor import list_mode_options  # documented so, with torch.compile

    return {"options": list_mode_options(mode, dynamic=False) | {"layout_optimization": False}}


class Compiled:
    """A network's pass, compiled at the first batch of each size."""

    def __init__(self, network: nn.Module, mode: str, choice: dict[str, Any]):
        """
        Args:
            mode: of torch.compile.
            choice: its `compile_seconds` grow by what the first pass of each size takes.

        Raises:
            CompilationFailed: this torch does not compile with this Python.
        """
        self.network, self.mode, self._choice = network, mode, choice
        self._captures = mode in CAPTURING and next(network.parameters()).is_cuda
        self._calls: Counter[torch.Size] = Counter()
        import_compiler(compiler_folder())
        try:
            # What a process has compiled before counts against torch's limit for a function, beyond which it stops.
            torch.compiler.reset()
            self._pass = torch.compile(network, dynamic=False, **_how(network, mode))
        except RuntimeError as error:
            raise self._failed(error) from error

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """The network's output, (samples, ...), as its own forward pass in training gives it.

        Raises:
            CompilationFailed: it cannot be compiled, or only for one step at a time.
        """
        if self._captures:
            self._keep_gradients()
        call = self._calls[inputs.shape] = self._calls[inputs.shape] + 1
        if call > 1:
            return self._again(inputs, call)
        began = time.perf_counter()
        output = self._first(inputs)
        if inputs.is_cuda:
            torch.cuda.synchronize(inputs.device)
        self._choice["compile_seconds"] += time.perf_counter() - began
        return output

    def close(self) -> None:
        """Give the compiled code and the graphs' memory back."""
        del self._pass
        torch.compiler.reset()

    def _again(self, inputs: torch.Tensor, call: int) -> torch.Tensor:
        if call <= FREE_CALLS:
            return self._first(inputs)
        stance = getattr(torch.compiler, "set_stance", None)  # since torch 2.6
        with stance(REFUSES_AGAIN) if stance is not None else nullcontext():
            return self._run(inputs)

    def _first(self, inputs: torch.Tensor) -> torch.Tensor:
        """A pass that may be compiled: what torch warns itself of is nobody's."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"torch\.")
            return self._run(inputs)

    def _run(self, inputs: torch.Tensor) -> torch.Tensor:
        try:
            output: torch.Tensor = self._pass(inputs)
        except Exception as error:
            if from_compiler(error) or REFUSES_AGAIN in str(error):
                raise self._failed(error) from error
            raise
        return output

    def _keep_gradients(self) -> None:
        """Graphs write each pass into the same memory: gradients of an earlier piece of the batch move out of it."""
        torch.compiler.cudagraph_mark_step_begin()
        for parameter in self.network.parameters():
            if parameter.grad is not None:
                parameter.grad = parameter.grad.clone()

    def _failed(self, error: Exception) -> CompilationFailed:
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        if REFUSES_AGAIN in said:
            said = "the network changes at every step what it is compiled for, such as a number that Python reads"
        return CompilationFailed(f"found {self.mode}, at which torch.compile fails: {said}; allowed: none, auto")
