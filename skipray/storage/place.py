"""A trial's place in the storage: who may write, its checkpoints, and its result until the tracking store has it.

Attempts are fenced by number: attempt n + 1 exists as soon as its file does, and from then on attempt n is refused. The
check and the write that follows it are two operations, so a late attempt may still write one file; it bears that
attempt's own number, which readers rank below the newer one's.
"""

import hashlib
import json
import logging
import os
import re
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from skipray.errors import SkiprayError
from skipray.records import TrialRecord
from skipray.storage.folder import open_folder
from skipray.storage.result import decode_result, encode_result

_MAGIC = b"SKIPRAY-STATE\n"
FORMAT_VERSION = 1
"""Of checkpoints. A checkpoint of another version is passed over, and the trial starts again."""
KEPT = 2
"""Checkpoints of a trial that are kept: the newest, and one to fall back to if that one is damaged."""

_TRIAL = re.compile(r"^[0-9a-f]{32}$")
_HEX = re.compile(r"^[0-9a-f]+$")
_NUMBERED = re.compile(r"^(state|result|failure)-([0-9]{6})(-[0-9]{6}|\.json)?$")
"""What an attempt leaves, with its number; any other file is not skipray's and is left alone."""

_ATTEMPT = re.compile(r"^attempt-[0-9]{6,}\.json$")
_LAUNCH = re.compile(r"^launch-[0-9]{6,}\.json$")

log = logging.getLogger(__name__)


class Fenced(SkiprayError, RuntimeError):
    """A newer attempt owns this trial, or its result has been delivered: this attempt must stop and write no more."""


@dataclass(frozen=True)
class Failure:
    """Why an attempt ended without a result."""

    failure_class: str
    """out_of_memory, lost or error."""
    message: str
    """In one line."""
    traceback: str
    """The original one, from the worker."""
    time_ms: int
    attempt: int = 0


class Lease:
    """The right of one attempt to write, until a newer attempt takes it. Satisfies `skipray.trial.Checkpoints`."""

    def __init__(self, place: "TrialPlace", attempt: int, token: str):
        self.place = place
        self.attempt = attempt
        self._token = token
        self._sequence = 0

    def check(self) -> None:
        """Raises Fenced when a newer attempt owns the trial."""
        folder = self.place.folder
        newest = max(_numbers(folder.names(), "attempt"), default=0)
        if newest > self.attempt:
            raise Fenced(f"attempt {newest} of trial {self.place.trial_id} has taken over from attempt {self.attempt}")
        mine = folder.read(f"attempt-{self.attempt:06d}.json")
        if _token(mine) != self._token:
            raise Fenced(f"attempt {self.attempt} of trial {self.place.trial_id} is over")

    def save(self, state: bytes) -> None:
        """Keep a checkpoint: whole or not at all, durable on return. Raises Fenced, or OSError when storage is full."""
        self.check()
        folder = self.place.folder
        self._sequence += 1
        folder.write(
            f"state-{self.attempt:06d}-{self._sequence:06d}",
            _sealed(state, {"trial_id": self.place.trial_id, "attempt": self.attempt}),
        )
        states = _of_kind(folder.names(), "state")
        for name in states[:-KEPT]:
            folder.remove(name)

    def load(self) -> bytes | None:
        """The newest checkpoint that is whole and of this trial and format; None when there is none."""
        return self.place.load_state()

    def save_result(self, record: TrialRecord, artifacts: dict[str, bytes] | None = None) -> None:
        """Keep a finished trial's result until it is delivered; `artifacts` when they are made already."""
        data = encode_result(record, artifacts)
        self.check()
        self.place.folder.write(f"result-{self.attempt:06d}", data)

    def save_failure(self, failure: Failure) -> None:
        """Keep a failure until it is delivered."""
        self.check()
        self.place.folder.write(f"failure-{self.attempt:06d}.json", json.dumps(asdict(failure)).encode())

    def remove_delivered(self) -> None:
        """The tracking store has the result: nothing of the trial is needed any more but the name of this attempt.

        It stays until the launch has heard of the end (`TrialPlace.remove`). Without it an attempt that begins just
        now, of a launch that has not heard, would be a first one again, and make the trial a second run.
        """
        kept = f"attempt-{self.attempt:06d}.json"
        for name in self.place.folder.names():
            if name != kept and _is_ours(name):
                self.place.folder.remove(name)

    def remove_failure(self) -> None:
        """The tracking store has the failure; checkpoints stay, for the next attempt."""
        self.place.folder.remove(f"failure-{self.attempt:06d}.json")


class TrialPlace:
    """One trial's folder.

    Args:
        storage: a folder or fsspec address that every node reaches.
        sweep: the sweep's name.
        trial_id: of the trial.
    """

    def __init__(self, storage: str | os.PathLike[str], sweep: str, trial_id: str):
        self.trial_id = trial_id
        self.folder = open_folder(storage, sweep, trial_id)

    def acquire(self, owner: dict[str, str | int] | None = None) -> Lease:
        """Take the trial over from whatever attempt has it: that one is refused from now on.

        Args:
            owner: where this attempt runs, for people who look (host, pid, ...).
        """
        token = uuid.uuid4().hex
        content = json.dumps({"token": token, "time": time.time(), **(owner or {})}).encode()
        attempt = self.newest_attempt()
        while True:
            attempt += 1
            if self.folder.create(f"attempt-{attempt:06d}.json", content):
                return Lease(self, attempt, token)

    def newest_attempt(self) -> int:
        """Number of the newest attempt; 0 before the first."""
        return max(_numbers(self.folder.names(), "attempt"), default=0)

    def remove(self) -> None:
        """Remove the folder: the trial is finished, and its launch knows. Files that are not skipray's stay."""
        self.folder.remove_all(_is_ours)

    def load_state(self) -> bytes | None:
        """The newest valid checkpoint of any attempt; damaged and foreign ones are passed over."""
        for name in reversed(_of_kind(self.folder.names(), "state")):
            data = self.folder.read(name)
            if data is None:
                continue
            try:
                return _unsealed(data, self.trial_id)
            except ValueError as error:
                log.warning("checkpoint %s of trial %s is passed over: %s", name, self.trial_id, error)
        return None

    def load_result(self) -> tuple[TrialRecord, int] | None:
        """A result that awaits delivery and the attempt that made it; None when there is none that is whole."""
        for name in reversed(_of_kind(self.folder.names(), "result")):
            data = self.folder.read(name)
            if data is None:
                continue
            try:
                record = decode_result(data)
            except ValueError as error:
                log.warning("undelivered result %s of trial %s is passed over: %s", name, self.trial_id, error)
                continue
            if record.trial_id == self.trial_id:
                return record, int(name[7:13])
        return None

    def load_failure(self) -> Failure | None:
        """The newest failure that awaits delivery."""
        for name in reversed(_of_kind(self.folder.names(), "failure")):
            data = self.folder.read(name)
            if data is None:
                continue
            try:
                return _failure(json.loads(data), int(name[8:14]))
            except (ValueError, TypeError) as error:
                log.warning("undelivered failure %s of trial %s is passed over: %s", name, self.trial_id, error)
        return None


def awaiting_delivery(storage: str | os.PathLike[str], sweep: str) -> list[str]:
    """trial_ids whose result or failure the tracking store does not have yet."""
    found = []
    for trial_id in open_folder(storage, sweep).names():
        if not _HEX.match(trial_id):
            continue  # a launch's file, or one that is not skipray's
        if _of_kind(open_folder(storage, sweep, trial_id).names(), "result", "failure"):
            found.append(trial_id)
    return found


def foreign_files(storage: str | os.PathLike[str], sweep: str) -> list[str]:
    """Names of what the storage of a sweep holds and skipray has not put there, below the sweep's folder; sorted."""
    found = []
    for name in open_folder(storage, sweep).names():
        if _TRIAL.match(name):
            inside = open_folder(storage, sweep, name).names()
            found += [f"{name}/{n}" for n in inside if not _is_ours(n)]
        elif not _LAUNCH.match(name):
            found.append(name)
    return sorted(found)


def trials_kept(storage: str | os.PathLike[str], sweep: str) -> list[str]:
    """trial_ids that the storage holds anything of."""
    return [name for name in open_folder(storage, sweep).names() if _TRIAL.match(name)]


def local_path(address: str | os.PathLike[str]) -> Path | None:
    """An address as a path of this machine; None for what is behind a server, such as s3://... or mlflow-artifacts:/...

    >>> local_path("file:///data"), local_path("mlflow-artifacts:/1"), local_path("s3://bucket/prefix")
    (PosixPath('/data'), None, None)
    """
    text = os.fspath(address)
    scheme, mark, rest = text.partition(":/")
    if not mark or not scheme.replace("-", "").replace("+", "").isalnum():
        return Path(text)
    return Path("/" + rest.lstrip("/")) if scheme == "file" else None


def _is_ours(name: str) -> bool:
    """Whether a file of a trial's folder is one that attempts leave."""
    return bool(_NUMBERED.match(name) or _ATTEMPT.match(name))


def _token(attempt: bytes | None) -> str | None:
    """Whose an attempt's file is; None of one that is missing or damaged."""
    try:
        return str(json.loads(attempt or b"")["token"])
    except (ValueError, KeyError, TypeError):
        return None


def _failure(told: Any, attempt: int) -> Failure:
    """ValueError or TypeError for what is none."""
    if isinstance(told, dict) and "kind" in told:  # what an earlier release calls the class
        told = {"failure_class": told["kind"], **{k: v for k, v in told.items() if k != "kind"}}
    failure = Failure(**{**told, "attempt": attempt})
    if not isinstance(failure.time_ms, int) or not all(
        isinstance(text, str) for text in (failure.failure_class, failure.message, failure.traceback)
    ):
        raise ValueError("it is no failure")
    return failure


def _of_kind(names: list[str], *kinds: str) -> list[str]:
    """Files of an attempt, in the order of their numbers."""
    return [n for n in names if (found := _NUMBERED.match(n)) and found[1] in kinds]


def _numbers(names: list[str], kind: str) -> list[int]:
    pattern = re.compile(rf"^{kind}-([0-9]{{6}})\.json$")
    return [int(found[1]) for n in names if (found := pattern.match(n))]


def _sealed(payload: bytes, header: dict[str, str | int]) -> bytes:
    """Magic, length of the header, header with the payload's length and sha256, payload."""
    full = header | {
        "format": FORMAT_VERSION,
        "bytes": len(payload),
        "sha256": hashlib.sha256(payload).hexdigest(),
    }
    text = json.dumps(full, sort_keys=True).encode()
    return b"".join([_MAGIC, len(text).to_bytes(4, "big"), text, payload])


def _unsealed(data: bytes, trial_id: str) -> bytes:
    start = len(_MAGIC) + 4
    if len(data) < start or not data.startswith(_MAGIC):
        raise ValueError("it is not a checkpoint")
    end = start + int.from_bytes(data[len(_MAGIC) : start], "big")
    try:
        header = json.loads(data[start:end])
    except ValueError:
        raise ValueError("its header is damaged") from None
    payload = data[end:]
    if header.get("format") != FORMAT_VERSION:
        raise ValueError(f"its format is {header.get('format')}, not {FORMAT_VERSION}")
    if header.get("trial_id") != trial_id:
        raise ValueError(f"it is of trial {header.get('trial_id')}")
    if header.get("bytes") != len(payload) or header.get("sha256") != hashlib.sha256(payload).hexdigest():
        raise ValueError("it is truncated or damaged")
    return payload
