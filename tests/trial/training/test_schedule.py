"""Learning rates against closed forms written here."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skipray.spec import Recipe
from skipray.trial.training.schedule import learning_rate


def recipe(**changes):
    fields = {
        "epochs": 10,
        "batch_size": 10,
        "learning_rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "schedule": "constant",
        "augmentation": "none",
    }
    return Recipe(**(fields | changes))


def rates(r, steps_per_epoch=10, **more):
    steps = r.epochs * steps_per_epoch
    return [learning_rate(r, step, steps, steps_per_epoch, **more) for step in range(steps)]


def test_constant():
    assert rates(recipe()) == [0.1] * 100


def test_step_falls_at_each_milestone():
    found = rates(recipe(schedule="step", milestones=(0.3, 0.505), gamma=0.5))
    assert found == pytest.approx([0.1] * 30 + [0.05] * 21 + [0.025] * 49)


def test_cosine():
    found = rates(recipe(schedule="cosine", final_learning_rate=0.02))
    assert found == pytest.approx([0.02 + 0.04 * (1 + math.cos(math.pi * s / 100)) for s in range(100)])
    assert found[50] == pytest.approx(0.06)


def test_cosine_after_a_warm_up_starts_at_the_peak():
    found = rates(recipe(schedule="cosine", warmup_epochs=2.0))
    assert found[:21] == pytest.approx([0.01 + 0.09 * s / 20 for s in range(21)])
    assert found[20:] == pytest.approx([0.05 * (1 + math.cos(math.pi * s / 80)) for s in range(80)])


def test_he_2015_divides_by_ten_at_one_half_and_three_quarters():
    r = recipe(schedule="he2015", epochs=64, batch_size=1)
    found = rates(r, steps_per_epoch=1000)  # its 64k steps
    assert found[0] == found[31_999] == 0.1
    assert found[32_000] == found[47_999] == pytest.approx(0.01)
    assert found[48_000] == found[-1] == pytest.approx(0.001)


def test_he_2015_warms_up_at_a_tenth_until_it_is_warm_or_the_time_is_over():
    r = recipe(schedule="he2015", warmup_epochs=2.0)
    assert rates(r, warm=False)[:21] == pytest.approx([0.01] * 20 + [0.1])
    assert rates(r, warm=True)[0] == 0.1


@given(
    st.sampled_from(["constant", "cosine"]),
    st.integers(1, 30),
    st.integers(1, 30),
    st.floats(0, 0.9),
)
def test_never_above_the_peak_nor_below_zero(schedule, epochs, steps_per_epoch, warm_share):
    r = recipe(schedule=schedule, epochs=epochs, warmup_epochs=warm_share * epochs)
    found = rates(r, steps_per_epoch)
    assert all(0 <= rate <= 0.1 * (1 + 1e-12) for rate in found)
    assert (found[0] == pytest.approx(0.01)) == (r.warmup_epochs > 0)


def test_one_cycle_is_torchs():
    r = recipe(schedule="one_cycle", final_learning_rate=0.1 / 25 / 1e4)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=100)
    expected = []
    for _ in range(100):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()
    assert rates(r) == pytest.approx(expected, rel=1e-9)


def test_linear_falls_evenly_from_the_warm_ups_end():
    found = rates(recipe(schedule="linear", warmup_epochs=2.0, final_learning_rate=0.02))
    assert found[19] == pytest.approx(0.1 * (0.1 + 0.9 * 19 / 20))
    assert found[20:] == pytest.approx([0.1 - 0.08 * i / 80 for i in range(80)])


def test_inverse_square_root_of_the_step():
    found = rates(recipe(schedule="inverse_sqrt", warmup_epochs=1.0))
    assert found[10] == 0.1
    assert found[40] == pytest.approx(0.05)


def test_a_schedule_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "my_schedules.py").write_text(
        "def halves(step, steps):\n    return 0.5 ** (4 * step // steps)\n\ndef wrong(step, steps):\n    return -1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert rates(recipe(schedule="my_schedules:halves")) == pytest.approx(
        [0.1 * f for f in (1, 0.5, 0.25, 0.125) for _ in range(25)]
    )
    with pytest.raises(
        ValueError, match="my_schedules:wrong: found -1 at step 0 of 100; allowed: a number at least 0 that"
    ):
        rates(recipe(schedule="my_schedules:wrong"))
