"""The suite is a program (`make faults`); pytest looks at its doctests and at test_*.py only."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))
