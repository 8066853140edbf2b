"""Seeds of their own for each use."""

import hashlib

import torch


def derived_seed(seed: int, name: str) -> int:
    """A seed of its own for each use, so that no two uses share a stream and none depends on what was drawn before."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "little") >> 1


def generator(seed: int, name: str) -> torch.Generator:
    """A CPU generator for one use."""
    return torch.Generator().manual_seed(derived_seed(seed, name))
