"""A sweep in Python: the YAML file's fields, checks and messages, without a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skipray.records import State
from skipray.spec import SweepSpec, TrialSpec, load_sweep, sweep_of
from skipray.spec.document import in_yaml
from skipray.terminal.interrupts import interruptible

if TYPE_CHECKING:
    import pandas as pd

    from skipray.analysis.aggregation import Aggregate
    from skipray.execution.ended import LaunchEnd


class Sweep:
    """A sweep from Python values; works in a script and in a notebook.

    >>> sweep = Sweep(
    ...     name="mine",
    ...     question="Do skips move the limit?",
    ...     dataset={"name": "digits"},
    ...     model={"kind": "mlp", "width": 32, "normalization": "batch", "initialisation": "he_normal",
    ...            "activation": "relu", "residual_scale": 1},
    ...     recipe={"epochs": 1, "batch_size": 256, "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.0,
    ...             "schedule": "constant", "augmentation": "none"},
    ...     factors={"architecture": ["plainnet", "resnet"], "depth": [8, 14]},
    ...     seeds=[0, 1],
    ... )
    >>> len(sweep.spec.trials())
    8

    Args:
        fields: the top-level keys of a sweep file, as `skipray fields` lists them.

    Raises:
        skipray.spec.SpecError: with one line for each mistake: the key, what was found, what is allowed.
    """

    spec: SweepSpec
    """The checked sweep."""

    def __init__(self, **fields: Any):
        self.spec = sweep_of(fields)

    @classmethod
    def from_file(cls, path: str | Path, overrides: Mapping[str, Any] | None = None) -> "Sweep":
        """The sweep of a YAML file.

        Args:
            overrides: dotted key -> value, such as `{"recipe.epochs": 2}`. A text that is a number, a list or the like
                in YAML is that, as on the command line.

        Raises:
            skipray.spec.SpecError: with one line for each mistake.
        """
        made = cls.__new__(cls)
        made.spec = load_sweep(path, [f"{key}={in_yaml(value)}" for key, value in (overrides or {}).items()])
        return made

    @interruptible
    def plan(self, *, tracking_uri: str | None = None) -> "pd.DataFrame":
        """What would run, one row per trial, the longest first. Starts nothing.

        What the verb says below its table (data that are not on this machine, where networks are measured) is said here
        too, and stands in the table's `attrs["notes"]`.

        Returns:
            The columns of `skipray plan --json`: `trial_id, label, seed, phase, setting, architecture, depth`, the
            further factors, `parameters, flops` (of one sample forward, a multiply-add counting 2), `activation_bytes`
            (all three absent where a network's size is not known), `seconds, state`.

        Raises:
            skipray.spec.SpecError: with one line for each network, optimizer or file that could not run.
        """
        import pandas as pd

        from skipray import tracking
        from skipray.planning.notes import notes_of
        from skipray.planning.plan import make_plan
        from skipray.results.planned import trial_rows
        from skipray.terminal.lines import say

        notes = notes_of(self.spec)
        trials: tuple[TrialSpec, ...] | None = None
        states: dict[str, State] = {}
        if tracking.exists(self.spec, tracking_uri):
            trials = tracking.known_trials(self.spec, tracking_uri).trials
            states = tracking.states(self.spec, tracking_uri, trials=trials)
        table = pd.DataFrame(trial_rows(make_plan(self.spec, states, trials=trials)))
        table.attrs["notes"] = list(notes)
        for note in notes:
            say(note)
        return table

    @interruptible
    def launch(self, *, tracking_uri: str | None = None, address: str | None = None) -> "LaunchEnd":
        """Run what is missing, here or on a Ray cluster; again after any interruption, nothing is repeated.

        Args:
            address: of a running Ray cluster, `auto` for the one of this machine.

        Raises:
            skipray.spec.SpecError: data, store or cluster are not as they must be; the message names the remedy.
        """
        from skipray import tracking
        from skipray.execution.launching import launch_sweep
        from skipray.terminal.lines import say

        ended = launch_sweep(self.spec, tracking_uri=tracking_uri, ray_address=address, say=say)
        if ended.address is not None:
            tracking.finish_sweep(ended.address, ended.sweep_status)
        return ended

    @interruptible
    def results(self, *, tracking_uri: str | None = None) -> "pd.DataFrame":
        """Finished trials, one row each: factors, params, outcome and final metrics under their MLflow keys."""
        from skipray import tracking

        return tracking.read_trials(self.spec, tracking_uri)

    @interruptible
    def twins(self, *, tracking_uri: str | None = None) -> "pd.DataFrame":
        """Linear CKA between twins, layer by layer, from the saved weights of finished runs.

        Twins are of the families in the roles of `claims` (`plain` and `skip` or `aggregated`), at one depth and seed.

        Returns:
            Columns `plain, twin`, the further factors, `depth, seed, layer_index, plain_layer, twin_layer, cka`.

        Raises:
            skipray.spec.SpecError: no two twins have finished.
        """
        from skipray.execution.twins import compare_twins

        return compare_twins(self.spec, tracking_uri=tracking_uri).table

    @interruptible
    def aggregate(self, *, tracking_uri: str | None = None) -> "Aggregate":
        """Depth series, trends, limits and verdicts on the claims. Partial at any time."""
        from skipray.analysis.aggregation import aggregate

        return aggregate(self.spec, tracking_uri)

    @interruptible
    def report(self, folder: str | Path | None = None, *, tracking_uri: str | None = None, force: bool = False) -> Path:
        """Write the report and return its HTML file; to reports/NAME when no folder is given.

        Args:
            force: write over a report of more trials, or of another sweep, too.

        Raises:
            skipray.results.kept.FewerTrials: the folder holds a report of more trials.
            skipray.results.kept.OtherSweep: it holds a report of another sweep.
        """
        from skipray import report
        from skipray.execution.limits import check_limits
        from skipray.results.kept import keep_larger, keep_other

        check_limits(draws=True)
        where = Path(folder) if folder is not None else Path("reports") / self.spec.name
        if not force:
            keep_other(where, self.spec.name)
        result = self.aggregate(tracking_uri=tracking_uri)
        if not force:
            keep_larger(where, self.spec.name, len(result.trials))
        return report.write(result, where).html
