"""A report that stands as it was made is known again; anything else is not."""

from pathlib import Path

import pytest

from skipray.results import kept

SHOWN = [{"text": "[dim]one[/dim]", "style": ""}]


@pytest.fixture
def report(tmp_path: Path) -> Path:
    (tmp_path / "figures").mkdir()
    for name in ("report.html", "figures/a.svg"):
        (tmp_path / name).write_text(name)
    kept.keep(tmp_path, "abc", [tmp_path / "report.html", tmp_path / "figures" / "a.svg"], SHOWN)
    return tmp_path


def test_the_same_report_is_known_again_and_one_of_other_trials_is_not(report: Path) -> None:
    assert kept.kept(report, lambda: "abc") == SHOWN
    assert kept.kept(report, lambda: "abd") is None
    kept.forget(report)
    assert kept.kept(report, lambda: "abc") is None


@pytest.mark.parametrize("name", ["report.html", "figures/a.svg", kept.RECORD])
def test_a_file_that_was_altered_or_removed_is_as_good_as_no_report(report: Path, name: str) -> None:
    path = report / name
    whole = path.read_bytes()
    for i in range(10):
        torn = bytearray(whole)
        torn[i * (len(whole) - 1) // 9] ^= 1 << (i % 7)
        path.write_bytes(torn)
        assert kept.kept(report, lambda: "abc") is None, f"bit {i % 7} of byte {i * (len(whole) - 1) // 9}"
    path.write_bytes(whole[:-1])
    assert kept.kept(report, lambda: "abc") is None
    path.unlink()
    assert kept.kept(report, lambda: "abc") is None
    path.write_bytes(whole)
    assert kept.kept(report, lambda: "abc") == SHOWN
