"""A saved view for MLflow's run list, and what its pages say about a sweep and a trial.

Without it the list has neither depth nor accuracy, and draws a chart for each of some fifty keys in alphabetical order.
MLflow (tried on 3.17) keeps a view as a tag of the experiment: its name and the page's
state, deflated and in base64.
"""

import base64
import json
import zlib
from typing import Any

from skipray.metrics import listed_metrics, listed_profiles
from skipray.records import TrialRecord
from skipray.spec import TrialSpec
from skipray.tracking.schema import KIND, OUTCOME

NOTE = "mlflow.note.content"
"""Tag that MLflow's pages show as a description, in Markdown."""
VIEW = "skipray"
"""The view's key: `?viewStateShareKey=skipray` opens it."""


def experiment_tags(question: str) -> dict[str, str]:
    """Tags of a sweep's experiment: the question, its kind (MLflow's pages are for agents otherwise), the view."""
    return {
        NOTE: question,
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{VIEW}": saved_view("Trials and layer profiles"),
    }


def sweep_note(question: str) -> str:
    """The description of a sweep's run."""
    return f"{question}\n\nThe answer, once there is one: **Artifacts**, `report/report.html`."


def trial_note(trial: TrialSpec, record: TrialRecord) -> str:
    """The description of a finished trial's run."""
    return (
        f"{trial.label}: {record.outcome}.\n\n"
        "In charts named `profile.*` a step is a layer's index (0 is the stem); in all others it is an epoch.\n\n"
        "`train.*`, `validation.*` and `test.*` are of all samples at the last epoch, of a fixed part of them before; "
        "`part.*` is the last epoch on that part."
    )


def saved_view(name: str) -> str:
    """The value of the tag that holds a view of the trials, side by side."""
    section = "skipray-section"
    state: dict[str, Any] = {
        "searchFilter": f"tags.`{KIND}` = 'trial'",
        # All cells of the first seed come first. Ordered by time, the page would fold trials into their parent.
        "orderByKey": "tags.`skipray.seed`",
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [f"tags.`{OUTCOME}`", *(f"metrics.`{key}`" for key in listed_metrics())],
        "columnOrder": [],
        "columnWidths": {},
        "runsHiddenMode": "FIRST_20_RUNS",
        "compareRunCharts": [_line_chart(key, section) for key in (*listed_profiles(), *listed_metrics())],
        "compareRunSections": [
            {"uuid": section, "name": "Trials", "display": True, "isReordered": True, "deleted": False}
        ],
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": True,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }
    deflated = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    return json.dumps({"name": name, "createdAt": 0, "updatedAt": 0, "state": f"deflate;{deflated}"})


def _line_chart(key: str, section: str) -> dict[str, Any]:
    return {
        "uuid": f"skipray-{key}",
        "type": "LINE",
        "runsCountToCompare": 20,
        "metricSectionId": section,
        "deleted": False,
        "isGenerated": False,
        "displayName": key,
        "metricKey": key,
        "selectedMetricKeys": [key],
        "lineSmoothness": 0,
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "range": {},
        "xAxisKey": "step",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }
