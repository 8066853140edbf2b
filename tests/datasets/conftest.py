import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Each test prepares its data in a folder of its own, and finds none by chance."""
    monkeypatch.setenv("SKIPRAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SKIPRAY_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
