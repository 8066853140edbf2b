"""What a launch and its workers write: the sweep's run, a run per trial, results that had to wait."""
