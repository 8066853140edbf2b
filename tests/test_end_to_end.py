"""From one file to the report, by the user's own commands, on real images."""

import contextlib
import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from skipray import launch, tracking
from skipray.analysis import aggregation
from skipray.spec import load_sweep
from skipray.tracking import read_trials, sweep_status

SWEEP = """\
name: small
question: How deep?
dataset: {name: digits}
model:
  kind: mlp
  width: 32
  normalization: batch
  initialisation: he_normal
  activation: relu
  residual_scale: 1
  cardinality: 2
  group_width: 16
recipe:
  epochs: 3
  batch_size: 128
  learning_rate: 0.05
  momentum: 0.9
  weight_decay: 1e-4
  schedule: cosine
  augmentation: none
factors:
  architecture: [plainnet, resnet, resnext]
  depth: [8, 20]
seeds: [0, 1]
"""
QUIETLY = ("--no-report", "--set", "resources.max_concurrent=1")
"""Of launches that are not disturbed: a second worker would import for as long as all trials take."""
README = Path(__file__).parents[1] / "README.md"
VARIES = ("_seconds", "_bytes")
pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("launches")]


def run(folder: Path, *arguments: str, wait: bool = True, by: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """
    Args:
        by: how the program is called that calls it, which has its name from there and does nothing else.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "RAY_"))}
    process = subprocess.Popen(
        [*by, sys.executable, "-m", "skipray.launch", *arguments]
        if arguments[0].endswith(".yaml")
        else [sys.executable, "-c", "from skipray.launch import main; main()", *arguments],
        executable=sys.executable,
        cwd=folder,
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if wait:
        process.out, process.err = process.communicate(timeout=240)  # type: ignore[attr-defined]
    return process


def told(folder: Path, *arguments: str) -> dict:
    """By a process of its own."""
    done = run(folder, *arguments, "--json")
    assert done.returncode == 0, done.err
    return json.loads(done.out)


def asked(folder: Path, *arguments: str, code: int = 0) -> str:
    """What a verb prints, in this process: a new one would import for as long as a small sweep takes."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(folder), contextlib.redirect_stdout(out):
        for name in [k for k in os.environ if k.startswith(("MLFLOW_", "RAY_"))]:
            patch.delenv(name)
        assert launch.run([*arguments]) == code
    return out.getvalue()


def launched(folder: Path, name: str) -> dict:
    """What a launch that nothing disturbs and that draws no report says, in this process."""
    return json.loads(asked(folder, "launch", name, *QUIETLY, "--json"))


def table(folder: Path, name: str = "small.yaml") -> pd.DataFrame:
    read = read_trials(load_sweep(folder / name), f"sqlite:///{folder}/skipray.db")
    kept = [c for c in read.columns if not c.endswith(VARIES) and "attempt" not in c]
    return read[kept]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder with an undisturbed sweep, by `uv run`: Ray would copy the folder, up to half a gigabyte, and have uv
    run workers in the copy."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "small.yaml").write_text(SWEEP)
    (folder / "run").write_text("import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))")
    with (folder / "data").open("wb") as data:
        data.truncate(1 << 30)
    done = run(folder, "small.yaml", by=("uv", "run"))
    assert done.returncode == 0, done.err
    assert "C1a" in done.out
    assert (folder / done.out.rpartition("report: ")[2].strip()).exists()
    return folder


def begin(folder: Path, empty_database: Path, text: str, name: str = "small.yaml") -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    shutil.copy(empty_database, folder / "skipray.db")


def test_mlflow_holds_the_schema(finished):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{finished}/skipray.db")
    experiment = client.get_experiment_by_name("small")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    parents = [r for r in runs if r.data.tags["skipray.kind"] == "sweep"]
    children = [r for r in runs if r.data.tags["skipray.kind"] == "trial"]
    assert len(parents) == 1
    assert len(children) == 12
    for child in children:
        tags, metrics = child.data.tags, child.data.metrics
        assert child.info.status == "FINISHED"
        assert tags["mlflow.parentRunId"] == parents[0].info.run_id
        for key in ("sweep", "trial_id", "architecture", "depth", "seed", "phase", "attempt", "outcome", "version"):
            assert f"skipray.{key}" in tags
        assert child.data.params["model.width"] == "32"
        assert child.inputs.dataset_inputs[0].dataset.name == "digits"
        assert len({k for k in metrics if not k.startswith(("profile.", "part.", "chance."))}) <= 42
        assert all(math.isfinite(v) and abs(v) < 1e300 for v in metrics.values())
        history = client.get_metric_history(child.info.run_id, "train.loss")
        assert [m.step for m in history] == [0, 1, 2, 3]
        assert "profile.hidden.log10_condition" in metrics
        profile = client.get_metric_history(child.info.run_id, "profile.hidden.log10_condition")
        assert len({m.step for m in profile}) == len(profile) > 1
        artifacts = {a.path for a in client.list_artifacts(child.info.run_id)}
        assert {"layers.parquet", "spectra.npz", "weights.safetensors"} <= artifacts
    report = {a.path for a in client.list_artifacts(parents[0].info.run_id, "report")}
    assert "report/report.html" in report


def test_a_finished_sweep_runs_nothing_again(finished):
    before = table(finished)
    told_again = told(finished, "small.yaml")
    assert told_again["ran"] == 0
    assert told_again["trials"] == 12
    assert table(finished).equals(before)
    status = json.loads(asked(finished, "status", "small.yaml", "--json"))
    assert {k: status[k] for k in ("total", "finished", "running", "failed", "missing")} == {
        "total": 12,
        "finished": 12,
        "running": 0,
        "failed": 0,
        "missing": 0,
    }
    assert {t["state"] for t in json.loads(asked(finished, "plan", "small.yaml", "--json"))["trials"]} == {"finished"}


def test_a_launch_with_nothing_to_do_shows_the_report_that_stands(finished, monkeypatch):
    """Nothing is fitted or drawn again, unless a file of the report is not what was written."""
    first = asked(finished, "launch", "small.yaml")
    page = finished / "reports" / "small" / "report.html"
    made = page.stat().st_mtime_ns
    aggregated = []

    def aggregate(*arguments, **options):
        aggregated.append(arguments)
        return whole(*arguments, **options)

    whole = aggregation.aggregate
    monkeypatch.setattr(aggregation, "aggregate", aggregate)
    assert asked(finished, "launch", "small.yaml") == first
    shown = json.loads(asked(finished, "launch", "small.yaml", "--json"))
    assert (
        shown.items() >= (json.loads(asked(finished, "aggregate", "small.yaml", "--json")) | {"kind": "launch"}).items()
    )
    assert page.stat().st_mtime_ns == made
    assert len(aggregated) == 1, "by the verb `aggregate` alone"
    page.write_text(page.read_text().replace("How deep?", "How deeq?"))
    assert asked(finished, "launch", "small.yaml") == first
    assert "How deeq?" not in page.read_text()
    assert len(aggregated) == 2
    run = tracking.find_sweep_run(f"sqlite:///{finished / 'skipray.db'}", "small")
    logged = [p for p in Path(run.artifact_uri).rglob("*") if p.is_file() and p.name != "checksums.json"]
    assert {p.relative_to(run.artifact_uri).parts[0] for p in logged} == {"environment", "manifest", "report", "sweep"}
    for path in logged:
        path.write_bytes(path.read_bytes() + b"x")
    status = json.loads(asked(finished, "status", "small.yaml", "--json"))
    assert len([line for line in status["said"] if "the sweep's own run" in line]) == len(logged)
    asked(finished, "launch", "small.yaml")
    assert json.loads(asked(finished, "status", "small.yaml", "--json"))["said"] == []
    assert json.loads(asked(finished, "doctor", "small.yaml", "--json"))["findings"] == []


def test_what_is_added_is_run_alone_and_what_is_taken_away_is_left_out(finished):
    before = table(finished)
    file = finished / "small.yaml"
    try:
        file.write_text(SWEEP.replace("seeds: [0, 1]", "seeds: [0, 1, 2]").replace("[8, 20]", "[8, 14]"))
        assert launched(finished, "small.yaml")["ran"] == 3 * (2 * 3 - 2)
        changed = table(finished)
        assert len(changed) == 18
        assert set(changed["depth"]) == {8, 14}
    finally:
        file.write_text(SWEEP)
    assert table(finished).equals(before)


def _ended(folder: Path, sweep: str, moment: int, by: signal.Signals, *more: str) -> subprocess.Popen[str]:
    """Launch and signal the driver when so many trials are finished; the driver that was."""
    driver = run(folder, sweep, *more, wait=False)
    deadline = time.monotonic() + 200
    while _finished_runs(folder / "skipray.db") < moment and time.monotonic() < deadline:
        assert driver.poll() is None, f"the driver was to be ended while it runs: {driver.communicate()[1]}"
        time.sleep(0.05)
    began = time.monotonic()
    driver.send_signal(by)
    _, driver.err = driver.communicate(timeout=60)  # type: ignore[attr-defined]
    driver.seconds = time.monotonic() - began  # type: ignore[attr-defined]
    return driver


@pytest.mark.timeout(600)
def test_a_driver_killed_twice_and_interrupted_loses_and_doubles_nothing(finished, empty_database, tmp_path):
    """Each next launch runs what is missing, and every value is the undisturbed sweep's."""
    begin(tmp_path, empty_database, SWEEP)
    store = tmp_path / "skipray.db"
    _ended(tmp_path, "small.yaml", 1, signal.SIGKILL)
    interrupted = _ended(tmp_path, "small.yaml", 5, signal.SIGINT)
    assert interrupted.returncode == 130, interrupted.err
    assert interrupted.seconds < 10
    assert "launch the same file again" in interrupted.err
    assert json.loads(asked(tmp_path, "status", "small.yaml", "--json"))["running"] == 0
    # One at a time: on busy cores the last two trials of several would end before the signal has reached it.
    _ended(tmp_path, "small.yaml", 9, signal.SIGKILL, "--set", "resources.max_concurrent=1")
    done_before = _finished_runs(store)
    assert 9 <= done_before < 12
    again = launched(tmp_path, "small.yaml")
    assert again["ran"] <= 12 - done_before
    assert again["total"] == _finished_runs(store) == 12
    pd.testing.assert_frame_equal(table(tmp_path), table(finished), check_exact=True)


def _finished_runs(store: Path) -> int:
    import sqlite3

    if not store.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
            query = (
                "select count(*) from runs r join tags t on t.run_uuid = r.run_uuid "
                "where r.status = 'FINISHED' and t.key = 'skipray.kind' and t.value = 'trial'"
            )
            return connection.execute(query).fetchone()[0]
    except sqlite3.OperationalError:
        return 0


TUNED = (
    SWEEP.replace("name: small", "name: tuned").replace("[plainnet, resnet, resnext]", "[resnet]")
    + """\
tune:
  space:
    learning_rate: {low: 1e-3, high: 1.0, scale: log}
  trials: 4
  sampler: sobol
  seeds: [100]
"""
)


@pytest.mark.timeout(900)
def test_a_driver_killed_while_it_tunes_ends_like_an_undisturbed_one(empty_database, tmp_path):
    """SIGKILL twice in one sweep: among the points, among the finals. test_tuned.py has every moment."""
    calm, disturbed = tmp_path / "calm", tmp_path / "disturbed"
    for folder in (calm, disturbed):
        begin(folder, empty_database, TUNED, "tuned.yaml")
    whole = launched(calm, "tuned.yaml")
    assert whole["failed"] == 0
    assert not (calm / "reports").exists()
    assert sweep_status(load_sweep(calm / "tuned.yaml"), f"sqlite:///{calm}/skipray.db") == "FINISHED"
    expected = table(calm, "tuned.yaml")
    points = int((expected["phase"] == "tune").sum())
    assert len(expected) == whole["total"] == points + 8, "points, 4 finals by default, 4 tuned ones"
    assert points in (8, 12), "4 points per cell, or 6 where a range was extended"
    for moment in (5, len(expected) - 4):
        _ended(disturbed, "tuned.yaml", moment, signal.SIGKILL)
    launched(disturbed, "tuned.yaml")
    pd.testing.assert_frame_equal(table(disturbed, "tuned.yaml"), expected, check_exact=True)
    assert _finished_runs(disturbed / "skipray.db") == len(expected), "none is doubled"


def test_an_exception_in_one_family_costs_no_other_trial(empty_database, tmp_path, monkeypatch):
    # It breaks where trials run and not where they are planned, which would refuse it before anything starts.
    (tmp_path / "broken.py").write_text(
        "import sys\n"
        "from skipray.architectures import plainnet\n"
        "fields, check, sizes = plainnet.fields, plainnet.check, getattr(plainnet, 'sizes', None)\n"
        "outline = getattr(plainnet, 'outline', None)\n"
        "class Family:\n"
        "    fields = staticmethod(plainnet.fields)\n"
        "    check = staticmethod(plainnet.check)\n"
        "    @staticmethod\n"
        "    def build(model, input_shape, classes):\n"
        "        if model.depth == 20 and sys.argv[0].endswith('default_worker.py'):\n"
        "            raise RuntimeError('no such depth today')\n"
        "        return plainnet.build(model, input_shape, classes)\n"
    )
    text = SWEEP.replace("[plainnet, resnet, resnext]", "['broken:Family', resnet]").replace(
        "seeds: [0, 1]", "seeds: [0]"
    )
    begin(tmp_path, empty_database, text + "resources: {max_failures: 1, max_concurrent: 1}\n")
    monkeypatch.syspath_prepend(tmp_path)
    said = asked(tmp_path, "launch", "small.yaml", "--no-report", code=3)
    assert "4 trials, 3 run now; no report was asked for: `skipray report small.yaml` makes it" in said
    status = json.loads(asked(tmp_path, "status", "small.yaml", "--json"))
    assert (status["finished"], status["failed"]) == (3, 1)
    assert "no such depth today" in asked(tmp_path, "status", "small.yaml")
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/skipray.db")
    experiment = client.get_experiment_by_name("small")
    failed = client.search_runs(
        [experiment.experiment_id], "attributes.status = 'FAILED' and tags.`skipray.kind` = 'trial'"
    )
    assert len(failed) == 1


def test_code_that_is_edited_while_a_launch_goes_on_gives_no_trial_its_numbers(empty_database, tmp_path, monkeypatch):
    # It edits itself where it is trained first, and ends that process: the next one imports it as it is then.
    (tmp_path / "edited.py").write_text(
        "import os\nimport sys\nfrom pathlib import Path\nfrom skipray.architectures import plainnet\n"
        "SCALE = 1\n"
        "class Family:\n"
        "    fields = staticmethod(plainnet.fields)\n"
        "    check = staticmethod(plainnet.check)\n"
        "    @staticmethod\n"
        "    def build(model, input_shape, classes):\n"
        "        if SCALE == 1 and sys.argv[0].endswith('default_worker.py'):\n"
        "            path = Path(__file__)\n"
        "            path.write_text(path.read_text().replace('SCALE = 1', 'SCALE = 2', 1))\n"
        "            os.kill(os.getpid(), 9)\n"
        "        return plainnet.build(model, input_shape, classes)\n"
    )
    text = SWEEP.replace("[plainnet, resnet, resnext]", "['edited:Family']").replace("seeds: [0, 1]", "seeds: [0]")
    begin(tmp_path, empty_database, text + "resources: {max_failures: 0, max_concurrent: 1}\n")
    monkeypatch.syspath_prepend(tmp_path)
    asked(tmp_path, "launch", "small.yaml", "--no-report", code=3)
    (database,) = tmp_path.glob("*.db")
    assert _finished_runs(database) == 0
    again = asked(tmp_path, "launch", "small.yaml", "--no-report")
    assert "2 trials, 2 run now" in again


def test_the_readmes_own_family_and_data_run(empty_database, tmp_path, monkeypatch):
    """As they are written there, on workers that find the module in the working directory."""
    section = README.read_text().partition("## Your own family and data")[2].partition("\n## ")[0]
    code, yaml = (re.search(f"```{language}\n(.*?)```", section, re.S)[1] for language in ("python", "yaml"))
    (tmp_path / "mine.py").write_text(code)
    dataset, families = (line.strip() for line in (yaml.splitlines()[0], yaml.splitlines()[2]))
    text = SWEEP.replace("dataset: {name: digits}", dataset).replace(
        "architecture: [plainnet, resnet, resnext]", families
    )
    begin(tmp_path, empty_database, text.replace("[8, 20]", "[4, 8]") + "resources: {max_concurrent: 1}\n")
    done = run(tmp_path, "small.yaml")
    assert done.returncode == 0, done.err
    monkeypatch.syspath_prepend(tmp_path)
    read = table(tmp_path)
    del sys.modules["mine"]
    assert sorted(zip(read["architecture"], read["depth"], strict=True)) == sorted(
        2 * [(family, depth) for family in ("mine:tower", "resnet") for depth in (4, 8)]
    )
    assert (read["outcome"] == "trained").all()
    planned = json.loads(asked(tmp_path, "plan", "small.yaml", "--json"))["trials"]
    del sys.modules["mine"]
    assert {t["state"] for t in planned} == {"finished"}
    assert {t["parameters"] for t in planned if t["architecture"] == "mine:tower" and t["depth"] == 4} == {
        14 * 32 + 2 * 33 * 32 + 33 * 3
    }
    (tmp_path / "mine.py").write_text(code.replace("nn.ReLU()]", "nn.Tanh()]"))
    edited = told(tmp_path, "plan", "small.yaml")["trials"]
    states = {
        family: {t["state"] for t in edited if t["architecture"] == family} for family in ("mine:tower", "resnet")
    }
    assert states == {"mine:tower": {"missing"}, "resnet": {"finished"}}  # the data reach nothing that has changed


def test_bad_input_creates_nothing_and_exits_2(tmp_path):
    for change in (("depth: [8, 20]", "depth: [8, 21]"), ("{name: digits}", "{name: mnist}")):
        (tmp_path / "small.yaml").write_text(SWEEP.replace(*change))
        done = run(tmp_path, "small.yaml")
        assert done.returncode == 2, done.err
        assert "small.yaml" in done.err
        assert done.out == ""
        assert [p.name for p in tmp_path.iterdir()] == ["small.yaml"]


def test_reading_fitting_and_reporting_need_no_torch_and_no_ray(finished, tmp_path):
    """A machine without them: importing any of them fails."""
    for package in ("torch", "torchvision", "ray", "optuna", "safetensors", "sklearn", "curvlinops"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(f"raise ImportError('no {package} on this machine')\n")
    verbs = (["plan"], ["status"], ["theory"], ["aggregate"], ["report", "--folder", str(tmp_path / "report")])
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from skipray.launch import run\n"
        f"for verb, *options in {verbs!r}:\n"
        "    code = run([verb, 'small.yaml', '--json', *options])\n"
        "    print(flush=True)\n"
        "    if code:\n"
        "        sys.exit(f'{verb}: {code}')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=finished,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    rest, kinds = done.stdout.strip(), []
    while rest:
        printed, end = json.JSONDecoder().raw_decode(rest)
        kinds.append(printed["kind"])
        rest = rest[end:].strip()
    assert kinds == [verb for verb, *_ in verbs]
    assert (tmp_path / "report" / "report.html").exists()
