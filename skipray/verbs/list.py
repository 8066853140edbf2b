"""The sweeps that there are: here, in the package, in the store."""

from skipray.verbs.shared.options import JsonOption, UriOption
from skipray.verbs.shared.speaking import print_json

EXAMPLES = (
    "skipray list",
    "skipray list --json",
)


def list(as_json: JsonOption = False, tracking_uri: UriOption = None) -> None:
    """Show the sweeps in this folder, in the package, and in the tracking store."""
    from skipray import tracking
    from skipray.spec import shipped
    from skipray.terminal.sweeps import show_sweeps

    here = shipped.sweeps_here()
    packaged = shipped.sweeps_in_package()
    tracked = tracking.tracked_sweeps(tracking_uri)
    renamed = {name: found.name for name, found in tracking.renamed_sweeps(tracking_uri).items()}
    if as_json:
        print_json("list", {"here": here, "package": packaged, "store": tracked, "renamed": renamed})
        return
    show_sweeps(here, packaged, tracked, renamed)
