"""What a store refuses is a failure of its trial."""

import time
import traceback

from skipray.storage import Failure


def refusal(error: Exception, attempt: int) -> Failure:
    """The failure that an attempt's run ends with, whose result the tracking store does not take."""
    text = "".join(traceback.format_exception(error))
    return Failure("error", str(error), text, time.time_ns() // 1_000_000, attempt)
