"""What a user's code changes in a process changes no trial after it."""

import os
import random
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from skipray.datasets import gaussian
from skipray.spec import DatasetSpec, ModelSpec, ProbeSpec, Recipe, Resources, TrialSpec
from skipray.trial import process_state, run_trial
from skipray.trial.process_state import process_kept

DATA = DatasetSpec(name="gaussian", options={"features": 16, "samples": 230, "classes": 4, "separation": 4.0})
FAMILY = """
import os, random, signal, sys, threading, time, warnings
import numpy as np
import torch
from torch import nn

class Changes:
    @staticmethod
    def build(model, input_shape, classes):
        {change}
        return nn.Sequential(nn.Flatten(), nn.Linear(16, classes)).float()
"""
CHANGES = [
    "torch.set_default_dtype(torch.float64)",
    "torch.backends.mkldnn.enabled = False",
    "torch.backends.cudnn.benchmark = True; torch.backends.cuda.matmul.allow_tf32 = True",
    "torch.set_float32_matmul_precision('medium')",
    "torch.use_deterministic_algorithms(True)",
    "torch.set_flush_denormal(True)",
    "torch.manual_seed(0); random.seed(0); np.random.seed(0)",
    "torch.set_num_threads(2)",
    "nn.modules.module.register_module_forward_hook(lambda m, i, o: 2 * o if isinstance(m, nn.BatchNorm1d) else None)",
    "torch.batch_norm = lambda x, *rest: x",
    "nn.Linear.forward = lambda self, x: x @ self.weight.T * 3",
    "os.chdir('/'); os.environ['SKIPRAY_TEST'] = '1'; os.environ.pop('HOME', None)",
    "signal.signal(signal.SIGUSR1, lambda *_: None)",
    "warnings.simplefilter('error'); sys.path.insert(0, '/nowhere'); np.seterr(all='raise')",
    "torch.set_autocast_enabled('cpu', True); sys.setrecursionlimit(5000)",
]


@pytest.fixture(scope="module", autouse=True)
def one_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKIPRAY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def trial(architecture="plainnet", sources=()):
    fields = {"kind": "mlp", "width": 12, "normalization": "batch", "initialisation": "he_normal", "activation": "relu"}
    return TrialSpec(
        sweep="test",
        dataset=DATA,
        fingerprint=gaussian.FINGERPRINT,
        model=ModelSpec(architecture=architecture, depth=6, **fields),
        recipe=Recipe(
            epochs=1,
            batch_size=50,
            learning_rate=0.05,
            momentum=0.9,
            weight_decay=0.0,
            schedule="constant",
            augmentation="none",
        ),
        probe=ProbeSpec(samples=32),
        seed=0,
        resources=Resources(),
        source_hashes=sources,
    )


def essence(record):
    metrics = [(e.epoch, e.metrics) for e in record.epochs]
    return record.outcome, metrics, record.layers.to_csv(float_format="%r"), record.weights


def surroundings():
    numpys = np.random.get_state()[1].tobytes()  # noqa: NPY002
    return dict(os.environ), Path.cwd(), tuple(sys.path), numpys, random.getstate()


@pytest.fixture(scope="module")
def undisturbed():
    return essence(run_trial(trial()))


@pytest.mark.parametrize("number", range(len(CHANGES)), ids=[c.split("(")[0].split(" =")[0] for c in CHANGES])
def test_a_plain_trial_has_the_same_bits_after_a_family_that_changes_the_process(
    number, undisturbed, tmp_path, monkeypatch
):
    (tmp_path / f"changes{number}.py").write_text(FAMILY.format(change=CHANGES[number]))
    monkeypatch.syspath_prepend(tmp_path)
    before = surroundings()
    name = f"changes{number}:Changes"
    run_trial(trial(name, ((name, ""),)))
    assert surroundings() == before
    assert essence(run_trial(trial())) == undisturbed
    assert not process_state.LEFT


def test_what_a_modules_import_changes_reaches_no_trial(undisturbed, tmp_path, monkeypatch):
    """Else the module's first trial would run with it, and its second would not."""
    helper = tmp_path / "beside"
    helper.mkdir()
    (helper / "helper_of_imports.py").write_text("WIDTH = 7\n")
    (tmp_path / "at_import.py").write_text(
        textwrap.dedent(f"""
        import sys
        import torch
        from torch import nn
        sys.path.append({str(helper)!r})
        torch.set_default_dtype(torch.float64)

        class Net:
            @staticmethod
            def build(model, input_shape, classes):
                from helper_of_imports import WIDTH
                return nn.Sequential(nn.Flatten(), nn.Linear(16, WIDTH), nn.Linear(WIDTH, classes))
        """)
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = trial("at_import:Net", (("at_import:Net", ""),))
    first, second = essence(run_trial(own)), essence(run_trial(own))
    assert first == second
    assert torch.get_default_dtype() == torch.float32
    assert str(helper) not in sys.path
    assert essence(run_trial(trial())) == undisturbed


def test_a_thread_that_goes_on_is_named_so_that_the_process_is_replaced(caplog, monkeypatch):
    monkeypatch.setattr(process_state, "LEFT", [])
    end = threading.Event()
    thread = threading.Thread(target=lambda: end.wait(), name="busy", daemon=True)
    with process_kept() as what:
        thread.start()
    end.set()
    thread.join()
    assert what.left == process_state.LEFT == ["the thread busy"]
    assert "cannot set back: the thread busy" in caplog.text


def test_a_thread_that_ends_with_its_trial_leaves_nothing():
    with process_kept() as what:
        threading.Thread(target=lambda: None, name="short").start()
    assert what.left == []
