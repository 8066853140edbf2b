"""An environment of the lowest, or of the newest, versions that pyproject.toml allows, and a sweep in it.

    python tests/versions lowest|newest [--python 3.11] [--keep FOLDER]

Installs skipray with what training needs (gigabytes: torch) into a temporary folder, launches a small sweep there with
every probe, and expects its report, every trial finished, and not a single warning; then the tests that compare what
skipray writes out with torch's own: operators change with torch. Exit code 1 where it is otherwise.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).with_name("uv")
RESOLUTIONS = {"lowest": "lowest-direct", "newest": "highest"}
"""lowest-direct: of what pyproject.toml names; what those need in turn is as new as they allow."""
SHOWN = ("ray", "torch", "mlflow", "pandas", "numpy", "pydantic", "typer")
SWEEP = """\
name: versions
question: Does a sweep run with these versions?
dataset: {name: digits, train_samples: 256, test_samples: 128}
model: {kind: mlp, width: 16, normalization: batch, initialisation: he_normal, activation: relu, residual_scale: 1}
recipe: {epochs: 1, batch_size: 64, learning_rate: 0.05, momentum: 0.9, weight_decay: 0, schedule: cosine,
  augmentation: none}
factors: {architecture: [plainnet, resnet], depth: [8, 20]}
seeds: [0, 1]
probe: {preset: full, samples: 64, hessian: true, jacobian: true}
"""
BITS = ("architectures/test_passes.py", "architectures/test_activations.py", "trial/training/test_sgd.py")
SECONDS = 900.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=sorted(RESOLUTIONS))
    parser.add_argument("--python", default="3.11", help="version of the interpreter (3.11)")
    parser.add_argument("--keep", type=Path, help="a new folder, which stays; else a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="skipray-versions-") as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        python = install(folder, options.which, options.python)
        wrong = run_sweep(folder, python) + compare_bits(folder, python)
    print(*wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


def install(folder: Path, which: str, version: str) -> Path:
    """The interpreter of the new environment."""
    began = time.monotonic()
    environment = folder / "environment"
    python = environment / "bin" / "python"
    subprocess.run([UV, "venv", "--quiet", "--python", version, environment], check=True)
    command = [UV, "pip", "install", "--quiet", "--python", python, "--resolution", RESOLUTIONS[which]]
    if which == "newest":  # what pins a newest version for a reason
        command += ["--constraint", ROOT / "constraints.txt"]
    subprocess.run([*command, f"{ROOT}[train]"], check=True)
    listed = subprocess.run(
        [UV, "pip", "list", "--python", python, "--format", "json"], capture_output=True, check=True
    )
    versions = {row["name"]: row["version"] for row in json.loads(listed.stdout)}
    shown = ", ".join(f"{name} {versions[name]}" for name in SHOWN)
    print(f"{which}: {len(versions)} packages in {time.monotonic() - began:.0f} s: {shown}", flush=True)
    return python


def run_sweep(folder: Path, python: Path) -> list[str]:
    """Launch the sweep. Returns what is wrong."""
    began = time.monotonic()
    (folder / "versions.yaml").write_text(SWEEP)
    done = subprocess.run(
        [python, "-m", "skipray", "launch", "versions.yaml", "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if done.returncode != 0:
        return [f"the launch ended with {done.returncode}:", done.stderr]
    told = json.loads(done.stdout)
    wrong = [f"a warning: {line}" for line in done.stderr.splitlines() if "Warning" in line]
    if (told["total"], told["ran"], told["failed"]) != (8, 8, 0):
        wrong.append(f"of 8 trials {told['ran']} ran and {told['failed']} failed")
    if not (folder / told["report"]).is_file():
        wrong.append("there is no report")
    print(f"{told['ran']} trials and their report in {time.monotonic() - began:.0f} s", flush=True)
    return wrong


def compare_bits(folder: Path, python: Path) -> list[str]:
    """Run the tests of passes, activations and SGD. Returns what is wrong."""
    began = time.monotonic()
    subprocess.run([UV, "pip", "install", "--quiet", "--python", python, "pytest"], check=True)
    options = ["-q", "-o", "addopts=--import-mode=importlib", "-o", "filterwarnings=default", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [python, "-m", "pytest", *options, *(ROOT / "tests" / test for test in BITS)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    print(f"{done.stdout.splitlines()[-1]} in {time.monotonic() - began:.0f} s", flush=True)
    return [] if done.returncode == 0 else [done.stdout[-5000:]]


if __name__ == "__main__":
    sys.exit(main())
