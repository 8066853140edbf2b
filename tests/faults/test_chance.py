"""Scripts of faults that a seed draws: the same for the same seed, and read back from what is printed."""

import of_chance
import pytest


@pytest.mark.parametrize("number", range(20))
def test_what_is_printed_repeats_what_was_drawn(number: int) -> None:
    script = of_chance.draw(7, number)
    assert 1 <= len(script) <= 4
    assert of_chance.draw(7, number) == script
    assert of_chance.read(" ".join(map(str, script))) == script
    assert sorted(map(len, of_chance.fewer(script))) == ([len(script) - 1] * len(script) if len(script) > 1 else [])


def test_every_kind_is_drawn() -> None:
    assert {one.kind for number in range(200) for one in of_chance.draw(0, number)} == set(of_chance.KINDS)


@pytest.mark.parametrize("script", ["worker-killed", "worker-killed@3+1", "mlflow-killed@3", "earthquake@1", "x@y"])
def test_what_is_no_script_is_refused(script: str) -> None:
    with pytest.raises(ValueError, match="allowed: KIND@SECONDS"):
        of_chance.read(script)
