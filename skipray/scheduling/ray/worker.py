"""The process that runs trials, one after the other: Tune's Trainable, reused so that imports are paid once."""

import ctypes
import gc
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import ray
from ray import tune

from skipray.extension import own_code
from skipray.scheduling.ray.attempt import Interrupted, TrialAttempt
from skipray.scheduling.ray.death_note import DeathNote, note_path
from skipray.scheduling.ray.stop_flag import StopFlag
from skipray.scheduling.work.failures import classify, spoils_process
from skipray.scheduling.work.permissions import keep_others_from_writing
from skipray.scheduling.work.protocol import TrialResult
from skipray.tracking import redact

MESSAGE_LENGTH = 500
TRACEBACK_LENGTH = 20_000
RAY_FOLDER = Path(ray.__file__).parent


class TrialWorker(tune.Trainable):
    """Runs one trial a `step`. What it reports to Tune is one TrialResult; everything else goes to the tracking store.

    An exception of a trial is a result like any other, so that the warm process goes on. After a CUDA error, memory
    that ran out, or a change of the process that cannot be set back, the process reports first and then ends, and Tune
    starts a fresh one.
    """

    _attempt: TrialAttempt
    _spoilt = False

    def setup(self, config: dict[str, Any]) -> None:
        keep_others_from_writing()  # on a node that others have started too
        self._take(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._take(new_config)
        return True

    def _take(self, config: dict[str, Any]) -> None:
        self._attempt = config["attempt"]
        self.config = {}  # Tune would send it back with every result

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        attempt: TrialAttempt = config["attempt"]
        bundle = {"CPU": attempt.cpus} | ({"GPU": attempt.gpus} if attempt.gpus else {})
        return tune.PlacementGroupFactory([bundle])

    def step(self) -> dict[str, Any]:
        if self._spoilt:
            raise ProcessSpoilt(
                "a fresh process takes over after a CUDA error, memory that ran out, or a change that cannot be undone"
            )
        attempt, watch = self._attempt, StopPoll(self._attempt)
        path = note_path(attempt.context.notes_folder, attempt.trial.trial_id, attempt.number)
        try:
            with DeathNote(path, attempt.trial.resources.stall_seconds) as note:
                result = run_attempt_safely(attempt, watch, note)
        finally:
            watch.close()
        self._spoilt = result.scalars.get("process.spoilt", 0.0) > 0 or _changed_for_good()
        return {"result": result, "done": not self._spoilt}


class ProcessSpoilt(RuntimeError):
    """The process has reported its trial and must be replaced."""


OWN_ENDS = (Exception, SystemExit, KeyboardInterrupt, GeneratorExit)
"""What the code of a trial can raise: `sys.exit` in it ends the trial, and not the process."""


def run_attempt_safely(attempt: TrialAttempt, watch: "StopPoll", note: DeathNote) -> TrialResult:
    """Execute an attempt; every exception becomes a result with its class and original traceback.

    Raises SystemExit where Ray ends the process: that is no end of the trial's own.
    """

    def between_steps() -> None:
        note.progress()
        watch.check()

    try:
        return attempt.execute(attempt, between_steps)
    except Interrupted:
        return TrialResult(attempt.trial.trial_id, "interrupted", attempt.number, message="the launch was stopped")
    except OWN_ENDS as error:
        if is_end_of_process(error):
            raise
        return failure_of(attempt, error)
    finally:
        _free_memory(attempt)


def is_end_of_process(error: BaseException) -> bool:
    """Whether Ray ends the process, as it does where its owner is gone: its handler of SIGTERM raises SystemExit.

    The innermost frame of it is of Ray's compiled part, whose name is relative, and the one before is in Ray's folder.
    """
    files = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    real = [file for file in files if file.is_absolute()]
    return isinstance(error, SystemExit) and bool(real) and real[-1].is_relative_to(RAY_FOLDER)


def failure_of(attempt: TrialAttempt, error: BaseException) -> TrialResult:
    """The result of an attempt that raised."""
    text = "".join(traceback.format_exception(error))
    return TrialResult(
        attempt.trial.trial_id,
        "failed",
        attempt.number,
        failure_class=classify(error),
        message=one_line(error),
        traceback=redact(text)[-TRACEBACK_LENGTH:],
        scalars={"process.spoilt": 1.0} if spoils_process(error) else {},
    )


def one_line(error: BaseException) -> str:
    """`mine.py:12: ValueError: the message`, its first line, and where in the user's own code it arose; no secrets."""
    text = redact(own_code.said(error))
    return text if len(text) <= MESSAGE_LENGTH else text[: MESSAGE_LENGTH - 3] + "..."


def _changed_for_good() -> bool:
    """Whether a trial's own code has changed what this process cannot set back; the trial itself has logged what."""
    state = sys.modules.get("skipray.trial.kept")
    return state is not None and bool(state.LEFT)


def _free_memory(attempt: TrialAttempt) -> None:
    """Give memory back that is kept for a trial's next step (see `allocator_variables`), and a GPU's cached memory, so
    that its neighbours can have it (ray issues 32698, 30414)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)
    torch = sys.modules.get("torch")
    if attempt.trial.resources.device == "cuda" and torch is not None and torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()


class StopPoll:
    """Looks, beside the training, whether the launch is being stopped.

    A Tune trainable can be stopped between its steps only, and here a step is a whole trial.
    """

    def __init__(self, attempt: TrialAttempt):
        self._flag = StopFlag(attempt.context.launch_id)
        self._seconds = attempt.context.stop_poll_seconds
        self._stop = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="skipray-stop", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raises Interrupted once the launch is being stopped."""
        if self._stop.is_set():
            raise Interrupted

    def close(self) -> None:
        self._closed.set()

    def _poll(self) -> None:
        while not self._closed.wait(self._seconds):
            try:
                if self._flag.is_set():
                    self._stop.set()
                    return
            except Exception:
                continue  # the head is away; the process ends with it, or finds it again
