"""Where sweep files lie: in the working directory, and in the package, whose own travel in the wheel."""

from pathlib import Path

import skipray

FOLDERS = (Path(), Path("sweeps"))
"""Of the working directory."""


def package_folder() -> Path | None:
    """The folder of the sweeps that come with skipray: in the wheel, or beside the package in a checkout."""
    package = Path(skipray.__file__).parent
    return next((f for f in (package / "sweeps", package.parent / "sweeps") if f.is_dir()), None)


def sweeps_here() -> dict[str, str]:
    """Name -> path of the sweep files of the working directory and its folder sweeps/."""
    files = [p for folder in FOLDERS if folder.is_dir() for p in sorted(folder.glob("*.y*ml")) if _is_sweep(p)]
    return {path.stem: str(path) for path in files}


def sweeps_in_package() -> dict[str, str]:
    """Name -> question of the sweeps that come with skipray."""
    folder = package_folder()
    return {} if folder is None else {p.stem: _question(p) for p in sorted(folder.glob("*.yaml"))}


def shipped_sweep(name: str) -> Path | None:
    """The file of a sweep that comes with skipray."""
    folder = package_folder()
    path = folder / f"{name}.yaml" if folder is not None else None
    return path if path is not None and is_file(path) else None


def is_file(path: Path) -> bool:
    """Whether there is such a file; a name that is too long for any file is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _is_sweep(path: Path) -> bool:
    """Whether a YAML file looks like a sweep: it names a question and factors. Other YAML lies about in any folder."""
    keys = {line.partition(":")[0] for line in _lines(path)}
    return {"question", "factors"} <= keys


def _question(path: Path) -> str:
    return next((line.partition(":")[2].strip() for line in _lines(path) if line.startswith("question:")), "")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    except (OSError, UnicodeDecodeError):
        return []
