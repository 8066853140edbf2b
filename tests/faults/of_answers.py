"""Faults of answers: a server, or a proxy before it, that says something else than what was asked.

They share a sweep. Each meets one request in a few, so that trials go on sending, and all of its kinds are met: the
driver's, the workers', reading and writing.
"""

import time
from collections.abc import Sequence

from of_tracking import faulty_proxy
from sharing import name_of, shared
from stage import EPOCHS, Disturbed, Stage

EVERY = 3
LEAST = 3
"""Requests that a fault has to meet."""
KINDS = {
    "server-says-401": "401",
    "server-says-429": "429",
    "server-says-503": "503",
    "server-cuts-connections": "drop",
    "server-says-nothing": "empty",
    "server-shows-a-page": "html",
    "server-says-half": "half",
    "server-is-asked-twice": "twice",
}
"""Name -> the proxy's fault."""


def play(stage: Stage, faults: Sequence[str]) -> Disturbed:
    with (
        faulty_proxy(stage) as proxy,
        stage.disturb(
            name_of("answers", stage, faults),
            seeds=4 if len(faults) > 2 else 2,
            epochs=EPOCHS,
            variables={"MLFLOW_TRACKING_URI": proxy.uri},
        ) as it,
    ):
        it.row.allowed_seconds = None  # an attempt is taken back where the store has doubled its run
        launch = it.launch()
        it.training()
        for fault in faults:
            with it.part(fault):
                it.strike()
                proxy.failed = 0
                proxy.every, proxy.fault = (1 if KINDS[fault] == "twice" else EVERY), KINDS[fault]
                end = time.monotonic() + 20
                while proxy.failed < LEAST and time.monotonic() < end and launch.lives:
                    time.sleep(0.05)
                proxy.fault = None
                it.expect(proxy.failed >= LEAST, f"{LEAST} requests met the fault, not {proxy.failed}")
        it.row.allowed_seconds = None
        code = launch.wait(300)
        it.expect(code in (0, 3), f"the launch ends orderly ({code}): {launch.said()[-300:]}")
        if code == 3:  # what waited is delivered now
            it.expect_exit(it.launch(), 0)
    return it


FAULTS = shared("answers", play, tuple(KINDS))
