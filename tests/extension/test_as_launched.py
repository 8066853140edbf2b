"""Code that is edited while a launch goes on: what is imported may be, what a process is still to import may not."""

import importlib
import sys

import pytest

from skipray.extension import as_launched, catalog, reaching
from skipray.extension.as_launched import CodeEdited

NETS = """\
import json
from pathlib import Path
from mine_later_helper import SCALE

def read():
    return json.loads((Path(__file__).parent / "mine_later.json").read_text())

class Net:
    def build(self):
        return read(), SCALE

    def unrelated(self):
        pass
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "mine_later.py").write_text(NETS)
    (tmp_path / "mine_later_helper.py").write_text("SCALE = 1\n")
    (tmp_path / "mine_later.json").write_text("[1]")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(as_launched, "_FOUND", {})
    monkeypatch.setattr(as_launched, "_IMPORTED", {})
    importlib.invalidate_caches()
    yield tmp_path
    for name in [n for n in sys.modules if n.startswith("mine_later")]:
        del sys.modules[name]


def sources():
    return {"mine_later:Net": reaching.source_of("mine_later:Net").as_dict()}


EDITS = {
    "its code": ("mine_later.py", NETS.replace("return read(), SCALE", "return read(), 2 * SCALE"), "Net.build"),
    "a helper's code": ("mine_later_helper.py", "SCALE = 2\n", "SCALE"),
    "a file that it names": ("mine_later.json", "[2]", "mine_later.json"),
}


@pytest.mark.parametrize(("file", "text", "part"), EDITS.values(), ids=EDITS)
def test_code_that_was_edited_before_a_process_imports_it_is_refused_for_good(folder, file, text, part):
    launched, before = sources(), (folder / file).read_text()
    (folder / file).write_text(text)
    with pytest.raises(CodeEdited, match=rf"'mine_later:Net' as it was edited .*changed: {part}\)"):
        as_launched.check(launched, "digits")
    (folder / file).write_text(before)  # too late: what the process has imported is the other
    with pytest.raises(CodeEdited, match="edited since the launch began"):
        as_launched.check(launched, "digits")


def test_code_that_is_imported_may_be_edited_and_a_file_that_is_read_later_may_not(folder):
    launched = sources()
    as_launched.check(launched, "digits")
    for file, text, _ in (EDITS["its code"], EDITS["a helper's code"]):
        (folder / file).write_text(text)
        as_launched.check(launched, "digits")
    (folder / "mine_later.json").write_text("[2]")
    with pytest.raises(CodeEdited, match=r"changed: mine_later\.json"):
        as_launched.check(launched, "digits")


def test_what_a_comment_says_and_what_a_node_lacks_is_no_edit(folder):
    launched = sources()
    (folder / "mine_later.py").write_text("# a comment\n" + NETS)
    (folder / "mine_later.json").unlink()
    as_launched.check(launched, "digits")


def test_files_of_a_data_set_are_its_fingerprints_to_pin(folder):
    launched = {"mine_later:Net": reaching.source_of("mine_later:Net", reads_data=False).as_dict()}
    (folder / "mine_later.json").write_text("[2]")
    as_launched.check(launched, "mine_later:Net")


@pytest.mark.parametrize("edit", ["its code", "a helper's code"])
def test_a_notebook_that_edits_its_modules_has_to_reload_them(folder, edit):
    def hashes():
        return [(name, source["hash"]) for name, source in sources().items()]

    catalog.find("", "mine_later:Net")
    as_launched.check_imported(hashes(), "digits")
    file, text, part = EDITS[edit]
    former = hashes()
    (folder / file).write_text(text)
    catalog.find("", "mine_later:Net")
    as_launched.check_imported(former, "digits")  # a trial of the code that is imported
    with pytest.raises(CodeEdited, match=rf"before it was edited \(changed: {part}\); .*reload\(mine_later\)"):
        as_launched.check_imported(hashes(), "digits")
    importlib.reload(sys.modules["mine_later_helper"])
    importlib.reload(sys.modules["mine_later"])
    catalog.find("", "mine_later:Net")
    as_launched.check_imported(hashes(), "digits")
