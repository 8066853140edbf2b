"""MLflow's server under another setting of Python's garbage collector: `mlflow server --app-name skipray`.

A search of runs makes millions of objects and hardly any garbage, and half of its time the server looks for garbage
among them. Found by MLflow through the entry point `mlflow.app`, as its documentation has it for plugins; imported by
the server's processes alone.
"""

import gc

from skipray.tracking.mlflow_private import server_app

THRESHOLDS = (200_000, 20, 100)
"""New containers before the youngest are looked at; how often that before the others are."""

app = server_app()
gc.collect()
gc.freeze()  # what was imported stays
gc.set_threshold(*THRESHOLDS)
