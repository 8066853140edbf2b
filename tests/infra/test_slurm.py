"""infra/slurm/skipray.sbatch against stand-ins for Slurm and Ray that write down how they were called."""

import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "infra" / "slurm" / "skipray.sbatch"

SRUN = """#!/usr/bin/env bash
while [[ $1 == --* ]]; do [[ $1 == --nodelist=* ]] && node=${1#--nodelist=}; shift; done
if [[ $1 == hostname ]]; then echo 10.0.0.1; exit; fi
echo "srun $node $* mode=$RAY_AUTH_MODE" >>"$CALLS"
exec "$@"
"""
SCONTROL = """#!/usr/bin/env bash
if [[ $1 == show ]]; then printf 'n1\\nn2\\nn3\\n'; else echo "scontrol $*" >>"$CALLS"; fi
"""
# The head answers from its third question on; a node that joins before gives up, as Ray's do; each takes its time.
RAY = """#!/usr/bin/env bash
case "$1 $2 $3" in
    health-check*)
        echo . >>"$CALLS.asked"
        [[ ${HEAD:-} != deaf && $(wc -l <"$CALLS.asked") -ge 3 ]] || exit 1
        touch "$CALLS.head" ;;
    status*)
        printf 'Active:\\n'
        cat "$CALLS.joined" 2>/dev/null
        printf 'Pending:\\n (no pending nodes)\\n' ;;
    "start --block --head")
        echo ' 1 node_head' >>"$CALLS.joined"
        exec sleep 60 ;;
    start*)
        [[ -e $CALLS.head ]] || exit 1
        [[ ${NODES:-} == late ]] || { sleep 0.7; echo " 1 node_$RANDOM" >>"$CALLS.joined"; }
        exec sleep 60 ;;
esac
"""
PYTHON = """#!/usr/bin/env bash
echo "python $* at $RAY_ADDRESS token=$(stat -c %a "$RAY_AUTH_TOKEN_PATH") $(wc -c <"$RAY_AUTH_TOKEN_PATH")" \
    "nodes=$(wc -l <"$CALLS.joined")" >>"$CALLS"
if [[ ${LAUNCH:-} == long ]]; then
    trap 'echo "launch saved" >>"$CALLS"; kill $!; exit 130' TERM
    sleep 60 & wait $!
fi
exit "${LAUNCH:-0}"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {"srun": SRUN, "scontrol": SCONTROL, "ray": RAY, "python": PYTHON}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (tmp_path / "calls").touch()
    return {
        "PATH": f"{programs}:/usr/bin:/bin",
        "CALLS": str(tmp_path / "calls"),
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NODELIST": "n[1-3]",
        "SLURM_CPUS_PER_TASK": "8",
        "SLURM_GPUS_ON_NODE": "2",
        "MLFLOW_TRACKING_URI": "http://mlflow:5000",
        "SKIPRAY_STORAGE": str(tmp_path / "store"),
    }


def calls(environment: dict[str, str]) -> list[str]:
    return Path(environment["CALLS"]).read_text().splitlines()


def start(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["bash", SCRIPT, "sweeps/quickstart.yaml"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    try:
        output, _ = process.communicate(timeout=20)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return output


def test_ray_spans_the_allocation_and_the_launch_runs(environment: dict[str, str]) -> None:
    process = start(environment)
    output = finish(process)
    assert process.returncode == 0, output
    log = calls(environment)
    starts = [line for line in log if line.startswith("srun")]
    port = 20000 + 4711
    assert starts[0].startswith("srun n1 ray start --block --head ")
    assert f"--port={port}" in starts[0]
    assert {line.split()[1] for line in starts} == {"n1", "n2", "n3"}
    assert all(f"--address=10.0.0.1:{port}" in line for line in starts[1:])
    assert all("--num-cpus=8 --num-gpus=2" in line and line.endswith("mode=token") for line in starts)
    launch = [line for line in log if line.startswith("python")]
    assert launch == [f"python -m skipray.launch sweeps/quickstart.yaml at 10.0.0.1:{port} token=600 64 nodes=3"]
    assert not any("scontrol" in line for line in log)
    assert not list(Path(environment["SKIPRAY_STORAGE"]).iterdir()), "the token is gone with the job"


def test_a_head_that_never_answers_ends_the_job(environment: dict[str, str]) -> None:
    process = start({**environment, "HEAD": "deaf", "SKIPRAY_HEAD_SECONDS": "2"})
    output = finish(process)
    assert process.returncode == 1
    assert "Ray's head on n1 does not answer at 10.0.0.1:24711" in output
    assert not any(line.startswith("python") for line in calls(environment))


def test_nodes_that_stay_away_are_not_waited_for_forever(environment: dict[str, str]) -> None:
    process = start({**environment, "NODES": "late", "SKIPRAY_NODES_SECONDS": "2"})
    output = finish(process)
    assert process.returncode == 0, output
    assert "not all of the 3 nodes have joined yet" in output
    assert any(line.startswith("python") and line.endswith("nodes=1") for line in calls(environment))


@pytest.mark.parametrize("code", [2, 3])
def test_the_launchs_exit_code_is_the_jobs(environment: dict[str, str], code: int) -> None:
    process = start({**environment, "LAUNCH": str(code)})
    finish(process)
    assert process.returncode == code


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_signal_saves_and_requeues(environment: dict[str, str], number: signal.Signals) -> None:
    process = start({**environment, "LAUNCH": "long"})
    deadline = time.monotonic() + 15
    while not any(line.startswith("python") for line in calls(environment)) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    os.kill(process.pid, number)  # as --signal=B: does: the batch shell alone
    output = finish(process)
    assert process.returncode == 0, output
    assert calls(environment)[-2:] == ["launch saved", "scontrol requeue 4711"]


def test_without_a_tracking_server_it_says_so(environment: dict[str, str]) -> None:
    del environment["MLFLOW_TRACKING_URI"]
    process = start(environment)
    assert "MLFLOW_TRACKING_URI" in finish(process)
    assert process.returncode != 0
    assert calls(environment) == []


def test_the_directives_requeue_and_signal_in_time() -> None:
    directives = [line for line in SCRIPT.read_text().splitlines() if line.startswith("#SBATCH")]
    assert "#SBATCH --requeue" in directives
    assert any(line.startswith("#SBATCH --signal=B:USR1@") for line in directives)
    assert "#SBATCH --open-mode=append" in directives
    assert SCRIPT.stat().st_mode & stat.S_IXUSR
