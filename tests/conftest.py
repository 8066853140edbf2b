"""What all tests share."""

import os
import signal

# One thread a test process: two of them share two cores, and the thread count changes the bits.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell's background command ignores SIGINT, nohup's SIGHUP, and what is ignored stays so in every child: launches
# would go on, as they should, where tests interrupt them.
for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)
