"""A sweep is owned for as long as its launch goes on, at whatever moment Ctrl-C ends it."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import pytest

from skipray import tracking
from skipray.execution.ownership import owned
from skipray.spec import SweepSpec, load_sweep
from skipray.terminal.interrupts import interruptible

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    sys.setprofile(None)
    signal.signal(signal.SIGINT, before)


class AtCall:
    """Sends Ctrl-C at the n-th call of a function of skipray's or of `contextlib`."""

    def __init__(self, number: int):
        self.number, self.calls = number, 0

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and str(frame.f_globals.get("__name__")).startswith(("skipray.", "contextlib")):
            self.calls += 1
            if self.calls == self.number:
                signal.raise_signal(signal.SIGINT)


@interruptible
def own(sweep: SweepSpec, address: tracking.Address, storage_url: str, at: AtCall) -> None:
    sys.setprofile(at)
    try:
        with ExitStack() as stack:
            stack.enter_context(owned(sweep, address, storage_url))
            if at.calls >= at.number:
                time.sleep(30)
    finally:
        sys.setprofile(None)


def test_whenever_ctrl_c_comes_the_next_launch_owns_the_sweep(tmp_path: Path, ctrl_c: None) -> None:
    uri = f"sqlite:///{tmp_path}/skipray.db"
    sweep = load_sweep(ROOT / "sweeps" / "quickstart.yaml")
    address, storage_url = tracking.open_sweep(sweep, uri), tracking.storage_url(sweep, uri)
    whole = AtCall(sys.maxsize)
    own(sweep, address, storage_url, whole)
    assert whole.calls > 50
    for number in range(1, whole.calls, max(1, whole.calls // 20)):
        with pytest.raises(KeyboardInterrupt):
            own(sweep, address, storage_url, AtCall(number))
    own(sweep, address, storage_url, AtCall(sys.maxsize))
