"""One launch per sweep, from whatever folder or machine, by the tracking store alone."""

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient

from skipray import tracking
from skipray.execution.ownership import refuse_other_storage, refuse_second, storage_name
from skipray.spec import SpecError
from skipray.storage import AlreadyRunning, TrialPlace, owner
from skipray.tracking.read.launches import BEAT, PARAM, read_launches
from skipray.tracking.write.store_lease import StoreLease


@pytest.fixture
def address(sqlite: str, toys: SimpleNamespace) -> tracking.Address:
    return tracking.open_sweep(toys.sweep(), sqlite)


def test_a_second_launch_sees_the_first_and_the_next_one_does_not(
    address: tracking.Address, toys: SimpleNamespace
) -> None:
    sweep = toys.sweep()
    with StoreLease(address, sweep):
        with pytest.raises(AlreadyRunning, match=rf"process {os.getpid()} on .* in {Path.cwd()}, running since"):
            StoreLease(address, sweep).acquire()
        with pytest.raises(AlreadyRunning):
            refuse_second(sweep, address.uri)
    refuse_second(sweep, address.uri)
    with StoreLease(address, sweep):
        assert read_launches(address.uri, address.parent_run_id).number == 2


def test_a_link_to_the_database_is_the_same_store(
    address: tracking.Address, toys: SimpleNamespace, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "skipray.db").symlink_to(tmp_path / "skipray.db")
    there = f"sqlite:///{tmp_path}/elsewhere/skipray.db"
    assert tracking.resolve_uri(None, there) == address.uri
    assert tracking.store_folder(tracking.resolve_uri(None, there)) == tmp_path / "skipray-store"


def test_of_many_at_once_one_wins(address: tracking.Address, toys: SimpleNamespace) -> None:
    sweep = toys.sweep()
    won: list[StoreLease] = []
    lost: list[AlreadyRunning] = []
    gate = threading.Barrier(5)

    def try_it() -> None:
        lease = StoreLease(address, sweep)
        gate.wait()
        try:
            won.append(lease.acquire())
        except AlreadyRunning as error:
            lost.append(error)

    threads = [threading.Thread(target=try_it) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 4)
    won[0].release()


CHILD = """
import sys, time
from types import SimpleNamespace
from skipray.tracking import Address
from skipray.tracking.write.store_lease import StoreLease
address = Address(*sys.argv[1:5])
StoreLease(address, SimpleNamespace(name="toy")).acquire()
print("mine", flush=True)
time.sleep(120)
"""


@contextlib.contextmanager
def another_process(address: tracking.Address, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    arguments = [address.uri, address.experiment_id, address.parent_run_id, address.artifact_location]
    child = subprocess.Popen([sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, cwd=folder)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"mine\n"
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(signal.SIGCONT)
        child.kill()
        child.wait()


def test_a_suspended_process_keeps_it_and_a_killed_one_does_not(
    address: tracking.Address, toys: SimpleNamespace, tmp_path: Path
) -> None:
    folder = tmp_path / "another folder"
    folder.mkdir()
    sweep = toys.sweep()
    with another_process(address, folder) as child:
        child.send_signal(signal.SIGSTOP)
        silent = StoreLease(address, sweep, heartbeat_seconds=0.1, stale_seconds=0.0)
        with pytest.raises(AlreadyRunning, match=f"process {child.pid} .*another folder"):
            silent.acquire()
        child.kill()
        child.send_signal(signal.SIGCONT)
        child.wait()
        with StoreLease(address, sweep):
            pass


def write_launch(address: tracking.Address, **changes: Any) -> None:
    """A launch of whatever properties, as the newest."""
    made = replace(owner.myself(), **changes)
    number = read_launches(address.uri, address.parent_run_id).number + 1
    MlflowClient(address.uri).log_param(address.parent_run_id, f"{PARAM}{number:06d}", json.dumps(asdict(made)))


def test_no_clock_decides_about_a_process_of_this_machine(
    address: tracking.Address, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """psutil adds the present time of boot, which a step of the clock moves."""
    write_launch(address, process_started=1.0, heartbeat=1.0)
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: time.time() + 10_000)
    with pytest.raises(AlreadyRunning):
        StoreLease(address, toys.sweep()).acquire()


def test_a_pid_that_is_used_again_is_another_process(address: tracking.Address, toys: SimpleNamespace) -> None:
    write_launch(address, ticks=owner.myself().ticks - 1)
    with StoreLease(address, toys.sweep()):
        pass


@pytest.mark.parametrize("seconds_ago", [600.0, -600.0])
def test_a_silent_launch_of_another_machine_is_replaced_and_notices(
    address: tracking.Address, toys: SimpleNamespace, seconds_ago: float
) -> None:
    old = StoreLease(address, toys.sweep(), heartbeat_seconds=0.3).acquire()
    write_launch(address, machine="elsewhere", host="elsewhere", heartbeat=time.time() - seconds_ago)
    assert old.lost.wait(20)
    with StoreLease(address, toys.sweep(), heartbeat_seconds=0.1):
        pass
    old.release()


def test_a_launch_of_another_machine_that_renews_is_living_whatever_its_clock(
    address: tracking.Address, toys: SimpleNamespace
) -> None:
    write_launch(address, machine="elsewhere", host="elsewhere", heartbeat=time.time() - 9999)
    stop = threading.Event()

    def renew() -> None:
        count = 0
        while not stop.wait(0.1):
            count += 1
            beat = json.dumps({"launch": 1, "beat": count, "time": 5.0})
            MlflowClient(address.uri).set_tag(address.parent_run_id, BEAT, beat)

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        with pytest.raises(AlreadyRunning, match="on elsewhere"):
            StoreLease(address, toys.sweep(), heartbeat_seconds=1.0).acquire()
    finally:
        stop.set()
        thread.join()


def test_another_storage_is_refused_while_something_waits_in_the_first(
    address: tracking.Address, toys: SimpleNamespace, tmp_path: Path
) -> None:
    sweep = toys.sweep()
    one, two = tmp_path / "one", tmp_path / "two"
    with StoreLease(address, sweep, storage=storage_name(address.uri, str(one))):
        pass
    refuse_other_storage(sweep, address, storage_name(address.uri, str(two)))  # nothing lies there
    (one / "toy" / sweep.trials()[0].trial_id).mkdir(parents=True)
    with pytest.raises(SpecError, match=rf"{two}.*{one}"):
        refuse_other_storage(sweep, address, storage_name(address.uri, str(two)))
    refuse_other_storage(sweep, address, storage_name(address.uri, str(one)))
    assert tracking.forget_storage(sweep, address.uri)
    refuse_other_storage(sweep, address, storage_name(address.uri, str(two)))


def test_the_storage_beside_the_store_moves_with_it(address: tracking.Address, tmp_path: Path) -> None:
    assert storage_name(address.uri, str(tmp_path / "skipray-store" / "storage")) == ""
    assert storage_name(address.uri, "s3://bucket/x") == "s3://bucket/x"


def test_two_folders_against_one_server_run_every_trial_once(
    server_port: int, toys: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the same moment: one is refused and names the other, which runs each trial; the next finds nothing to do."""
    uri = f"http://127.0.0.1:{server_port}"
    sweep = toys.sweep("two-folders", depths=(8,))
    gate = threading.Barrier(2)
    ran: list[str] = []
    refused: list[str] = []

    def launch(folder: Path) -> None:
        address = tracking.open_sweep(sweep, uri)
        gate.wait()
        try:
            with StoreLease(address, sweep, storage=f"here:{folder}"):
                have = tracking.read_ledger(sweep, uri).finished
                for trial in sweep.trials():
                    if trial.trial_id not in have:
                        lease = TrialPlace(folder / "storage", sweep.name, trial.trial_id).acquire()
                        recorder = tracking.Recorder(address, trial, lease)
                        recorder.start()
                        recorder.finish(toys.record(trial))
                        ran.append(trial.trial_id)
        except AlreadyRunning as error:
            refused.append(str(error))

    threads = [threading.Thread(target=launch, args=(tmp_path / name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ran) == sorted(t.trial_id for t in sweep.trials())
    assert len(refused) == 1
    assert "running since" in refused[0]
    assert len(tracking.read_trials(sweep, uri)) == 4
    stored = tracking.find_sweep_run(uri, "two-folders")
    assert stored is not None
    assert len(tracking.sweep_runs(uri, "two-folders")) == 1, "two launches made two runs of the sweep's own"
    assert tracking.examine(sweep, uri) == []


LAUNCH = """
import json, pickle, socket, sys
from pathlib import Path
host, server, contents = sys.argv[1:]
socket.gethostname = lambda: host
from skipray import tracking
from skipray.storage import AlreadyRunning, TrialPlace
from skipray.tracking.write.store_lease import StoreLease
sweep, records = pickle.loads(Path(contents).read_bytes())
address = tracking.open_sweep(sweep, server)
ran, refused = [], ""
print("ready", flush=True)
sys.stdin.readline()
try:
    with StoreLease(address, sweep, storage=f"{host}:{Path.cwd()}"):
        have = tracking.read_ledger(sweep, server).finished
        for trial in sweep.trials():
            if trial.trial_id not in have:
                lease = TrialPlace("storage", sweep.name, trial.trial_id).acquire()
                recorder = tracking.Recorder(address, trial, lease)
                recorder.start()
                recorder.finish(records[trial.trial_id])
                ran.append(trial.trial_id)
except AlreadyRunning as error:
    refused = str(error)
print(json.dumps({"ran": ran, "refused": refused}))
"""


def test_two_hosts_against_one_server_run_every_trial_once(
    server_port: int, toys: SimpleNamespace, tmp_path: Path
) -> None:
    """Two processes of machines of other names, where no pid means anything, at the same moment."""
    uri = f"http://127.0.0.1:{server_port}"
    sweep = toys.sweep("two-hosts", depths=(8,))
    contents = tmp_path / "contents"
    contents.write_bytes(pickle.dumps((sweep, {t.trial_id: toys.record(t) for t in sweep.trials()})))
    hosts, launches = ("amber", "birch"), []
    for host in hosts:
        (tmp_path / f"folder of {host}").mkdir()
        command = [sys.executable, "-c", LAUNCH, host, uri, str(contents)]
        pipe = subprocess.PIPE
        where = tmp_path / f"folder of {host}"
        launches.append(subprocess.Popen(command, cwd=where, stdin=pipe, stdout=pipe, text=True))
    for launch in launches:
        assert launch.stdout is not None
        assert launch.stdout.readline() == "ready\n"
    for launch in launches:
        assert launch.stdin is not None
        launch.stdin.write("go\n")
        launch.stdin.flush()
    told = dict(zip(hosts, (launch.communicate(timeout=120)[0] for launch in launches), strict=True))
    results = {host: json.loads(text) for host, text in told.items()}
    ran = [trial_id for result in results.values() for trial_id in result["ran"]]
    assert sorted(ran) == sorted(t.trial_id for t in sweep.trials())
    (winner,) = (host for host, result in results.items() if result["ran"])
    (loser,) = (host for host in hosts if host != winner)
    assert f"on {winner} in {tmp_path}/folder of {winner}, running since" in results[loser]["refused"]
    assert len(tracking.sweep_runs(uri, "two-hosts")) == 1
    assert tracking.examine(sweep, uri) == []
