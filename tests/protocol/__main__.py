"""Look for an order of events in which a trial is lost, doubled or changed.

    python tests/protocol [--interleavings N] [--seed N] [--in-hand]
    python tests/protocol --repeat "crash@58 away@70-80" [--in-hand]

First nothing disturbs, then each single disturbance at each step, then twos, threes and fours that the seed draws.
What is found is shrunk to the fewest disturbances that show it, and printed as the command that repeats it. Exit code 1
where anything was found.
"""

import argparse
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))

from exploring import explore
from play import Run, one_trial
from world import disturbances


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interleavings", type=int, default=100_000, help="how many runs at most (100000)")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (0)")
    parser.add_argument("--repeat", help="one run with these disturbances, step by step")
    parser.add_argument("--in-hand", action="store_true", help="launches write results, and not their workers")
    options = parser.parse_args()
    if options.repeat is not None:
        run = Run(one_trial(), disturbances(options.repeat), in_hand=options.in_hand).play()
        print(*run.world.trace, *run.wrong, sep="\n")
        return 1 if run.wrong else 0
    return 1 if explore(one_trial(), options.interleavings, options.seed, in_hand=options.in_hand) else 0


if __name__ == "__main__":
    sys.exit(main())
