"""skipray: how deep can an architecture go, and why does it break?"""

__version__ = "0.1.0"
