"""Workers of this machine as forks of one process that has imported what they need: seconds of a processor, paid once.

Ray's raylet starts each worker as a program of its own, which imports torch, MLflow and Ray anew. Here it starts
`ask.py` in its place, which asks a server, `serve.py`, for a fork of itself, and stays for as long as that lives. The
fork goes on as Ray's own worker, from its first line. Where no server answers `ask.py` becomes Ray's worker itself.
"""
