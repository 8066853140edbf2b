"""A sweep as one file: read back identically in any other store, and harmless whatever the file holds."""

import hashlib
import json
import stat
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from skipray import launch, tracking
from skipray.analysis.aggregation import aggregate
from skipray.tracking.exchange.archive import INDEX, ArchiveReader, ArchiveWriter, BadArchive, safe_name
from skipray.tracking.exchange.exporting import export_sweep
from skipray.tracking.exchange.importing import import_archive

GOLDEN = Path(__file__).parents[1] / "golden" / "store" / "store.zip"


def fresh(folder: Path, empty_database: Path) -> str:
    folder.mkdir()
    (folder / "skipray.db").write_bytes(empty_database.read_bytes())
    return f"sqlite:///{folder}/skipray.db"


@pytest.fixture
def exported(sqlite: str, toys: SimpleNamespace, tmp_path: Path) -> Path:
    sweep = toys.sweep(depths=(8,), seeds=(0,))
    address = tracking.prepare(sweep, sqlite)
    for trial in sweep.trials():
        toys.record_one(sweep, trial, sqlite)
    tracking.write_manifest(address, sweep, sweep.trials(), {})
    tracking.log_files(address, {"report.html": "<p>", "figures/a.svg": "<svg/>"}, folder="report")
    tracking.finish_sweep(address)
    export_sweep("toy", tmp_path / "toy.zip", sqlite)
    return tmp_path / "toy.zip"


def test_another_store_reads_the_same(
    exported: Path, sqlite: str, tmp_path: Path, empty_database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = fresh(tmp_path / "there", empty_database)
    made = import_archive(exported, there)
    assert (made.name, made.runs, made.known) == ("toy", 2, 0)
    for read in (tracking.read_trials, tracking.read_histories, tracking.read_layers):
        pd.testing.assert_frame_equal(read("toy", there), read("toy", sqlite), check_exact=True)
    parent = tracking.find_sweep_run(there, "toy")
    assert parent is not None
    assert parent.status == "FINISHED"
    assert next((tmp_path / "there").glob("skipray-store/artifacts/*/artifacts/report/figures/a.svg")).is_file()
    stored = tracking.stored_sweep("toy", there)
    assert stored is not None
    assert tracking.examine(stored.sweep, there) == []
    assert launch.run(["compare", f"toy@{sqlite}", f"toy@{there}", "--all", "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert compared["trials"] == [2, 2]
    assert len(compared["differences"]) > 0, "the results of both, side by side"
    assert [d for d in compared["differences"] if d["differs"] or d["a"] != d["b"]] == []
    for name, words in (
        ("toys", f"found no sweep 'toys' in {there} either"),
        ("quickstart", "found no finished trial in"),
    ):
        assert launch.run(["compare", f"toy@{sqlite}", f"{name}@{there}"]) == 2
        assert words in capsys.readouterr().err
    assert import_archive(exported, there).runs == 0, "to import twice is to import once"
    assert len(tracking.read_trials("toy", there)) == 2


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_sweep_of_the_first_release_goes_to_postgresql_and_back(
    postgresql: str, tmp_path: Path, empty_database: Path
) -> None:
    """The same table, trends and claims, bit for bit."""
    (tmp_path / "old").mkdir()
    with zipfile.ZipFile(GOLDEN) as archive:
        archive.extractall(tmp_path / "old")
    postgresql = tracking.resolve_uri(None, postgresql)  # names the installed driver
    first = f"sqlite:///{tmp_path}/old/skipray.db"
    export_sweep("golden", tmp_path / "one.zip", first)
    import_archive(tmp_path / "one.zip", postgresql)
    export_sweep("golden", tmp_path / "two.zip", postgresql)
    last = fresh(tmp_path / "back", empty_database)
    import_archive(tmp_path / "two.zip", last)
    results = []
    for uri in (first, postgresql, last):
        stored = tracking.stored_sweep("golden", uri)
        assert stored is not None
        results.append(aggregate(stored.sweep))
    for other in results[1:]:
        pd.testing.assert_frame_equal(results[0].trials, other.trials, check_exact=True)
        pd.testing.assert_frame_equal(results[0].layers, other.layers, check_exact=True)
        for one, two in zip(results[0].series, other.series, strict=True):
            assert (one.metric, one.group, one.value, one.trend.curve) == (
                two.metric,
                two.group,
                two.value,
                two.trend.curve,
            )
            assert one.trend.parameters == two.trend.parameters
        assert repr(results[0].claims) == repr(other.claims)
        assert results[0].limits == other.limits


def altered(path: Path, name: str, content: bytes | None, *, index: dict[str, object] | None = None) -> Path:
    """The archive with one member replaced, or left out, and its index changed."""
    out = path.with_name("altered.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.namelist():
            data = old.read(member)
            if member == INDEX and index is not None:
                data = json.dumps(json.loads(data) | index).encode()
            if member != name:
                new.writestr(member, data)
            elif content is not None:
                new.writestr(member, content)
    return out


@pytest.mark.parametrize("name", ["../out", "/etc/x", "a/../../b", "a\\b", "", ".", "a//..", "C:x", "a\0b", "a/\n"])
def test_no_name_leaves_its_folder(name: str) -> None:
    with pytest.raises(BadArchive):
        safe_name(name)


def test_hostile_names_write_nothing(exported: Path, tmp_path: Path, empty_database: Path) -> None:
    for i, name in enumerate(("../../../evil", "/tmp/skipray-evil", "a/../../../../evil")):
        path = tmp_path / f"evil{i}.zip"
        with ArchiveReader(exported) as archive, ArchiveWriter(path) as out:
            for member in archive.members:
                out.add(member, archive.read(member))
            out.add(f"files/000001/{name}", b"evil")
            out.about(**{k: v for k, v in archive.index.items() if k not in ("members", "format")})
        there = fresh(tmp_path / f"there{i}", empty_database)
        with pytest.raises(BadArchive, match="below the run's own folder"):
            import_archive(path, there)
        assert not tracking.stored_sweep("toy", there)
    assert not list(tmp_path.rglob("evil"))
    assert not Path("/tmp/skipray-evil").exists()


def test_links_and_devices_of_an_archive_are_plain_bytes(exported: Path, tmp_path: Path, empty_database: Path) -> None:
    """What a zip says of a member's kind is not asked: nothing is unpacked but contents, into files of our own."""
    secret = tmp_path / "secret"
    secret.write_text("not yours")
    path = tmp_path / "odd.zip"
    kinds = {"link": stat.S_IFLNK, "device": stat.S_IFCHR, "pipe": stat.S_IFIFO, "folder": stat.S_IFDIR}
    with ArchiveReader(exported) as archive, zipfile.ZipFile(path, "w") as out:
        index = dict(archive.index)
        for member in archive.members:
            out.writestr(member, archive.read(member))
        data = str(secret).encode()
        for name, kind in kinds.items():
            entry = zipfile.ZipInfo(f"files/000001/{name}")
            entry.create_system, entry.external_attr = 3, (kind | 0o777) << 16
            out.writestr(entry, data)
            index["members"][entry.filename] = [len(data), hashlib.sha256(data).hexdigest()]
        out.writestr(INDEX, json.dumps(index))
    there = fresh(tmp_path / "there", empty_database)
    assert import_archive(path, there).runs == 2
    for name in kinds:
        (made,) = (tmp_path / "there").rglob(name)
        assert made.is_file()
        assert not made.is_symlink()
        assert made.read_bytes() == data
    assert secret.read_text() == "not yours"


def test_an_archive_that_would_fill_the_disk_is_refused_unread(exported: Path, tmp_path: Path) -> None:
    with ArchiveReader(exported) as archive:
        members = archive.index["members"] | {f"files/000001/{i}": [2**29, "0" * 64] for i in range(100)}
    with pytest.raises(BadArchive, match=r"found \d+ bytes that unpack to 53\d+; allowed: 50 times"):
        ArchiveReader(altered(exported, "", None, index={"members": members}))


@pytest.mark.parametrize("name", ["x/../y", "UPPER", "", "a" * 70])
def test_a_hostile_sweep_name_is_refused(exported: Path, sqlite: str, name: str) -> None:
    with pytest.raises(BadArchive, match="name"):
        import_archive(altered(exported, "", None, index={"sweep": name}), sqlite)


def test_a_damaged_archive_adds_nothing(exported: Path, tmp_path: Path, empty_database: Path) -> None:
    there = fresh(tmp_path / "there", empty_database)
    whole = exported.read_bytes()
    with ArchiveReader(exported) as archive:
        contents = {name: archive.read(name) for name in archive.members}
    torn = tmp_path / "torn.zip"
    refused = 0
    # Ten places of its members, and many of its end, where the index and the zip's own table are.
    places = [*(i * (len(whole) - 1) // 9 for i in range(10)), *range(len(whole) - 6000, len(whole), 41)]
    for i, place in enumerate(places):
        data = bytearray(whole)
        data[place] ^= 1 << (i + 4) % 8
        torn.write_bytes(data)
        try:
            with ArchiveReader(torn) as archive:
                archive.check()
                read = {name: archive.read(name) for name in archive.members}
        except BadArchive:
            refused += 1
        else:  # a bit of the zip that says nothing about its contents, such as a member's date
            assert read == contents
    assert refused >= 5
    torn.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadArchive):
        import_archive(torn, there)
    for text in (b"", b"PK", b"no zip at all"):
        torn.write_bytes(text)
        with pytest.raises(BadArchive, match="found no archive"):
            import_archive(torn, there)


HOSTILE: dict[str, list[object]] = {
    "status": ["DONE", None, 3, ["FINISHED"]],
    "tags": [[], {"a": 3}, {"../x": "y"}, {"a": "x" * 9000}, {"": "y"}],
    "params": [None, {"a": None}, {"a\nb": "y"}, {"a": "x" * 7000}],
    "metrics": [
        *({}, [["a"]], [["a", "b", 1, 2.0]], [["a", 1, 1, "x"]], [["a", 1, 1, None]], [["a", 2**70, 1, 1.0]]),
        *([["../a", 1, 1, 1.0]], [[None, 1, 1, 1.0]], [["a", True, 1, 1.0]], ["abcd"]),
    ],
    "start": ["now", 1.5, 2**70],
    "end": [[], "x"],
    "name": [3, "x" * 1000],
    "datasets": [{}, [3], [{"dataset": {}}], [{"dataset": {"name": 1}}], [{"dataset": None}]],
}


def test_a_run_that_is_none_is_refused_before_anything_is_written(exported: Path, sqlite: str, tmp_path: Path) -> None:
    """Whatever a member holds: nothing of the archive is in the store, which has not even the sweep's name."""
    with ArchiveReader(exported) as archive:
        members = {name: archive.read(name) for name in archive.members}
        index = {k: v for k, v in archive.index.items() if k not in ("members", "format")}
    run = json.loads(members["runs/000001.json"])
    wrong = [run | {key: value} for key, values in HOSTILE.items() for value in values]
    bodies = [json.dumps(one).encode() for one in wrong] + [b"", b"[]", b"null", b"{", b"[" * 10_000, b"\xff"]
    for body in bodies:
        with ArchiveWriter(tmp_path / "odd.zip") as out:
            for name, data in members.items():
                out.add(name, body if name == "runs/000001.json" else data)
            out.about(**index)
        with pytest.raises(BadArchive, match="run 000001 cannot be read"):
            import_archive(tmp_path / "odd.zip", f"sqlite:///{tmp_path}/nowhere.db")
    assert not (tmp_path / "nowhere.db").exists()
    for runs in (None, {}, ["000000", "000000"], [1], "000000"):
        with pytest.raises(BadArchive):
            import_archive(altered(exported, "", None, index={"runs": runs}), f"sqlite:///{tmp_path}/nowhere.db")
    assert not (tmp_path / "nowhere.db").exists()


def test_an_older_archive_writes_over_no_newer_report(exported: Path, sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep(depths=(8,), seeds=(0,))
    address = tracking.open_sweep(sweep, sqlite)
    tracking.log_files(address, {"report.html": "<p>of more trials", "more.svg": "<svg/>"}, folder="report")
    assert import_archive(exported, sqlite).runs == 0
    root = Path(address.artifacts_of(address.parent_run_id))
    assert (root / "report/report.html").read_text() == "<p>of more trials"
    assert tracking.examine(sweep, sqlite) == []
    (root / "report/report.html").write_text("<p>torn")
    assert import_archive(exported, sqlite).runs == 0
    assert [f.kind for f in tracking.examine(sweep, sqlite)] == ["truncated"], "an import hides no damage"


def test_a_member_that_swells_is_refused(exported: Path, sqlite: str) -> None:
    with pytest.raises(BadArchive, match="sha256"):
        import_archive(altered(exported, "runs/000001.json", b"0" * 10_000_000), sqlite)
    with pytest.raises(BadArchive, match="damaged"):
        import_archive(altered(exported, "runs/000001.json", None), sqlite)
