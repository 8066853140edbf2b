"""The steps of a training compiled by torch.compile: `recipe.compile`.

Only steps run so, forward and backward. Probes, evaluation and checkpoints use the plain network, which has the same
parameters. `forward_of` is what a trial calls; `compiled` holds the compiled form, `folder` where the compiler keeps
its files, `paying` what `auto` decides by. torch._dynamo, whose import costs a process seconds, is imported where
something is compiled, and nowhere else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from skipray.datasets import Splits
from skipray.spec import TrialSpec
from skipray.trial.compiling.compiled import CompilationFailed, Compiled, compiler_settings
from skipray.trial.compiling.paying import decide

__all__ = ["CompilationFailed", "forward_of"]


@contextmanager
def forward_of(
    trial: TrialSpec, network: nn.Module, splits: Splits, choice: dict[str, Any]
) -> Iterator[Compiled | None]:
    """What the steps of a trial call in place of its network; None where they are not compiled.

    Args:
        network: the trial's, on its device.
        choice: what an earlier attempt of the trial has chosen, which stays; an empty one is filled, by the first
            attempt: `asked` and `ran` (a mode of torch.compile, or none), for auto with the estimate that it rests on,
            and `compile_seconds`, what compiling has taken so far.

    Raises:
        CompilationFailed: inside, at a step that cannot be compiled.
    """
    asked = trial.recipe.compile
    if asked == "none" or not trial.recipe.epochs:
        yield None
        return
    with compiler_settings(trial.resources.threads) as folder:
        if not choice:
            choice |= {"asked": asked, "ran": asked, "compile_seconds": 0.0}
            if asked == "auto":
                choice |= decide(trial, splits, folder)
        if choice["ran"] == "none":
            yield None
            return
        compiled = Compiled(network, choice["ran"], choice)
        try:
            yield compiled
        finally:
            compiled.close()
