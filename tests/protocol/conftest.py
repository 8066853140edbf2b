"""The explorer is a program of its own; its tests import its modules."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))
