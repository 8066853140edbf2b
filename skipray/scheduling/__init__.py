"""Ray Tune runs the trials: on this machine, or on a cluster.

`work/` knows no Ray: the queue of trials, tuning, the search for limits, classes of failures. `ray/` is all that
touches Ray. Nothing is imported here: `plan` and `aggregate` run where Ray is not installed.
"""
