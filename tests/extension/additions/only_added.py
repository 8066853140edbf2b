"""A plugin of pytest: of the tests that are collected, those that the added entries have to pass.

These are the cases of an added entry, and the tests marked `catalog`, which look at all entries of a folder at once.
"""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
ADDED = {path.stem for path in FOLDER.glob("*/*.py")}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    def is_wanted(item: pytest.Item) -> bool:
        callspec = getattr(item, "callspec", None)
        cases = () if callspec is None else callspec.params.values()
        names = {getattr(case, "name", case) for case in cases if isinstance(getattr(case, "name", case), str)}
        return bool(names & ADDED) or item.get_closest_marker("catalog") is not None

    config.hook.pytest_deselected(items=[item for item in items if not is_wanted(item)])
    items[:] = [item for item in items if is_wanted(item)]
