"""What all tests share."""

import os

# One thread a test process: two of them share two cores, and the thread count changes the bits.
os.environ.setdefault("OMP_NUM_THREADS", "1")
