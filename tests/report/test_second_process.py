"""Work in a second process, and figures that are drawn whatever becomes of it."""

import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skipray.report import second_process as module
from skipray.report.chart import Chart, Panel, Trace
from skipray.report.drawing import Drawing
from skipray.report.palette import COLOURS, Style
from skipray.report.second_process import second_process
from skipray.report.ticks import Axis


def chart(name: str) -> Chart:
    x = np.arange(3.0)
    axis = Axis("depth", 0, 2, ((0, "0"), (2, "2")))
    panel = Panel(name, axis, axis, (Trace("a", Style(next(iter(COLOURS))), x, x),))
    return Chart(name, name, "caption", "alt", (panel,), (), pd.DataFrame({"x": x}))


CHARTS = [chart(f"figure-{number}") for number in range(6)]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_is_another_process_and_has_imported_what_it_was_told() -> None:
    executor = second_process("colorsys")
    assert executor is not None
    assert executor.submit(os.getpid).result(60) != os.getpid()
    assert executor.submit(eval, "'colorsys' in __import__('sys').modules").result(60)
    executor.shutdown()


def test_one_core_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.os, "cpu_count", lambda: 1)
    assert second_process() is None


def test_figures_are_the_same_with_and_without_it(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("here", "beside", "broken")]
    for folder in folders:
        folder.mkdir()
    expected = [f"{c.name}.{ending}" for c in CHARTS for ending in ("svg", "pdf")]
    executor = second_process("skipray.report.paper")
    assert executor is not None
    executor.submit(os.getpid).result(60)
    drawn = [Drawing(CHARTS, folders[0], None), Drawing(CHARTS, folders[1], executor)]
    assert [[path.name for path in drawing.finish()] for drawing in drawn] == [expected] * 2
    dies = ProcessPoolExecutor(1, mp_context=executor._mp_context)
    dies.submit(os._exit, 1)
    assert [path.name for path in Drawing(CHARTS, folders[2], dies).finish()] == expected
    here, beside, broken = (files(folder) for folder in folders)
    assert sorted(here) == sorted(expected)
    assert here == beside == broken
    executor.shutdown()
