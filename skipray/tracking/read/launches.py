"""The launches of a sweep, as its run names them: each made a param of its own, and the newest owns the sweep."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from skipray.spec import SweepSpec
from skipray.storage import Owner, living_launch
from skipray.storage.owner import owner_from, seems_living
from skipray.tracking.address import is_sql, resolve_uri, storage_url
from skipray.tracking.read.row import object_of
from skipray.tracking.read.sweep_run import find_sweep_run
from skipray.tracking.read.tables import PARAMS, TAGS, away, engine

PARAM = "skipray.launch."
"""Before a launch's number: JSON of its Owner. A param, because a store takes one value of it and never another."""
BEAT = "skipray.launch.beat"
"""Tag, JSON: number of the launch that renewed it, how often, and its clock."""
RELEASED = "skipray.launch.released"
"""Tag: number of the last launch that gave the sweep up."""

IN_TURN = "in_turn"
"""Beside a launch's Owner: whether it, and each before, began after the one before had given the sweep up."""
FORGOTTEN = "skipray.launch.forgotten"
"""Tag: number of the launch whose storage nobody needs any more (`skipray doctor --repair`)."""


@dataclass(frozen=True)
class Launches:
    """Where the launches of a sweep stand."""

    number: int
    """Of the newest launch; 0 before the first."""
    owner: Owner | None
    """The newest launch, unless it has given the sweep up."""
    beat: str
    """As it was renewed last, in whatever words: another text is a sign of life."""
    last: Owner | None = None
    """The newest launch, whether or not it has given the sweep up."""
    in_turn: bool = True
    """Whether each launch began after the one before had given the sweep up."""
    forgotten: str = ""
    """Number of the launch whose storage was given up, as text."""


def living_owner(sweep: SweepSpec, tracking_uri: str | None = None) -> Owner | None:
    """The launch that runs a sweep now; None when there is none. Does not wait: clocks are taken to agree."""
    uri = resolve_uri(sweep, tracking_uri)
    run = find_sweep_run(uri, sweep.name)
    if run is not None:
        owner = read_launches(uri, run.run_id).owner
        if owner is not None and seems_living(owner):
            return owner
    return living_launch(storage_url(sweep, tracking_uri), sweep.name)  # of an earlier skipray, too


def read_launches(uri: str, run_id: str) -> Launches:
    """What a sweep's run says of its launches."""
    params, tags = _sql(uri, run_id) if is_sql(uri) else _http(uri, run_id)
    numbers = [int(key.removeprefix(PARAM)) for key in params if key.removeprefix(PARAM).isdigit()]
    number = max(numbers, default=0)
    told = object_of(params.get(f"{PARAM}{number:06d}"))
    last = _owner(told)
    beat = tags.get(BEAT, "")
    if last is not None:
        last = _heard(last, number, beat)
    released = tags.get(RELEASED) == str(number)
    in_turn = not number or told.get(IN_TURN) is True  # of an earlier skipray nothing is known
    return Launches(number, None if released else last, beat, last, in_turn, tags.get(FORGOTTEN, ""))


def _owner(told: Mapping[str, Any]) -> Owner | None:
    try:
        return owner_from(told)
    except TypeError:
        return None  # a damaged launch has no owner


def _heard(owner: Owner, number: int, beat: str) -> Owner:
    """The owner with the time at which it was heard of last."""
    told = object_of(beat)
    try:
        return replace(owner, heartbeat=float(told["time"])) if told["launch"] == number else owner
    except (ValueError, TypeError, KeyError):
        return owner


def _sql(uri: str, run_id: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    found = []
    try:
        with engine(uri).connect() as connection:
            for of in (PARAMS, TAGS):
                query = select(of.c.key, of.c.value).where(of.c.run_uuid == run_id, of.c.key.like(f"{PARAM}%"))
                found.append({str(row.key): str(row.value) for row in connection.execute(query)})
    except SQLAlchemyError as error:
        raise away(uri, error) from None
    return found[0], found[1]


def _http(uri: str, run_id: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    from skipray.tracking.client import reach

    run = reach(uri, lambda c: c.get_run(run_id))
    return run.data.params, run.data.tags
