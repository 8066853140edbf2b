"""Imported by a fork once Ray has it as a worker: it says so to who has asked for it."""

from contextlib import suppress

from skipray.scheduling.ray.forking import serve
from skipray.scheduling.ray.forking.ask import CONNECTED

for asking in serve.ASKING:
    with suppress(OSError):
        asking.sendall(CONNECTED)
    asking.close()
serve.ASKING.clear()
