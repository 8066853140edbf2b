"""How faults are dealt to several clusters."""

import pytest
from side_by_side import RESULT, SHOWN, dealt

NAMES = ["a", "hog", "b1", "c", "b2", "d", "end1", "e", "end2", "b3"]


@pytest.mark.parametrize("jobs", [1, 2, 3, 20])
def test_each_fault_strikes_once_where_it_can(jobs: int) -> None:
    parts, alone = dealt(NAMES, jobs, together=[["b3", "b2", "b1"]], alone=["hog"], last=["end1", "end2"])
    assert sorted([*alone, *(name for part in parts for name in part)]) == sorted(NAMES)
    assert alone == ["hog"]
    assert len(parts) <= jobs
    assert all(parts)
    assert sum({"b1", "b2", "b3"} <= {*part} for part in parts) == 1, "on one cluster, since they share a sweep"
    for part in parts:
        ends = [i for i, name in enumerate(part) if name.startswith("end")]
        assert all(i >= len(part) - len(ends) for i in ends), "after them the cluster is another one"


def test_what_a_process_says_is_understood() -> None:
    row = "worker-killed                      0        0       0      0.47 (2.0)      4.8 s         1       22"
    assert SHOWN.match(row)
    assert SHOWN.match("    not so: the launch says 'x'")
    assert not SHOWN.match("fault                           lost  doubled  differ")
    told = RESULT.match("7 passed, 1 failed\n")
    assert told is not None
    assert told.groups() == ("7", "1")
