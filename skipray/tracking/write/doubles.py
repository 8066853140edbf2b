"""Runs that a proxy made of one request by sending it twice, taken back at a launch's end."""

from typing import TYPE_CHECKING

from skipray.tracking.address import Address, is_sql
from skipray.tracking.client import reach
from skipray.tracking.read.ledger import http_runs
from skipray.tracking.schema import KIND, OUTCOME, TRIAL_ID

if TYPE_CHECKING:
    from mlflow import MlflowClient


def take_back_doubles(address: Address, name: str) -> list[str]:
    """Mark as deleted what is not the finished run of a finished trial. For the driver, when its workers are done.

    A trial's run is made by one request, which a proxy that resends makes two runs of: one is filled and ended, the
    other is RUNNING for good. Only servers that speak HTTP are asked, and only for runs that have not finished.

    Returns:
        The runs' ids.
    """
    if is_sql(address.uri):
        return []
    unfinished = {r.info.run_id: r.data.tags for r in http_runs(address.uri, name, "attributes.status != 'FINISHED'")}
    taken = []
    for run_id, tags in unfinished.items():
        trial_id = tags.get(TRIAL_ID, "")

        def take_back(mlflow: "MlflowClient", run_id: str = run_id, trial_id: str = trial_id) -> bool:
            condition = (
                f"tags.`{TRIAL_ID}` = '{trial_id}' AND tags.`{KIND}` = 'trial' AND attributes.status = 'FINISHED'"
            )
            found = mlflow.search_runs([address.experiment_id], condition, max_results=1)
            if not any(OUTCOME in run.data.tags for run in found):
                return False
            mlflow.delete_run(run_id)
            return True

        if trial_id.isalnum() and reach(address.uri, take_back):
            taken.append(run_id)
    return taken
