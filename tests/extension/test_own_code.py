"""The user's own modules: which files make one up, and where in them an error arose."""

import importlib
import sys

import pytest

from skipray.extension import own_code


@pytest.fixture
def package(tmp_path, monkeypatch):
    """`towers.net` imports a sibling, a module beside the package, and what is not the user's."""
    files = {
        "towers/__init__.py": "",
        "towers/net.py": "import json\nimport numpy as np\nimport skipray.extension.catalog\nfrom . import parts\n",
        "towers/parts.py": "def late():\n    import beside_towers\n    return beside_towers\n",
        "towers/unused.py": "",
        "beside_towers.py": "from towers.parts import late\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    importlib.import_module("towers.net")
    yield tmp_path
    for name in [n for n in sys.modules if n.partition(".")[0] in ("towers", "beside_towers")]:
        del sys.modules[name]


def test_what_a_module_imports_of_the_users_is_part_of_it(package):
    found = own_code.sources("towers.net")
    assert set(found) == {"towers", "towers.net", "towers.parts", "beside_towers"}
    assert all(path.is_relative_to(package.resolve()) for path in found.values())


def test_the_hash_follows_every_one_of_these_files(package):
    hashes = {own_code.source_hash("towers.net")}
    for name in ("towers/__init__.py", "towers/net.py", "towers/parts.py", "beside_towers.py"):
        with (package / name).open("a") as file:
            file.write("# changed\n")
        hashes.add(own_code.source_hash("towers.net"))
    assert len(hashes) == 5
    (package / "towers/unused.py").write_text("# changed\n")
    assert own_code.source_hash("towers.net") in hashes


def test_what_is_installed_or_ours_is_not_the_users(package):
    import numpy as np

    assert own_code.is_users(package / "beside_towers.py")
    assert not own_code.is_users(np.__file__)
    assert not own_code.is_users(importlib.__file__)
    assert not own_code.is_users(own_code.__file__)
    assert not own_code.is_users("<string>")


@pytest.mark.parametrize("folder", ["_ray_pkg_1f/skipray/scheduling/ray", "env/lib/python3.12/site-packages/torch/nn"])
def test_a_workers_own_copies_are_not_the_users(tmp_path, folder):
    """A driver reads where a worker has hung: in what Ray has unpacked for it, called by the user's line."""
    theirs = tmp_path / folder / "worker.py"
    for path in (theirs, tmp_path / "_ray_pkg_1f" / "skipray" / "extension" / "own_code.py", tmp_path / "mine.py"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    note = (
        f'(most recent call first):\n  File "{theirs}", line 148 in poll\n  File "{tmp_path}/mine.py", line 3 in run\n'
    )
    assert not own_code.is_users(theirs)
    assert str(own_code.place_in(note)).endswith("mine.py:3")


def test_an_error_is_told_with_the_innermost_of_the_users_lines(package, monkeypatch):
    (package / "raises.py").write_text("import json\n\ndef read(text):\n    return json.loads(text)\n")
    module = importlib.import_module("raises")
    monkeypatch.chdir(package)
    with pytest.raises(ValueError, match="Expecting property name") as raised:
        module.read("{")
    assert own_code.said(raised.value).startswith("raises.py:4: JSONDecodeError: Expecting property name")
    monkeypatch.chdir(package / "towers")
    assert own_code.place_of(raised.value) == f"{(package / 'raises.py').resolve()}:4"
    del sys.modules["raises"]


def test_an_error_without_words_has_its_type():
    assert own_code.said(KeyError()) == "KeyError"
