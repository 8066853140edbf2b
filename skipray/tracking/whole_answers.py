"""An MLflow client that takes no answer for whole which is not.

A server, or a proxy before one, may answer 200 with `{}`. MLflow's client reads that as a run without an id, or as a
search that found nothing: a finished sweep would have no trial, and all would be run again.
"""

from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

if TYPE_CHECKING:
    from mlflow.entities import Experiment, Run

EMPTY_ANSWERS = 6
"""So many times a search must find nothing before that is believed: an empty answer is all that MLflow itself says of
a search without a result, so that one answer cannot tell."""


class WholeAnswers(MlflowClient):
    """For servers that speak HTTP. An answer that lacks what was asked for is the error of a server that is away."""

    def get_experiment_by_name(self, name: str) -> "Experiment | None":
        found = super().get_experiment_by_name(name)
        if found is not None:
            _expect(found.name == name and found.experiment_id, f"experiment {name}")
        return found

    def get_experiment(self, experiment_id: str) -> "Experiment":
        found = super().get_experiment(experiment_id)
        _expect(found.experiment_id == experiment_id, f"experiment {experiment_id}")
        return found

    def create_experiment(self, *arguments: Any, **options: Any) -> str:
        made = str(super().create_experiment(*arguments, **options) or "")
        _expect(made, "the experiment that was made")
        return made

    def create_run(self, *arguments: Any, **options: Any) -> "Run":
        made = super().create_run(*arguments, **options)
        _expect(made.info.run_id, "the run that was made")
        return made

    def get_run(self, run_id: str) -> "Run":
        found = super().get_run(run_id)
        _expect(found.info.run_id == run_id, f"run {run_id}")
        return found

    def search_runs(self, *arguments: Any, **options: Any) -> Any:
        for _ in range(EMPTY_ANSWERS):
            found = super().search_runs(*arguments, **options)
            if found:
                break
        return found


def _expect(there: object, what: str) -> None:
    if not there:
        raise MlflowException(f"the server answered without what was asked for ({what})")
