"""What a launch and its workers write: the sweep's run, a run a trial, results that had to wait."""
