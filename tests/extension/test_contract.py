"""A mistake in what an entry declares is one line, which names the file, what was found and what is allowed."""

import importlib
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

from skipray import launch, verbs
from skipray.errors import SkiprayError
from skipray.extension import catalog
from skipray.extension.contract import DeclarationRefused
from skipray.launch import run

ADDITIONS = Path(__file__).parent / "additions"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """A file of the newcomer's in its folder, with a piece of it replaced."""
    placed = []

    def put(folder: str, name: str, old: str, new: str) -> None:
        text = (ADDITIONS / folder / f"{name}.py").read_text(encoding="utf-8")
        assert old in text
        (tmp_path / f"{name}.py").write_text(text.replace(old, new), encoding="utf-8")
        package = importlib.import_module(f"skipray.{folder}")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
        placed.append((package, name))
        catalog.names.cache_clear()

    yield put
    for package, name in placed:
        sys.modules.pop(f"{package.__name__}.{name}", None)
        vars(package).pop(name, None)
    monkeypatch.undo()
    catalog.names.cache_clear()


@pytest.mark.parametrize(
    ("folder", "name", "old", "new", "said"),
    [
        ("architectures", "skip3", "def build", "def biuld", "which has no build (is biuld meant for build?); allowed"),
        ("architectures", "skip3", '"residual_scale"', '"resdual_scale"', "has 'resdual_scale' (did you mean residual"),
        ("architectures", "skip3", 'KINDS = ("mlp",)', 'KINDS = ("mpl",)', "whose KINDS has 'mpl' (did you mean mlp?)"),
        ("architectures", "skip3", 'KINDS = ("mlp",)', 'KINDS = "mlp"', "whose KINDS is 'mlp'; allowed: a list of nam"),
        ("architectures", "skip3", "KINDS =", "DROPED =", "which has DROPED (did you mean DROPPED?)"),
        ("architectures", "skip3", "fields(kind: str)", "fields()", "whose fields takes () -> 'frozenset[str]'; allow"),
        ("metrics", "log10_gap", "def measure", "def mesure", "which has no measure (is mesure meant for measure?)"),
        ("metrics", "log10_gap", "measure(spectra: Spectra)", "measure()", "whose measure takes ()"),
        ("metrics", "log10_gap", "METRIC = Lay", "METRIK = Lay", "which has no METRIC (is METRIK meant for METRIC?)"),
        ("metrics", "log10_gap", 'key="log10_gap"', 'key="gap"', "whose key is 'gap'; allowed: 'log10_gap', or the f"),
        ("metrics", "log10_gap", 'reads="spectrum"', 'reads="spectra"', "whose reads has 'spectra' (did you mean spec"),
        ("metrics", "log10_gap", 'trends=("median",)', 'trends=("medain",)', "whose trends has 'medain' (did you mean"),
        ("metrics", "log10_gap", 'tensor="hidden"', 'tensor="hiden"', "whose tensor has 'hiden' (did you mean hid"),
        ("metrics", "log10_gap", "low=0.0,", "lowest=0.0,", "cannot be imported: log10_gap.py:8: TypeError: LayerMet"),
        ("claims", "c12", '"plain", "skip")', '"plian", "skip")', "whose ROLES has 'plian' (did you mean plain?)"),
        ("claims", "c12", 'NEEDS = ("test.accuracy",)', 'NEEDS = ("test.acuracy",)', "(did you mean test.accuracy?)"),
        ("claims", "c12", 'ID = "C12"', 'ID = "C13"', "whose ID is 'C13'; allowed: 'C12'"),
        ("claims", "c12", "def judge", "def judgement", "which has no judge"),
        ("curves", "hyperbolic", 'LEVELS = ("asymptote",)', 'LEVELS = ("asymptot",)', "(did you mean asymptote?)"),
        ("curves", "hyperbolic", '"half": 25.0', '"halve": 25.0', "whose EXAMPLE has 'halve' (did you mean half?)"),
        ("curves", "hyperbolic", "def basis", "def bases", "which has no basis (is bases meant for basis?)"),
        ("curves", "hyperbolic", "return np.stack([half", "return np.hstack([half", "shape (2, 10); allowed: (2, 2"),
        ("curves", "hyperbolic", "return (Range(", "return 2 * (Range(", "allowed: a Range for each of ['half']"),
        ("curves", "hyperbolic", '* depth / (depth + half)"', '* sqrt(depth)"', "has 'sqrt' (did you mean start?); a"),
        ("curves", "hyperbolic", '* depth / (depth + half)"', '* dept"', "has 'dept' (did you mean depth?); allowed: "),
        ("curves", "hyperbolic", '* depth / (depth + half)"', '* depth /"', "is no expression (invalid syntax); allow"),
        ("curves", "hyperbolic", '* depth / (depth + half)"', '* depth"', "and its basis ["),
        ("curves", "hyperbolic", ', "half": 25.0', "", "whose EXAMPLE has no half; allowed: a value for each of st"),
        ("curves", "hyperbolic", "half = nonlinear[0]", "half = nonlinear[1]", "whose ranges or basis raise"),
        ("activations", "mish", "def make", "def maker", "which has no make (is maker meant for make?)"),
        ("activations", "mish", "| None] = {}", "| None] = {'slope': 0.1}", "whose make takes no arguments; allowed: "),
        ("initialisations", "truncated_normal", "def fill", "def fil", "which has no fill or AS_BUILT (is fil meant"),
        ("initialisations", "truncated_normal", "layer: Layer, ", "", "whose fill takes (weight"),
        ("datasets", "stripes", "CLASSES = 4", "CLASES = 4", "which has no CLASSES or OUTPUTS or shape_and_classes"),
        ("datasets", "stripes", "FLIP = False", "FLIP = False\nTASK = 'class'", "whose TASK is 'class'; allowed: cla"),
        ("datasets", "stripes", 'FINGERPRINT = "', 'FINGERPRINT = "x', "allowed: a sha256 of 64 hexadecimal digits"),
        ("datasets", "stripes", "FINGERPRINT =", "DIGEST =", "fingerprint_of(d.load(DatasetSpec(name=\"stripes\"), da"),
        ("datasets", "stripes", "def load", "def load(", "which cannot be imported: stripes.py:"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_file_is_one_line(place, folder: str, name: str, old: str, new: str, said: str) -> None:
    place(folder, name, old, new)
    with pytest.raises(DeclarationRefused) as refused:
        catalog.find(folder, name)
    message = str(refused.value)
    assert said in message
    assert f"found '{name}' (" in message
    assert f"{name}.py" in message
    assert "allowed: " in message
    assert "\n" not in message


def test_the_refusal_of_a_data_set_without_fingerprint_says_how_to_get_it(place, tmp_path: Path) -> None:
    place("datasets", "stripes", "FINGERPRINT =", "DIGEST =")
    with pytest.raises(DeclarationRefused) as refused:
        catalog.find("datasets", "stripes")
    _, _, code = str(refused.value).partition("python -c ")
    (program,) = shlex.split(code)
    ways = f"import skipray.datasets; skipray.datasets.__path__.append({str(tmp_path)!r}); "
    done = subprocess.run([sys.executable, "-c", ways + program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in (ADDITIONS / "datasets" / "stripes.py").read_text()


def test_a_wrong_formula_is_refused_by_plan(place, capsys: pytest.CaptureFixture[str]) -> None:
    place("curves", "hyperbolic", '* depth / (depth + half)"', '* sqrt(depth)"')
    assert run(["plan", "quickstart", "--offline", "--brief"]) == SkiprayError.exit_code
    said = capsys.readouterr().err
    assert "hyperbolic.py), whose FORMULA '" in said
    assert (
        "has 'sqrt' (did you mean start?); allowed: depth, start, asymptote, half, exp, log, minimum, maximum" in said
    )


def test_a_claim_that_lacks_something_is_refused_by_plan(place, capsys: pytest.CaptureFixture[str]) -> None:
    place("claims", "c12", '"plain", "skip")', '"plian", "skip")')
    assert run(["plan", "quickstart", "--offline"]) == SkiprayError.exit_code
    assert "c12.py), whose ROLES has 'plian' (did you mean plain?)" in capsys.readouterr().err


def test_the_command_line_ends_in_that_line(place, capsys: pytest.CaptureFixture[str]) -> None:
    place("metrics", "log10_gap", "def measure", "def mesure")
    assert run(["plan", "quickstart", "--offline", "--brief"]) == SkiprayError.exit_code == 2
    assert "log10_gap.py), which has no measure (is mesure meant for measure?)" in capsys.readouterr().err


def test_a_verb_without_its_function_says_so_when_it_is_asked_for(place, monkeypatch: pytest.MonkeyPatch) -> None:
    place("verbs", "cells", "def cells(", "def cell(")
    commands = typer.Typer()
    monkeypatch.setattr(launch, "app", commands)
    for name in ("cells", "plan"):
        launch._add(name)
    with pytest.raises(
        DeclarationRefused, match=r"cells.py\), which has no cells \(is cell meant for cells\?\); allowed"
    ):
        commands(["cells", "quickstart", "--offline"], standalone_mode=False)
    assert commands.registered_commands[1].callback is verbs.command("plan")


def test_a_verb_that_cannot_be_imported_says_so_and_the_others_work(place, tmp_path: Path) -> None:
    """In a process of its own, as a user's command: every verb's file is imported before any is run."""
    place("verbs", "cells", "def cells(", "import nothing_of_this_name\n\n\ndef cells(")
    ways = "import skipray.verbs, sys; skipray.verbs.__path__[:] = sys.argv.pop(1).split('|'); "
    ways += "from skipray.launch import main; main()"
    paths = "|".join(verbs.__path__)

    def run_one(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run([sys.executable, "-c", ways, paths, *arguments], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    code, printed, said = run_one("cells", "quickstart", "--json")
    assert (code, printed) == (2, "")
    assert "found 'cells' (skipray/verbs/cells.py), which cannot be imported: cells.py:" in said
    assert "No module named 'nothing_of_this_name'; allowed: a file that can be imported" in said
    assert "Traceback" not in said
    code, printed, said = run_one("--version")
    assert (code, said) == (0, "")


def test_a_users_own_is_asked_for_less_and_checked_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "class Net:\n    def build(model, shape, classes): ...\n"
    text += "class Level:\n    KINDS = ('mpl',)\n    def build(model, shape, classes): ...\n"
    text += "class Bound:\n    def build(self, model, shape, classes): ...\n"
    (tmp_path / "my_nets.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert catalog.find("architectures", "my_nets:Net")
    with pytest.raises(DeclarationRefused, match=r"found 'my_nets:Level', whose KINDS has 'mpl' \(did you mean mlp"):
        catalog.find("architectures", "my_nets:Level")
    with pytest.raises(DeclarationRefused, match=r"found 'my_nets:Bound', whose build takes \(self, model, shape, cl"):
        catalog.find("architectures", "my_nets:Bound")
    sys.modules.pop("my_nets")
