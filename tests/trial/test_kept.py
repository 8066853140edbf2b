"""What a user's code changes in a process changes no trial after it."""

import importlib
import logging
import multiprocessing
import os
import random
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import skipray.trial
from skipray.datasets import gaussian
from skipray.metrics import singularity
from skipray.metrics.singularity import effective_rank
from skipray.spec import DatasetSpec, ModelSpec, ProbeSpec, Recipe, Resources, TrialSpec, load_sweep
from skipray.trial import kept, run_trial
from skipray.trial.kept import process_kept

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
    "nn.BatchNorm1d.forward = lambda self, x: 2 * x",  # inherited: the class has none of its own
    "nn.modules.batchnorm._BatchNorm.forward = lambda self, x: 2 * x",
    "torch.optim.Optimizer.zero_grad = lambda self, set_to_none=True: None",
    "torch.linalg.svdvals = np.linalg.svd = lambda x, *rest, **more: x",
    "import builtins, math; math.log = lambda x, *base: 1.0; builtins.round = lambda x, *digits: 0",
    "from skipray.metrics import singularity; singularity.effective_rank = lambda *given, **more: 7.0",
    "torch.backends.mha.set_fastpath_enabled(False)",
    "signal.setitimer(signal.ITIMER_PROF, 0.2)",  # its signal would end the process
    "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY)); os.umask(0o777)",
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


OTHERS = ("MLFLOW_", "RAY_", "TUNE_", "TORCH", "KMP_")
"""Variables that threads which earlier tests of this process have left behind may set at any moment."""


def surroundings():
    numpys = np.random.get_state()[1].tobytes()  # noqa: NPY002
    variables = {f"variable {name}": value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    return {**variables, "folder": Path.cwd(), "path": tuple(sys.path), "numpy": numpys, "random": random.getstate()}


def moved(before, after):
    """Names of what differs."""
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


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
    assert not moved(before, surroundings())
    assert essence(run_trial(trial())) == undisturbed
    assert not kept.LEFT
    assert effective_rank([2.0, 1.0]) == singularity.effective_rank([2.0, 1.0]) != 7


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


SETTINGS = {
    "fp32_precision": ("torch.backends.fp32_precision = 'bf16'", "torch.backends.fp32_precision"),
    "conv.fp32_precision": (
        "torch.backends.mkldnn.conv.fp32_precision = 'bf16'",
        "torch.backends.mkldnn.conv.fp32_precision",
    ),
    "matmul.fp32_precision": (
        "torch.backends.mkldnn.matmul.fp32_precision = 'bf16'",
        "torch.backends.mkldnn.matmul.fp32_precision",
    ),
    "anomaly": ("torch.set_anomaly_enabled(True)", "torch.is_anomaly_enabled()"),
    "gradients": ("torch.set_grad_enabled(False)", "torch.is_grad_enabled()"),
    "sparse": (
        "torch.sparse.check_sparse_tensor_invariants.enable()",
        "torch.sparse.check_sparse_tensor_invariants.is_enabled()",
    ),
    "conversion": (
        "torch.__future__.set_overwrite_module_params_on_conversion(True)",
        "torch.__future__.get_overwrite_module_params_on_conversion()",
    ),
    "sharing": (
        "torch.multiprocessing.set_sharing_strategy('file_system')",
        "torch.multiprocessing.get_sharing_strategy()",
    ),
    "fast path": ("torch.backends.mha.set_fastpath_enabled(False)", "torch.backends.mha.get_fastpath_enabled()"),
    "quantized": (
        "torch.backends.quantized.engine = next(e for e in torch.backends.quantized.supported_engines if e != ON)",
        "torch.backends.quantized.engine",
    ),
    "warn always": ("torch.set_warn_always(True)", "torch.is_warn_always_enabled()"),
    "numpy's callback": ("numpy.seterrcall(print)", "numpy.geterrcall()"),
    "numpy's printing": ("numpy.set_printoptions(precision=1)", "numpy.get_printoptions()['precision']"),
    "torch.hub": ("torch.hub.set_dir('/nowhere')", "torch.hub.get_dir()"),
    "defaults": (
        "torch.nn.LayerNorm.__init__.__defaults__ = (1.0, True, True, None, None)",
        "torch.nn.LayerNorm.__init__.__defaults__",
    ),
    "code": (
        "torch.nn.Linear.forward.__code__ = (lambda self, input: 3 * input).__code__",
        "torch.nn.Linear.forward.__code__",
    ),
    "named defaults": ("torch.meshgrid.__kwdefaults__ = {'indexing': 'xy'}", "torch.meshgrid.__kwdefaults__"),
    "named defaults in place": (
        "torch.meshgrid.__kwdefaults__['indexing'] = 'xy'",
        "dict(torch.meshgrid.__kwdefaults__)",
    ),
    "decimal": ("decimal.getcontext().rounding = decimal.ROUND_UP", "decimal.getcontext().rounding"),
    "locale": ("locale.setlocale(locale.LC_ALL, 'C.UTF-8' if ON != 'C.UTF-8' else 'C')", "locale.setlocale(0)"),
    "garbage": ("gc.set_threshold(1)", "gc.get_threshold()"),
    "digits": ("sys.set_int_max_str_digits(640)", "sys.get_int_max_str_digits()"),
    "arguments": ("sys.argv[:] = ['x']", "sys.argv[:]"),
    "profile": ("sys.setprofile(lambda *given: None)", "sys.getprofile()"),
    "threads' trace": ("threading.settrace(lambda *given: None)", "threading.gettrace()"),
    "threads' end": ("threading.excepthook = print", "threading.excepthook"),
    "unraisable": ("sys.unraisablehook = print", "sys.unraisablehook"),
    "showwarning": ("warnings.showwarning = print", "warnings.showwarning"),
    "root logger": (
        "logging.root.setLevel(1); logging.root.addHandler(logging.NullHandler())",
        "(logging.root.level, logging.root.handlers[:])",
    ),
    "loggers": ("logging.getLogger('skipray.trial').disabled = True", "logging.getLogger('skipray.trial').disabled"),
    "starting": (
        "multiprocessing.set_start_method('spawn', force=True)",
        "multiprocessing.get_start_method(allow_none=True)",
    ),
    "sockets": ("socket.setdefaulttimeout(1e-3)", "socket.getdefaulttimeout()"),
    "temporary files": ("tempfile.tempdir = '/nowhere'", "tempfile.gettempdir()"),
    "signals held back": (
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])",
        "signal.pthread_sigmask(signal.SIG_BLOCK, [])",
    ),
    "priority": ("os.nice(1)", "os.getpriority(os.PRIO_PROCESS, 0)"),
    "time zone": ("os.environ['TZ'] = 'Asia/Tokyo'; time.tzset()", "time.tzname"),
    "cores": ("os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])", "os.sched_getaffinity(0)"),
}
"""What a user's code may set, and how to see it."""
MODULES = "decimal gc locale logging multiprocessing os signal socket sys tempfile threading time warnings torch numpy"
NAMES = {name: importlib.import_module(name) for name in MODULES.split()}
"""What these lines may name."""


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_as_it_was(name, monkeypatch):
    change, see = SETTINGS[name]
    logging.getLogger("skipray.trial")
    monkeypatch.setattr(kept, "LEFT", [])
    before = eval(see, NAMES)
    with process_kept() as what:
        exec(change, NAMES | {"ON": before})
        moved = eval(see, NAMES)
    assert moved != before or (name == "cores" and os.cpu_count() == 1), "the case changes nothing"
    assert eval(see, NAMES) == before
    if name == "priority" and os.getuid():
        assert kept.LEFT == ["the priority"], "only root takes it back"
    else:
        assert (what.left, bool(what.changed)) == ([], moved != before)


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (lambda: torch.inference_mode(), "torch's inference mode"),
        (lambda: torch.device("meta"), "torch's open modes and hooks on saved tensors"),
        (
            lambda: torch.autograd.graph.saved_tensors_hooks(lambda x: x * 0, lambda x: x),
            "torch's open modes and hooks on saved tensors",
        ),
    ],
    ids=["inference", "a device", "saved tensors"],
)
def test_a_mode_that_is_not_left_is_named_so_that_the_process_is_replaced(mode, said, monkeypatch):
    monkeypatch.setattr(kept, "LEFT", [])
    entered = mode()
    with process_kept() as what:
        entered.__enter__()
    entered.__exit__(None, None, None)
    torch.set_grad_enabled(True)
    assert said in what.left
    assert what.left == kept.LEFT


def test_an_import_hook_of_the_users_is_taken_back_and_a_librarys_stays(tmp_path, monkeypatch):
    (tmp_path / "own_finder.py").write_text("class Finder:\n    find_spec = staticmethod(lambda *given: None)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    before = [*sys.meta_path]
    librarys = type("Finder", (), {"__module__": "numpy", "find_spec": staticmethod(lambda *given: None)})()
    with process_kept() as what:
        users = importlib.import_module("own_finder").Finder
        sys.meta_path[:] = [users, librarys, *before[1:]]
    assert sys.meta_path == [*before, librarys]
    assert "sys.meta_path" in what.changed


NOT_PUT_BACK = {
    "kernels that were registered with torch.library": """
        import torch
        library = torch.library.Library("aten", "IMPL", "CPU")
        change = lambda: library.impl("relu", lambda x: x)""",
    "torch's freezing of its backends' flags": """
        import torch
        change = torch.backends.disable_global_flags""",
    "where standard error leads": """
        import os
        change = lambda: os.dup2(os.open("/dev/null", os.O_WRONLY), 2)""",
}


@pytest.mark.parametrize("said", NOT_PUT_BACK)
def test_what_cannot_be_put_back_is_named_so_that_the_process_is_replaced(said):
    """In a process of its own, which is spoilt."""
    lines = f"""
        from skipray.trial import kept
        with kept.process_kept() as nothing:
            pass
        with kept.process_kept() as what:
            change()
        print(nothing.left, what.left == kept.LEFT == [{said!r}])"""
    program = textwrap.dedent(NOT_PUT_BACK[said]) + textwrap.dedent(lines)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[] True", done.stdout


def test_a_process_that_goes_on_is_named(monkeypatch):
    monkeypatch.setattr(kept, "LEFT", [])
    child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,), name="helper", daemon=True)
    with process_kept() as what:
        child.start()
    child.kill()
    child.join()
    assert what.left == ["the process helper"]


def test_torchs_own_wrappers_stay():
    """A step is wrapped when an optimizer is first made: no patch of a user's."""
    torch.optim.SGD(nn.Linear(2, 2).parameters())  # the first of all imports torch._dynamo, which sets more
    with process_kept() as what:
        torch.optim.Adadelta(nn.Linear(2, 2).parameters())
    assert set(what.changed) <= {"torch's random numbers"}
    assert what.left == []
    assert hasattr(torch.optim.Adadelta.step, "hooked")


@pytest.mark.parametrize(
    "change",
    [
        "torch.relu = abs",
        "del torch.nn.Linear.forward",
        "method = torch.nn.Linear.forward; del torch.nn.Linear.forward; torch.nn.Linear.forward = lambda self, x: x",
        "torch.nn.BatchNorm1d.forward = lambda self, x: x",
        "one, other = torch.tanh, torch.relu; del torch.tanh, torch.relu; torch.relu, torch.tanh = one, other",
        "torch.nn.Linear.forward.__defaults__ = (1,)",
        "skipray.trial.run_trial = None",
    ],
)
def test_a_patch_is_put_back_each_time(change, monkeypatch):
    """Also by a process that has seen these functions before, has put them back, and was given new ones in between."""
    monkeypatch.setattr(kept, "LEFT", [])
    names = {"torch": torch, "skipray": skipray}
    linear = nn.Linear.forward
    for _ in range(3):
        with process_kept() as what:
            exec(change, dict(names))
        assert what.changed
        assert not what.left
        with monkeypatch.context() as patch:
            patch.setattr(torch, "sigmoid", torch.tanh)  # what is there before a trial stays
            with process_kept() as what:
                pass
            assert torch.sigmoid is torch.tanh
            assert what.changed == []
        assert nn.Linear.forward is linear
        assert linear.__defaults__ is None
        assert float(torch.relu(torch.tensor(-1.0))) == 0
        assert skipray.trial.run_trial is run_trial
        assert "forward" not in vars(nn.BatchNorm1d)


def test_a_logger_that_an_import_makes_is_no_change():
    with process_kept() as what:
        logging.getLogger("skipray.made_by_a_trial")
    assert (what.changed, what.left) == ([], [])


def test_a_logger_that_a_trial_makes_and_silences_is_set_back():
    with process_kept() as what:
        logging.getLogger("skipray.silenced_by_a_trial").setLevel(logging.CRITICAL)
    assert (what.changed, what.left) == (["skipray's loggers"], [])
    assert logging.getLogger("skipray.silenced_by_a_trial").level == logging.NOTSET


def test_a_thread_that_goes_on_is_named_so_that_the_process_is_replaced(caplog, monkeypatch):
    monkeypatch.setattr(kept, "LEFT", [])
    end = threading.Event()
    thread = threading.Thread(target=lambda: end.wait(), name="busy", daemon=True)
    with process_kept() as what:
        thread.start()
    end.set()
    thread.join()
    assert what.left == kept.LEFT == ["the thread busy"]
    assert "cannot set back: the thread busy" in caplog.text


def test_a_thread_that_ends_with_its_trial_leaves_nothing():
    with process_kept() as what:
        threading.Thread(target=lambda: None, name="short").start()
    assert what.left == []


@pytest.mark.parametrize(
    ("sweep", "changes"),
    [
        ("quickstart", ["probe.preset=full"]),
        ("quickstart", ["recipe.optimizer=adamw", "recipe.schedule=cosine"]),
        ("xiong2020", []),
    ],
)
def test_a_trial_without_the_users_code_leaves_all_as_it_was(sweep, changes):
    """Though only what skipray itself is known to change is looked at."""
    sweeps = next(parent / "sweeps" for parent in Path(__file__).parents if (parent / "sweeps").is_dir())
    one = load_sweep(sweeps / f"{sweep}.yaml", ["recipe.epochs=1", *changes]).trials()[0]
    before = surroundings()
    with process_kept() as what:
        run_trial(one)
        assert not moved(before, surroundings())
    assert (what.changed, what.left) == ([], [])
