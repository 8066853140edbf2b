"""Whether a descriptor has something to read, for a process that waits for another one."""

import select


def readable(descriptor: int, seconds: float) -> bool:
    """Whether something can be read, or its other end is closed, within so long. `select.select` ends with an error at
    descriptors above 1023, which a process with many open files has."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))
