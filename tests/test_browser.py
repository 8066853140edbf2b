"""MLflow's own pages in Debian's Chromium, as `skipray ui` serves them: the runs, the layer profile, the report."""

import contextlib
import dataclasses
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest
from mlflow import MlflowClient
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from skipray import report, tracking
from skipray.analysis.aggregation import aggregate

CHROMIUM = shutil.which("chromium")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MLFLOWS_OWN = (
    # MLflow asks who is logged in; without its optional login there is no such address.
    "/ajax-api/2.0/mlflow/users/current",
    # Its chart grid is resized while it is measured; browsers report what they put off to the next frame.
    "ResizeObserver loop completed with undelivered notifications",
)
"""Errors on the console that come from MLflow's own pages, whatever the runs hold; nothing else is let pass."""
QUESTION = "Does it add up? <script>console.error('markup')</script>"
SECONDS = 30_000
"""Milliseconds that a page may take on a busy machine."""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


def _toys() -> ModuleType:
    """The hand-made sweeps and results of the tracking tests."""
    path = Path(__file__).parent / "tracking" / "conftest.py"
    spec = importlib.util.spec_from_file_location("tracking_toys", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@dataclass
class Opened:
    """A page, and what it said and asked for."""

    page: Page
    base: str
    experiment: str
    parent: str
    child: str
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        self.page.goto(f"{self.base}/#/experiments/{self.experiment}/{path}")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, tracking.Address, str]:
    """A sweep of two finished trials with a report: address, the parent's place, a child's run."""
    toys, folder = _toys(), tmp_path_factory.mktemp("ui")
    uri = f"sqlite:///{folder}/skipray.db"
    sweep = dataclasses.replace(toys.make_sweep("browser", depths=(8,), seeds=(0,)), question=QUESTION)
    runs = [toys.record_one(sweep, trial, uri, layers=9) for trial in sweep.trials()]
    judged = aggregate(sweep, uri)
    written = report.write(judged, folder / "report")
    contents = {str(path.relative_to(folder / "report")): path.read_bytes() for path in written.all()}
    tracking.log_files(runs[0].address, contents, folder="report")
    logged = frozenset(f"report/{name}" for name in contents)
    tracking.write_answer(runs[0].address, report.sweep_answer(judged, runs[0].address, logged))
    tracking.finish_sweep(runs[0].address)
    return uri, runs[0].address, str(runs[0].run_id)


@pytest.fixture(scope="module")
def base(store: tuple[str, tracking.Address, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the pages, served by `skipray ui`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-c",
        "from skipray.launch import main; main()",
        "ui",
        "--port",
        str(port),
        "--tracking-uri",
        store[0],
    ]
    log = tmp_path_factory.mktemp("log") / "ui.txt"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        end = time.monotonic() + 90
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)
    noise = [line for line in log.read_text().splitlines() if " 200 OK" in line or "Deprecat" in line]
    assert noise == [], "the terminal of `skipray ui` stays readable"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield launched
        launched.close()


@pytest.fixture
def opened(browser: Browser, base: str, store: tuple[str, tracking.Address, str]) -> Iterator[Opened]:
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    found = Opened(context.new_page(), base, store[1].experiment_id, store[1].parent_run_id, store[2])
    found.page.set_default_timeout(SECONDS)

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            found.said.append(f"{message.text} {message.location.get('url')}")

    found.page.on("console", hear)
    found.page.on("pageerror", lambda error: found.said.append(str(error)))
    found.page.on("request", lambda asked: found.asked.append(asked.url))
    yield found
    context.close()
    assert [text for text in found.said if not any(known in text for known in MLFLOWS_OWN)] == []
    local = (f"{base}/", f"blob:{base}/", "data:")
    assert found.asked
    assert [url for url in found.asked if not url.startswith(local)] == []


def test_the_saved_view_lists_the_trials(opened: Opened) -> None:
    opened.go("runs?workflowType=machine_learning&viewStateShareKey=skipray")
    for name in ("plainnet-d008-s00", "resnet-d008-s00"):
        expect(opened.page.get_by_role("link", name=name)).to_be_visible(timeout=SECONDS)
    for column in ("model.architec", "model.de", "seed", "skipray.outco", "train.accurac"):
        expect(opened.page.get_by_text(column).first).to_be_visible(timeout=SECONDS)
    heads = opened.page.locator("[role=columnheader][col-id]").evaluate_all("e => e.map(x => x.getAttribute('col-id'))")
    wanted = ("params.`model.architecture`", "params.`model.depth`", "params.`seed`", "tags.`skipray.outcome`")
    assert [h for h in heads if h in wanted] == list(wanted)
    expect(opened.page.get_by_text("Does it add up?").first).to_be_visible()


def test_the_saved_view_draws_accuracy_by_depth_and_the_layer_profiles(opened: Opened) -> None:
    opened.go("runs?workflowType=machine_learning&viewStateShareKey=skipray&compareRunsMode=CHART")
    first = opened.page.get_by_role("heading", level=4).first
    expect(first).to_have_text("model.depth vs. train.accuracy", timeout=SECONDS)  # by itself MLflow sorts by name
    expect(opened.page.locator(".js-plotly-plot .scatterlayer .trace").first).to_be_visible(timeout=SECONDS)
    points = opened.page.locator(".js-plotly-plot .scatterlayer .trace path.point").evaluate_all(
        "e => e.map(x => getComputedStyle(x).fill)"
    )
    assert {"rgb(200, 80, 10)", "rgb(11, 105, 168)"} <= set(points), "a family has its colour of the report"
    expect(opened.page.get_by_text("By layer")).to_be_visible()


def test_the_sweeps_run_has_the_answer(opened: Opened) -> None:
    opened.go(f"runs/{opened.parent}?workflowType=machine_learning")
    for text in ("trials.finished", "skipray.claim.C1a", "Does it add up?"):
        expect(opened.page.get_by_text(text).first).to_be_visible(timeout=SECONDS)
    opened.page.get_by_text("Show more").click(timeout=SECONDS)
    image = opened.page.locator("img[src*='get-artifact']")
    expect(image).to_be_visible(timeout=SECONDS)
    opened.page.wait_for_function("e => e.complete && e.naturalWidth > 100", arg=image.element_handle())


def test_a_trial_shows_its_layer_profile(opened: Opened, store: tuple[str, tracking.Address, str]) -> None:
    opened.go(f"runs/{opened.child}")
    expect(opened.page.get_by_text("a step is a layer's index")).to_be_visible(timeout=SECONDS)
    opened.go(f"runs/{opened.child}/model-metrics")
    opened.page.get_by_placeholder("Search metric charts").fill("profile.hidden.log10_condition")
    expect(opened.page.locator(".js-plotly-plot")).to_have_count(1, timeout=SECONDS)
    points = opened.page.locator(".js-plotly-plot .scatterlayer .point")
    history = MlflowClient(store[0]).get_metric_history(opened.child, "profile.hidden.log10_condition")
    expect(points).to_have_count(len(history), timeout=SECONDS)
    assert [m.step for m in history] == [0, 2, 3, 4, 5, 6, 7, 8]


def test_the_sweeps_run_shows_the_report(opened: Opened) -> None:
    opened.go(f"runs/{opened.parent}/artifacts/report/report.html")
    page = opened.page.frame_locator("iframe")
    expect(page.locator("h1")).to_have_text(QUESTION, timeout=SECONDS)
    for scheme in ("light", "dark"):
        page.get_by_role("button", name="Colours").click()
        expect(page.get_by_role("button", name="Colours")).to_have_text(f"Colours: {scheme}")
    page.locator("#accuracy-by-depth-0").scroll_into_view_if_needed()
    page.locator("#accuracy-by-depth-0 svg").wait_for(timeout=SECONDS)
    page.locator("#accuracy-by-depth-0").focus()
    opened.page.keyboard.press("ArrowRight")
    expect(page.locator("#tip")).to_contain_text("depth 8, seed 0")


def test_no_link_leads_out_of_the_report(opened: Opened) -> None:
    opened.go(f"runs/{opened.parent}/artifacts/report/report.html")
    page = opened.page.frame_locator("iframe")
    page.get_by_role("link", name="Provenance").click(timeout=SECONDS)
    expect(page.locator("#provenance")).to_be_in_viewport()
    assert page.locator(".files a").count() == 0, "a browser would leave the page for a blocked one"
    expect(page.locator(".files").first).to_contain_text("figures/accuracy-by-depth.pdf")
