"""What a GPU has to show, wherever there is one: without Ray, which may not be installed there.

    python tests/gpu [--device cpu] [--step]

Each check trains small trials by `skipray.trial.run_trial`, on the GPU and on the CPU, and compares. `--device cpu`
runs the same checks without a GPU, which proves the checks and nothing of CUDA. `--step` also times a step beside a
plain torch loop and torchvision's blocks, and compiled. Exit code 0: all passed; 1: a check failed; 2: there is no such
device.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parent))
from checks import CHECKS

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--step", action="store_true", help="time a step too")
    chosen = parser.parse_args()
    if chosen.device == "cuda" and not torch.cuda.is_available():
        print("found no CUDA device (torch.cuda.is_available() is False): nothing of the CUDA path was proved here")
        return 2
    name = torch.cuda.get_device_name(0) if chosen.device == "cuda" else "the CPU, which proves nothing of CUDA"
    print(f"torch {torch.__version__} on {name}", flush=True)
    failed = []
    with tempfile.TemporaryDirectory() as cache:
        os.environ["SKIPRAY_CACHE"] = cache
        for check in CHECKS:
            try:
                print(f"{check.__name__:<10} passed: {check(chosen.device)}", flush=True)
            except Exception:
                traceback.print_exc()
                print(f"{check.__name__:<10} FAILED", flush=True)
                failed.append(check.__name__)
    if chosen.step:
        for name in ("step", "compile"):
            command = [sys.executable, BENCHMARKS / f"bench_{name}.py", "--device", chosen.device]
            failed += [name] if subprocess.run(command).returncode else []
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
