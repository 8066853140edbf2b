"""How long histories, layers, histograms and the doctor take through an MLflow server, and how many requests that is.

    python tests/benchmarks/bench_files.py [--trials 1000 4000]

The server is on this machine, started as `skipray ui` starts it; each run has 44 metrics of two epochs, layers,
histograms, spectra and weights. A process that has read nothing before does it ("cold"), then another ("next"), which
leaves tables on the sweep's run as a launch does at its end, and then one on what counts as another machine ("other").
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _figures import print_figure
from bench_readback import fill, make_sweep, server

HERE = Path(__file__).resolve()
LAYERS, STATISTICS = 8, 20


def files() -> dict[str, bytes]:
    """Of a run: as large as those of a small network."""
    import numpy as np
    import pandas as pd

    from skipray.records import LAYER_COLUMNS, Bins, Histogram
    from skipray.storage import histograms_to_parquet, layers_to_parquet, spectra_to_npz

    rng = np.random.default_rng(0)
    layers = [
        (epoch, f"blocks.{i}", i, "hidden", "matrix", False, "eval", f"statistic{k}", 1, rng.normal(), 0, "")
        for epoch in (0, 1)
        for i in range(LAYERS)
        for k in range(STATISTICS)
    ]
    low = tuple(float(v) for v in range(60))
    bins = Bins(low, tuple(v + 1 for v in low), tuple(range(1, 61)))
    ends = [Histogram(e, f"blocks.{i}", i, "hidden", bins) for e in (0, 1) for i in (0, LAYERS - 1)]
    return {
        "layers.parquet": layers_to_parquet(pd.DataFrame(layers, columns=list(LAYER_COLUMNS))),
        "histograms.parquet": histograms_to_parquet(ends),
        "spectra.npz": spectra_to_npz({f"1/blocks.{i}/hidden/matrix/raw": rng.random(64) for i in range(LAYERS)}),
        "weights.safetensors": b"\x02\x00\x00\x00\x00\x00\x00\x00{}" + bytes(100_000),
    }


def read(uri: str, count: int, *, share: bool) -> None:
    """Prints seconds, seconds of CPU and requests of each part."""
    import requests

    from skipray import tracking

    sweep, asked = make_sweep(count), [0]
    send = requests.Session.send

    def counted(self: requests.Session, *arguments: object, **options: object) -> requests.Response:
        asked[0] += 1
        return send(self, *arguments, **options)

    requests.Session.send = counted
    told: dict[str, list[float]] = {}
    with tracking.one_look():
        for name, part in (
            ("ledger", lambda: tracking.read_ledger(sweep, uri)),
            ("trials", lambda: tracking.read_trials(sweep, uri)),
            ("histories", lambda: tracking.read_histories(sweep, uri)),
            ("layers", lambda: tracking.read_layers(sweep, uri)),
            ("histograms", lambda: tracking.read_histograms(sweep, uri)),
            ("doctor", lambda: tracking.examine(sweep, uri)),
        ):
            started, processor, before = time.perf_counter(), time.process_time(), asked[0]
            found = part()
            assert name == "doctor" or name == "ledger" or len(found) >= count, name
            told[name] = [
                round(time.perf_counter() - started, 2),
                round(time.process_time() - processor, 2),
                asked[0] - before,
            ]
        if share:
            address, ledger = tracking.open_sweep(sweep, uri), tracking.read_ledger(sweep, uri)
            started, before = time.perf_counter(), asked[0]
            written = tracking.share_tables(address, sweep, sweep.trials(), ledger, lambda text: None)
            told[f"{written} tables left"] = [round(time.perf_counter() - started, 2), asked[0] - before]
    print(json.dumps(told))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[1000])
    parser.add_argument("--read", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        uri, trials, what = arguments.read
        read(uri, int(trials), share=what == "next")
        return
    for count in arguments.trials:
        with tempfile.TemporaryDirectory(prefix="skipray-bench-") as folder:
            os.chdir(folder)
            uri = f"sqlite:///{folder}/bench.db"
            fill(uri, count, files())
            with server(uri) as address:
                for what in ("cold", "next", "other"):
                    where = Path(folder, "another" if what == "other" else "machine")
                    where.mkdir(exist_ok=True)
                    done = subprocess.run(
                        [sys.executable, str(HERE), "--read", address, str(count), what],
                        cwd=where,
                        stdout=subprocess.PIPE,
                        text=True,
                        check=True,
                        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
                    )
                    print(f"{count:>8} {what}  {{part: [s, CPU s, requests]}}  {done.stdout.strip()}", flush=True)
                    for name, (seconds, *_) in json.loads(done.stdout).items() if what != "next" else ():
                        print_figure(f"{name} of {count:,} trials through a server, {what}", seconds)
            os.chdir(HERE.parent)


if __name__ == "__main__":
    main()
