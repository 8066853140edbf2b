"""What a raylet without a dashboard has in place of the dashboard's agent: waits for the raylet's end, and ends too.

Started by its path, without anything installed.
"""

import os
import time

LOOK_SECONDS = 1.0


def main() -> None:
    raylet = os.getppid()
    while os.getppid() == raylet:
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
