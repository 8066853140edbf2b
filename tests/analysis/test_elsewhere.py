"""Work that a process beside this one does: the same answers, whatever becomes of it."""

import math
import operator
import os
import signal

import numpy as np
import pytest

from skipray.analysis import elsewhere
from skipray.trends import DepthSeries, fit_depth_trends
from skipray.trends.depth_trend import simultaneous_bands

DEPTHS = np.repeat([4.0, 8, 16, 32, 64], 3)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr("skipray.analysis.kept_process.usable_cores", lambda: 2)


def test_trends_and_bands_are_those_of_this_process_to_the_last_bit():
    rng = np.random.default_rng(3)
    value = np.maximum(4 - np.log(DEPTHS) + 0.2 * rng.standard_normal(len(DEPTHS)), 1.0)
    series = [DepthSeries(DEPTHS, value, np.where(value == 1.0, -1, 0), np.tile([0, 1, 2], 5), (0, 5))]
    (here,), (there,) = fit_depth_trends(series), elsewhere.begin(fit_depth_trends, series)()
    assert (here.parameters, here.weights, here.tied, here.notes) == (
        there.parameters, there.weights, there.tied, there.notes,
    )  # fmt: skip
    asked = [(there, np.unique(DEPTHS))]
    assert np.array_equal(simultaneous_bands(asked), elsewhere.begin(simultaneous_bands, asked)())


def test_what_it_is_asked_while_it_works_waits():
    answers = [elsewhere.begin(math.factorial, n) for n in (3000, 5, 6)]
    assert [answer() for answer in answers[1:]] == [120, 720]
    assert elsewhere.begin(os.getpid)() == elsewhere.PROCESS.process.pid != os.getpid()
    assert answers[0]() == math.factorial(3000)


def test_without_the_process_the_work_is_done_here():
    elsewhere.begin(os.getpid)()
    elsewhere.PROCESS.process.send_signal(signal.SIGKILL)  # as the kernel does where memory is short
    assert elsewhere.begin(math.factorial, 5)() == 120
    with pytest.raises(ZeroDivisionError):
        elsewhere.begin(operator.truediv, 1, 0)()
    assert elsewhere.begin(lambda: os.getpid())() == os.getpid()  # nothing that can be sent
    assert elsewhere.begin(os.getpid)() != os.getpid()


def test_a_single_core_has_no_process(monkeypatch):
    elsewhere.begin(os.getpid)()
    elsewhere.PROCESS.process.kill()
    elsewhere.PROCESS.process.wait()
    monkeypatch.setattr("skipray.analysis.kept_process.usable_cores", lambda: 1)
    assert elsewhere.begin(os.getpid)() == os.getpid()
