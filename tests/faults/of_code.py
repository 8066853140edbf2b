"""Faults of a user's own code: families that exit, crash, hang, fork, print and change the process, in one sweep.

Each misbehaves at one depth, in a worker. What it costs is its own trial, named with file and line; the trials of
skipray's families, which run in the same warm workers, have the undisturbed sweep's values.
"""

import json
from collections.abc import Sequence

from sharing import name_of, shared
from stage import Disturbed, Stage

from skipray import tracking
from skipray.spec import load_sweep
from sweeps import UNRULY

STALL_SECONDS = 60
"""Longer than a step and a probe take on a machine with more work than cores."""
MODULE = f"""\
{UNRULY}
import ctypes
import os
import signal
import threading
import time

import torch


def _hang():
    while True:
        time.sleep(0.1)


def _fork():
    if os.fork() == 0:
        time.sleep(1)
        os._exit(0)


def _print():
    print("{{}} this is no JSON")
    os.write(1, b"nor is this\\n")
    print("nor this", file=sys.stderr)


def _change():
    torch.set_default_dtype(torch.float64)
    torch.backends.mkldnn.enabled = False
    torch.manual_seed(1)
    torch.nn.modules.module.register_module_forward_hook(lambda m, a, out: out * 1.0000001 if out.ndim == 2 else None)
    threading.Thread(target=_hang, daemon=True).start()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    raise RuntimeError("all is changed")


exits = unruly(lambda: sys.exit("goodbye"))
leaves = unruly(lambda: os._exit(0))
crashes = unruly(lambda: ctypes.string_at(0))
hangs = unruly(_hang)
forks = unruly(_fork)
prints = unruly(_print)
changes = unruly(_change)
"""
FAMILIES = {
    "own-code-exits": ("exits", "build ended the process (SystemExit('goodbye'))"),
    "own-code-leaves": ("leaves", "os._exit(0) was called"),
    "own-code-crashes": ("crashes", "Segmentation fault"),
    "own-code-hangs": ("hangs", f"no progress for {STALL_SECONDS} s"),
    "own-code-forks": ("forks", ""),
    "own-code-prints": ("prints", ""),
    "own-code-changes-the-process": ("changes", "all is changed"),
}
"""Name -> the family, and what its failed trial says; empty where it finishes all the same."""


def play(stage: Stage, faults: Sequence[str]) -> Disturbed:
    # A module of its own once more, alone: this process has read the other one.
    module = f"unruly_{FAMILIES[faults[0]][0]}" if stage.suffix else "unruly"
    own = tuple(f"{module}:{FAMILIES[fault][0]}" for fault in faults)
    with stage.disturb(name_of("own-code", stage, faults), architectures=("plainnet", "resnet", *own)) as it:
        (it.file.parent / f"{module}.py").write_text(MODULE)
        stage.reads(it.file)
        it.expected_failures = sum(bool(FAMILIES[fault][1]) for fault in faults)
        it.row.allowed_seconds = None
        it.strike()
        options = ("--set", f"resources.stall_seconds={STALL_SECONDS}", "--set", "resources.max_failures=0")
        launch = it.launch(*options)
        it.expect_exit(launch, 3 if it.expected_failures else 0)
        told = launch.out.read_text()
        spec = load_sweep(it.file)
        ledger = tracking.read_ledger(spec, stage.cluster.tracking_uri)
        for fault in faults:
            family, says = FAMILIES[fault]
            with it.part(fault):
                trials = [t for t in spec.trials() if t.model.architecture == f"{module}:{family}"]
                failed = {t.model.depth: ledger.failed[t.trial_id] for t in trials if t.trial_id in ledger.failed}
                it.expect(set(failed) == ({14} if says else set()), f"the one depth has failed: {set(failed)}")
                for row in failed.values():
                    message = row.failure_message or ""
                    it.expect(says in message, f"{says!r} is in {message[:200]!r}")
                    it.expect(f"{module}.py:" in message, f"file and line are in {message[:200]!r}")
                    it.expect(row.failure_class == "error", f"{row.failure_class}: it is an error, no lost node")
                    # An attempt may also be lost with the process that another family's trial has spoilt.
                    it.expect(row.attempt <= len(faults), f"{row.attempt} attempts, at most one per unruly family")
        if "own-code-prints" in faults:
            with it.part("own-code-prints"):
                it.expect(_is_one_object(told), f"standard output is one JSON object: {told[:200]!r}")
    return it


def _is_one_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


FAULTS = shared("own code", play, tuple(FAMILIES))
