"""What the tests of infra share: the marker of the one that installs the image's environment."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "image: runs the Dockerfile's install steps (a minute; gigabytes with a cold cache)"
    )
