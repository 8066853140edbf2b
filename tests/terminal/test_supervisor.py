"""A command's parent process: every end has a code and a sentence, in time, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

PROGRAM = """
import os, signal, subprocess, sys, time
from skipray.terminal import supervisor
supervisor.END_SECONDS, supervisor.HURRIED_SECONDS, supervisor.LEAVE_SECONDS = 3.0, 2.0, 1.0

def work():
    print("child", os.getpid(), flush=True)
{work}

def on_death(how, traces):
    print("died:", how or "asked to", "mine" if "in mine" in traces else "", flush=True)
    return 99

sys.exit(supervisor.supervised(work, on_death))
"""


def start(work: str) -> tuple[subprocess.Popen[str], int]:
    """The program with this work, and its child's process id."""
    lines = "\n".join(f"    {line}" for line in work.splitlines())
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(work=lines)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline().split()[1])


@pytest.mark.parametrize(
    ("work", "code", "said"),
    [
        ("return 3", 3, ""),
        ("sys.exit(7)", 7, ""),
        ("def mine(): os._exit(0)\nmine()", 99, "died: exit code 0 mine\n"),
        ("def mine(): os.abort()\nmine()", 99, "died: signal SIGABRT mine\n"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 99, "died: signal SIGKILL \n"),
        ("import atexit\natexit.register(time.sleep, 600)\nreturn 0", 0, ""),
    ],
    ids=["a code", "sys.exit", "os._exit", "abort", "killed", "hangs when all is done"],
)
def test_every_end_has_a_code(work: str, code: int, said: str) -> None:
    process, _ = start(work)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (code, said)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_passed_on_once_and_a_deaf_child_is_killed_with_all_it_has_started(number: int) -> None:
    # Written past Python's buffer: the signal may come while `print` still has it, which a second one cannot enter.
    heard = signal.SIGINT if number == signal.SIGTERM else number
    work = f"""signal.signal({int(heard)}, lambda *_: os.write(1, b"heard\\n"))
other = subprocess.Popen(["sleep", "600"])
print("other", other.pid, flush=True)
while True: time.sleep(1)"""
    process, child = start(work)
    assert process.stdout is not None
    other = int(process.stdout.readline().split()[1])
    for _ in range(3):  # as a batch system that signals a process, and then its group
        os.killpg(process.pid, number)
    began = time.monotonic()
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (99, "heard\ndied: asked to \n")
    assert 1 < time.monotonic() - began < 8
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in (child, other))


def test_what_stands_still_is_all_of_it() -> None:
    """Ctrl-Z and `fg`: also what has a process group of its own, as Ray's workers have."""
    work = """other = subprocess.Popen(["sleep", "600"], process_group=0)
print("other", other.pid, flush=True)
while True: time.sleep(0.1)"""
    process, child = start(work)
    assert process.stdout is not None
    other = int(process.stdout.readline().split()[1])
    all_of_it = [psutil.Process(pid) for pid in (process.pid, child, other)]

    def reach(stands: bool) -> None:
        end = time.monotonic() + 20
        while {p.status() == psutil.STATUS_STOPPED for p in all_of_it} != {stands}:
            assert time.monotonic() < end, [p.status() for p in all_of_it]
            time.sleep(0.05)

    process.send_signal(signal.SIGTSTP)
    reach(True)
    process.send_signal(signal.SIGCONT)
    reach(False)
    os.kill(other, signal.SIGKILL)  # it has the pipe too
    process.kill()
    process.communicate(timeout=10)


def test_who_kills_a_launch_means_all_of_it() -> None:
    process, child = start("time.sleep(600)")
    process.kill()
    process.communicate(timeout=10)
    end = time.monotonic() + 5
    while psutil.pid_exists(child) and psutil.Process(child).status() != "zombie" and time.monotonic() < end:
        time.sleep(0.05)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&- <&-", "2>/dev/full"])
def test_closed_streams_stop_nothing(redirection: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f'"$0" -m skipray plan --offline --brief sweep.yaml {redirection}', sys.executable],
        cwd=sweep_in(tmp_path),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_device_is_said_in_a_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", '"$0" -m skipray plan --offline --brief sweep.yaml > /dev/full', sys.executable],
        cwd=sweep_in(tmp_path),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("standard output cannot be written: No space left on device; ")
    assert done.stderr.count("\n") == 1


def test_a_reader_that_has_left_is_no_error(tmp_path: Path) -> None:
    command = '"$0" -m skipray plan --offline sweep.yaml | true; exit ${PIPESTATUS[0]}'
    done = subprocess.run(
        ["bash", "-c", command, sys.executable], cwd=sweep_in(tmp_path), capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_folder_that_was_removed_is_said_in_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    command = 'rmdir "$PWD"; "$0" -m skipray plan --offline sweep.yaml'
    done = subprocess.run(["bash", "-c", command, sys.executable], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("the working directory does not exist any more; ")
    assert done.stderr.count("\n") == 1


def sweep_in(folder: Path) -> Path:
    quickstart = Path(__file__).resolve().parents[2] / "sweeps" / "quickstart.yaml"
    (folder / "sweep.yaml").write_text(quickstart.read_text())
    return folder


@pytest.mark.parametrize("module", ["skipray", "skipray.launch"])
@pytest.mark.parametrize("imports", [3, 60, 200])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_during_the_imports_is_one_word(module: str, imports: int, number: int) -> None:
    command = [sys.executable, "-X", "importtime", "-m", module, "status", "no-such-sweep"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        ready = any("skipray.terminal.at_start" in line for line in process.stderr)
        begun = [process.stderr.readline() for _ in range(imports)]
        process.send_signal(number)
        said = [line for line in process.stderr if not line.startswith("import time:")]
    assert ready
    assert all(line.startswith("import time:") for line in begun)
    assert said == ["interrupted\n"]
    assert process.returncode == 130


@pytest.mark.parametrize("ignored", [(), (signal.SIGINT, signal.SIGQUIT)])
def test_sigterm_reaches_the_child_as_a_signal_that_ray_has_no_handler_for(ignored: tuple[int, ...]) -> None:
    """Ray's core answers SIGTERM, while it starts, with a dump of its stack. A background job's SIGINT is ignored."""
    # Past Python's buffer: the signal may come while `print` still has it.
    work = "def told(number, frame):\n    os.write(1, f'told {int(number)}\\n'.encode())\n    os._exit(0)\n"
    work += "for number in (1, 2, 3, 15):\n"
    work += "    if signal.getsignal(number) is not signal.SIG_IGN: signal.signal(number, told)\n"
    work += "print('ready', flush=True)\ntime.sleep(60)"
    before = [signal.signal(number, signal.SIG_IGN) for number in ignored]
    try:
        process, _ = start(work)
    finally:
        for number, handler in zip(ignored, before, strict=True):
            signal.signal(number, handler)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert f"told {int(signal.SIGHUP if ignored else signal.SIGINT)}\n" in out


REPEATED = """
import os, sys
from skipray import launch
from skipray.scheduling.ray.addresses import ClusterError, StartFailed

def app(arguments, standalone_mode):
    os.write(1, b"begun\\n")
    errors = [eval(word) for word in sys.argv[1:]]
    place = "begun"
    count = os.path.getsize(place) if os.path.exists(place) else 0
    with open(place, "a") as file:
        file.write("x")
    if count < len(errors) and errors[count] is not None:
        raise errors[count]
    return 0

launch.app = app
launch.main()
"""
DEAD = 'StartFailed("its raylet has died")'


@pytest.mark.parametrize(
    ("errors", "code", "begun", "said"),
    [
        ([DEAD], 0, 2, "its raylet has died; trying once more\n"),
        ([DEAD, DEAD], 2, 2, "trying once more\nRay did not start on this machine: its raylet has died; try again\n"),
        (['ClusterError("no such host")'], 2, 1, "no such host\n"),
        ([], 0, 1, ""),
    ],
)
def test_a_ray_that_did_not_start_is_started_once_more(
    errors: list[str], code: int, begun: int, said: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", REPEATED, *errors], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (code, "begun\n" * begun)
    assert done.stderr.endswith(said)
    assert (done.stderr != "") == bool(errors)


def test_the_second_try_is_interrupted_as_the_first_is(tmp_path: Path) -> None:
    program = REPEATED.replace("    return 0", "    os.write(1, b'waits\\n'); import time; time.sleep(60)")
    process = subprocess.Popen(
        [sys.executable, "-c", program, DEAD], cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(3)] == ["begun\n", "begun\n", "waits\n"]
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
