"""Benchmarks import each other's parts by their bare names, as when they are run."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))
