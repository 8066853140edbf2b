"""Secrets that are planted wherever a user may have some, and a sweep with faults: none is seen anywhere afterwards.

Searched are the lists of processes while it runs, every file below the sweep's folder, the storage and the cluster's
own folders (Ray's sessions and logs, MLflow's, PostgreSQL's data) and what is read back.
"""

import base64
import threading
import time
from pathlib import Path
from urllib.parse import quote

import psutil
from of_tracking import faulty_proxy
from stage import Disturbed, Stage

from sweeps import UNRULY

LONGEST_FILE = 256 * 2**20
USER, PASSWORD = "mlop", "hunter/2p@ss-Zq81"
OF_ENVIRONMENT = {"AWS_SECRET_ACCESS_KEY": "env-Kd72-aws", "PGPASSWORD": "env-Pw55-pg"}
OF_QUESTION = "question-Tk19"
OF_CODE = ("message-Ur33", "field-Xy64", "bearer-Wq90")
SECRETS = (PASSWORD, quote(PASSWORD, safe=""), *OF_ENVIRONMENT.values(), OF_QUESTION, *OF_CODE)
ENCODED = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
MODULE = f"""\
{UNRULY}
# Written backwards, so that this text does not hold them.
ADDRESS, FIELD, BEARER = (text[::-1] for text in {tuple(text[::-1] for text in OF_CODE)!r})


def _tell():
    raise RuntimeError(
        f"cannot reach postgresql://u:{{ADDRESS}}@db/x with {{{{'api_key': '{{FIELD}}'}}}}, "
        f"Authorization: Bearer {{BEARER}}"
    )


Family = unruly(_tell)
"""


def secrets_planted(stage: Stage) -> None:
    """In the tracking address, the environment, the sweep's question and a failure's message; the server then fails
    for a while, a worker's code raises, and the launch is repeated."""
    with faulty_proxy(stage) as proxy:
        proxy.authorization = f"Basic {ENCODED}"
        address = proxy.uri.replace("://", f"://{USER}:{quote(PASSWORD, safe='')}@")
        variables = {"MLFLOW_TRACKING_URI": address, "PYTHONDONTWRITEBYTECODE": "1", **OF_ENVIRONMENT}
        families = ("plainnet", "resnet", "telling:Family")
        with stage.disturb("secrets-planted", variables=variables, architectures=families) as it:
            (it.file.parent / "telling.py").write_text(MODULE)
            it.file.write_text(it.file.read_text().replace("after a fault?", f"after a fault? token={OF_QUESTION}"))
            stage.reads(it.file)
            it.expected_failures = 1
            with _Processes() as seen:
                launch = it.launch()
                it.training()
                it.strike()
                proxy.every, proxy.fault = 2, "500"
                time.sleep(10)
                proxy.fault = None
                it.expect(proxy.failed > 0, "requests met the fault")
                it.expect_failed(launch, 1)
                it.expect_failed(it.launch(), 1)
            it.row.allowed_seconds = None
            it.expect(not seen.found, f"no list of processes shows a secret: {seen.found}")
            it.expect(seen.looks > 10, "the lists of processes were looked at")
            places = (it.file.parent, it.storage, Path(stage.cluster.state.short), stage.cluster.folder)
            _search(it, [p for p in places if p.is_dir()], own=(it.file, it.file.parent / "telling.py"))


class _Processes(threading.Thread):
    """Looks at every process's command line while a sweep runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.found: set[str] = set()
        self.looks = 0
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(0.2):
            self.looks += 1
            for process in psutil.process_iter():
                try:
                    words = " ".join(process.cmdline())
                except psutil.Error:
                    continue
                self.found |= {f"{secret} in {words[:60]}" for secret in (*SECRETS, ENCODED) if secret in words}

    def __enter__(self) -> "_Processes":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()


def _search(it: Disturbed, places: list[Path], own: tuple[Path, ...]) -> None:
    """No file holds a secret, but for the user's own."""
    looked, found = 0, set()
    needles = [(secret, secret.encode()) for secret in (*SECRETS, ENCODED)]
    for path in {p for place in places for p in place.rglob("*")} - set(own):
        if path.is_symlink() or not path.is_file() or path.stat().st_size > LONGEST_FILE:
            continue
        try:
            content = path.read_bytes()
        except OSError:
            continue
        looked += 1
        found |= {f"{secret} in {path}" for secret, needle in needles if needle in content}
    it.expect(looked > 100, f"files were searched: {looked}")
    it.expect(not found, f"no file holds a secret: {sorted(found)[:5]}")
    kept = [own[0].read_text(), own[1].read_text()]
    it.expect(OF_QUESTION in kept[0] and OF_CODE[0][::-1] in kept[1], "the secrets were planted")
