"""Faults of trials themselves: a loss that is not finite, an exception in one family."""

from stage import Stage

from skipray import tracking
from skipray.spec import load_sweep
from sweeps import BROKEN_FAMILY


def nan_loss(stage: Stage) -> None:
    """One trial's loss is not finite from its first step on: it ends as diverged, once, and stays so."""
    with stage.disturb("nan-loss", diverging=True) as it:
        it.strike()
        it.expect_exit(it.launch(), 0)
        outcomes = tracking.read_trials(load_sweep(it.file), stage.cluster.tracking_uri)["outcome"].value_counts()
        it.expect(outcomes.get("diverged") == 1, f"one trial diverged: {dict(outcomes)}")
        again = it.launch()
        it.expect_exit(again, 0)
        it.expect(again.told().get("ran") == 0, "a diverged trial is not run again")


def exception_in_one_family(stage: Stage) -> None:
    """A user's own family raises at one depth: that trial fails, again at the next launch, and no other is touched."""
    architectures = ("plainnet", "resnet", "broken:Family")
    with stage.disturb("exception-in-one-family", architectures=architectures) as it:
        (it.file.parent / "broken.py").write_text(BROKEN_FAMILY)
        stage.reads(it.file)
        it.expected_failures = 1
        it.strike()
        for _ in range(2):
            it.expect_failed(it.launch(), 1)
        spec = load_sweep(it.file)
        ledger = tracking.read_ledger(spec, stage.cluster.tracking_uri)
        causes = [row.failure_message or "" for row in ledger.failed.values()]
        it.expect(len(causes) == 1 and "no such depth today" in causes[0], f"its run tells the cause: {causes}")
