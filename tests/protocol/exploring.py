"""Runs of the protocol one after the other: calm, each single disturbance, and several at once, drawn by a seed."""

import random
import time
from collections.abc import Iterator, Sequence

from play import Run
from world import KINDS, LASTING, Disturbance

from skipray.spec import TrialSpec

SPANS = (1, 2, 4, 8, 16, 32, 64, 128)
"""Steps that a lasting disturbance lasts."""
BEYOND = 30
"""Steps after those of an undisturbed run, at which what a disturbance has added can be struck."""
FOUND_AT_MOST = 10


def explore(trial: TrialSpec, most: int, seed: int, *, in_hand: bool = False) -> list[str]:
    """Play so many runs; what was found, each as its fewest disturbances, also printed."""
    calm = Run(trial, in_hand=in_hand).play()
    assert not calm.wrong, calm.wrong
    began, runs, steps = time.monotonic(), 0, 0
    found: list[str] = []
    for disturbing in cases(calm.world.steps + BEYOND, random.Random(seed)):
        if runs >= most or len(found) >= FOUND_AT_MOST:
            break
        run = Run(trial, disturbing, in_hand=in_hand).play()
        runs, steps = runs + 1, steps + run.world.steps
        if run.wrong:
            least = shrink(trial, disturbing, in_hand=in_hand)
            words = " ".join(map(str, least))
            if words not in found:
                command = f'python tests/protocol --repeat "{words}"' + (" --in-hand" if in_hand else "")
                print(command, *Run(trial, least, in_hand=in_hand).play().wrong, sep="\n    ")
                found.append(words)
    print(f"{runs} interleavings of {steps / max(runs, 1):.0f} steps, seed {seed}, ", end="")
    print(f"{(time.monotonic() - began) / 60:.1f} min: {len(found) or 'none'} lost, doubled or changed something")
    return found


def cases(steps: int, rng: random.Random) -> Iterator[Sequence[Disturbance]]:
    """Each single disturbance in turn, then without end what the generator draws."""
    singles = [one for step in range(1, steps + 1) for kind in KINDS for one in _each(kind, step)]
    for one in singles:
        yield (one,)
    while True:
        drawn = rng.sample(singles, rng.choice((2, 2, 3, 4)))
        if len({one.step for one in drawn}) == len(drawn):
            yield tuple(sorted(drawn))


def _each(kind: str, step: int) -> list[Disturbance]:
    return [Disturbance(step, kind, step + span) for span in SPANS] if kind in LASTING else [Disturbance(step, kind)]


def shrink(trial: TrialSpec, disturbing: Sequence[Disturbance], *, in_hand: bool = False) -> Sequence[Disturbance]:
    """The fewest of them that still show that something is wrong."""
    for one in disturbing:
        fewer = tuple(other for other in disturbing if other is not one)
        if fewer and Run(trial, fewer, in_hand=in_hand).play().wrong:
            return shrink(trial, fewer, in_hand=in_hand)
    return disturbing
