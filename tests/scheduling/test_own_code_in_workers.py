"""A trial whose code exits, crashes, hangs or forks costs itself alone, and is named with its line."""

import inspect
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from skipray.scheduling.ray.attempt import TrialAttempt, WorkerContext
from skipray.scheduling.ray.cluster import Cluster
from skipray.scheduling.ray.death_note import cause_in
from skipray.scheduling.ray.run import run
from skipray.scheduling.work.events import Event
from skipray.scheduling.work.protocol import FixedWork, TrialResult
from skipray.spec import load_sweep

ROOT = Path(__file__).resolve().parents[2]
ENDS = {
    "plainnet-d008": r"SystemExit: goodbye",
    "plainnet-d020": r"ExitRefused: os\._exit\(0\) was called; allowed: to raise an exception",
    "resnet-d008": r"Segmentation fault: the process has ended itself",
    "resnet-d020": r"no progress for 3 s \(resources\.stall_seconds\)",
}


@pytest.mark.cluster
@pytest.mark.xdist_group("ray")
def test_each_end_costs_its_own_trial_once_and_is_named_with_its_line(
    context: WorkerContext, cluster: Cluster, tmp_path: Path
) -> None:
    sweep = load_sweep(
        ROOT / "sweeps" / "quickstart.yaml",
        ["factors.depth=[8, 20]", "seeds=[0]", "resources.max_failures=0", "resources.stall_seconds=3"],
    )
    log = str(tmp_path)

    def execute(attempt: TrialAttempt, interrupted: Callable[[], None]) -> TrialResult:
        import ctypes
        import os
        import sys
        import time

        label = attempt.trial.label
        with (Path(log) / label).open("a") as file:
            file.write("begun\n")
        if "plainnet-d008" in label:
            sys.exit("goodbye")
        if "plainnet-d020" in label:
            os._exit(0)
        if "resnet-d008" in label:
            ctypes.string_at(0)
        if "resnet-d020" in label:
            while True:
                time.sleep(0.1)
        if "resnext-d008" in label:
            os.fork()
        for _ in range(3):
            interrupted()
        with (Path(log) / label).open("a") as file:
            file.write("done\n")
        return TrialResult(attempt.trial.trial_id, "finished", attempt.number, outcome="trained", train_seconds=0.1)

    events: list[Event] = []
    trials = sweep.trials()
    summary = run(
        FixedWork(trials, [float(t.model.depth) for t in trials]),
        sweep,
        context,
        cluster,
        on_event=events.append,
        execute=execute,
    )
    assert (summary.finished, len(summary.failed), summary.interrupted) == (2, 4, False)
    said = {e.trial.label.rpartition("-s")[0]: e.result for e in events if e.kind == "failed"}
    first, lines = inspect.getsourcelines(execute)[1], inspect.getsourcelines(execute)[0]
    for label, expected in ENDS.items():
        result = said[label]
        assert result is not None
        assert result.failure_class == "error"
        place, _, cause = result.message.partition(": ")
        assert re.match(expected, cause), result.message
        file, _, number = place.partition(":")
        assert file == "tests/scheduling/test_own_code_in_workers.py"
        assert label in "".join(lines[int(number) - first - 3 : int(number) - first]), (label, place)
    # sys.exit and os._exit left the process warm; what was forked did not go on.
    begun = Counter(line for path in tmp_path.iterdir() for line in path.read_text().split())
    assert begun == {"begun": 6, "done": 2}


@pytest.mark.parametrize(
    ("note", "cause"),
    [
        ("", None),
        (
            'Fatal Python error: Aborted\n\nThread 0x01 (most recent call first):\n  File "/a.py", line 1 in f\n',
            None,
        ),
        (
            "Fatal Python error: Bus error\n\n"
            'Current thread 0x01 (most recent call first):\n  File "{here}", line 3 in f\n'
            '\nThread 0x02 (most recent call first):\n  File "{here}", line 9 in g\n',
            "{shown}:3: Bus error: the process has ended itself",
        ),
        (
            'Timeout (0:01:00)!\nThread 0x01 (most recent call first):\n  File "/x/torch/nn.py", line 1 in f\n'
            '  File "{here}", line 5 in f\n',
            "{shown}:5: no progress for 60 s (resources.stall_seconds)",
        ),
    ],
    ids=["nothing", "an abort from outside Python", "a fault", "a stall"],
)
def test_a_note_tells_its_cause(note: str, cause: str | None) -> None:
    here, shown = __file__, os.path.relpath(__file__)
    expected = None if cause is None else cause.format(shown=shown)
    assert cause_in(note.replace("{here}", here), 60) == expected
