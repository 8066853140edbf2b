"""What every verb's help and the documentation say: exit codes, and what is read from the environment."""

EXIT_CODES = {
    0: "all done",
    1: "an internal error, which is a fault of skipray's",
    2: "bad input, said in one line: what was found, where, what is allowed",
    3: "some trials failed, or results still wait for the tracking store",
    130: "interrupted; the same command goes on",
}
ENVIRONMENT = {
    "SKIPRAY_DATA": "the folder of data sets, as --data; else `data` in the working directory",
    "MLFLOW_TRACKING_URI": "where runs are tracked; before the sweep's own tracking.uri, after --tracking-uri",
    "RAY_ADDRESS": "the Ray cluster to join, as --address",
    "SKIPRAY_CACHE": "the folder of what can be made again: prepared data, tables, an empty tracking store",
    "SKIPRAY_STORAGE": "the folder of checkpoints and leases, where the sweep names none; else beside the store",
    "SKIPRAY_SWEEP": "given to the command of `launch --notify`: the sweep's name",
    "SKIPRAY_STATUS": "likewise: how the launch ended",
}


def paragraphs(title: str, lines: list[str]) -> str:
    """A part of a help's end."""
    return "\n".join([f"[bold]{title}[/bold]", *(f"  {line}" for line in lines)])


def of_skipray() -> str:
    """The end of `skipray --help`."""
    codes = paragraphs("Exit codes", [f"{code}: {meaning}" for code, meaning in EXIT_CODES.items()])
    variables = paragraphs("Environment", [f"{name}: {meaning}" for name, meaning in ENVIRONMENT.items()])
    first = paragraphs("Begin with", ["skipray list", "skipray plan quickstart", "skipray launch quickstart"])
    return f"{first}\n\n{codes}\n\n{variables}"


def of_verb(examples: tuple[str, ...]) -> str:
    """The end of `skipray VERB --help`."""
    return (
        paragraphs("Examples", [*examples]) + "\n\nExit codes and what is read from the environment: `skipray --help`."
    )
