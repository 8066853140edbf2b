"""Pages of the reference, made from the code when the site is built, so that they cannot differ from it."""

import inspect
import runpy
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from skipray import verbs
from skipray.spec.reference import FieldRow, field_rows
from skipray.verbs.shared.surroundings import ENVIRONMENT, EXIT_CODES

PICTURES = Path(__file__).parent / "pictures"


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    for path, make in PAGES.items():
        files.append(File.generated(config, path, content="\n".join(make()) + "\n"))
    published = resources.files("skipray.results").joinpath("schema.json").read_text(encoding="utf-8")
    files.append(File.generated(config, "reference/results.schema.json", content=published))
    return files


def fields_page() -> Iterator[str]:
    """Every field of a sweep file."""
    yield "# Fields of a sweep\n"
    yield "What `skipray fields` prints, and `skipray fields --schema` gives editors as a JSON Schema.\n"
    sections: dict[str, list[FieldRow]] = {}
    for row in field_rows():
        sections.setdefault(row.name.rpartition(".")[0], []).append(row)
    for head, rows in sections.items():
        yield f"\n## {head or 'The sweep'}\n"
        yield "| field | allowed | default | meaning |\n|---|---|---|---|"
        for row in rows:
            default = "required" if row.required else "" if row.default is None else f"`{row.default}`"
            yield f"| `{row.name.rpartition('.')[2]}` | {cell(row.allowed)} | {default} | {cell(row.meaning)} |"


def names_page() -> Iterator[str]:
    """Every data set, family, initialisation and activation of the package, in the words of its file."""
    from skipray.extension import catalog

    yield "# Names\n"
    yield (
        "What a sweep may name: files of the package, in the first words of each. `module:name` names "
        "[your own data](../guides/own-data.md) and [your own architecture](../guides/own-architecture.md).\n"
    )
    for folder, (title, field) in NAMED.items():
        yield f"\n## {title}\n\nThe field `{field}`."
        if folder == "datasets":
            yield (
                "Those with files have to be on the machine: `skipray plan` says where they were looked for and how to "
                "get them; `SKIPRAY_DATA`, or `--data`, is the folder that they lie in."
            )
        has_files = folder == "datasets"
        yield "\n| name | what it is |" + " files |" * has_files + "\n|---|---|" + "---|" * has_files
        for name in catalog.names(folder):
            found = catalog.find(folder, name)
            files = (" yes |" if hasattr(found, "missing") else " no |") * has_files
            yield f"| `{name}` | {cell(inspect.cleandoc(found.__doc__ or '').partition(chr(10) * 2)[0])} |{files}"
    yield "\n## Options\n\nOf data sets in `dataset.options`, of families in `model.options`; each may be a factor."
    yield from options_of("datasets")
    yield from options_of("architectures")


def options_of(folder: str) -> Iterator[str]:
    """What files of a folder say of their options: the rest of their docstrings, as it stands there."""
    from skipray.extension import catalog

    for name in catalog.names(folder):
        found = catalog.find(folder, name)
        rest = inspect.cleandoc(found.__doc__ or "").partition("\n\n")[2]
        if hasattr(found, "OPTIONS") or hasattr(found, "DEFAULTS"):
            yield f"\n### {name}\n\n{rest}\n"
            defaults = getattr(found, "DEFAULTS", getattr(found, "OPTIONS", {}))
            if isinstance(defaults, Mapping):
                yield "Defaults: " + ", ".join(f"`{key}: {yaml_value(value)}`" for key, value in defaults.items()) + "."


def yaml_value(value: Any) -> str:
    """A value as a sweep's file has it."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def commands_page() -> Iterator[str]:
    """Every verb with its options."""
    import typer

    from skipray.launch import app

    yield "# Commands\n"
    yield (
        "`skipray VERB`, `python -m skipray VERB` and `python -m skipray.launch VERB` are the same; "
        "`python -m skipray.launch SWEEP` is `skipray launch SWEEP`. `--json` prints exactly one object on stdout.\n"
    )
    yield "| exit code | meaning |\n|---|---|"
    for code, meaning in EXIT_CODES.items():
        yield f"| {code} | {meaning} |"
    yield "\n| environment variable | meaning |\n|---|---|"
    for variable, meaning in ENVIRONMENT.items():
        yield f"| `{variable}` | {meaning} |"
    group = typer.main.get_command(app)
    for name in verbs.names():
        command = group.commands[name]  # type: ignore[attr-defined]
        yield f"\n## {name}\n\n{inspect.cleandoc(command.help or '')}\n"
        yield "| argument or option | meaning |\n|---|---|"
        for parameter in command.params:
            names = (
                ", ".join(f"`{o}`" for o in parameter.opts)
                if parameter.param_type_name == "option"
                else (f"`{(parameter.metavar or parameter.name or '').strip('[]')}`")
            )
            yield f"| {names} | {cell(getattr(parameter, 'help', '') or '')} |"


def claims_page() -> Iterator[str]:
    """Every claim of the catalog, in the words of its file."""
    from skipray.claims import paper_claims
    from skipray.extension import catalog

    yield "# Claims\n"
    yield (
        "One file per claim in `skipray/claims/`, over roles that a sweep binds to families "
        "([Your own claim](../guides/own-claim.md)). All claims of a sweep are one family of tests.\n"
    )
    for name in paper_claims():
        claim = catalog.find("claims", name)
        title, _, rest = inspect.cleandoc(claim.__doc__ or "").partition("\n\n")
        yield f"\n## {cell(title)}\n\n{rest}\n"
        needs = ", ".join(f"`{key}`" for key in claim.NEEDS) or "outcomes"
        yield f"Roles: {', '.join(claim.ROLES)}. Measured: {needs}."


def metrics_page() -> Iterator[str]:
    """Every metric of the catalog, with its keys, as `python -m skipray.metrics` prints them, and their pictures."""
    from skipray.metrics import entries, page

    yield page()
    yield "## Pictures\n"
    yield (
        "What each reads of networks that break with depth and of those that do not: dots are seeds, lines their "
        "medians, after training (of attention at initialisation). `python docs/pictures.py` runs the two sweeps, "
        "`docs/pictures/of-layers.yaml` and `of-attention.yaml`, and draws them anew (these: 2026-11-28, after commit "
        "572fd70, two and three seeds, 2 cores of an Intel Xeon at 2.8 GHz).\n"
    )
    for entry in entries():
        if (PICTURES / f"{entry.name}.svg").exists():
            yield f"\n### {entry.metric.key}\n\n{entry.metric.definition}.\n"
            yield f"![{entry.metric.axis} by depth](pictures/{entry.name}.svg)"


def json_page() -> Iterator[str]:
    """Every object that is handed out as JSON, with its keys."""
    from skipray.results import SCHEMA_VERSION, schema

    parts = schema()["$defs"]
    handed = [part["$ref"].rpartition("/")[2] for part in schema()["oneOf"]]
    yield "# Results as JSON\n"
    yield (
        "`--json` prints one object, `claims.json` beside a report is that of `skipray aggregate`, and `launch "
        "--notify` is told a `notification`. Each bears its `kind` and `schema_version`, now "
        f"{SCHEMA_VERSION}, which rises when a key goes or means something else. What is absent or without a bound is "
        "null. The [JSON Schema](results.schema.json) comes with the package too: `skipray.results.schema()`."
    )
    for name in (*handed, *sorted(set(parts) - set(handed))):
        fields = {k: v for k, v in parts[name].get("properties", {}).items() if k not in ("schema_version", "kind")}
        if not fields:
            continue
        yield f"\n## {name}\n\n{parts[name].get('description', '')}\n"
        yield "| key | type | meaning |\n|---|---|---|"
        required = parts[name].get("required", ())
        for key, field in fields.items():
            kind = json_type(field) + ("" if key in required else ", or left out")
            yield f"| `{key}` | {cell(kind)} | {cell(field.get('description', ''))} |"


def json_type(field: Any) -> str:
    """A field of the schema in words."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return {"scalar": "value", "probability": "probability"}.get(name, f"[{name}](#{name})")
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    kinds = field.get("type", "any")
    words = " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
    return f"{words} of {json_type(field['items'])}" if "items" in field else words


def speed_page() -> Iterator[str]:
    """How fast it is, beside what: from the records of `make bench`."""
    yield from runpy.run_path(str(Path(__file__).with_name("speed.py")))["page"]()


NAMED = {
    "datasets": ("Data sets", "dataset.name"),
    "architectures": ("Families", "model.architecture"),
    "initialisations": ("Initialisations", "model.initialisation"),
    "activations": ("Activations", "model.activation"),
}
"""Folder of the package -> heading, and the field that names its files."""
PAGES = {
    "metrics.md": metrics_page,
    "speed.md": speed_page,
    "reference/fields.md": fields_page,
    "reference/names.md": names_page,
    "reference/commands.md": commands_page,
    "reference/claims.md": claims_page,
    "reference/json.md": json_page,
}
"""Where each generated page stands in the site."""


def cell(text: str) -> str:
    """A text as a cell of a table in Markdown."""
    return " ".join(str(text).split()).replace("|", "\\|")
