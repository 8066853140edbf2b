"""Sizes and checksums of a run's files, as its tag has them, and what a file that differs suffers from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

LIST = "checksums.json"
"""File that lists those of the files beside it, on the sweep's own run: a tag would be too short for a report's."""


@dataclass(frozen=True)
class Checksum:
    """Of one file."""

    size: int
    """In bytes."""
    sha256: str

    def problem(self, data: bytes | None) -> str:
        """What is wrong with a file's bytes, in words; empty when they are what was recorded."""
        if data is None:
            return "is missing"
        return self.problem_of_size(len(data)) or self.problem_of_digest(hashlib.sha256(data).hexdigest())

    def problem_of_size(self, size: int) -> str:
        if size == self.size:
            return ""
        return f"is {'truncated' if size < self.size else 'damaged'} ({size} bytes of {self.size})"

    def problem_of_digest(self, sha256: str) -> str:
        return "" if sha256 == self.sha256 else "is damaged (its sha256 is not the one that was recorded)"


def checksums_of(files: Mapping[str, bytes], others: str = "") -> str:
    """The tag's value.

    Args:
        files: name -> content.
        others: the tag's value for files that the run has already.
    """
    made = {name: [len(content), hashlib.sha256(content).hexdigest()] for name, content in files.items()}
    had = {name: [c.size, c.sha256] for name, c in read_checksums(others).items()}
    return json.dumps(had | made, sort_keys=True)


def are_listed(text: str) -> bool:
    """Whether the tag's value lists a run's files, none of an imported table. Not of a run from before there were
    checksums, and not where the tag was edited."""
    return text == checksums_of({}) or bool(read_checksums(text))


@lru_cache(maxsize=4096)
def read_checksums(text: str) -> Mapping[str, Checksum]:
    """File -> checksum, by the tag's value; none of a run from before there were any, or whose tag was edited."""
    try:
        return {str(name): Checksum(int(size), str(sha256)) for name, (size, sha256) in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        return {}
