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
from skipray.tracking.address import redact
from skipray.tracking.schema import KIND, OUTCOME

NOTE = "mlflow.note.content"
"""Tag that MLflow's pages show as a description, in Markdown."""
VIEW = "skipray"
"""The view's key: `?viewStateShareKey=skipray` opens it."""
TRAINING = "workflowType=machine_learning"
"""MLflow opens pages for agents where an address does not ask for those of training."""
CHART_COLUMNS, CHART_HEIGHT = 2, 320
"""MLflow's three are too narrow for an axis at 1280 pixels."""
ARCHITECTURE, DEPTH = "model.architecture", "model.depth"
"""Params of a trial's run."""


def experiment_tags(question: str) -> dict[str, str]:
    """Tags of a sweep's experiment: the question, its kind (MLflow's pages are for agents otherwise), the view."""
    return {NOTE: redact(question), "mlflow.experimentKind": "custom_model_development"} | view_tags()


def view_tags() -> dict[str, str]:
    """The tag that holds the sweep's view."""
    return {f"mlflow.sharedViewState.{VIEW}": saved_view("skipray: depth by family")}


def sweep_note(question: str) -> str:
    """The description of a sweep's run."""
    return f"{redact(question)}\n\nThe answer, once there is one: **Artifacts**, `report/report.html`."


def trial_note(trial: TrialSpec, record: TrialRecord) -> str:
    """The description of a finished trial's run."""
    return (
        f"{trial.label}: {record.outcome}.\n\n"
        "In charts named `profile.*` a step is a layer's index (0 is the stem); in all others it is an epoch.\n\n"
        "`train.*`, `validation.*` and `test.*` are of all samples at the last epoch, of a fixed part of them before; "
        "`part.*` is the last epoch on that part."
    )


def saved_view(name: str) -> str:
    """The value of the tag that holds a view of the trials: a list of what they are and what came out, and charts of it
    by depth, by layer and by epoch."""
    metrics = listed_metrics()
    # Narrow enough for both accuracies to be seen at 1280 pixels beside MLflow's assistant, which is open at first.
    columns = {f"params.`{ARCHITECTURE}`": 92, f"params.`{DEPTH}`": 50, "params.`seed`": 46, f"tags.`{OUTCOME}`": 82}
    # MLflow writes sixteen digits and cuts them where the column ends.
    columns |= {f"metrics.`{key}`": 76 for key in metrics}
    # Of the date the sign of the run's state is what is wanted.
    widths = {"attributes.`Run Name`": 150, "runDateAndNestInfo": 52} | columns | {"duration": 80}
    sections = {
        "By depth": [_depth_chart(key, "By depth") for key in metrics],
        "By layer": [_line_chart(key, "By layer") for key in listed_profiles()],
        "By epoch": [_line_chart(key, "By epoch") for key in metrics],
    }
    state: dict[str, Any] = {
        "searchFilter": f"tags.`{KIND}` = 'trial'",
        # All cells of the first seed come first. Ordered by time, the page would fold trials into their parent.
        "orderByKey": "tags.`skipray.seed`",
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [*columns, "attributes.`Duration`"],
        "columnOrder": list(widths),
        "columnWidths": widths,
        "runsHiddenMode": "SHOWALL",
        "compareRunCharts": [chart for charts in sections.values() for chart in charts],
        "compareRunSections": [
            {
                "uuid": _section(title),
                "name": title,
                "display": True,
                "isReordered": True,
                "deleted": False,
                "columns": CHART_COLUMNS,
                "cardHeight": CHART_HEIGHT,
            }
            for title in sections
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


def _section(title: str) -> str:
    return f"skipray-{title.lower().replace(' ', '-')}"


def _chart(kind: str, key: str, section: str) -> dict[str, Any]:
    return {
        "uuid": f"{_section(section)}-{key}",
        "type": kind,
        "runsCountToCompare": 100,
        "metricSectionId": _section(section),
        "deleted": False,
        "isGenerated": False,
        "displayName": key,
    }


def _depth_chart(key: str, section: str) -> dict[str, Any]:
    """A point per trial; its colour is its family's (the tag RUN_COLOUR)."""
    return _chart("SCATTER", key, section) | {
        "xaxis": {"key": DEPTH, "type": "PARAM"},
        "yaxis": {"key": key, "type": "METRIC"},
    }


def _line_chart(key: str, section: str) -> dict[str, Any]:
    return _chart("LINE", key, section) | {
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
