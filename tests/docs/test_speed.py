"""The page of speeds says what its records say, the bad with the good, and what none of them has."""

import contextlib
import io
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = runpy.run_path(str(ROOT / "docs" / "speed.py"))["page"]
print_figure = runpy.run_path(str(ROOT / "tests" / "benchmarks" / "_figures.py"))["print_figure"]


def record(
    folder: Path, name: str, *figures: tuple[str, float, dict[str, float]], stopped: tuple[str, ...] = ()
) -> None:
    """As `make bench` writes it."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for what, ours, beside in figures:
            print_figure(what, ours, beside, at_least=stopped, loads={"skipray": 2.0, "joblib": 8.5})
    heading = f"# Benchmarks of {name}\n\nCommit {name}; 2 cores.\n\n## sweep\n\n`x`, 1 s\n\n"
    (folder / f"{name}.md").write_text(heading + "".join(f"    {line}\n" for line in printed.getvalue().splitlines()))


def test_of_each_row_the_newest_record_counts_and_every_ratio_below_one_is_listed(tmp_path: Path) -> None:
    record(tmp_path, "2026-01-01-aaa", ("24 trials", 10.0, {"joblib": 5.0}), ("240 trials", 50.0, {"joblib": 40.0}))
    both = {"joblib": 15.0, "stock Ray Tune": 90.0}
    record(tmp_path, "2026-02-01-bbb", ("24 trials", 10.0, both), stopped=("stock Ray Tune",))
    rows, _, rest = "\n".join(PAGE(tmp_path)).partition("## Where skipray is slower")
    slower, _, missing = rest.partition("## Not measured yet")
    assert (
        "| 24 trials | 10 s | joblib | 15 s | 1.50 | 2 and 8.5 | [2026-02-01-bbb](benchmarks/2026-02-01-bbb.md) |"
        in rows
    )
    assert "| 24 trials | 10 s | stock Ray Tune | more than 90 s | more than 9.00 |" in rows
    assert "0.50" not in rows, "an older record's"
    assert "- 240 trials: 0.80 beside joblib (50 s for 40)" in slower
    assert "- 24 trials" not in slower
    assert "- 240 trials, beside stock Ray Tune, hand-tuned Ray Tune, Hydra's joblib launcher" in missing
    assert "- 24 trials, beside hand-tuned Ray Tune, Hydra's joblib launcher" in missing
    assert "- start-up" in missing
    assert "Commit 2026-01-01-aaa; 2 cores." in missing


def test_without_records_it_claims_nothing(tmp_path: Path) -> None:
    text = "\n".join(PAGE(tmp_path))
    assert "No record is there yet." in text
    assert "nothing to tell it from" in text
