"""One launch and one measurement, from start to end: lease, ledger, cluster, trials, delivery."""
