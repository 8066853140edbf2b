"""The software and hardware that a trial ran on, as its record has them."""

import platform
import socket
import sys
from collections.abc import Iterable

import numpy as np
import torch

from skipray import __version__
from skipray.extension import reaching


def environment(device: torch.device) -> dict[str, str]:
    """Versions, the processor's or accelerator's name, the threads and the host."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{platform.processor() or platform.machine()} ({torch.backends.cpu.get_cpu_capability()})"
    return {
        "skipray": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a class of torch's own, which whoever reads it would import
        "numpy": np.__version__,
        "platform": sys.platform,
        "device": name,
        "threads": str(torch.get_num_threads()),
        "hostname": socket.gethostname(),
    }


def own_metrics(names: Iterable[str]) -> dict[str, str]:
    """Which code the user's own metrics had: `metrics`, each `module:name` with the beginning of its hash; nothing
    where there are none."""
    found = [f"{name} {reaching.source_of(name).hash[:12]}" for name in sorted(names) if ":" in name]
    return {"metrics": ", ".join(found)} if found else {}
