"""The golden run: trained here, and written down.

    python tests/golden/golden_run.py      # pins run.json anew, on purpose, with a line in the CHANGELOG

Bits differ between processors, so that the digest of all numbers is pinned per class of processor, and the numbers
themselves once, for a comparison within rounding on any other.
"""

import hashlib
import json
import os
import platform
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from skipray.spec import load_sweep
from skipray.trial import run_trial

HERE = Path(__file__).parent
PINNED = HERE / "run.json"


def processor_class() -> str:
    """What the bits of a result depend on besides the code: processor, torch, its kernels, and those
    of OpenBLAS (numpy) where the environment chooses them."""
    chosen = os.environ.get("OPENBLAS_CORETYPE")
    kernels = f" OpenBLAS {chosen}" if chosen else ""
    return f"{_processor()} {torch.backends.cpu.get_cpu_capability()} torch {torch.__version__}{kernels}"


def _processor() -> str:
    """Vendor, family and model as Linux tells them; elsewhere what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.system()} {platform.machine()} {platform.processor()}"
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines) if value}
    return " ".join([platform.machine(), *(told.get(key, "?") for key in ("vendor_id", "cpu family", "model"))])


def golden_run(keys: Collection[str] | None = None) -> dict[str, Any]:
    """trial_id -> its last epoch's metrics and a digest over every number that the trial gave.

    Args:
        keys: metrics and statistics that the digest is over; all when None. A metric that was added moves no number.
    """
    found = {}
    for trial in load_sweep(HERE / "sweep.yaml").trials():
        record = run_trial(trial)
        digest = hashlib.sha256()
        for epoch in record.epochs:
            told = {key: value for key, value in epoch.metrics.items() if keys is None or key in keys}
            digest.update(json.dumps(told, sort_keys=True).encode())
        columns = [
            "epoch",
            "layer",
            "tensor",
            "unfolding",
            "centred",
            "phase",
            "statistic",
            "version",
            "value",
            "censored",
        ]
        layers = record.layers if keys is None else record.layers[record.layers["statistic"].isin(keys)]
        digest.update(layers[columns].to_csv(index=False, float_format="%.17g").encode())
        found[trial.trial_id] = {
            "label": trial.label,
            "outcome": record.outcome,
            "metrics": record.epochs[-1].metrics,
            "keys": sorted({key for e in record.epochs for key in e.metrics} | set(record.layers["statistic"])),
            "digest": digest.hexdigest(),
        }
    return found


def main() -> None:
    run = golden_run()
    pinned = json.loads(PINNED.read_text()) if PINNED.exists() else {"digests": {}}
    pinned["digests"][processor_class()] = {key: value.pop("digest") for key, value in run.items()}
    pinned["keys"] = sorted({key for trial in run.values() for key in trial.pop("keys")})
    pinned["trials"] = run
    PINNED.write_text(json.dumps(pinned, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
