"""Ray Tune runs the trials: on this machine, or on a cluster. The only package that imports ray and optuna.

    work.py        the queue: what is to be run, one trial at a time, and what came of it
    searcher.py    Tune's searcher over a queue; counts failures by class and suggests again
    worker.py      the warm process that runs one trial after the other
    attempt.py     one attempt: lease, checkpoints, training, delivery
    tune_loop.py   what Tune's loop does otherwise here
    replacing.py   something of Ray's, replaced for a while
    watching.py    nodes that come and go, a head that is lost
    run.py         a launch, from the first trial to the last, or to Ctrl-C
    cluster.py     joining or starting Ray
    alone.py       Ray on one machine: only the processes that trials need
    preloaded.py   what its workers import before they take work
    preflight.py   what is checked before the first trial
    resources.py   threads, and the share of a GPU

Nothing is imported here: `plan` and `aggregate` run where Ray is not installed.
"""
