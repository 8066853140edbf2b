"""The process that runs trials, one after the other: Tune's Trainable, reused so that imports are paid once."""

import gc
import sys
import threading
import traceback
from typing import Any

from ray import tune
from ray.experimental.internal_kv import _internal_kv_exists

from skipray.extension import own_code
from skipray.scheduling.ray.ticket import Interrupted, Ticket
from skipray.scheduling.work.failures import classify, spoils_process
from skipray.scheduling.work.protocol import TrialResult

MESSAGE_LENGTH = 500
TRACEBACK_LENGTH = 20_000


class TrialWorker(tune.Trainable):
    """Runs one trial a `step`. What it reports to Tune is one TrialResult; everything else goes to the tracking store.

    An exception of a trial is a result like any other, so that the warm process goes on. After a CUDA error or memory
    that ran out the process reports first and then ends, and Tune starts a fresh one.
    """

    _ticket: Ticket
    _spoilt = False

    def setup(self, config: dict[str, Any]) -> None:
        self._take(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._take(new_config)
        return True

    def _take(self, config: dict[str, Any]) -> None:
        self._ticket = config["ticket"]
        self.config = {}  # Tune would send it back with every result

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        ticket: Ticket = config["ticket"]
        bundle = {"CPU": ticket.cpus} | ({"GPU": ticket.gpus} if ticket.gpus else {})
        return tune.PlacementGroupFactory([bundle])

    def step(self) -> dict[str, Any]:
        if self._spoilt:
            raise ProcessSpoilt("a fresh process takes over after a CUDA error or memory that ran out")
        watch = StopWatch(self._ticket)
        try:
            result = run_ticket(self._ticket, watch)
        finally:
            watch.close()
        self._spoilt = result.scalars.get("process.spoilt", 0.0) > 0
        return {"result": result, "done": not self._spoilt}


class ProcessSpoilt(RuntimeError):
    """The process has reported its trial and must be replaced."""


def run_ticket(ticket: Ticket, watch: "StopWatch") -> TrialResult:
    """Execute an attempt; every exception becomes a result with its class and original traceback."""
    try:
        return ticket.execute(ticket, watch.check)
    except Interrupted:
        return TrialResult(ticket.trial.trial_id, "interrupted", ticket.attempt, message="the launch was stopped")
    except Exception as error:
        return failure_of(ticket, error)
    finally:
        _free_memory(ticket)


def failure_of(ticket: Ticket, error: Exception) -> TrialResult:
    """The result of an attempt that raised."""
    text = "".join(traceback.format_exception(error))
    return TrialResult(
        ticket.trial.trial_id,
        "failed",
        ticket.attempt,
        failure=classify(error),
        message=one_line(error),
        traceback=text[-TRACEBACK_LENGTH:],
        scalars={"process.spoilt": 1.0} if spoils_process(error) else {},
    )


def one_line(error: BaseException) -> str:
    """`mine.py:12: ValueError: the message`, its first line, and where in the user's own code it arose."""
    text = own_code.said(error)
    return text if len(text) <= MESSAGE_LENGTH else text[: MESSAGE_LENGTH - 3] + "..."


def _free_memory(ticket: Ticket) -> None:
    """Give a GPU's cached memory back, so that its neighbours on the GPU can have it (ray issues 32698, 30414)."""
    torch = sys.modules.get("torch")
    if ticket.trial.resources.device == "cuda" and torch is not None and torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()


class StopWatch:
    """Asks Ray's own key-value store, beside the training, whether the launch is being stopped.

    A Tune trainable can be stopped between its steps only, and here a step is a whole trial.
    """

    def __init__(self, ticket: Ticket):
        self._key = stop_key(ticket.place.launch_id)
        self._seconds = ticket.place.stop_poll_seconds
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
                if _internal_kv_exists(self._key):
                    self._stop.set()
                    return
            except Exception:
                continue  # the head is away; the process ends with it, or finds it again


def stop_key(launch_id: str) -> bytes:
    return f"skipray-stop-{launch_id}".encode()
