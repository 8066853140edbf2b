"""Faults of repetition: what was done is asked for once more."""

from stage import Stage


def launched_again(stage: Stage) -> None:
    """A second launch of a finished sweep, in which no trial is run."""
    with stage.disturb("launched-again") as it:
        it.strike()
        it.expect_exit(it.launch(), 0)
        again = it.launch()
        it.expect_exit(again, 0)
        it.expect(again.told().get("ran") == 0, "no trial is run again")


FAULTS = {"launched-again": launched_again}
