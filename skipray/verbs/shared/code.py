"""Code, settings and probes that have changed since some of a sweep's trials were run: said before all else; code is
accepted where that is asked."""

from collections.abc import Sequence
from typing import Annotated

import typer

from skipray.spec import SweepSpec, TrialSpec
from skipray.verbs.shared.speaking import tell
from skipray.wording import counted

AcceptOption = Annotated[
    bool,
    typer.Option(
        "--accept-code",
        help="Accept results that were obtained before your code was edited as results of the code as it is now.",
    ),
]


def check_code(spec: SweepSpec, tracking_uri: str | None, *, accept: bool = False) -> list[str]:
    """What is finished with other code, settings or probes than today's, or under another name where the sweep is new,
    in sentences, said on stderr.

    Args:
        accept: whether those results are taken for today's code's, which the sweep's run then records.
    """
    from skipray import tracking

    if not tracking.exists(spec, tracking_uri):
        left = tracking.finished_elsewhere(spec, tracking_uri)
        for sentence in left:
            tell(sentence)
        return left
    trials: Sequence[TrialSpec] = spec.trials()
    found = tracking.outdated(spec, tracking_uri, trials)
    accepted = tracking.accept_code(spec, tracking_uri, found) if accept else []
    for one in accepted:
        taken = counted(one.finished, f"trial of another {one.name} is", f"trials of another {one.name} are")
        tell(f"{taken} taken as this code's")
    left = [str(one) for one in found if one not in accepted]
    left += tracking.other_settings(spec, tracking_uri, trials) + tracking.other_probes(spec, tracking_uri, trials)
    for sentence in left:
        tell(sentence)
    return left
